//! What is measured: something over which members say 256 bytes to all others.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};

use crate::board::Board;
use crate::gossipsub::Gossipsub;
use crate::irohs::Iroh;
use crate::ours::{Ours, Place};
use crate::streams::Streams;

/// Bytes of a message of the others, and of a padded payload of ours.
pub const MESSAGE: usize = 256;
/// Letters of a message of ours, which fill such a payload.
pub const LETTERS: usize = 250;
/// How long members may take to find each other.
pub const SETTLE: Duration = Duration::from_secs(60);

/// A group, all of whose members are linked.
pub trait Subject {
    /// Hands a message over to the member who says it, and does not wait for anything.
    fn say(&self, from: usize, nth: usize);

    /// How many different messages each member holds in the end, read anew from where they are kept,
    /// beside how many stand there twice; none where nothing is kept.
    fn held(&self) -> Option<Vec<(usize, usize)>> {
        None
    }

    /// How many messages each may say in one cell; what is beyond it is treated otherwise.
    fn each_max(&self) -> usize {
        usize::MAX
    }
}

/// Which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Streams,
    OneRuntime,
    Ours,
    Memory,
    Gossipsub,
    Iroh,
}

impl Kind {
    pub const ALL: [Self; 6] =
        [Self::Streams, Self::OneRuntime, Self::Memory, Self::Ours, Self::Gossipsub, Self::Iroh];

    pub fn name(self) -> &'static str {
        match self {
            Self::Streams => "bare streams",
            Self::OneRuntime => "bare streams, one runtime",
            Self::Ours => "ours",
            Self::Memory => "ours, store in memory",
            Self::Gossipsub => "gossipsub",
            Self::Iroh => "iroh-gossip",
        }
    }

    /// What it is called on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Streams => "streams",
            Self::OneRuntime => "streams-one",
            Self::Ours => "ours",
            Self::Memory => "ours-memory",
            Self::Gossipsub => "gossipsub",
            Self::Iroh => "iroh",
        }
    }

    /// Makes a group of it.
    pub fn start(self, members: usize, board: &Arc<Board>) -> Box<dyn Subject> {
        match self {
            Self::Streams => Box::new(Streams::new(Runtimes::each(members), board)),
            Self::OneRuntime => Box::new(Streams::new(Runtimes::one(members), board)),
            Self::Ours => Box::new(Ours::new(members, Place::Disk, board)),
            Self::Memory => Box::new(Ours::new(members, Place::Memory, board)),
            Self::Gossipsub => Box::new(Gossipsub::new(Runtimes::each(members), board)),
            Self::Iroh => Box::new(Iroh::new(Runtimes::each(members), board)),
        }
    }
}

/// What members run on: two threads each, as `net` has them, or two for all.
pub struct Runtimes {
    runtimes: Vec<Runtime>,
    members: usize,
}

impl Runtimes {
    pub fn each(members: usize) -> Self {
        Self { runtimes: (0..members).map(|_| runtime()).collect(), members }
    }

    pub fn one(members: usize) -> Self {
        Self { runtimes: vec![runtime()], members }
    }

    pub fn members(&self) -> usize {
        self.members
    }

    pub fn of(&self, member: usize) -> &Runtime {
        &self.runtimes[member % self.runtimes.len()]
    }
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("threads")
}

/// What is said: the number, and letters up to a length.
pub fn words(nth: usize, len: usize) -> String {
    let mut words = format!("{nth:016x}");
    words.extend(std::iter::repeat_n('w', len - words.len()));
    words
}

/// The number of what was said.
pub fn number(words: &[u8]) -> Option<usize> {
    let digits = std::str::from_utf8(words.get(..16)?).ok()?;
    usize::from_str_radix(digits, 16).ok()
}

/// Waits until something is so.
///
/// # Panics
/// When it takes longer than [`SETTLE`]: there is nothing to measure then.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + SETTLE;
    while !is_so() {
        assert!(Instant::now() < end, "{what} takes too long");
        std::thread::sleep(Duration::from_millis(2));
    }
}
