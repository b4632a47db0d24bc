//! A whole group on one thread: real engines, a virtual network, a virtual clock, all from a seed.
//!
//! ```no_run
//! let mut world = tests::World::new(3, 7);
//! world.break_percent = 5;
//! world.say(0, "one");
//! world.settle();
//! assert_eq!(world.screen(2), ["one"]);
//! ```
//!
//! The same seed gives the same run, byte for byte ([`World::trace`]). A stream delivers its bytes in
//! order, in random pieces after random delays; pieces on different streams overtake each other. A
//! lost piece breaks its stream for both ends, as TCP does, and whatever was under way on it is gone.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod crowd;
mod disk;
pub mod forge;
mod lids;
pub mod lies;
mod looking;
pub mod memory;
mod network;
mod newcomers;
mod person;
pub mod reference;
pub mod scenario;

use std::collections::BTreeSet;

use proto::{
    Change, Command, Done, Engine, EntryId, Event, Founding, GroupId, Input, LinkId, Now, OpId,
    Output, Purpose, RequestId, Which,
};
use rand_chacha::ChaCha12Rng;
use rand_core::{Rng as _, SeedableRng as _};

pub use crowd::Travel;
use network::{Arrival, Network};
use person::Person;

/// 2026-11-20, noon, UTC.
pub(crate) const BEGIN_UNIX_MS: u64 = 1_795_176_000_000;
/// A settled group is quiet: whatever is still going on after so long never ends.
const SETTLE_MS: u64 = 30 * 60 * 1000;

/// People, what lies between them, and what time it is.
pub struct World {
    people: Vec<Person>,
    network: Network,
    rng: ChaCha12Rng,
    now_ms: u64,
    next_request: u64,
    trace: u64,
    steps: u64,
    /// How far every entry has come, while that is measured.
    travels: Option<crowd::Travels>,
    /// Of engines that run no more.
    rejects_before: u64,
    /// How likely a piece of bytes breaks its stream instead of arriving, in percent.
    pub break_percent: u64,
    /// How many bytes a stream carries in a millisecond each way; none: any number.
    pub bytes_per_ms: Option<u64>,
    /// How likely a piece arrives twice, late or altered, in percent.
    pub mangle_percent: u64,
    /// How many did.
    mangled: u64,
}

impl World {
    /// A group of so many: the first begins it and lets the others in, one after the other.
    #[must_use]
    pub fn new(people: usize, seed: u64) -> Self {
        let mut world = Self::strangers(people, seed);
        world.gather(people, seed);
        world
    }

    /// [`World::new`], with a real store in each device.
    #[must_use]
    pub fn on_disk(people: usize, seed: u64) -> Self {
        let mut world = Self::strangers_on_disk(people, seed);
        world.gather(people, seed);
        world
    }

    /// [`World::strangers`], with a real store in each device. What it gives is held against the model
    /// of it at every read, when a device wakes and in [`World::check_disks`]; the run is the same as
    /// without.
    #[must_use]
    pub fn strangers_on_disk(people: usize, seed: u64) -> Self {
        let mut world = Self::strangers(people, seed);
        world.people.iter_mut().for_each(Person::put_on_disk);
        world
    }

    /// The first of so many begins a group and lets the others in, one after the other. `seed` is for the message
    /// of a failure.
    ///
    /// # Panics
    /// When one of them does not come in.
    pub fn gather(&mut self, members: usize, seed: u64) {
        self.found(0);
        for newcomer in 1..members {
            let link = self.invite(0);
            assert_eq!(self.join(newcomer, &link), Ok(()), "seed {seed}: joining");
            self.settle();
        }
    }

    /// So many people who have nothing to do with each other yet.
    #[must_use]
    pub fn strangers(people: usize, seed: u64) -> Self {
        Self {
            people: (0..people).map(Person::new).collect(),
            network: Network::default(),
            rng: ChaCha12Rng::seed_from_u64(seed),
            now_ms: 0,
            next_request: 0,
            trace: 0,
            steps: 0,
            travels: None,
            rejects_before: 0,
            break_percent: 0,
            bytes_per_ms: None,
            mangle_percent: 0,
            mangled: 0,
        }
    }

    /// Someone begins a group.
    pub fn found(&mut self, who: usize) -> GroupId {
        let founding = Founding {
            name: "Tuesday".into(),
            reason: "We meet to keep each other company.".into(),
            agreement: "What is said here stays here.".into(),
            pseudonym: self.people[who].name.clone(),
            ..Founding::default()
        };
        let (me, genesis) = founding.begin(self.now(), &mut self.rng).unwrap();
        let group = me.group;
        self.people[who].begin(me, vec![genesis]);
        self.wake(who);
        group
    }

    /// Someone makes an invitation: its link.
    pub fn invite(&mut self, who: usize) -> String {
        self.invitation(who).1
    }

    /// Someone makes an invitation: its op and its link.
    pub fn invitation(&mut self, who: usize) -> (OpId, String) {
        match self.command(who, Command::Invite { expires_secs: 3600, addrs: Vec::new() }) {
            Ok(Done::Invited(invite, link)) => (invite, link),
            other => panic!("an invitation: {other:?}"),
        }
    }

    /// Someone says something.
    pub fn say(&mut self, who: usize, text: &str) {
        let said = self.command(who, Command::Say { text: text.to_owned(), reply_to: None });
        assert!(matches!(said, Ok(Done::Said(_) | Done::Written(_))), "{said:?}");
    }

    /// Someone says something else instead of an own message.
    pub fn edit(
        &mut self,
        who: usize,
        message: EntryId,
        text: &str,
    ) -> Result<Done, proto::Refusal> {
        let message = Which::Entry(message);
        self.command(who, Command::Edit { message, text: text.to_owned() })
    }

    /// Someone takes an own message back.
    pub fn take_back(&mut self, who: usize, message: EntryId) -> Result<Done, proto::Refusal> {
        self.command(who, Command::TakeBack(Which::Entry(message)))
    }

    /// A copy of someone's device, as it is now: a restored backup, or a virtual machine run twice.
    pub fn copy_of(&mut self, who: usize) -> usize {
        let copy = self.people[who].copy();
        self.people.push(copy);
        let copy = self.people.len() - 1;
        self.wake(copy);
        copy
    }

    /// Someone says something, unless the power fails before it is acknowledged.
    pub fn try_say(&mut self, who: usize, text: &str) -> bool {
        let say = Command::Say { text: text.to_owned(), reply_to: None };
        self.try_command(who, say).is_some_and(|said| said.is_ok())
    }

    /// Someone makes an invitation, unless the power fails before it is durable.
    pub fn try_invite(&mut self, who: usize) -> Option<String> {
        let invite = Command::Invite { expires_secs: 3600, addrs: Vec::new() };
        match self.try_command(who, invite)? {
            Ok(Done::Invited(_, link)) => Some(link),
            Ok(_) | Err(_) => None,
        }
    }

    /// Hands a command to someone's engine and gives its answer.
    pub fn command(&mut self, who: usize, command: Command) -> Result<Done, proto::Refusal> {
        self.try_command(who, command).expect("every command is answered at once")
    }

    /// Hands a command to someone's engine; no answer when the power fails before.
    pub fn try_command(
        &mut self,
        who: usize,
        command: Command,
    ) -> Option<Result<Done, proto::Refusal>> {
        let request = RequestId(self.next_request);
        self.next_request += 1;
        self.input(who, Input::Command { request, command });
        self.people[who].done.remove(&request)
    }

    /// The power fails at someone's n-th write from now, before or after it is durable.
    pub fn crash_at(&mut self, who: usize, nth: u64, after: bool) {
        self.people[who].crash = Some((nth, after));
    }

    /// No power fails any more.
    pub fn cancel_crashes(&mut self) {
        self.people.iter_mut().for_each(|person| person.crash = None);
    }

    /// The lid is closed, mid-word if need be: whatever is not durable is gone. What was sent before
    /// still arrives, and then the end of every stream.
    pub fn sleep(&mut self, who: usize) {
        self.rejects_before += self.tally(who).map_or(0, |tally| tally.rejects);
        self.people[who].sleep();
        for link in self.network.links_of(who) {
            let delay = self.delay();
            self.network.close_at(self.now_ms + delay, link);
        }
    }

    /// The lid is opened: the engine starts from what was remembered.
    pub fn wake(&mut self, who: usize) {
        let seed = self.rng.next_u64();
        let now = self.time_of(who);
        self.people[who].wake(seed, now.unix_ms);
        let delay = self.rng.next_u64() % 1000;
        self.network.dial_at(self.now_ms + delay, who);
        self.input(who, Input::Tick);
    }

    /// Two people cannot reach each other until [`World::heal`].
    pub fn part(&mut self, a: usize, b: usize) {
        for (ours, theirs) in self.network.part(a, b) {
            self.on_closed(a, ours);
            self.on_closed(b, theirs);
        }
    }

    /// Sets someone's clock this far ahead of everyone else's.
    pub fn set_clock_ahead(&mut self, who: usize, by_ms: u64) {
        self.people[who].ahead_ms = by_ms;
    }

    /// Lets so much time pass, whatever happens in it.
    pub fn wait(&mut self, ms: u64) {
        let end = self.now_ms + ms;
        while self.now_ms < end && self.step() {}
        self.now_ms = self.now_ms.max(end);
    }

    /// Nobody is there for so long; then everyone who was comes back, and what is due is done.
    pub fn pass(&mut self, ms: u64) {
        let awake: Vec<_> = (0..self.people.len()).filter(|who| self.is_awake(*who)).collect();
        awake.iter().for_each(|who| self.sleep(*who));
        self.settle();
        self.now_ms += ms;
        awake.into_iter().for_each(|who| self.wake(who));
        self.settle();
    }

    /// How many things have happened so far.
    #[must_use]
    pub const fn steps(&self) -> u64 {
        self.steps
    }

    /// Everyone can reach everyone again.
    pub fn heal(&mut self) {
        self.network.heal();
    }

    /// Lets time pass until nothing more is under way.
    pub fn settle(&mut self) {
        let end = self.now_ms + SETTLE_MS;
        let (mut quiet_since, mut before) = (self.now_ms, self.progress());
        while self.now_ms < end && self.step() {
            let progress = self.progress();
            if progress != before {
                (quiet_since, before) = (self.now_ms, progress);
            }
            // Longer than any redial, advertisement or retry takes.
            if self.now_ms > quiet_since + 90_000 {
                return;
            }
        }
    }

    /// Holds every disk against the model of it; panics with what differs. Nothing without disks.
    pub fn check_disks(&mut self) {
        self.people.iter_mut().for_each(Person::check_disk);
    }

    /// Everything that happened, in one number: equal for equal seeds, with disks and without.
    #[must_use]
    pub const fn trace(&self) -> u64 {
        self.trace
    }

    fn progress(&self) -> Vec<(usize, usize, usize)> {
        let count = |person: &Person| {
            let ops = person.engine.as_ref().map_or(0, |engine| engine.dag().len());
            let unreached = person.engine.as_ref().map_or(0, |engine| engine.unreached().count());
            (person.memory.entries.len(), ops, unreached)
        };
        self.people.iter().map(count).collect()
    }

    /// The next thing happens. False when nothing ever will.
    fn step(&mut self) -> bool {
        self.steps += 1;
        let timeout = self
            .people
            .iter()
            .enumerate()
            .filter_map(|(who, person)| Some((person.due?, who)))
            .min();
        let arrival = self.network.next_at();
        match (timeout, arrival) {
            (None, None) => false,
            (Some((at, who)), next) if next.is_none_or(|next| at <= next) => {
                self.now_ms = self.now_ms.max(at);
                self.input(who, Input::Tick);
                true
            }
            (_, _) => {
                let (at, arrival) = self.network.pop().expect("it was there");
                self.now_ms = self.now_ms.max(at);
                self.on_arrival(arrival);
                true
            }
        }
    }

    fn on_arrival(&mut self, arrival: Arrival) {
        let Some(arrival) = self.past_lids(arrival) else { return };
        match arrival {
            Arrival::Bytes { link, bytes } => {
                let Some((to, theirs)) = self.network.other_end(link) else { return };
                self.note(&bytes);
                if self.rng.next_u64() % 100 < self.break_percent {
                    return self.break_stream(link);
                }
                let bytes = self.mangle(link, bytes);
                self.came_from(link);
                if self.people[to].joining.as_ref().is_some_and(|(on, _)| *on == theirs) {
                    return self.on_join_bytes(to, &bytes);
                }
                self.input(to, Input::Received { link: theirs, bytes });
            }
            Arrival::Closed { link } => self.break_stream(link),
            Arrival::Dial { who } => self.dial(who),
        }
    }

    /// What someone on the way does to a piece: it comes once more later, only later, or a bit of it is
    /// turned.
    fn mangle(&mut self, link: LinkId, mut bytes: Vec<u8>) -> Vec<u8> {
        if self.rng.next_u64() % 100 < self.mangle_percent {
            self.mangled += 1;
            let how = self.rng.next_u64() % 3;
            if how < 2 {
                let delay = self.delay();
                self.network.send_at(self.now_ms + delay, link, bytes.clone());
            }
            match how {
                0 => {}
                1 => bytes.clear(),
                _ => bytes.iter_mut().take(1).for_each(|byte| *byte ^= 0x10),
            }
        }
        bytes
    }

    /// Both ends of a stream learn that it is gone.
    fn break_stream(&mut self, link: LinkId) {
        let Some((this, (that, theirs))) = self.network.close(link) else { return };
        for (who, end) in [(this, link), (that, theirs)] {
            self.on_closed(who, end);
        }
    }

    /// Someone learns that a stream is gone: their engine, or their attempt to join.
    fn on_closed(&mut self, who: usize, link: LinkId) {
        if let Some((_, newcomer)) = self.people[who].joining.take_if(|(on, _)| *on == link) {
            self.people[who].candidate = Some(newcomer.into_candidate());
        }
        self.input(who, Input::Closed { link });
    }

    /// Tries to reach every member to whom no stream runs, and again a moment later.
    fn dial(&mut self, who: usize) {
        let again = self.now_ms + 2000 + self.rng.next_u64() % 3000;
        let Some(engine) = &self.people[who].engine else { return };
        let wanted: BTreeSet<_> = engine.unreached().map(|(member, _)| member).collect();
        for other in 0..self.people.len() {
            let their_id = self.people[other].memory.me.as_ref().map(|me| me.id);
            let is_there = self.people[other].is_open() && !self.network.is_parted(who, other);
            if !is_there || !their_id.is_some_and(|id| wanted.contains(&id)) {
                continue;
            }
            let (ours, theirs, ends) = self.network.open(who, other, &self.peers());
            for (person, link, role) in
                [(who, ours, proto::Role::Initiator), (other, theirs, proto::Role::Responder)]
            {
                let (purpose, path) = (Purpose::Link, proto::Path::Lan);
                let ends = ends.clone();
                self.input(person, Input::Opened { link, role, purpose, ends, path });
            }
        }
        self.network.dial_at(again, who);
    }

    fn peers(&self) -> Vec<Vec<u8>> {
        let peer =
            |(who, person): (usize, &Person)| format!("peer {who} {}", person.run).into_bytes();
        self.people.iter().enumerate().map(peer).collect()
    }

    fn now(&self) -> Now {
        Now { instant: proto::Instant(self.now_ms), unix_ms: BEGIN_UNIX_MS + self.now_ms }
    }

    /// What time it is by someone's own clock.
    fn time_of(&self, who: usize) -> Now {
        let now = self.now();
        let instant = proto::Instant(self.now_ms - self.people[who].slept_ms);
        Now { instant, unix_ms: now.unix_ms + self.people[who].ahead_ms }
    }

    /// Hands something to someone's engine and carries out what it wants, in order.
    fn input(&mut self, who: usize, input: Input) {
        self.carry_out(who, input);
        let engine = self.people[who].engine.as_ref();
        let slept = self.people[who].slept_ms;
        self.people[who].due = engine.and_then(Engine::poll_timeout).map(|due| due.0 + slept);
    }

    fn carry_out(&mut self, who: usize, input: Input) {
        let now = self.time_of(who);
        let Some(engine) = &mut self.people[who].engine else { return };
        engine.handle(now, input);
        while let Some(output) = self.people[who].engine.as_mut().and_then(Engine::poll_output) {
            match output {
                Output::Persist(changes) => {
                    self.assert_durable_with_their_authors(who, &changes);
                    self.note_travels(who, &changes);
                    if self.is_last_write(who) {
                        if self.people[who].crash.take().is_some_and(|(_, after)| after) {
                            self.people[who].commit(changes);
                        }
                        return self.sleep(who);
                    }
                    self.people[who].commit(changes);
                }
                Output::Load { ticket, what } => {
                    let loaded = self.people[who].load(&what);
                    let engine = self.people[who].engine.as_mut().expect("it asked");
                    engine.handle(now, Input::Loaded { ticket, loaded });
                }
                Output::Transmit { to, bytes } => self.transmit(to, bytes),
                Output::Close(link) => {
                    let delay = self.delay();
                    self.network.close_at(self.now_ms + delay, link);
                }
                Output::Event(event) => self.on_event(who, event),
            }
        }
    }

    /// Nothing is sent before it is durable: whatever arrives anywhere, its author remembers.
    fn assert_durable_with_their_authors(&self, who: usize, changes: &[Change]) {
        for change in changes {
            let Change::Entry(accepted) = change else { continue };
            let is_by = |person: &Person| {
                person.memory.me.as_ref().is_some_and(|me| me.id == accepted.author)
            };
            let is_durable = |person: &Person| is_by(person) && person.memory.holds(&accepted.id);
            assert!(
                is_by(&self.people[who]) || self.people.iter().any(is_durable),
                "an entry left its author before it was durable",
            );
        }
    }

    /// Whether the power fails at this write.
    fn is_last_write(&mut self, who: usize) -> bool {
        match &mut self.people[who].crash {
            Some((0, _)) => true,
            Some((left, _)) => {
                *left -= 1;
                false
            }
            None => false,
        }
    }

    fn on_event(&mut self, who: usize, event: Event) {
        match event {
            Event::Done { request, done } => {
                self.people[who].done.insert(request, Ok(done));
            }
            Event::Refused { request, refusal } => {
                self.people[who].done.insert(request, Err(refusal));
            }
            Event::LinkUp(..) | Event::LinkDown(..) | Event::Members | Event::Held => {}
        }
    }

    fn transmit(&mut self, from: LinkId, bytes: Vec<u8>) {
        self.note_sent(bytes.len());
        let sent = match self.bytes_per_ms {
            Some(per_ms) => self.network.sent_at(self.now_ms, from, bytes.len() as u64, per_ms),
            None => self.now_ms,
        };
        let cut = usize::try_from(self.rng.next_u64() % bytes.len().max(1) as u64).unwrap();
        let (head, tail) = bytes.split_at(cut);
        for piece in [head, tail].into_iter().filter(|piece| !piece.is_empty()) {
            let delay = self.delay();
            self.network.send_at(sent + delay, from, piece.to_vec());
        }
    }

    fn delay(&mut self) -> u64 {
        1 + self.rng.next_u64() % 80
    }

    /// Folds what happened into the trace (FNV-1a).
    fn note(&mut self, bytes: &[u8]) {
        let time = self.now_ms.to_le_bytes();
        for byte in time.iter().chain(bytes) {
            self.trace = (self.trace ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "World of {} at {} ms", self.people.len(), self.now_ms)
    }
}
