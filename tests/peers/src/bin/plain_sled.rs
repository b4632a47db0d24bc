//! The negative control of `tests/powerloss`: sled 0.34.7 as it comes, without the store's rules.
//!
//! The commands and lines are those of `tests/examples/store_child/main.rs`. A batch puts some rows, at times
//! removes older ones, and is applied at once and flushed: sled's documentation promises that it is
//! durable then. That it is not is why the store has rules.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::Instant;

use rand_chacha::ChaCha12Rng;
use rand_core::{Rng as _, SeedableRng as _};

/// What a batch says: rows by key, none where one is removed.
type Batch = BTreeMap<u64, Option<Vec<u8>>>;
type Rows = BTreeMap<u64, Vec<u8>>;

/// Longest value, in bytes.
const VALUE_MAX: u64 = 4_000;

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|_| {}));
    let asked: Vec<String> = std::env::args().skip(1).collect();
    let asked: Vec<&str> = asked.iter().map(String::as_str).collect();
    let done = match asked.as_slice() {
        ["run", dir, first] => run(dir, first.parse().unwrap()),
        ["verify", dir, acked] => {
            let acked = acked.parse().unwrap();
            let verdict = catch_unwind(AssertUnwindSafe(|| verify(dir, acked)));
            let verdict = verdict.unwrap_or_else(|_| Err("PANIC in sled".to_owned()));
            verdict.map(|ok| println!("VERIFY ok {ok}")).map_err(|why| format!("VERIFY FAIL {why}"))
        }
        _ => Err("usage: plain_sled run DIR FIRST | verify DIR ACKED".to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            println!("{why}");
            ExitCode::FAILURE
        }
    }
}

/// What a batch does, from its number alone.
fn batch(number: u64) -> Batch {
    let mut rng = ChaCha12Rng::seed_from_u64(number);
    let rows = 1 + rng.next_u64() % 60;
    let mut batch = Batch::new();
    for n in 0..rows {
        let mut value = vec![0; usize::try_from(rng.next_u64() % VALUE_MAX).unwrap()];
        rng.fill_bytes(&mut value);
        batch.insert(number * 100 + n, Some(value));
        if number > 0 && n % 3 == 0 {
            batch.insert(rng.next_u64() % (number * 100), None);
        }
    }
    batch
}

fn apply(rows: &mut Rows, number: u64) {
    for (key, value) in batch(number) {
        match value {
            Some(value) => {
                rows.insert(key, value);
            }
            None => {
                rows.remove(&key);
            }
        }
    }
}

fn commit(db: &sled::Db, number: u64) -> sled::Result<()> {
    let mut rows = sled::Batch::default();
    for (key, value) in batch(number) {
        let key = key.to_be_bytes();
        match value {
            Some(value) => rows.insert(&key, value),
            None => rows.remove(&key),
        }
    }
    db.apply_batch(rows)?;
    db.flush().map(drop)
}

fn run(dir: &str, first: u64) -> Result<(), String> {
    println!("BEGIN");
    let db = sled::open(dir).map_err(|error| format!("STOP open {error}"))?;
    println!("OPEN");
    for number in first.. {
        commit(&db, number).map_err(|error| format!("STOP {number} {error}"))?;
        println!("{number}");
    }
    Ok(())
}

fn verify(dir: &str, acked: i64) -> Result<String, String> {
    let until = u64::try_from(acked + 1).unwrap_or(0);
    let mut old = Rows::new();
    (0..until).for_each(|number| apply(&mut old, number));
    let mut new = old.clone();
    apply(&mut new, until);

    let begun = Instant::now();
    let db = sled::open(dir).map_err(|error| format!("OPEN {error}"))?;
    let open_ms = begun.elapsed().as_millis();
    let mut seen = Rows::new();
    for row in db.iter() {
        let (key, value) = row.map_err(|error| format!("READ {error}"))?;
        let key = key.as_ref().try_into().map_err(|_long| "WRONG a key".to_owned())?;
        seen.insert(u64::from_be_bytes(key), value.to_vec());
    }
    let newest = match judge(&seen, &old, &new) {
        Ok(is_new) => until + u64::from(is_new),
        Err(why) => return Err(why),
    };
    commit(&db, newest).map_err(|error| format!("WRITE {error}"))?;
    Ok(format!("newest={newest} open_ms={open_ms}"))
}

/// Whether the whole of the batch that was under way is there; what is wrong, if anything.
fn judge(seen: &Rows, old: &Rows, new: &Rows) -> Result<bool, String> {
    if seen == old || seen == new {
        return Ok(seen == new);
    }
    let is_lost = |key: &&u64| new.contains_key(*key) && !seen.contains_key(*key);
    let lost = old.keys().filter(is_lost).count();
    if lost > 0 {
        return Err(format!("LOST {lost} of {} rows", old.len()));
    }
    let is_known = |(key, value)| [old.get(key), new.get(key)].contains(&Some(value));
    match seen.iter().all(is_known) {
        true => Err("PARTIAL of the batch that was under way".to_owned()),
        false => Err("WRONG rows, or rows that were removed".to_owned()),
    }
}
