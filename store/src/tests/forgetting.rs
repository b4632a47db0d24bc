//! What is left of words that ended, to someone who has the whole disk and the passphrase.

use std::fs;
use std::path::Path;

use proto::{Accepted, Change, Compared, Gone, GroupId, LocalId, MemberId, Notice};
use tempfile::TempDir;

use super::bench::{Bench, PASSPHRASE, accepted, entry, member, op, signed, wanted, written};
use crate::engine::{Dir, Engine as _, Pair, SledEngine};
use crate::record;
use crate::rows::{BODY, DRAFT, NOTE, NoteRecord, OPS};
use crate::seal::Sealer as _;
use crate::vault::{KeyTable, Vault};
use crate::{Error, Reader};

/// The highest tag of a table.
const LAST_TAG: u8 = DRAFT.tag();

const DAY_MS: u64 = 24 * 3600 * 1000;

/// An entry whose body ends on that day.
fn ending(seq: u32, day: u64, says: &str) -> Accepted {
    let came =
        Accepted { first_seen_ms: 20_000 * DAY_MS, ..entry(&member(1), seq, seq.into(), says) };
    Accepted { ends_ms: Some(day * DAY_MS + 5), ..came }
}

fn gone(entry: &Accepted) -> Change {
    Change::Gone(Gone {
        author: entry.author,
        seq: entry.seq,
        id: entry.id,
        is_shown: true,
        is_awaited: true,
    })
}

/// What is shown, oldest first.
fn said(reader: &Reader, group: &GroupId) -> Vec<Option<String>> {
    let page = reader.timeline(group, None, 99).unwrap();
    let text = |payload: Vec<u8>| String::from_utf8(payload).unwrap();
    page.rows.into_iter().map(|row| row.payload.map(text)).collect()
}

fn words(of: &[&str]) -> Vec<Option<String>> {
    of.iter().map(|word| Some((*word).to_owned())).collect()
}

/// A copy of all that is on the disk.
pub(super) fn image(home: &Path) -> TempDir {
    fn copy(from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for file in fs::read_dir(from).unwrap() {
            let file = file.unwrap();
            let to = to.join(file.file_name());
            if file.path().is_dir() {
                copy(&file.path(), &to);
            } else {
                fs::copy(file.path(), to).unwrap();
            }
        }
    }
    let image = tempfile::tempdir().unwrap();
    copy(home, image.path());
    image
}

/// What lies in the sealed rows of a disk.
pub(super) fn rows(image: &TempDir, tag: u8) -> Vec<Pair> {
    let engine = SledEngine::open(&image.path().join("store")).unwrap();
    engine.scan(&[tag], &[tag + 1], Dir::Up, 9_999).unwrap()
}

/// Whether the bytes still are in sled's file, wherever.
fn is_on(image: &TempDir, bytes: &[u8]) -> bool {
    let file = fs::read(image.path().join("store/db")).unwrap();
    file.windows(bytes.len()).any(|window| window == bytes)
}

/// Gives a disk the vault of another.
fn give_vault(from: &TempDir, to: &TempDir) {
    let files = |of: &TempDir| {
        let files = fs::read_dir(of.path()).unwrap().map(|file| file.unwrap().path());
        files.filter(|path| path.is_file()).collect::<Vec<_>>()
    };
    files(to).iter().for_each(|path| fs::remove_file(path).unwrap());
    for path in files(from) {
        fs::copy(&path, to.path().join(path.file_name().unwrap())).unwrap();
    }
}

/// Whether any key in a vault opens any of these rows.
pub(super) fn opens_any(image: &TempDir, rows: &[Pair]) -> bool {
    let (_vault, table): (Vault, KeyTable) = Vault::unlock(image.path(), PASSPHRASE).unwrap();
    rows.iter().any(|(key, sealed)| {
        let notice = table.profile.open(key, sealed).ok();
        let notice = notice.and_then(|plain| {
            let note: NoteRecord = record::decode(plain.get(1..)?).ok()?;
            Some(table.groups.iter().any(|group| group.keys.open(key, &note.sealed).is_ok()))
        });
        notice.unwrap_or(false) || table.groups.iter().any(|group| group.can_open(key, sealed))
    })
}

#[test]
fn after_its_day_nothing_opens_a_body_though_its_bytes_are_still_there() {
    let mut bench = Bench::new();
    let group = bench.join(1, &[op("stays")]);
    let fades = ending(0, 20_030, &"fades".repeat(3_000));
    let stays = ending(1, 20_031, "stays");
    bench.commit(group, &[accepted(&fades), accepted(&stays)]);
    let home = bench.close();
    let before = image(home.path());
    let mut bodies = rows(&before, BODY.tag());

    let mut bench = Bench::unlock(home);
    assert!(bench.store.end_days(20_031 * DAY_MS - 1).unwrap().is_empty(), "the day is not over");
    assert_eq!(said(&bench.reader(), &group), words(&[&"fades".repeat(3_000), "stays"]));
    assert_eq!(bench.store.end_days(20_031 * DAY_MS).unwrap(), [group]);
    assert!(bench.store.end_days(20_031 * DAY_MS).unwrap().is_empty(), "it ends once");
    let expected = [None, Some("stays".to_owned())];
    assert_eq!(said(&bench.reader(), &group), expected);
    let mut bench = bench.reopened();
    assert_eq!(said(&bench.reader(), &group), expected);
    let given = bench.reader().load(&group, &wanted(&[(fades.author, 0, 9)], &[], 9, 99_999));
    let given = given.unwrap().entries;
    assert_eq!(given.len(), 2, "that it was said stays");
    assert_eq!((&given[0], &given[1].body), (&stays.entry, &None));
    // Someone gives it again, and what came late has ended too.
    let late = ending(2, 20_030, "late");
    bench.commit(group, &[accepted(&fades), accepted(&late)]);
    assert_eq!(said(&bench.reader(), &group), [None, Some("stays".to_owned()), None]);

    let after = image(bench.home.path());
    let kept = rows(&after, BODY.tag());
    bodies.retain(|row| !kept.contains(row));
    assert_eq!((kept.len(), bodies.len()), (1, 4), "the rows are gone from the tree");
    let left = bodies.iter().filter(|(_, sealed)| is_on(&after, sealed)).count();
    assert!(left > 0, "and still in the file, {left} of {}", bodies.len());
    assert!(!opens_any(&after, &bodies), "what is left opens nothing");
    give_vault(&before, &after);
    assert!(opens_any(&after, &bodies), "the old vault opens them, so that the test can fail");
}

#[test]
fn a_clock_that_was_far_ahead_and_is_set_right_ends_nothing_that_comes_afterwards() {
    let mut bench = Bench::new();
    let group = bench.join(1, &[]);
    bench.store.end_days(20_000 * DAY_MS).unwrap();
    bench.commit(group, &[accepted(&ending(0, 20_030, "before")), written([8; 32], 0, "unsent")]);
    assert_eq!(bench.store.end_days(24_000 * DAY_MS).unwrap(), [group]);
    assert!(bench.store.end_days(20_001 * DAY_MS).unwrap().is_empty());
    // It ends on the same day as what is gone for good.
    bench.commit(group, &[accepted(&ending(1, 20_030, "after"))]);
    let mut bench = bench.reopened();
    let shown = [None, Some("after".to_owned()), Some("unsent".to_owned())];
    assert_eq!(said(&bench.reader(), &group), shown);
    assert_eq!(bench.store.end_days(20_031 * DAY_MS).unwrap(), [group]);
    assert_eq!(said(&bench.reader(), &group), [None, None, Some("unsent".to_owned())]);
}

#[test]
fn taking_back_what_never_was_fills_no_disk_and_what_an_engine_waits_for_is_kept() {
    let mut bench = Bench::new();
    let group = bench.join(1, &[]);
    let gone = |n: u32, is_awaited| {
        let mut id = [7; 32];
        id[..4].copy_from_slice(&n.to_be_bytes());
        let (author, id) = (MemberId([1; 32]), proto::EntryId(id));
        Change::Gone(Gone { author, seq: 3, id, is_shown: true, is_awaited })
    };
    for n in 0..30 {
        let changes: Vec<_> = (n * 16..n * 16 + 16).map(|n| gone(n, false)).collect();
        bench.commit(group, &changes);
    }
    bench.commit(group, &[gone(9_999, true)]);
    let kept = bench.reopened().reader().remembered(&group).unwrap();
    assert!(kept.contains(&gone(9_999, true)));
    assert!((256..300).contains(&kept.len()), "{} rows", kept.len());
}

#[test]
fn of_an_erased_group_nothing_opens_and_the_others_stay() {
    let mut bench = Bench::new();
    let (one, two) = (bench.join(1, &[op("one")]), bench.join(2, &[op("two")]));
    bench.commit(one, &[accepted(&ending(0, 20_030, "words")), written([8; 32], 0, "unsent")]);
    let notice = || Change::Notice(Notice::Complete(MemberId([1; 32])));
    let compared = Compared { member: MemberId([9; 32]), joined_with: None, is_verified: true };
    bench.commit(one, &[notice(), Change::Compared(compared)]);
    bench.store.keep_draft(&one, b"half a sentence").unwrap();
    bench.commit(two, &[accepted(&entry(&member(2), 0, 0, "others")), notice()]);
    let home = bench.close();
    let before = image(home.path());
    let all: Vec<_> = (0..=LAST_TAG).flat_map(|tag| rows(&before, tag)).collect();
    let mut bench = Bench::unlock(home);
    let reader = bench.reader();
    bench.store.erase_group(&one).unwrap();
    assert!(matches!(bench.store.erase_group(&one), Err(Error::NoSuchGroup)));
    assert!(matches!(reader.timeline(&one, None, 9), Err(Error::NoSuchGroup)));
    let left = reader.notices(0, 99).unwrap();
    assert_eq!(left.iter().map(|noted| noted.group).collect::<Vec<_>>(), [two]);
    drop(reader);
    let bench = bench.reopened();
    assert_eq!(bench.reader().groups().unwrap().len(), 1);
    assert_eq!(said(&bench.reader(), &two), words(&["others"]));
    let after = image(bench.home.path());
    let kept: Vec<_> = (0..=LAST_TAG).flat_map(|tag| rows(&after, tag)).collect();
    let lost: Vec<Pair> = all.into_iter().filter(|row| !kept.contains(row)).collect();
    assert!(lost.len() >= 10, "{} rows", lost.len());
    assert!(lost.iter().any(|(key, _)| key[0] == DRAFT.tag()), "what was being written too");
    assert!(lost.iter().any(|(_, sealed)| is_on(&after, sealed)), "sled still holds the bytes");
    assert!(opens_any(&before, &lost), "the old vault opens them");
    assert!(!opens_any(&after, &lost), "what is left opens nothing");
}

/// Found by kill -9: its notices stayed for good, and a cursor was given twice.
#[test]
fn a_group_is_erased_altogether_whenever_the_power_fails_and_no_cursor_comes_twice() {
    let notice = || Change::Notice(Notice::Complete(MemberId([1; 32])));
    for cut in 0.. {
        let mut bench = Bench::new();
        let (one, two) = (bench.join(1, &[op("one")]), bench.join(2, &[]));
        bench.commit(two, &[notice()]);
        bench.commit(one, &[notice(), notice()]);
        bench.store.cut_after(cut);
        let is_done = bench.store.erase_group(&one).is_ok();
        let mut bench = bench.reopened();
        assert_eq!(bench.reader().groups().unwrap().len(), 1, "cut {cut}");
        let left = bench.reader().notices(0, 99).unwrap();
        assert_eq!(left.iter().map(|noted| noted.cursor).collect::<Vec<_>>(), [1], "cut {cut}");
        bench.store.forget().unwrap();
        let image = image(bench.home.path());
        assert_eq!(rows(&image, NOTE.tag()).len(), 2, "cut {cut}: one, and a number");
        assert!(rows(&image, OPS.tag()).is_empty(), "cut {cut}");
        let mut bench = bench.reopened();
        bench.commit(two, &[notice()]);
        let cursors = bench.reader().notices(0, 99).unwrap();
        assert_eq!(cursors.iter().map(|noted| noted.cursor).collect::<Vec<_>>(), [1, 4]);
        if is_done {
            break;
        }
    }
}

#[test]
fn what_was_taken_back_opens_with_nothing_once_it_was_forgotten_whenever_the_power_fails() {
    let mut cuts = 0;
    loop {
        let mut bench = Bench::new();
        let group = bench.join(1, &[]);
        let back = ending(1, 20_030, "taken back");
        let others = [ending(0, 20_030, "same day"), ending(2, 20_031, "next day")];
        bench.commit(group, &[accepted(&others[0]), accepted(&back), accepted(&others[1])]);
        let kept = Accepted { ends_ms: None, ..ending(3, 0, "for good") };
        bench.commit(
            group,
            &[accepted(&kept), written([8; 32], 0, "unsent"), written([9; 32], 1, "waits")],
        );
        let home = bench.close();
        let before = image(home.path());
        let mut bench = Bench::unlock(home);
        bench.commit(group, &[gone(&back), Change::Unwritten(LocalId([8; 32]))]);
        bench.store.cut_after(cuts);
        let done = loop {
            match bench.store.forget() {
                Ok(true) => {}
                done => break done.is_ok(),
            }
        };
        // Whatever was cut off is made good.
        let mut bench = bench.reopened();
        while bench.store.forget().unwrap() {}
        let expected = words(&["same day", "next day", "for good", "waits"]);
        let shown: Vec<_> = said(&bench.reader(), &group).into_iter().flatten().map(Some).collect();
        assert_eq!(shown, expected, "after {cuts} batches");
        let after = image(bench.home.path());
        let now: Vec<_> =
            [BODY.tag(), 0x23].into_iter().flat_map(|tag| rows(&after, tag)).collect();
        let lost: Vec<Pair> = rows(&before, BODY.tag())
            .into_iter()
            .chain(rows(&before, 0x23))
            .filter(|(key, _)| !now.iter().any(|(still, _)| still == key))
            .collect();
        assert_eq!(lost.len(), 2, "the body, and what was not sent");
        assert!(opens_any(&before, &lost));
        assert!(!opens_any(&after, &lost), "after {cuts} batches");
        if done {
            break;
        }
        cuts += 1;
    }
    assert!(cuts >= 3, "{cuts} cuts");
}

#[test]
fn a_message_that_was_signed_or_changed_leaves_no_words_in_the_outbox_after_a_day() {
    let mut bench = Bench::new();
    let group = bench.join(1, &[]);
    bench.commit(group, &[written([8; 32], 0, "unsent"), written([9; 32], 1, "waits")]);
    let home = bench.close();
    let before = image(home.path());
    let mut bench = Bench::unlock(home);
    bench.commit(group, &[signed(entry(&member(1), 0, 1, "unsent"), [8; 32])]);
    bench.store.end_days(20_000 * DAY_MS).unwrap();
    assert_eq!(said(&bench.reader(), &group), words(&["unsent", "waits"]));
    let after = image(bench.home.path());
    let old = rows(&before, 0x23);
    assert!(opens_any(&before, &old));
    assert!(!opens_any(&after, &old), "all of it was sealed anew");
}
