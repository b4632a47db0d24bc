//! What the engine promises, one process and one disk at a time.

mod damage;
#[cfg(target_os = "linux")]
mod full;
mod model;

use std::fs;

use super::*;

/// An engine that costs little, in a home.
fn small(home: &Path) -> Result<SledEngine, Error> {
    SledEngine::open_as(&home.join("store"), Setup { cache: 1 << 20, ballast: 4096, lock: None })
}

fn rows(pairs: &[(&str, Option<&str>)]) -> Batch {
    let mut batch = Batch::default();
    for (key, value) in pairs {
        match value {
            Some(value) => batch.put((*key).into(), (*value).into()),
            None => batch.remove((*key).into()),
        }
    }
    batch
}

fn keys(engine: &SledEngine, from: &str, to: &str, dir: Dir, limit: usize) -> Vec<String> {
    let pairs = engine.scan(from.as_bytes(), to.as_bytes(), dir, limit).unwrap();
    pairs.into_iter().map(|(key, _)| String::from_utf8(key).unwrap()).collect()
}

#[test]
fn a_committed_batch_is_there_after_reopening_and_scans_both_ways() {
    let dir = tempfile::tempdir().unwrap();
    let engine = SledEngine::open(&dir.path().join("store")).unwrap();
    let batch = [("a", Some("1")), ("b", Some("2")), ("c", Some("3"))];
    engine.commit(&rows(&batch)).unwrap();
    engine.commit(&rows(&[("b", None), ("d", Some("4"))])).unwrap();
    drop(engine);
    let engine = SledEngine::open(&dir.path().join("store")).unwrap();
    assert_eq!(engine.get(b"b").unwrap(), None);
    assert_eq!(engine.get(b"d").unwrap(), Some(b"4".to_vec()));
    assert_eq!(keys(&engine, "a", "d", Dir::Up, 9), ["a", "c"]);
    assert_eq!(keys(&engine, "a", "z", Dir::Down, 2), ["d", "c"]);
    assert!(keys(&engine, "z", "a", Dir::Up, 9).is_empty());
}

#[test]
fn what_is_over_a_bound_is_refused_and_the_engine_lives_on() {
    let dir = tempfile::tempdir().unwrap();
    let engine = SledEngine::open(&dir.path().join("store")).unwrap();
    let long = "k".repeat(KEY_MAX + 1);
    let big = "v".repeat(VALUE_MAX + 1);
    let full = "v".repeat(VALUE_MAX);
    let names: Vec<String> = (0..64).map(|n| format!("{n:02}")).collect();
    let many: Vec<_> = names.iter().map(|n| (n.as_str(), Some(full.as_str()))).collect();
    for bad in [vec![(long.as_str(), Some("v"))], vec![("k", Some(big.as_str()))], many] {
        assert!(matches!(engine.commit(&rows(&bad)), Err(Error::TooLarge)));
    }
    engine.commit(&rows(&[("k", Some(full.as_str()))])).unwrap();
    assert_eq!(keys(&engine, "", "z", Dir::Up, 99), ["k"]);
}

#[test]
fn a_half_written_snapshot_and_a_damaged_one_do_not_stop_it() {
    let dir = tempfile::tempdir().unwrap();
    let engine = SledEngine::open(&dir.path().join("store")).unwrap();
    engine.commit(&rows(&[("a", Some("1"))])).unwrap();
    drop(engine);
    fs::write(dir.path().join("store/snap.ffffffffffffffff.generating"), b"half").unwrap();
    let engine = SledEngine::open(&dir.path().join("store")).unwrap();
    assert_eq!(engine.get(b"a").unwrap(), Some(b"1".to_vec()));
    drop(engine);
    assert!(!dir.path().join("quarantine").exists(), "the good snapshot stays");
    fs::write(dir.path().join("store/snap.7fffffffffffffff"), b"damaged, newest").unwrap();
    let engine = SledEngine::open(&dir.path().join("store")).unwrap();
    assert_eq!(engine.get(b"a").unwrap(), Some(b"1".to_vec()));
    assert!(dir.path().join("quarantine/snap.7fffffffffffffff").exists());
}

#[cfg(target_os = "linux")]
#[test]
fn after_a_failed_sync_nothing_is_said_or_written_any_more() {
    let dir = tempfile::tempdir().unwrap();
    let mut engine = SledEngine::open(&dir.path().join("store")).unwrap();
    engine.commit(&rows(&[("a", Some("1"))])).unwrap();
    let Life::Open(raw) = &mut engine.state.get_mut().unwrap().life else { panic!("not open") };
    raw.break_log(File::open("/dev/null").unwrap());
    assert!(matches!(engine.commit(&rows(&[("b", Some("2"))])), Err(Error::Io(_))));
    assert!(matches!(engine.commit(&rows(&[("c", Some("3"))])), Err(Error::Poisoned)));
    assert!(matches!(engine.get(b"a"), Err(Error::Poisoned)));
}
