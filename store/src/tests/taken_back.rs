//! What people took back, what is not shown by itself, and what is not kept any more.

use std::collections::BTreeSet;

use proto::message::{Body, Noop};
use proto::{Accepted, Change, Entry, EntryId, Gone, GroupId, LocalId, MemberId, Notice, Wanted};

use super::bench::{
    Bench, Closed, accepted, edit, entry, member, said, signed, take_back, text, wanted, written,
    wrote,
};
use crate::Error;
use crate::engine::{Dir, Engine as _, SledEngine};

fn gone(entry: &Accepted, author: MemberId, is_shown: bool) -> Change {
    Change::Gone(Gone { author, seq: entry.seq, id: entry.id, is_shown, is_awaited: true })
}

fn loaded(bench: &Bench, group: &GroupId, id: EntryId) -> Vec<Entry> {
    bench.reader().load(group, &wanted(&[], &[id], 9, usize::MAX)).unwrap().entries
}

/// The ids of what is shown, oldest first.
fn shown(bench: &Bench, group: &GroupId) -> Vec<[u8; 32]> {
    let page = bench.reader().timeline(group, None, 99).unwrap();
    page.rows.iter().map(|row| row.id).collect()
}

fn without_body(entry: &Accepted) -> Accepted {
    Accepted { entry: Entry { body: None, ..entry.entry.clone() }, ..entry.clone() }
}

/// The keys of all rows on the disk.
fn keys(home: &Closed) -> BTreeSet<Vec<u8>> {
    let engine = SledEngine::open(&home.path().join("store")).unwrap();
    let rows = engine.scan(&[], &[0xff], Dir::Up, 9_999).unwrap();
    rows.into_iter().map(|(key, _)| key).collect()
}

#[test]
fn a_body_that_is_taken_back_is_gone_and_all_else_stays() {
    let mut bench = Bench::new();
    let group = bench.join(1, &[]);
    let (me, local) = (member(1), [8; 32]);
    let mine = entry(&me, 4, 2, &"long words".repeat(6_000));
    let (before, after) = (entry(&me, 3, 1, "before"), entry(&me, 5, 3, "after"));
    bench.commit(group, &[accepted(&before), signed(mine.clone(), local), accepted(&after)]);
    let rows = |bench: &Bench| bench.reader().timeline(&group, None, 9).unwrap().rows;
    let mut expected = rows(&bench);
    expected[1].payload = None;
    bench.commit(group, &[gone(&mine, me.id, false)]);
    // It comes again from someone who has not heard, and is said again.
    bench.commit(group, &[accepted(&mine), gone(&mine, me.id, true)]);
    let bench = bench.reopened();
    assert_eq!(rows(&bench), expected);
    assert_eq!(loaded(&bench, &group, mine.id), [without_body(&mine).entry]);
    let row = bench.reader().message(&group, &local).unwrap().unwrap();
    assert_eq!((row.id, row.payload), (mine.id.0, None));
    assert!(bench.reader().remembered(&group).unwrap().is_empty(), "nothing waits");
}

#[test]
fn a_body_that_was_taken_back_before_it_came_is_never_kept() {
    let mut bench = Bench::new();
    let group = bench.join(1, &[]);
    let author = member(2);
    let late = entry(&author, 4, 2, "taken back");
    bench.commit(group, &[gone(&late, author.id, true)]);
    let mut bench = bench.reopened();
    let waiting = gone(&late, author.id, true);
    assert!(waiting.is_kept_in_memory());
    assert_eq!(bench.reader().remembered(&group).unwrap(), [waiting]);
    assert!(shown(&bench, &group).is_empty());
    bench.commit(group, &[accepted(&late)]);
    let bench = bench.reopened();
    assert_eq!(loaded(&bench, &group, late.id), [without_body(&late).entry]);
    let row = bench.reader().message(&group, &late.id.0).unwrap().unwrap();
    assert_eq!((row.author, row.payload), (author.id, None));
    assert!(bench.reader().remembered(&group).unwrap().is_empty(), "nothing waits any more");
}

#[test]
fn what_comes_without_a_body_is_shown_as_whoever_took_it_back_says() {
    let mut bench = Bench::new();
    let group = bench.join(1, &[]);
    let author = member(2);
    let entries: Vec<_> = (0..4).map(|n| entry(&author, n, n.into(), &format!("{n}"))).collect();
    let is_shown = |entry: &Accepted, is_shown| Accepted { is_shown, ..entry.clone() };
    let [message, hidden, whole, edit] = entries.as_slice() else { panic!("four") };
    for (entry, is_shown) in [(message, true), (hidden, false), (whole, false), (edit, true)] {
        bench.commit(group, &[gone(entry, author.id, is_shown)]);
    }
    bench.commit(group, &[accepted(&is_shown(&without_body(message), false))]);
    bench.commit(group, &[accepted(&is_shown(&without_body(hidden), true))]);
    // With a body it is known better.
    bench.commit(group, &[accepted(&is_shown(whole, true)), accepted(&is_shown(edit, false))]);
    assert_eq!(shown(&bench, &group), [message.id.0, whole.id.0]);
    for entry in &entries {
        assert_eq!(loaded(&bench, &group, entry.id), [without_body(entry).entry]);
    }
}

#[test]
fn nobody_takes_back_the_words_of_another() {
    let mut bench = Bench::new();
    let group = bench.join(1, &[]);
    let (author, other, third) = (member(2), member(3), member(4));
    let held = entry(&author, 0, 1, "held already");
    bench.commit(group, &[accepted(&held), gone(&held, other.id, false)]);
    assert_eq!(loaded(&bench, &group, held.id), [held.entry]);
    assert!(bench.reader().remembered(&group).unwrap().is_empty());
    let late = entry(&author, 1, 2, "comes later");
    bench.commit(group, &[gone(&late, other.id, false)]);
    assert_eq!(bench.reader().remembered(&group).unwrap(), [gone(&late, other.id, false)]);
    bench.commit(group, &[accepted(&late)]);
    assert_eq!(loaded(&bench, &group, late.id), [late.entry]);
    assert_eq!(shown(&bench, &group), [held.id.0, late.id.0]);
    assert!(bench.reader().remembered(&group).unwrap().is_empty());
    // Nor does whoever names it too make the author's own word void.
    let taken = entry(&author, 2, 3, "taken back");
    for who in [&other, &author, &third, &other] {
        bench.commit(group, &[gone(&taken, who.id, true)]);
    }
    assert_eq!(bench.reader().remembered(&group).unwrap().len(), 3, "one for each author");
    let mut bench = bench.reopened();
    bench.commit(group, &[accepted(&taken)]);
    assert_eq!(loaded(&bench, &group, taken.id), [without_body(&taken).entry]);
    assert!(bench.reader().remembered(&group).unwrap().is_empty());
}

#[test]
fn words_and_their_taking_back_may_come_in_one_commit_in_either_order() {
    let mut bench = Bench::new();
    let group = bench.join(1, &[]);
    let me = member(1);
    let (one, two) = (entry(&me, 0, 1, "one"), entry(&me, 1, 2, "two"));
    let both = [accepted(&one), gone(&one, me.id, true), gone(&two, me.id, true), accepted(&two)];
    bench.commit(group, &both);
    let bench = bench.reopened();
    for entry in [&one, &two] {
        assert_eq!(loaded(&bench, &group, entry.id), [without_body(entry).entry]);
    }
    assert!(bench.reader().remembered(&group).unwrap().is_empty());
}

#[test]
fn edits_take_backs_and_noops_are_served_and_not_shown() {
    let mut bench = Bench::new();
    let group = bench.join(1, &[]);
    let me = member(1);
    let texts: Vec<_> =
        (0..6).map(|n| said(&me, 9 * n, u64::from(9 * n) + 1, &text(&format!("{n}")))).collect();
    let mut hidden = Vec::new();
    for (n, text) in (0_u32..).zip(&texts) {
        let (seq, lamport) = (9 * n + 1, u64::from(9 * n) + 2);
        hidden.push(said(&me, seq, lamport, &edit(&[text], "other words")));
        hidden.push(said(&me, seq + 1, lamport + 1, &take_back(&[text])));
        hidden.push(said(&me, seq + 2, lamport + 2, &Body::Noop(Noop)));
    }
    bench.commit(group, &texts.iter().chain(&hidden).map(accepted).collect::<Vec<_>>());
    let bench = bench.reopened();
    let reader = bench.reader();
    for limit in 1..8 {
        let (mut walked, mut before) = (Vec::new(), None::<[u8; 32]>);
        loop {
            let page = reader.timeline(&group, before.as_ref(), limit).unwrap();
            before = page.rows.first().map(|row| row.id);
            walked.splice(0..0, page.rows.iter().map(|row| EntryId(row.id)));
            if !page.more {
                break;
            }
        }
        let expected: Vec<_> = texts.iter().map(|text| text.id).collect();
        assert_eq!(walked, expected, "pages of {limit}");
    }
    // They still are places to page from, and known by id.
    let before_edit = reader.timeline(&group, Some(&hidden[3].id.0), 1).unwrap();
    assert_eq!((before_edit.rows[0].id, before_edit.more), (texts[1].id.0, true));
    for entry in &hidden {
        assert!(reader.message(&group, &entry.id.0).unwrap().is_some());
    }
    let range = reader.load(&group, &wanted(&[(me.id, 0, 99)], &[], 99, usize::MAX)).unwrap();
    assert_eq!(range.entries.len(), 24);
}

#[test]
fn what_is_written_and_no_message_of_its_own_is_not_shown_either() {
    let mut bench = Bench::new();
    let group = bench.join(1, &[]);
    let first = said(&member(1), 0, 1, &text("signed"));
    let changes = [
        accepted(&first),
        wrote([1; 32], 0, &text("one")),
        wrote([2; 32], 1, &edit(&[&first], "edited")),
        wrote([3; 32], 2, &take_back(&[&first])),
        written([4; 32], 3, "what this build cannot read"),
    ];
    bench.commit(group, &changes);
    let bench = bench.reopened();
    assert_eq!(shown(&bench, &group), [first.id.0, [1; 32], [4; 32]]);
    let page = bench.reader().timeline(&group, None, 2).unwrap();
    assert_eq!((page.rows[0].id, page.more), ([1; 32], true));
    assert_eq!(bench.reader().remembered(&group).unwrap(), changes[1..], "all are to be signed");
}

#[test]
fn a_message_that_was_unwritten_leaves_nothing_and_a_signed_one_stays() {
    let mut bench = Bench::new();
    let group = bench.join(1, &[]);
    let (local, late) = ([8; 32], [9; 32]);
    let stays = written([7; 32], 0, "stays");
    bench.commit(group, std::slice::from_ref(&stays));
    let home = bench.close();
    let before = keys(&home);
    let mut bench = Bench::unlock(home);
    bench.commit(group, &[written(local, 1, &"long words".repeat(6_000))]);
    bench.commit(group, &[Change::Unwritten(LocalId(local)), Change::Unwritten(LocalId(late))]);
    let in_one = [written(late, 2, "short"), Change::Unwritten(LocalId(late))];
    bench.commit(group, &in_one);
    assert!(bench.store.forget().unwrap() && !bench.store.forget().unwrap());
    let home = bench.close();
    assert_eq!(keys(&home), before);
    let mut bench = Bench::unlock(home);
    assert_eq!(bench.reader().remembered(&group).unwrap(), [stays]);
    assert_eq!(shown(&bench, &group), [[7; 32]]);
    assert_eq!(bench.reader().message(&group, &local).unwrap(), None);
    let paged = bench.reader().timeline(&group, Some(&local), 9);
    assert!(matches!(paged, Err(Error::NoSuchMessage)));
    let mine = entry(&member(1), 0, 1, "stays");
    bench.commit(group, &[signed(mine.clone(), [7; 32]), Change::Unwritten(LocalId([7; 32]))]);
    assert_eq!(shown(&bench, &group), [mine.id.0]);
    assert_eq!(bench.reader().message(&group, &[7; 32]).unwrap().unwrap().id, mine.id.0);
}

#[test]
fn an_entry_that_was_displaced_leaves_nothing_and_its_neighbours_stay() {
    let mut bench = Bench::new();
    let group = bench.join(1, &[]);
    let (me, local) = (member(1), [8; 32]);
    let (one, two) = (entry(&me, 4, 9, "one thing"), entry(&me, 4, 9, &"another".repeat(3_000)));
    bench.commit(group, &[accepted(&one)]);
    let home = bench.close();
    let before = keys(&home);
    let mut bench = Bench::unlock(home);
    bench.commit(group, &[signed(two.clone(), local)]);
    // Neither an id that nobody knows, nor a local one, is an entry's.
    let no_entries = [EntryId([3; 32]), EntryId(local)].map(Change::Displaced);
    bench.commit(group, &no_entries);
    assert_eq!(shown(&bench, &group).len(), 2);
    bench.commit(group, &[Change::Displaced(two.id), Change::Displaced(two.id)]);
    assert!(bench.store.forget().unwrap() && !bench.store.forget().unwrap());
    let home = bench.close();
    assert_eq!(keys(&home), before);
    let mut bench = Bench::unlock(home);
    assert_eq!(shown(&bench, &group), [one.id.0]);
    for id in [two.id.0, local] {
        assert_eq!(bench.reader().message(&group, &id).unwrap(), None);
    }
    let held = bench.reader().load(&group, &Wanted::Held(vec![two.id, one.id])).unwrap().held;
    assert_eq!(held, [one.id]);
    let range = wanted(&[(me.id, 0, 9)], &[two.id], 9, usize::MAX);
    assert_eq!(bench.reader().load(&group, &range).unwrap().entries, [one.entry]);
    bench.commit(group, &[accepted(&two)]);
    assert_eq!(shown(&bench, &group).len(), 2, "it may come again");
}

#[test]
fn a_notice_of_a_change_is_kept_like_every_notice() {
    let mut bench = Bench::new();
    let group = bench.join(1, &[Change::Notice(Notice::Changed([7; 32]))]);
    let bench = bench.reopened();
    let notices = bench.reader().notices(0, 9).unwrap();
    assert_eq!(notices.len(), 1);
    assert_eq!((notices[0].group, &notices[0].notice), (group, &Notice::Changed([7; 32])));
}
