//! What people say in place of what they said.

use proto::message::Body;
use proto::{Accepted, Change, Entry, EntryId, Gone, GroupId, Instead, MemberId, OpId, Wanted};

use super::bench::{Bench, accepted, edit, member, op, said, signed, take_back, text, wrote};

/// That `by` is shown in place of `of`.
fn instead(of: &Accepted, by: &Accepted) -> Change {
    replaced(of, by.author, by.seq, by.id)
}

fn replaced(of: &Accepted, author: MemberId, seq: u32, by: EntryId) -> Change {
    Change::Instead(Instead { of: of.id, author, seq, by })
}

fn gone(entry: &Accepted) -> Change {
    let Accepted { author, seq, id, is_shown, .. } = *entry;
    Change::Gone(Gone { author, seq, id, is_shown, is_awaited: true })
}

/// What a message is shown to say: its first words, and what it was edited to.
fn says(bench: &Bench, group: &GroupId, message: &Accepted) -> (Option<String>, Option<String>) {
    let row = bench.reader().message(group, &message.id.0).unwrap().unwrap();
    let page = bench.reader().timeline(group, None, 99).unwrap();
    assert!(page.rows.contains(&row), "the timeline says the same");
    let first = row.payload.map(|payload| match Body::decode(&payload).unwrap() {
        Body::Text(text) => text.text.into_string(),
        Body::Edit(_) | Body::TakeBack(_) | Body::Noop(_) | Body::Unknown(_) => panic!("no text"),
    });
    let edited = row.edit.map(|payload| match Body::decode(&payload).unwrap() {
        Body::Edit(edit) => edit.words.text.into_string(),
        Body::Text(_) | Body::TakeBack(_) | Body::Noop(_) | Body::Unknown(_) => panic!("no edit"),
    });
    (first, edited)
}

fn edited(bench: &Bench, group: &GroupId, message: &Accepted) -> Option<String> {
    says(bench, group, message).1
}

fn load_versions(bench: &Bench, group: &GroupId, id: EntryId) -> Vec<Entry> {
    let loaded = bench.reader().load(group, &Wanted::Versions(id)).unwrap();
    assert_eq!((loaded.held, loaded.more), (vec![], false));
    loaded.entries
}

fn versions(bench: &Bench, group: &GroupId, id: EntryId) -> Vec<EntryId> {
    load_versions(bench, group, id).iter().map(Entry::id).collect()
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn an_edit_is_shown_in_place_of_the_words_and_outlives_them() {
    let mut bench = Bench::new();
    let group = bench.join(1, &[]);
    let author = member(2);
    let first = said(&author, 0, 1, &text("first words"));
    let new = said(&author, 1, 2, &edit(&[&first], &"other words".repeat(5_000)));
    bench.commit(group, &[accepted(&first)]);
    assert_eq!(says(&bench, &group, &first), (some("first words"), None));
    let words = some(&"other words".repeat(5_000));
    bench.commit(group, &[accepted(&new), instead(&first, &new)]);
    assert_eq!(says(&bench, &group, &first), (some("first words"), words.clone()));
    bench.commit(group, &[gone(&first)]);
    let bench = bench.reopened();
    assert_eq!(says(&bench, &group, &first), (None, words));
    let rows = bench.reader().timeline(&group, None, 9).unwrap().rows;
    assert_eq!(rows.len(), 1, "an edit has no place of its own");
    assert_eq!((rows[0].id, rows[0].wall), (first.id.0, 1_001), "and moves nothing");
}

#[test]
fn the_newest_edit_counts_in_whatever_order_they_come() {
    let author = member(2);
    let first = said(&author, 0, 1, &text("0"));
    let one = said(&author, 1, 2, &edit(&[&first], "1"));
    let two = said(&author, 2, 3, &edit(&[&first, &one], "2"));
    let three = said(&author, 3, 4, &edit(&[&first, &one, &two], "3"));
    let edits = [one, two, three];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let mut bench = Bench::new();
        // The words that are edited may come last.
        let group = bench.join(1, &[]);
        for n in order {
            bench.commit(group, &[accepted(&edits[n]), instead(&first, &edits[n])]);
        }
        bench.commit(group, &[accepted(&first)]);
        assert_eq!(edited(&bench, &group, &first), some("3"), "{order:?}");
        assert_eq!(versions(&bench, &group, first.id), [first.id, edits[2].id], "{order:?}");
    }
}

#[test]
fn an_edit_that_was_displaced_says_nothing() {
    let mut bench = Bench::new();
    let group = bench.join(1, &[]);
    let me = member(1);
    let first = said(&me, 0, 1, &text("0"));
    let one = said(&me, 1, 2, &edit(&[&first], "1"));
    bench.commit(group, &[accepted(&first), accepted(&one), instead(&first, &one)]);
    assert_eq!(edited(&bench, &group, &first), some("1"));
    bench.commit(group, &[Change::Displaced(one.id)]);
    assert_eq!(says(&bench, &group, &first), (some("0"), None));
    assert_eq!(versions(&bench, &group, first.id), [first.id]);
}

#[test]
fn a_message_that_was_taken_back_says_nothing() {
    let mut bench = Bench::new();
    let group = bench.join(1, &[]);
    let author = member(2);
    let first = said(&author, 0, 1, &text("0"));
    let one = said(&author, 1, 2, &edit(&[&first], "1"));
    let back = said(&author, 2, 3, &take_back(&[&first, &one]));
    bench.commit(group, &[accepted(&first), accepted(&one), gone(&first), instead(&first, &one)]);
    assert_eq!(says(&bench, &group, &first), (None, some("1")));
    let stub = |entry: &Accepted| Entry { body: None, ..entry.entry.clone() };
    assert_eq!(load_versions(&bench, &group, first.id), [stub(&first), one.entry.clone()]);
    bench.commit(group, &[accepted(&back), gone(&first), gone(&one)]);
    let bench = bench.reopened();
    assert_eq!(says(&bench, &group, &first), (None, None));
    let loaded = load_versions(&bench, &group, first.id);
    assert_eq!(loaded, [stub(&first), stub(&one)], "whoever asks can see it");
}

#[test]
fn nobody_edits_the_words_of_another() {
    let mut bench = Bench::new();
    let group = bench.join(1, &[]);
    let (me, author, other) = (member(1), member(2), member(3));
    let first = said(&author, 0, 1, &text("0"));
    let theirs = said(&other, 9, 2, &edit(&[&first], "not what was said"));
    bench.commit(group, &[accepted(&first), accepted(&theirs), instead(&first, &theirs)]);
    assert_eq!(says(&bench, &group, &first), (some("0"), None));
    assert_eq!(versions(&bench, &group, first.id), [first.id]);
    // Nor where it is said to be the author's: signed, or written here, which an edit never is.
    bench.commit(group, &[replaced(&first, author.id, 1, theirs.id)]);
    assert_eq!(says(&bench, &group, &first), (some("0"), None));
    assert_eq!(versions(&bench, &group, first.id), [first.id]);
    bench.commit(group, &[wrote([8; 32], 0, &edit(&[&first], "nor this"))]);
    for who in [me.id, author.id] {
        bench.commit(group, &[replaced(&first, who, 1, EntryId([8; 32]))]);
        assert_eq!(says(&bench, &group, &first), (some("0"), None));
    }
    // Nor do they hide how the author edited it.
    let one = said(&author, 2, 3, &edit(&[&first], "1"));
    bench.commit(group, &[accepted(&one), instead(&first, &one), instead(&first, &theirs)]);
    let bench = bench.reopened();
    assert_eq!(edited(&bench, &group, &first), some("1"));
    assert_eq!(versions(&bench, &group, first.id), [first.id, one.id]);
}

#[test]
fn only_an_edit_of_the_message_itself_is_shown_in_its_place() {
    let mut bench = Bench::new();
    let an_op = op("an op");
    let Change::Op(inner) = &an_op else { panic!("no op") };
    let OpId(op_id) = inner.id();
    let group = bench.join(1, &[an_op]);
    let author = member(2);
    let first = said(&author, 0, 1, &text("0"));
    let second = said(&author, 1, 2, &text("1"));
    let of_first = said(&author, 2, 3, &edit(&[&first, &second], "edit of the first"));
    let back = said(&author, 3, 4, &take_back(&[&second]));
    bench.commit(group, &[&first, &second, &of_first, &back].map(accepted));
    // The second is among the versions of that edit, and not its message.
    let cannot = [of_first.id.0, first.id.0, back.id.0, op_id, [9; 32], second.id.0];
    for (n, by) in (1..).zip(cannot) {
        bench.commit(group, &[replaced(&second, author.id, n, EntryId(by))]);
        assert_eq!(says(&bench, &group, &second), (some("1"), None), "case {n}");
    }
    bench.commit(group, &[instead(&first, &of_first)]);
    assert_eq!(edited(&bench, &group, &first), some("edit of the first"));
}

#[test]
fn versions_are_those_of_an_entry_that_is_held() {
    let mut bench = Bench::new();
    let group = bench.join(1, &[]);
    let (me, local) = (member(1), [8; 32]);
    let first = said(&me, 0, 1, &text("0"));
    let one = said(&me, 1, 2, &edit(&[&first], "1"));
    bench.commit(group, &[accepted(&one), instead(&first, &one), wrote([7; 32], 0, &text("w"))]);
    assert!(versions(&bench, &group, first.id).is_empty(), "only its edit is here");
    bench.commit(group, &[signed(first.clone(), local)]);
    let bench = bench.reopened();
    for id in [local, [7; 32], [9; 32]] {
        assert!(versions(&bench, &group, EntryId(id)).is_empty());
    }
    assert_eq!(versions(&bench, &group, one.id), [one.id]);
    assert_eq!(versions(&bench, &group, first.id), [first.id, one.id]);
}
