//! Who said what when, and who had it when.

use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

/// The messages of one cell, by number. Everyone who hears one says so here, and nobody else.
pub struct Board {
    members: usize,
    began: Instant,
    next: AtomicUsize,
    /// When each was handed over to be said, in nanoseconds; 0: not yet.
    said: Vec<AtomicU64>,
    /// When each had it, by message and member.
    heard: Vec<AtomicU64>,
    /// How many others lack it.
    lacking: Vec<AtomicU32>,
    twice: AtomicUsize,
    complete: Sender<usize>,
}

impl Board {
    /// Room for so many messages, and where the numbers of those come out that everyone has.
    pub fn new(members: usize, messages: usize) -> (Self, Receiver<usize>) {
        let (complete, completed) = channel();
        let zeros = |count: usize| (0..count).map(|_| AtomicU64::new(0)).collect();
        let others = u32::try_from(members - 1).expect("few members");
        let board = Self {
            members,
            began: Instant::now(),
            next: AtomicUsize::new(0),
            said: zeros(messages),
            heard: zeros(messages * members),
            lacking: (0..messages).map(|_| AtomicU32::new(others)).collect(),
            twice: AtomicUsize::new(0),
            complete,
        };
        (board, completed)
    }

    pub fn members(&self) -> usize {
        self.members
    }

    /// The number of the next message; none when there is no room for it.
    pub fn next(&self) -> Option<usize> {
        let nth = self.next.fetch_add(1, SeqCst);
        (nth < self.said.len()).then_some(nth)
    }

    /// It is handed over now.
    pub fn say(&self, nth: usize) {
        self.said[nth].store(self.now(), SeqCst);
    }

    /// A member who did not say it has it now.
    pub fn hear(&self, member: usize, nth: usize) {
        self.hear_at(member, nth, self.now());
    }

    /// A member who did not say it had it then.
    pub fn hear_at(&self, member: usize, nth: usize, at: u64) {
        let slot = &self.heard[nth * self.members + member];
        if slot.compare_exchange(0, at, SeqCst, SeqCst).is_err() {
            self.twice.fetch_add(1, SeqCst);
        } else if self.lacking[nth].fetch_sub(1, SeqCst) == 1 {
            // Nobody may be waiting any more.
            self.complete.send(nth).ok();
        }
    }

    /// Nanoseconds since the board was made; never 0.
    pub fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).expect("a short run") + 1
    }

    /// How many messages of these were heard by someone else too often.
    pub fn twice(&self) -> usize {
        self.twice.load(SeqCst)
    }

    /// How many deliveries of these messages are missing.
    pub fn missing(&self, messages: std::ops::Range<usize>) -> usize {
        messages.map(|nth| self.lacking[nth].load(SeqCst) as usize).sum()
    }

    /// Which of these messages are missing, and at whom.
    pub fn print_missing(&self, messages: std::ops::Range<usize>) {
        for nth in messages.filter(|nth| self.lacking[*nth].load(SeqCst) != 0) {
            let heard = &self.heard[nth * self.members..(nth + 1) * self.members];
            let had: Vec<_> = (0..self.members).filter(|at| heard[*at].load(SeqCst) != 0).collect();
            eprintln!("message {nth} was heard by {had:?} alone");
        }
    }

    /// How long every delivery of these took, and how long it took until the last one had each.
    pub fn times(&self, messages: std::ops::Range<usize>) -> (Vec<Duration>, Vec<Duration>) {
        let (mut each, mut last) = (Vec::new(), Vec::new());
        for nth in messages {
            let said = self.said[nth].load(SeqCst);
            let heard = &self.heard[nth * self.members..(nth + 1) * self.members];
            let took = heard.iter().map(|at| at.load(SeqCst)).filter(|at| *at != 0);
            let took: Vec<_> =
                took.map(|at| Duration::from_nanos(at.saturating_sub(said))).collect();
            last.extend(took.iter().max());
            each.extend(took);
        }
        each.sort_unstable();
        last.sort_unstable();
        (each, last)
    }
}

/// The value below which so many of a thousand are, in microseconds; 0 of none.
pub fn micros(sorted: &[Duration], of_thousand: usize) -> f64 {
    let at = (sorted.len() * of_thousand / 1000).min(sorted.len().saturating_sub(1));
    sorted.get(at).map_or(0.0, |took| took.as_secs_f64() * 1e6)
}
