//! What a person is writing, as it is kept.

use super::bench::Bench;
use super::forgetting::{image, opens_any, rows};
use crate::Error;

const DAY_MS: u64 = 24 * 3600 * 1000;

#[test]
fn what_is_being_written_is_there_when_the_profile_is_opened_again() {
    let mut bench = Bench::new();
    let (here, there) = (bench.join(1, &[]), bench.join(2, &[]));
    assert_eq!(bench.reader().draft(&here).unwrap(), None);
    let long = vec![7_u8; 100 * 1024];
    for draft in [b"half a".as_slice(), &long, b"half a sen"] {
        bench.store.keep_draft(&here, draft).unwrap();
        bench = bench.reopened();
        assert_eq!(bench.reader().draft(&here).unwrap().unwrap().as_slice(), draft);
        assert_eq!(bench.reader().draft(&there).unwrap(), None);
    }
    assert_eq!(rows(&image(bench.home.path()), 0x31).len(), 1, "nothing is left of the long one");
    let too_long = vec![7; 128 * 1024 + 1];
    assert!(matches!(bench.store.keep_draft(&here, &too_long), Err(Error::TooLarge)));
    bench.store.keep_draft(&here, b"").unwrap();
    bench.store.keep_draft(&here, b"").unwrap();
    assert_eq!(bench.reopened().reader().draft(&here).unwrap(), None);
}

#[test]
fn a_power_cut_leaves_one_draft_or_the_other() {
    for batches in 0..2 {
        let mut bench = Bench::new();
        let group = bench.join(1, &[]);
        let (old, new) = (vec![1; 60 * 1024], vec![2; 90 * 1024]);
        bench.store.keep_draft(&group, &old).unwrap();
        bench.store.cut_after(batches);
        let is_kept = bench.store.keep_draft(&group, &new).is_ok();
        let bench = bench.reopened();
        let draft = bench.reader().draft(&group).unwrap().unwrap();
        assert_eq!(is_kept, batches > 0);
        assert!(*draft == if is_kept { new } else { old }, "{batches} batches");
    }
}

#[test]
fn what_was_written_before_opens_with_nothing_after_a_day() {
    let mut bench = Bench::new();
    let group = bench.join(1, &[]);
    bench.store.keep_draft(&group, b"what I would rather not say").unwrap();
    let home = bench.close();
    let before = image(home.path());
    let mut bench = Bench::unlock(home);
    bench.store.keep_draft(&group, b"hello").unwrap();
    bench.store.end_days(20_000 * DAY_MS).unwrap();
    assert_eq!(bench.reader().draft(&group).unwrap().unwrap().as_slice(), b"hello");
    let old = rows(&before, 0x31);
    assert!(!old.is_empty() && opens_any(&before, &old));
    assert!(!opens_any(&image(bench.home.path()), &old), "all of it was sealed anew");
}
