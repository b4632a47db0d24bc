//! A profile whose files are not as they were written.

use std::collections::BTreeMap;
use std::fs;

use proto::{Accepted, ChainState, Change, EntryHeader, GroupId, Member};
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use super::bench::{Bench, PASSPHRASE, accepted, copy_of, entry, member, signed, wanted, written};
use crate::engine::{Dir, Engine as _, SledEngine};
use crate::{Error, Home, Reader, Store};

/// What three members said in turn, long and short, and the chains it makes.
fn said() -> (Vec<Accepted>, Vec<Change>) {
    let mut entries = Vec::new();
    let mut changes = Vec::new();
    for n in 0..240_u32 {
        let author = member(2 + u8::try_from(n % 3).unwrap());
        let words = format!("{n} says ").repeat(if n % 40 == 0 { 2_000 } else { 20 });
        let entry = entry(&author, n / 3, u64::from(n) + 1, &words);
        changes.push(if n % 30 == 0 {
            signed(entry.clone(), [n.to_be_bytes()[3]; 32])
        } else {
            accepted(&entry)
        });
        changes.push(Change::Chain(chain_of(&author, &entry)));
        entries.push(entry);
    }
    changes.push(written([99; 32], 7, "not signed yet"));
    (entries, changes)
}

fn chain_of(author: &Member, tip: &Accepted) -> ChainState {
    let header = &tip.entry.header;
    let header: EntryHeader = proto::decode(header, header.len()).unwrap();
    ChainState {
        author: author.id,
        seq: tip.seq,
        id: tip.id,
        prev: header.prev,
        lamport: header.lamport,
        ops: header.ops.to_vec(),
        held: vec![(0, tip.seq)],
    }
}

/// Everything that can be read is as it was written, and agrees. Gives how many entries are there.
fn check(reader: &Reader, group: &GroupId, entries: &[Accepted]) -> usize {
    let said: BTreeMap<_, _> = entries.iter().map(|entry| (entry.id.0, entry)).collect();
    let page = reader.timeline(group, None, 999).unwrap();
    for row in page.rows.iter().filter(|row| row.signed) {
        let payload = said[&row.id].entry.body.as_ref().map(|body| body.payload.to_vec());
        assert_eq!(row.payload, payload, "other words");
    }
    let shown = page.rows.iter().filter(|row| row.signed).count();
    let mut held = 0;
    for change in reader.remembered(group).unwrap() {
        let Change::Chain(chain) = change else { continue };
        for (from, to) in &chain.held {
            let wanted = wanted(&[(chain.author, *from, *to)], &[], usize::MAX, usize::MAX);
            let loaded = reader.load(group, &wanted).unwrap().entries;
            assert_eq!(
                loaded.len(),
                usize::try_from(to - from + 1).unwrap(),
                "it says to hold what it does not"
            );
            assert!(loaded.iter().all(|entry| said[&entry.id().0].entry == *entry));
            held += loaded.len();
        }
        assert_eq!(chain.held.last().unwrap().1, chain.seq);
        let tip = wanted(&[], &[chain.id], 9, usize::MAX);
        assert_eq!(reader.load(group, &tip).unwrap().entries.len(), 1, "the tip is not there");
    }
    assert_eq!(held, shown, "it holds what it does not say");
    for id in said.keys() {
        let row = reader.message(group, id).unwrap();
        assert_eq!(row.is_some(), page.rows.iter().any(|row| row.id == *id));
    }
    shown
}

/// The profile, opened again where it cannot be read: that saves what can. None where it stays shut.
fn unlocked(home: &Home, group: &GroupId, entries: &[Accepted]) -> Option<Store> {
    for _ in 0..3 {
        match home.unlock(PASSPHRASE) {
            Ok(store) => match read(&store.reader(), group, entries) {
                Ok(()) => return Some(store),
                Err(Error::Damaged(_) | Error::Poisoned) => {}
                Err(error) => panic!("{error:?}"),
            },
            Err(Error::Damaged(_)) => return None,
            Err(error) => panic!("{error:?}"),
        }
    }
    panic!("it is damaged for ever");
}

fn read(reader: &Reader, group: &GroupId, entries: &[Accepted]) -> Result<(), Error> {
    reader.timeline(group, None, 999)?;
    for change in reader.remembered(group)? {
        let Change::Chain(chain) = change else { continue };
        for (from, to) in chain.held {
            reader
                .load(group, &wanted(&[(chain.author, from, to)], &[], usize::MAX, usize::MAX))?;
        }
    }
    entries.iter().try_for_each(|entry| reader.message(group, &entry.id.0).map(drop))
}

#[test]
fn of_a_damaged_profile_every_word_is_as_it_was_or_is_asked_for_again() {
    let (entries, changes) = said();
    let mut bench = Bench::new();
    let group = bench.join(1, &[]);
    bench.commit(group, &changes);
    let home = bench.close();
    let mut ends = BTreeMap::<&str, usize>::new();
    for seed in 0..40 {
        let dir = copy_of(home.path());
        let path = dir.path().join("store/db");
        let mut bytes = fs::read(&path).unwrap();
        let mut rng = ChaCha12Rng::seed_from_u64(seed);
        let used: Vec<_> = (0..bytes.len()).step_by(512).filter(|at| bytes[*at] != 0).collect();
        for _ in 0..=seed % 8 {
            bytes[used[usize::try_from(rng.next_u32()).unwrap() % used.len()]] ^=
                1 << (rng.next_u32() % 8);
        }
        fs::write(&path, bytes).unwrap();
        let copied = Home::open(dir.path()).unwrap();
        let Some(store) = unlocked(&copied, &group, &entries) else {
            *ends.entry("an error").or_default() += 1;
            continue;
        };
        let shown = check(&store.reader(), &group, &entries);
        *ends.entry(if shown == entries.len() { "all there" } else { "some lost" }).or_default() +=
            1;
        // What was lost comes again.
        let mut store = store;
        store.commit(&group, &changes).unwrap();
        assert_eq!(check(&store.reader(), &group, &entries), entries.len(), "seed {seed}");
    }
    println!("{ends:?}");
    assert!(ends.get("an error").is_none_or(|errors| *errors < 20), "{ends:?}");
}

#[test]
fn of_any_rows_that_are_lost_the_rest_is_whole_and_the_lost_are_asked_for_again() {
    let (entries, changes) = said();
    let mut bench = Bench::new();
    let group = bench.join(1, &[]);
    bench.commit(group, &changes);
    let home = bench.close();
    let mut lost = 0;
    for seed in 0..25 {
        let dir = copy_of(home.path());
        let mut rng = ChaCha12Rng::seed_from_u64(seed);
        {
            let engine = SledEngine::open(&dir.path().join("store")).unwrap();
            let rows = engine.scan(&[], &[0xff], Dir::Up, usize::MAX).unwrap();
            let mut batch = crate::engine::Batch::default();
            for _ in 0..4 {
                let first = usize::try_from(rng.next_u32()).unwrap() % rows.len();
                rows.iter().skip(first).take(16).for_each(|(key, _)| batch.remove(key.clone()));
            }
            engine.commit(&batch).unwrap();
            fs::write(dir.path().join("store/mend"), []).unwrap();
        }
        let copied = Home::open(dir.path()).unwrap();
        let mut store = copied.unlock(PASSPHRASE).unwrap();
        let shown = check(&store.reader(), &group, &entries);
        lost += entries.len() - shown;
        store.commit(&group, &changes).unwrap();
        assert_eq!(check(&store.reader(), &group, &entries), entries.len(), "seed {seed}");
        assert!(!dir.path().join("store/mend").exists());
    }
    assert!(lost > 100, "{lost} were lost");
}
