//! The main path: one group's member on one device. What happened is handed on from [`Engine::handle`], and
//! what is due from `on_tick`; here is what all parts share.
//!
//! ```text
//! Input -> handle -> outputs, in order -> poll_output -> Persist | Load | Transmit | Close | Event
//! ```
//!
//! Outputs are carried out in order, each before the next: a `Persist` is durable before the
//! `Transmit` behind it leaves, so a crash neither uses a sequence number twice nor loses a word
//! that was acknowledged. Groups share nothing.

mod surface;

pub use surface::{Command, Done, Event, Input, Output, Purpose, Which};

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rand_core::CryptoRng;

use crate::address::{Addr, Card};
use crate::change::{
    Arrival, Arriving, Change, Compared, Gone, InviteSecret, Notice, Path, Written,
};
use crate::clock::Clock;
use crate::control::Dag;
use crate::error::{Refusal, Reject};
use crate::ids::{EntryId, LinkId, LocalId, MemberId, OpId, RequestId};
use crate::join::{Admission, Tried};
use crate::keys::Member;
use crate::limits::{COMPARE_JITTER_MS, COMPARE_MS, LINKS_MAX};
use crate::link::frame::Deframer;
use crate::link::{Ends, Opening, Pairs, Up};
use crate::log::{Budgets, Log};
use crate::mesh::Mesh;
use crate::noise::Role;
use crate::parking::Parking;
use crate::reading::Readings;
use crate::timers::{Instant, Now};

/// What an engine holds in memory beside what every member must, and what it turned away: all of it is
/// bounded whatever others send (docs/protocol.md, "Limits").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Links of members closed because of what came over them. Who follows the protocol causes none.
    pub rejects: u64,
    /// Ops and entries that wait for others, or for their time.
    pub parked: usize,
    /// What is being read.
    pub readings: usize,
    /// Entries that are to come without their bodies.
    pub gone: usize,
    /// Places of chains that are marked.
    pub marks: usize,
    /// Streams.
    pub channels: usize,
    /// Own messages that are not signed yet.
    pub outbox: usize,
    /// Entries that came and were held already.
    pub duplicates: u64,
    /// Keep-alives sent.
    pub pings: u64,
}

/// A stream, as far as it has come.
#[derive(Debug)]
pub(crate) enum Channel {
    /// A link that is not admitted yet.
    Opening { state: Opening, role: Role, ends: Ends, path: Path, deframer: Deframer, due: Instant },
    /// A link to a member.
    Up(Box<Up>, Deframer),
    /// A newcomer.
    Joining(Box<Admission>, Deframer),
}

/// One group's member on one device.
#[derive(Debug)]
pub struct Engine<R> {
    pub(crate) me: Member,
    pub(crate) rng: R,
    pub(crate) dag: Dag,
    pub(crate) log: Log,
    pub(crate) pairs: Pairs,
    pub(crate) channels: BTreeMap<LinkId, Channel>,
    pub(crate) cards: BTreeMap<MemberId, Card>,
    /// When a card of a member was last taken in.
    pub(crate) cards_at: BTreeMap<MemberId, Instant>,
    pub(crate) met: BTreeMap<MemberId, Addr>,
    pub(crate) invites: BTreeMap<OpId, InviteSecret>,
    pub(crate) outbox: VecDeque<Written>,
    /// How many ops were held when each of these was written; of those from earlier runs, when this one began.
    pub(crate) held_then: BTreeMap<LocalId, usize>,
    pub(crate) reachable: Vec<Addr>,
    pub(crate) own_card: Option<Card>,
    /// Our own chain is known to be whole, so that it can go on: the first catch-up of this run has ended
    /// (`on_settled`), or we are the only member. Never cleared.
    pub(crate) may_sign: bool,
    pub(crate) parking: Parking,
    pub(crate) budgets: Budgets,
    pub(crate) mesh: Mesh,
    pub(crate) clock: Clock,
    /// Entries that are to come without their bodies.
    pub(crate) gone: BTreeMap<(MemberId, EntryId), Gone>,
    /// Those who are not counted in yet.
    pub(crate) arrivals: BTreeMap<MemberId, Arrival>,
    /// What is known of others from comparing words.
    pub(crate) compared: BTreeMap<MemberId, Compared>,
    /// How far this device has come since it was let in; none for who began the group.
    pub(crate) arriving: Option<Arriving>,
    /// Up to where others hold our own chain, and of whom that is not durable yet.
    pub(crate) held: BTreeMap<MemberId, u32>,
    pub(crate) held_unsaved: BTreeSet<MemberId>,
    /// Authors who are to hear that their entries were taken in.
    pub(crate) acks: BTreeSet<MemberId>,
    /// What was asked for somewhere may have to be asked for elsewhere.
    pub(crate) must_fetch: bool,
    /// When an answer last brought something of an author.
    pub(crate) progress: BTreeMap<MemberId, Instant>,
    /// Links over which gaps are being filled: when that ends, the others may lack what filled them.
    pub(crate) filling: BTreeSet<LinkId>,
    /// A gap was filled: our frontier is to be said to all.
    pub(crate) must_tell: bool,
    pub(crate) merge_due: Option<Instant>,
    pub(crate) fetch_due: Option<Instant>,
    pub(crate) acks_due: Option<Instant>,
    pub(crate) held_due: Option<Instant>,
    minute_due: Option<Instant>,
    pub(crate) tried: Tried,
    /// Links of each member that were admitted in the minute that began then.
    pub(crate) admitted: BTreeMap<MemberId, (Instant, u32)>,
    pub(crate) readings: Readings,
    /// This device is no member, and nobody is to be told of it any more.
    is_out: bool,
    /// Who heard that this device left.
    told: BTreeSet<MemberId>,
    /// Streams that were closed because of what came over them.
    rejects: u64,
    /// Entries that came and were held already.
    pub(crate) duplicates: u64,
    /// Keep-alives sent.
    pub(crate) pings: u64,
    outputs: VecDeque<Output>,
}

impl<R: CryptoRng> Engine<R> {
    /// Starts from what was remembered, ops in the order in which they came.
    ///
    /// # Errors
    /// [`Reject`] when the ops do not make a group of which `me` is part: the store is damaged.
    pub fn new(
        me: Member,
        rng: R,
        remembered: impl IntoIterator<Item = Change>,
    ) -> Result<Self, Reject> {
        let (mut ops, mut rest) = (Vec::new(), Vec::new());
        for change in remembered {
            if let Change::Op(op) = change { ops.push(op) } else { rest.push(change) }
        }
        let dag = Dag::from_ops(ops)?;
        if dag.group() != me.group {
            return Err(Reject::Foreign);
        }
        let mut engine = Self {
            me,
            rng,
            dag,
            log: Log::default(),
            pairs: Pairs::default(),
            channels: BTreeMap::new(),
            cards: BTreeMap::new(),
            cards_at: BTreeMap::new(),
            met: BTreeMap::new(),
            invites: BTreeMap::new(),
            outbox: VecDeque::new(),
            held_then: BTreeMap::new(),
            reachable: Vec::new(),
            own_card: None,
            may_sign: false,
            parking: Parking::default(),
            budgets: Budgets::default(),
            mesh: Mesh::default(),
            clock: Clock::default(),
            gone: BTreeMap::new(),
            arrivals: BTreeMap::new(),
            compared: BTreeMap::new(),
            arriving: None,
            held: BTreeMap::new(),
            held_unsaved: BTreeSet::new(),
            acks: BTreeSet::new(),
            must_fetch: false,
            progress: BTreeMap::new(),
            filling: BTreeSet::new(),
            must_tell: false,
            merge_due: None,
            fetch_due: None,
            acks_due: None,
            held_due: None,
            minute_due: None,
            tried: Tried::default(),
            admitted: BTreeMap::new(),
            readings: Readings::default(),
            is_out: false,
            told: BTreeSet::new(),
            rejects: 0,
            duplicates: 0,
            pings: 0,
            outputs: VecDeque::new(),
        };
        rest.into_iter().for_each(|change| engine.restore(change));
        let log = &engine.log;
        engine.gone.retain(|_, gone| {
            !log.holds(&gone.author, gone.seq) || log.is_forked(&gone.author, gone.seq)
        });
        engine.on_members_changed();
        Ok(engine)
    }

    /// Takes in something that happened. Cannot fail; drain [`Self::poll_output`] afterwards.
    pub fn handle(&mut self, now: Now, input: Input) {
        if self.clock.ran_on(now) {
            self.wake_up();
        }
        match input {
            Input::Command { request, command } => {
                match self.on_command(now, request, command) {
                    Ok(Some(done)) => self.event(Event::Done { request, done }),
                    Ok(None) => {} // Answered when what it needs was read.
                    Err(refusal) => self.event(Event::Refused { request, refusal }),
                }
            }
            Input::Opened { link, role, purpose, ends, path } => {
                if self.channels.len() >= LINKS_MAX {
                    return self.close(link);
                }
                match purpose {
                    Purpose::Link => self.on_link_opened(now, link, (role, path, ends)),
                    Purpose::Join => self.on_join_opened(now, link, &ends),
                }
            }
            Input::Received { link, bytes } => {
                if let Err(reject) = self.on_received(now, link, &bytes) {
                    self.on_reject(link, reject);
                }
            }
            Input::Closed { link } => self.drop_channel(link),
            Input::Loaded { ticket, loaded } => self.on_loaded(now, ticket, loaded),
            Input::Tick => self.on_tick(now),
        }
        self.is_out = !self.dag.members().contains(&self.me.id) && !self.is_leaving(now);
        self.minute_due.get_or_insert_with(|| in_a_minute(now, &mut self.rng));
        // What was asked for on a link that is gone, or that is slow, is asked for elsewhere.
        if core::mem::take(&mut self.must_fetch) {
            for link in self.greeted() {
                self.fetch(now, link);
            }
        }
        if core::mem::take(&mut self.must_tell) {
            self.tell_frontier();
        }
    }

    /// The next thing to do; drain after every [`Self::handle`], and carry out in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Input::Tick`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let channels = self.channels.values().filter_map(Self::channel_timeout);
        let own = [
            self.merge_due,
            self.parking.due(),
            self.fetch_due,
            self.acks_due,
            self.held_due,
            self.minute_due,
        ];
        channels.chain(own.into_iter().flatten()).min()
    }

    /// The control DAG, to read.
    #[must_use]
    pub const fn dag(&self) -> &Dag {
        &self.dag
    }

    /// This device's member.
    #[must_use]
    pub const fn me(&self) -> &Member {
        &self.me
    }

    /// What is held in memory, in numbers.
    #[must_use]
    pub fn tally(&self) -> Tally {
        Tally {
            rejects: self.rejects,
            parked: self.parking.len(),
            readings: self.readings.len(),
            gone: self.gone.len(),
            marks: self.log.marks(),
            channels: self.channels.len(),
            outbox: self.outbox.len(),
            duplicates: self.duplicates,
            pings: self.pings,
        }
    }

    /// Members to whom a link is wanted and none is up, and where they may be: where they were met last,
    /// then what their card says. Nobody, once this device is in the group no more and told the others.
    pub fn unreached(&self) -> impl Iterator<Item = (MemberId, Vec<Addr>)> {
        let linked: Vec<_> = self.ups().map(|up| up.member).collect();
        let members: Vec<_> = self.dag.members().iter().copied().collect();
        members
            .into_iter()
            .filter(move |member| *member != self.me.id && !linked.contains(member))
            .filter(|member| !self.is_out && !self.told.contains(member) && self.mesh.wants(member))
            .map(|member| {
                let card = self.cards.get(&member).map_or(&[][..], |card| &card.addrs);
                let mut addrs: Vec<_> =
                    self.met.get(&member).into_iter().chain(card).cloned().collect();
                addrs.dedup();
                (member, addrs)
            })
    }

    /// One address of each of these members, from their cards.
    #[must_use]
    pub fn addresses_of(&self, members: &BTreeSet<MemberId>) -> Vec<Addr> {
        let cards = members.iter().filter_map(|member| self.cards.get(member));
        cards.filter_map(|card| card.addrs.first().cloned()).collect()
    }

    fn restore(&mut self, change: Change) {
        match change {
            Change::Chain(chain) => self.log.restore(chain),
            Change::Written(written) => {
                self.held_then.insert(written.local, self.dag.len());
                self.outbox.push_back(written);
            }
            Change::Card(card) => {
                self.cards.insert(card.member, card);
            }
            Change::Invite(secret) => {
                self.invites.insert(secret.invite, secret);
            }
            Change::Met(member, addr) => {
                self.met.insert(member, addr);
            }
            Change::Fork(fork) => self.log.restore_fork(fork),
            Change::Gone(gone) => {
                self.gone.insert((gone.author, gone.id), gone);
            }
            Change::Held(member, seq) => {
                self.held.insert(member, seq);
            }
            Change::Arrival(arrival) => {
                self.arrivals.insert(arrival.member, arrival);
            }
            Change::Compared(compared) => {
                self.compared.insert(compared.member, compared);
            }
            Change::Arriving(arriving) => self.arriving = Some(arriving),
            Change::Op(_)
            | Change::Entry(_)
            | Change::Instead(_)
            | Change::Unwritten(_)
            | Change::Displaced(_)
            | Change::Notice(_) => {}
        }
    }

    /// None: answered when what it needs was read.
    fn on_command(
        &mut self,
        now: Now,
        request: RequestId,
        command: Command,
    ) -> Result<Option<Done>, Refusal> {
        if !self.dag.members().contains(&self.me.id) {
            return Err(Refusal::NotAMember);
        }
        match command {
            Command::Say { text, reply_to } => self.say(now, text, reply_to).map(Some),
            Command::Edit { message, text } => self.edit(request, message, text),
            Command::TakeBack(message) => self.take_back(request, message),
            Command::Invite { expires_secs, addrs } => {
                self.invite(now, expires_secs, &addrs).map(Some)
            }
            Command::CancelInvite(invite) => self.cancel_invite(now, invite).map(Some),
            Command::Welcome(member) => self.welcome(now, member).map(Some),
            Command::Object(member) => self.object(now, member).map(Some),
            Command::Verify(member) => self.verify(member).map(Some),
            Command::Completeness => Ok(Some(self.completeness())),
            Command::Leave => self.leave(now).map(Some),
            Command::Reachable(addrs) => {
                self.on_reachable(now, addrs);
                Ok(Some(Done::Nothing))
            }
            Command::Met(member, addr) => {
                if self.met.insert(member, addr.clone()).as_ref() != Some(&addr) {
                    self.persist(vec![Change::Met(member, addr)]);
                }
                Ok(Some(Done::Nothing))
            }
        }
    }

    fn on_tick(&mut self, now: Now) {
        let links: Vec<_> = self.channels.keys().copied().collect();
        for link in links {
            self.on_channel_tick(now, link);
        }
        if self.merge_due.is_some_and(|due| due <= now.instant) {
            self.merge_due = None;
            self.merge(now);
        }
        let is_due = |due: Option<Instant>| due.is_some_and(|due| due <= now.instant);
        if is_due(self.parking.due()) {
            self.unpark(now);
        }
        if is_due(self.fetch_due) {
            self.fetch_due = None;
            self.must_fetch = true;
        }
        if is_due(self.acks_due) {
            self.send_acks();
        }
        if is_due(self.held_due) {
            self.save_evidence();
        }
        if is_due(self.minute_due) {
            self.minute_due = None;
            self.compare_frontiers();
            self.renew_mesh();
            self.welcome_those_due(now);
        }
        if self.may_sign {
            self.sign_outbox(now);
        }
    }

    /// A remote's fault: the stream is closed in silence, nothing else happens.
    pub(crate) fn on_reject(&mut self, link: LinkId, _reject: Reject) {
        if self.up(link).is_some() {
            self.rejects = self.rejects.saturating_add(1);
        }
        self.close(link);
    }

    /// The lid was closed, or the clock was set: what others said about the time tells nothing any more, and
    /// links that are silent at the other end for so long are gone there. All are made anew, and then it is told
    /// again.
    fn wake_up(&mut self) {
        let is_up = |channel: &Channel| matches!(channel, Channel::Up(..));
        let links = self.channels.iter().filter(|(_, channel)| is_up(channel));
        let links: Vec<_> = links.map(|(link, _)| *link).collect();
        links.into_iter().for_each(|link| self.close(link));
    }

    /// Closes a stream from our side.
    pub(crate) fn close(&mut self, link: LinkId) {
        self.drop_channel(link);
        self.outputs.push_back(Output::Close(link));
    }

    fn drop_channel(&mut self, link: LinkId) {
        self.readings.forget(link);
        let Some(Channel::Up(up, _)) = self.channels.remove(&link) else { return };
        self.must_fetch |= up.is_asking();
        self.must_tell |= self.filling.remove(&link);
        self.clock.forget(&up.member);
        if up.knows_we_left {
            self.told.insert(up.member);
        }
        if up.linked {
            self.persist(vec![Change::Notice(Notice::LinkDown(up.member, up.path))]);
            self.event(Event::LinkDown(link, up.member));
        }
    }

    pub(crate) fn persist(&mut self, changes: Vec<Change>) {
        if !changes.is_empty() {
            self.outputs.push_back(Output::Persist(changes));
        }
    }

    pub(crate) fn transmit(&mut self, to: LinkId, bytes: Vec<u8>) {
        if !bytes.is_empty() {
            self.outputs.push_back(Output::Transmit { to, bytes });
        }
    }

    pub(crate) fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    pub(crate) fn output(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    /// The admitted links.
    pub(crate) fn ups(&self) -> impl Iterator<Item = &Up> {
        self.channels.values().filter_map(|channel| match channel {
            Channel::Up(up, _) => Some(&**up),
            Channel::Opening { .. } | Channel::Joining(..) => None,
        })
    }

    /// The numbers of the links to members whose Hello came.
    pub(crate) fn greeted(&self) -> Vec<LinkId> {
        self.channels
            .iter()
            .filter(|(_, channel)| matches!(channel, Channel::Up(up, _) if up.greeted))
            .map(|(link, _)| *link)
            .collect()
    }

    pub(crate) fn up(&mut self, link: LinkId) -> Option<&mut Up> {
        match self.channels.get_mut(&link) {
            Some(Channel::Up(up, _)) => Some(up),
            Some(Channel::Opening { .. } | Channel::Joining(..)) | None => None,
        }
    }

    /// What changes with the members: whom we share keys with, and whom we speak to.
    pub(crate) fn on_members_changed(&mut self) {
        let standing = self.dag.standing();
        let members = &standing.members;
        self.pairs.refresh(&self.me, &self.dag, members);
        let outsiders: Vec<_> = self
            .channels
            .iter()
            .filter(|(_, channel)| matches!(channel, Channel::Up(up, _) if !members.contains(&up.member)))
            .map(|(link, _)| *link)
            .collect();
        for link in outsiders {
            self.confirm_leave(link);
            self.close(link);
        }
        if members.len() == 1 {
            self.may_sign = true;
        }
        self.refresh_mesh();
    }

    fn refresh_mesh(&mut self) {
        let linked: BTreeSet<_> = self.ups().map(|up| up.member).collect();
        let mut others = self.dag.members().clone();
        others.remove(&self.me.id);
        self.mesh.refresh(&others, &linked, &mut self.rng);
    }

    /// In a large group, who cannot be reached gives way to someone else.
    fn renew_mesh(&mut self) {
        let linked: BTreeSet<_> = self.ups().map(|up| up.member).collect();
        self.mesh.drop_unreached(&linked);
        self.refresh_mesh();
    }
}

/// When to compare frontiers the next time: a minute from now, give or take twenty seconds.
fn in_a_minute(now: Now, rng: &mut impl CryptoRng) -> Instant {
    let jitter = rng.next_u64().checked_rem(2 * COMPARE_JITTER_MS).unwrap_or(0);
    now.instant.after_ms(COMPARE_MS.saturating_sub(COMPARE_JITTER_MS).saturating_add(jitter))
}
