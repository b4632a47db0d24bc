//! The main path: one group's member on one device. Dispatch only; read downhill from
//! [`Engine::handle`].
//!
//! ```text
//! Input -> handle -> outputs, in order -> poll_output -> Persist | Load | Transmit | Close | Event
//! ```
//!
//! Outputs are carried out in order, each before the next: a `Persist` is durable before the
//! `Transmit` behind it leaves, so a crash neither uses a sequence number twice nor loses a word
//! that was acknowledged. Groups share nothing.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rand_core::CryptoRng;

use crate::address::{Addr, Card};
use crate::change::{Change, InviteSecret, Loaded, Notice, Path, Wanted, Written};
use crate::control::{Dag, Op};
use crate::error::{Refusal, Reject};
use crate::ids::{EntryId, LinkId, LocalId, MemberId, OpId, RequestId, Ticket};
use crate::join::Admission;
use crate::keys::Member;
use crate::limits::{BATCH_BYTES, BATCH_ENTRIES_MAX, LINKS_MAX, PARKED_BYTES_MAX, PARKED_MAX};
use crate::link::frame::Deframer;
use crate::link::{Ends, Opening, Pairs, Up};
use crate::log::{Entry, Log, SeqRange};
use crate::noise::Role;
use crate::timers::{Instant, Now};

/// What a stream is for: its libp2p protocol name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// `/kith/link/1`: two members.
    Link,
    /// `/kith/join/1`: a newcomer, and whoever lets them in.
    Join,
}

/// Something that happened.
#[derive(Debug)]
pub enum Input {
    /// A person, or the program for them, wants something.
    Command {
        /// Comes back with the answer.
        request: RequestId,
        /// What is wanted.
        command: Command,
    },
    /// A stream was opened by us or accepted.
    Opened {
        /// Its number, never used before in this run.
        link: LinkId,
        /// Who opened it.
        role: Role,
        /// What for.
        purpose: Purpose,
        /// The PeerIds of its two ends, as the transport authenticated them.
        ends: Ends,
        /// How it runs.
        path: Path,
    },
    /// Bytes came, in pieces of any size. The remote controls them.
    Received {
        /// On which stream.
        link: LinkId,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// A stream ended, whoever closed it.
    Closed {
        /// Which.
        link: LinkId,
    },
    /// What was asked for with [`Output::Load`].
    Loaded {
        /// The ticket it was asked with.
        ticket: Ticket,
        /// What was read.
        loaded: Loaded,
    },
    /// The time of [`Engine::poll_timeout`] has come.
    Tick,
}

/// What is to be done, in this order.
#[derive(Debug)]
pub enum Output {
    /// Make these durable, all or none, before the next output.
    Persist(Vec<Change>),
    /// Read this and come back with [`Input::Loaded`].
    Load {
        /// To be given back.
        ticket: Ticket,
        /// What to read.
        what: Wanted,
    },
    /// Send these bytes.
    Transmit {
        /// On which stream.
        to: LinkId,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// Close a stream, once everything before was sent.
    Close(LinkId),
    /// Tell whoever listens.
    Event(Event),
}

/// What a person, or the program for them, wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Say something to the group.
    Say {
        /// 1 to 65,536 bytes of UTF-8.
        text: String,
        /// The message that is answered.
        reply_to: Option<EntryId>,
    },
    /// Make an invitation for one person.
    Invite {
        /// How long it holds, in seconds.
        expires_secs: u64,
        /// Where the group can be reached now; the first four are used.
        addrs: Vec<Addr>,
    },
    /// Take an invitation of one's own back.
    CancelInvite(OpId),
    /// This device can be reached here now.
    Reachable(Vec<Addr>),
    /// A member was met here: worth trying first after a restart.
    Met(MemberId, Addr),
}

/// What came of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    /// Said: durable and signed.
    Said(EntryId),
    /// Written: durable, and to be signed at the first link.
    Written(LocalId),
    /// An invitation's op and its link, a secret that lets one person in.
    Invited(OpId, String),
    /// Nothing more to say of it.
    Nothing,
}

/// What the program may want to know. The store is the truth; these are hints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A command was carried out.
    Done {
        /// Its number.
        request: RequestId,
        /// What came of it.
        done: Done,
    },
    /// A command was declined; nothing has changed.
    Refused {
        /// Its number.
        request: RequestId,
        /// Why.
        refusal: Refusal,
    },
    /// A link to a member is up.
    LinkUp(LinkId, MemberId, Path),
    /// A link to a member that was up is down.
    LinkDown(LinkId, MemberId),
    /// Who is in the group, or how they are reached, has changed.
    Members,
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
    pub(crate) met: BTreeMap<MemberId, Addr>,
    pub(crate) invites: BTreeMap<OpId, InviteSecret>,
    pub(crate) outbox: VecDeque<Written>,
    pub(crate) reachable: Vec<Addr>,
    pub(crate) own_card: Option<Card>,
    /// What members hold of ours was taken in during this run, so our chain can go on.
    pub(crate) is_current: bool,
    pub(crate) parked_ops: VecDeque<Op>,
    pub(crate) parked_entries: VecDeque<Entry>,
    pub(crate) parked_bytes: usize,
    is_unparking: bool,
    /// What was asked for somewhere may have to be asked for elsewhere.
    pub(crate) must_fetch: bool,
    /// A gap was filled: the others may lack what filled it.
    pub(crate) has_caught_up: bool,
    pub(crate) merge_due: Option<Instant>,
    pub(crate) unpark_due: Option<Instant>,
    pub(crate) fetch_due: Option<Instant>,
    /// Joins begun in the second that started then.
    pub(crate) joins: (Instant, u32),
    /// Who gets what is being read, and what they asked for.
    loads: BTreeMap<Ticket, (LinkId, Vec<SeqRange>)>,
    next_ticket: u64,
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
            match change {
                Change::Op(op) => ops.push(op),
                Change::Chain(_)
                | Change::Written(_)
                | Change::Card(_)
                | Change::Invite(_)
                | Change::Met(..)
                | Change::Entry(_)
                | Change::Notice(_) => rest.push(change),
            }
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
            met: BTreeMap::new(),
            invites: BTreeMap::new(),
            outbox: VecDeque::new(),
            reachable: Vec::new(),
            own_card: None,
            is_current: false,
            parked_ops: VecDeque::new(),
            parked_entries: VecDeque::new(),
            parked_bytes: 0,
            is_unparking: false,
            must_fetch: false,
            has_caught_up: false,
            merge_due: None,
            unpark_due: None,
            fetch_due: None,
            joins: (Instant(0), 0),
            loads: BTreeMap::new(),
            next_ticket: 0,
            outputs: VecDeque::new(),
        };
        rest.into_iter().for_each(|change| engine.restore(change));
        engine.on_members_changed();
        Ok(engine)
    }

    /// Takes in something that happened. Cannot fail; drain [`Self::poll_output`] afterwards.
    pub fn handle(&mut self, now: Now, input: Input) {
        match input {
            Input::Command { request, command } => {
                let event = match self.on_command(now, command) {
                    Ok(done) => Event::Done { request, done },
                    Err(refusal) => Event::Refused { request, refusal },
                };
                self.event(event);
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
            Input::Loaded { ticket, loaded } => {
                if let Some((link, ranges)) = self.loads.remove(&ticket) {
                    self.on_loaded(now, link, ranges, loaded);
                }
            }
            Input::Tick => self.on_tick(now),
        }
        // What was asked for on a link that is gone, or that is slow, is asked for elsewhere.
        if core::mem::take(&mut self.must_fetch) {
            for link in self.greeted() {
                self.fetch(now, link);
            }
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
        channels.chain(self.merge_due).chain(self.unpark_due).chain(self.fetch_due).min()
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

    /// Members to whom no link is up, and where they may be: where they were met last, then what
    /// their card says.
    pub fn unreached(&self) -> impl Iterator<Item = (MemberId, Vec<Addr>)> {
        let linked: Vec<_> = self.ups().map(|up| up.member).collect();
        let members: Vec<_> = self.dag.members().iter().copied().collect();
        members
            .into_iter()
            .filter(move |member| *member != self.me.id && !linked.contains(member))
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
            Change::Written(written) => self.outbox.push_back(written),
            Change::Card(card) => {
                self.cards.insert(card.member, card);
            }
            Change::Invite(secret) => {
                self.invites.insert(secret.invite, secret);
            }
            Change::Met(member, addr) => {
                self.met.insert(member, addr);
            }
            Change::Op(_) | Change::Entry(_) | Change::Notice(_) => {}
        }
    }

    fn on_command(&mut self, now: Now, command: Command) -> Result<Done, Refusal> {
        if !self.dag.members().contains(&self.me.id) {
            return Err(Refusal::NotAMember);
        }
        match command {
            Command::Say { text, reply_to } => self.say(now, text, reply_to),
            Command::Invite { expires_secs, addrs } => self.invite(now, expires_secs, &addrs),
            Command::CancelInvite(invite) => self.cancel_invite(now, invite),
            Command::Reachable(addrs) => {
                self.on_reachable(now, addrs);
                Ok(Done::Nothing)
            }
            Command::Met(member, addr) => {
                if self.met.insert(member, addr.clone()).as_ref() != Some(&addr) {
                    self.persist(vec![Change::Met(member, addr)]);
                }
                Ok(Done::Nothing)
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
        if self.unpark_due.is_some_and(|due| due <= now.instant) {
            self.unpark(now);
        }
        if self.fetch_due.is_some_and(|due| due <= now.instant) {
            self.fetch_due = None;
            self.must_fetch = true;
        }
        if self.is_current {
            self.sign_outbox(now);
        }
    }

    /// A remote's fault: the stream is closed in silence, nothing else happens.
    fn on_reject(&mut self, link: LinkId, _reject: Reject) {
        self.close(link);
    }

    /// Closes a stream from our side.
    pub(crate) fn close(&mut self, link: LinkId) {
        self.drop_channel(link);
        self.outputs.push_back(Output::Close(link));
    }

    fn drop_channel(&mut self, link: LinkId) {
        self.loads.retain(|_, (of, _)| *of != link);
        let channel = self.channels.remove(&link);
        self.must_fetch |= matches!(&channel, Some(Channel::Up(up, _)) if !up.asked.is_empty());
        match channel {
            Some(Channel::Up(up, _)) if up.linked => {
                self.persist(vec![Change::Notice(Notice::LinkDown(up.member, up.path))]);
                self.event(Event::LinkDown(link, up.member));
            }
            Some(Channel::Up(..) | Channel::Opening { .. } | Channel::Joining(..)) | None => {}
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

    pub(crate) fn load(&mut self, link: LinkId, ranges: Vec<SeqRange>, ids: Vec<EntryId>) {
        let what = Wanted::Entries {
            ranges: ranges.clone(),
            ids,
            entries_max: BATCH_ENTRIES_MAX,
            bytes_max: BATCH_BYTES,
        };
        let ticket = Ticket(self.next_ticket);
        self.next_ticket = self.next_ticket.saturating_add(1);
        self.loads.insert(ticket, (link, ranges));
        self.outputs.push_back(Output::Load { ticket, what });
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
            self.close(link);
        }
        if members.len() == 1 {
            self.is_current = true;
        }
    }

    /// Keeps an op or entry that cannot be judged yet; what waits longest goes first when full.
    pub(crate) fn park(&mut self, now: Now, parked: Parked) {
        const RETRY_MS: u64 = 60_000;
        let is_known = match &parked {
            Parked::Op(op) => self.parked_ops.contains(op),
            Parked::Entry(entry) => self.parked_entries.contains(entry),
        };
        if is_known {
            return;
        }
        self.parked_bytes = self.parked_bytes.saturating_add(parked.size());
        match parked {
            Parked::Op(op) => self.parked_ops.push_back(op),
            Parked::Entry(entry) => self.parked_entries.push_back(entry),
        }
        while self.parked_bytes > PARKED_BYTES_MAX
            || self.parked_ops.len().saturating_add(self.parked_entries.len()) > PARKED_MAX
        {
            let oldest = if self.parked_ops.len() > self.parked_entries.len() {
                self.parked_ops.pop_front().map(Parked::Op)
            } else {
                self.parked_entries.pop_front().map(Parked::Entry)
            };
            let Some(oldest) = oldest else { break };
            self.parked_bytes = self.parked_bytes.saturating_sub(oldest.size());
        }
        let retry = now.instant.after_ms(RETRY_MS);
        self.unpark_due.get_or_insert(retry);
    }

    /// Tries everything that waits once more. What turns out invalid was the fault of someone whose
    /// link is long gone: it is dropped.
    pub(crate) fn unpark(&mut self, now: Now) {
        if core::mem::replace(&mut self.is_unparking, true) {
            return;
        }
        self.unpark_due = None;
        loop {
            let held = self.dag.len();
            let ops: Vec<_> = self.parked_ops.drain(..).collect();
            self.parked_bytes = self.parked_entries.iter().map(Entry::size).sum();
            self.take_ops(now, ops, None).unwrap_or_default();
            if self.dag.len() == held {
                break;
            }
        }
        let entries: Vec<_> = self.parked_entries.drain(..).collect();
        self.parked_bytes = self.parked_ops.iter().map(Op::size).sum();
        self.take_entries(now, entries, None).unwrap_or_default();
        self.is_unparking = false;
    }
}

/// Something that cannot be judged yet.
#[derive(Debug)]
pub(crate) enum Parked {
    /// Lacks ops below it, or is ahead of our clock.
    Op(Op),
    /// Lacks ops of its view, or is ahead of our clock.
    Entry(Entry),
}

impl Parked {
    fn size(&self) -> usize {
        match self {
            Self::Op(op) => op.size(),
            Self::Entry(entry) => entry.size(),
        }
    }
}
