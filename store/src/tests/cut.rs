//! The power fails between two batches of one commit.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use proto::{Change, Gone};

use super::bench::{Bench, accepted, chain, member, said, take_back, text};
use crate::error::Error;

/// How many batches more reach the disk.
pub(crate) struct Power(AtomicUsize);

impl Default for Power {
    fn default() -> Self {
        Self(AtomicUsize::new(usize::MAX))
    }
}

impl Power {
    pub(crate) fn cut_after(&self, batches: usize) {
        self.0.store(batches, Ordering::Relaxed);
    }

    pub(crate) fn use_up(&self) -> Result<(), Error> {
        let left = self.0.load(Ordering::Relaxed);
        self.cut_after(left.saturating_sub(1));
        if left > 0 { Ok(()) } else { Err(io::Error::other("no power").into()) }
    }
}

/// Found by reading: a large commit was cut between an entry that takes words back and what it does, and
/// as the entry was there nobody was asked for it again.
#[test]
fn a_power_cut_in_a_large_commit_parts_no_take_back_from_what_it_does() {
    let author = member(2);
    let numbers = 0..200_u32;
    let words: Vec<_> =
        numbers.clone().map(|n| said(&author, n, (n + 1).into(), &text("words"))).collect();
    let taken = |n: u32| {
        let of = &words[n as usize];
        let entry = said(&author, 200 + n, (201 + n).into(), &take_back(&[of]));
        let gone =
            Gone { author: author.id, seq: of.seq, id: of.id, is_shown: true, is_awaited: true };
        (entry, Change::Gone(gone))
    };
    // So that the cuts fall elsewhere each time.
    for shift in 0..3 {
        let mut changes = vec![chain([9; 32], 90 * shift)];
        for (entry, gone) in numbers.clone().map(taken) {
            changes.extend([accepted(&entry), gone]);
        }
        for batches in 1..3 {
            let mut bench = Bench::new();
            let group = bench.join(1, &words.iter().map(accepted).collect::<Vec<_>>());
            let is_done = bench.commit_cut(group, &changes, batches);
            let bench = bench.reopened();
            let mut done = 0;
            for (n, (entry, _)) in numbers.clone().map(|n| (n, taken(n))) {
                let held = bench.reader().message(&group, &entry.id.0).unwrap();
                let of = bench.reader().message(&group, &words[n as usize].id.0).unwrap().unwrap();
                assert_eq!(held.is_some(), of.payload.is_none(), "{shift}, {batches}: number {n}");
                done += usize::from(held.is_some());
            }
            assert!(done > 0 && (is_done || done < 200), "{shift}, {batches}: {done}");
        }
    }
}
