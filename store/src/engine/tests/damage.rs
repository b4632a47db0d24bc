//! Files that are not as they were written: an error, or rows as they were, and nothing else.

use std::collections::BTreeMap;

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use tempfile::TempDir;

use super::*;
use crate::tests::bench::{copy_of, in_memory};

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

/// Rows like ours: some stand by a number, some by a hash, some are long.
fn rows_of(count: u32) -> Rows {
    let mut rng = ChaCha12Rng::seed_from_u64(1);
    let mut rows = BTreeMap::new();
    for n in 0..count {
        let byte = n.to_be_bytes()[3];
        let mut name = [0; 16];
        rng.fill_bytes(&mut name);
        let numbered = [&[1, 9, 9, 9, 9], n.to_be_bytes().as_slice()].concat();
        rows.insert(numbered, vec![byte; if n % 50 == 0 { VALUE_MAX } else { 200 }]);
        rows.insert([[2, 9, 9, 9, 9].as_slice(), &name].concat(), vec![byte; 100]);
    }
    rows
}

/// A home with the rows, opened twice so that there is a snapshot, and then written to again.
fn home(rows: &Rows) -> TempDir {
    let dir = in_memory();
    let rows: Vec<_> = rows.clone().into_iter().collect();
    for part in rows.chunks(rows.len() / 3) {
        let engine = small(dir.path()).unwrap();
        for some in part.chunks(40) {
            let mut batch = Batch::default();
            some.iter().cloned().for_each(|(key, value)| batch.put(key, value));
            engine.commit(&batch).unwrap();
        }
    }
    dir
}

/// What was done to a file.
#[derive(Debug, Clone, Copy)]
enum Harm {
    Flip,
    Zero,
    Cut,
}

fn below(end: usize, rng: &mut ChaCha12Rng) -> usize {
    usize::try_from(rng.next_u32()).unwrap() % end
}

fn harm(bytes: &mut Vec<u8>, how: Harm, rng: &mut ChaCha12Rng) {
    let at = below(bytes.len(), rng);
    match how {
        Harm::Flip => bytes[at] ^= 1 << (rng.next_u32() % 8),
        Harm::Zero => {
            let start = at / 4096 * 4096;
            let end = bytes.len().min(start + 4096);
            bytes[start..end].fill(0);
        }
        Harm::Cut => bytes.truncate(at),
    }
}

/// Reads as a store would, opens again where that is asked for, and says how many rows are there.
fn read_all(home: &Path, written: &Rows) -> Option<(usize, Report)> {
    for _ in 0..3 {
        let engine = match small(home) {
            Ok(engine) => engine,
            Err(Error::Damaged(_)) => return None,
            Err(error) => panic!("{error:?}"),
        };
        let mut read = 0;
        for (key, value) in written {
            match engine.get(key) {
                Ok(Some(found)) => {
                    assert_eq!(found, *value, "another value");
                    read += 1;
                }
                Ok(None) => {}
                Err(Error::Damaged(_) | Error::Poisoned) => assert!(engine.is_damaged()),
                Err(error) => panic!("{error:?}"),
            }
        }
        match engine.scan(&[], &[0xff; 9], Dir::Up, usize::MAX) {
            Ok(rows) => {
                assert!(rows.iter().all(|(key, value)| written.get(key) == Some(value)));
                assert!(engine.is_damaged() || rows.len() == read);
            }
            Err(Error::Damaged(_) | Error::Poisoned) => assert!(engine.is_damaged()),
            Err(error) => panic!("{error:?}"),
        }
        if !engine.is_damaged() {
            let report = engine.report();
            assert!(read == written.len() || report.is_to_mend, "lost without a word: {read}");
            return Some((read, report));
        }
    }
    panic!("it is damaged for ever");
}

#[test]
fn whatever_is_damaged_in_whichever_file_nothing_false_is_read_and_no_loss_is_silent() {
    let written = rows_of(600);
    let home = home(&written);
    let mut tally = BTreeMap::<_, u32>::new();
    let mut files: Vec<_> = fs::read_dir(home.path().join("store"))
        .unwrap()
        .map(|file| file.unwrap())
        .filter(|file| file.metadata().unwrap().len() > 0 && file.path().is_file())
        .map(|file| file.file_name())
        .collect();
    files.sort();
    for name in files {
        let cases = if name == "db" { 60 } else { 6 };
        for (seed, how) in
            (0..cases).flat_map(|seed| [Harm::Flip, Harm::Zero, Harm::Cut].map(|how| (seed, how)))
        {
            let copy = copy_of(home.path());
            let path = copy.path().join("store").join(&name);
            let mut bytes = fs::read(&path).unwrap();
            harm(&mut bytes, how, &mut ChaCha12Rng::seed_from_u64(seed));
            fs::write(&path, bytes).unwrap();
            println!("{how:?} in {name:?}, seed {seed}");
            let what = match read_all(copy.path(), &written) {
                None => "an error",
                Some((_, report)) if report.salvaged => "salvaged",
                Some((_, report)) if report.is_to_mend => "cut short, and told",
                Some((_, report)) if report.reindexed => "all there, index made again",
                Some(_) => "all there",
            };
            *tally.entry((name.clone(), format!("{how:?}"), what)).or_default() += 1;
        }
    }
    println!("{tally:#?}");
}

/// Found by this test: sled takes a damaged message near the end of its log for a torn tail, and cuts off
/// without a word all that was acknowledged after it.
#[test]
fn of_a_killed_engine_whose_log_is_damaged_no_loss_is_silent() {
    let written = rows_of(600);
    let dir = in_memory();
    let engine = small(dir.path()).unwrap();
    let rows: Vec<_> = written.clone().into_iter().collect();
    for some in rows.chunks(40) {
        let mut batch = Batch::default();
        some.iter().cloned().for_each(|(key, value)| batch.put(key, value));
        engine.commit(&batch).unwrap();
    }
    let mut lost = 0;
    for seed in 0..20 {
        let copy = copy_of(dir.path());
        let path = copy.path().join("store/db");
        let mut bytes = fs::read(&path).unwrap();
        harm(&mut bytes, Harm::Flip, &mut ChaCha12Rng::seed_from_u64(seed));
        fs::write(&path, bytes).unwrap();
        let got = read_all(copy.path(), &written);
        lost += u32::from(got.is_some_and(|(read, _)| read < written.len()));
    }
    assert!(lost > 5, "{lost} lost something");
}

#[test]
fn of_a_file_with_a_few_bad_leaves_all_the_rest_is_saved() {
    let written = rows_of(12_000);
    let home = home(&written);
    let mut saved = 0;
    let mut salvaged = 0;
    for seed in 0..20 {
        let copy = copy_of(home.path());
        let path = copy.path().join("store/db");
        let mut bytes = fs::read(&path).unwrap();
        let mut rng = ChaCha12Rng::seed_from_u64(seed);
        let known = bytes.len();
        for _ in 0..12 {
            bytes[below(known, &mut rng)] ^= 0xff;
        }
        fs::write(&path, bytes).unwrap();
        let got = read_all(copy.path(), &written);
        println!("seed {seed}: {got:?}");
        if let Some((read, report)) = got
            && report.salvaged
        {
            salvaged += 1;
            saved += read;
            assert!(copy.path().join("quarantine/store/db").exists());
            assert!(!copy.path().join("store.part").exists());
        }
    }
    assert!(salvaged > 12, "{salvaged} were salvaged");
    let share = saved * 100 / (salvaged * written.len());
    println!("{salvaged} salvaged, {share} % of the rows saved");
    assert!(share > 85, "{share} %");
}
