//! Someone with a device: what runs on it, and what it remembers.

use std::collections::BTreeMap;

use proto::{
    Candidate, Change, Done, Engine, GroupId, JoinError, LinkId, Loaded, Member, Newcomer, Op,
    RequestId, Wanted,
};
use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng as _;

use crate::disk::Disk;
use crate::memory::Memory;
use crate::network::Arrival;

/// Someone with a device.
pub(crate) struct Person {
    /// Runs while the device is awake and its member has a group.
    pub(crate) engine: Option<Engine<ChaCha12Rng>>,
    pub(crate) memory: Memory,
    /// The same once more, on a real disk.
    disk: Option<Disk>,
    /// Counts the runs: every run has a new PeerId, as in `net`.
    pub(crate) run: u64,
    pub(crate) done: BTreeMap<RequestId, Result<Done, proto::Refusal>>,
    /// A join under way: on which stream, and under what name.
    pub(crate) joining: Option<(LinkId, Newcomer)>,
    /// Comes back when an attempt to join ends.
    pub(crate) candidate: Option<Candidate>,
    pub(crate) outcome: Option<Result<GroupId, JoinError>>,
    pub(crate) name: String,
    /// When their engine wants to be told that time has passed.
    pub(crate) due: Option<u64>,
    /// It is another's device once more: it admits nobody, for two of one kind would fork their ops.
    pub(crate) is_copy: bool,
    /// How far their clock is ahead of everyone else's.
    pub(crate) ahead_ms: u64,
    /// Since when their lid has been closed over a program that goes on afterwards.
    pub(crate) lid_closed: Option<u64>,
    /// For how long it was, all together: only the wall clock ran on.
    pub(crate) slept_ms: u64,
    /// What came meanwhile.
    pub(crate) unread: Vec<Arrival>,
    /// The power fails at the write after so many, before or after it is durable.
    pub(crate) crash: Option<(u64, bool)>,
}

impl Person {
    /// The `at`-th, without a group.
    pub(crate) fn new(at: usize) -> Self {
        Self {
            engine: None,
            memory: Memory::default(),
            disk: None,
            run: 0,
            done: BTreeMap::new(),
            joining: None,
            candidate: None,
            outcome: None,
            name: format!("person {at}"),
            due: None,
            is_copy: false,
            ahead_ms: 0,
            lid_closed: None,
            slept_ms: 0,
            unread: Vec::new(),
            crash: None,
        }
    }

    /// From now on a real store keeps what the model keeps.
    pub(crate) fn put_on_disk(&mut self) {
        self.disk = Some(Disk::new());
    }

    /// Remembers a group that was begun or joined.
    pub(crate) fn begin(&mut self, me: Member, ops: Vec<Op>) {
        if let Some(disk) = &mut self.disk {
            disk.begin(&me, &ops);
        }
        self.memory.begin(me, ops);
    }

    /// Remembers changes.
    pub(crate) fn commit(&mut self, changes: Vec<Change>) {
        if let Some(disk) = &mut self.disk {
            disk.commit(&self.memory, &changes);
        }
        self.memory.commit(changes);
    }

    /// Reads what the engine wants.
    pub(crate) fn load(&mut self, wanted: &Wanted) -> Loaded {
        let loaded = self.memory.load(wanted);
        match &mut self.disk {
            Some(disk) => disk.load(&self.memory, wanted, loaded),
            None => loaded,
        }
    }

    /// Whether their program runs and the lid is open.
    pub(crate) const fn is_open(&self) -> bool {
        self.engine.is_some() && self.lid_closed.is_none()
    }

    /// Begins a run from what was remembered and has not ended by now.
    pub(crate) fn wake(&mut self, seed: u64, unix_ms: u64) {
        self.run += 1;
        if let Some(disk) = &mut self.disk {
            disk.fade(unix_ms);
        }
        self.memory.fade(unix_ms);
        let me = self.memory.me.clone().expect("only members wake");
        let remembered = match &mut self.disk {
            Some(disk) => disk.remembered(&self.memory),
            None => self.memory.remembered(),
        };
        let engine = Engine::new(me, ChaCha12Rng::seed_from_u64(seed), remembered);
        self.engine = Some(engine.expect("what was remembered makes a group"));
    }

    /// Ends a run, at whatever point it is.
    pub(crate) fn sleep(&mut self) {
        self.engine = None;
        self.due = None;
        if let Some((_, newcomer)) = self.joining.take() {
            self.candidate = Some(newcomer.into_candidate());
        }
        if let Some(disk) = &mut self.disk {
            disk.close();
        }
    }

    /// The device once more, as it is now.
    pub(crate) fn copy(&mut self) -> Self {
        Self {
            memory: self.memory.clone(),
            disk: self.disk.as_mut().map(Disk::copy),
            name: format!("{} again", self.name),
            ahead_ms: self.ahead_ms,
            is_copy: true,
            ..Self::new(0)
        }
    }

    /// Holds the disk, if there is one, against the model.
    pub(crate) fn check_disk(&mut self) {
        if let Some(disk) = &mut self.disk {
            disk.check(&self.memory);
        }
    }
}
