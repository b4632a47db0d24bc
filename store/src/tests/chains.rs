//! Several entries under one number, and what members are known to hold.

use std::collections::BTreeSet;

use proto::{
    Accepted, Arrival, Arriving, Branch, Change, Compared, EntryId, Fork, GroupId, Loaded, LocalId,
    MemberId, OpId, SeqRange, Wanted,
};

use super::bench::{Bench, accepted, entry, member, op, signed, wanted, written};

fn fork(author: u8, seq: u32, ids: &[u8]) -> Fork {
    let branch = |n: &u8| Branch {
        id: EntryId([*n; 32]),
        prev: EntryId([9; 32]),
        lamport: 7,
        ops: vec![OpId([1; 32])],
    };
    Fork {
        author: MemberId([author; 32]),
        seq,
        branches: ids.iter().map(branch).collect(),
        is_broken: false,
    }
}

fn load(bench: &Bench, group: &GroupId, range: SeqRange, entries_max: usize) -> Loaded {
    bench.reader().load(group, &wanted(&[range], &[], entries_max, usize::MAX)).unwrap()
}

fn ids(loaded: &Loaded) -> Vec<EntryId> {
    loaded.entries.iter().map(proto::Entry::id).collect()
}

#[test]
fn forks_are_given_back_one_for_each_number() {
    let mut bench = Bench::new();
    let group = bench.join(1, &[Change::Fork(fork(1, 4, &[1, 2]))]);
    let other = bench.join(2, &[]);
    let more = [fork(1, 5, &[6]), fork(2, 4, &[7, 8]), fork(1, 4, &[1, 2, 3])];
    bench.commit(group, &more.clone().map(Change::Fork));
    let bench = bench.reopened();
    let [five, two, four] = more;
    let expected = [four, five, two];
    let mut forks = bench.reader().forks(&group).unwrap();
    forks.sort_by_key(|fork| (fork.author, fork.seq));
    assert_eq!(forks, expected);
    let remembered = bench.reader().remembered(&group).unwrap();
    assert_eq!(remembered.len(), 3);
    for fork in expected {
        assert!(remembered.contains(&Change::Fork(fork.clone())), "{fork:?}");
    }
    assert!(bench.reader().forks(&other).unwrap().is_empty());
}

#[test]
fn what_members_hold_and_who_came_lately_is_given_back_as_it_was_said_last() {
    let mut bench = Bench::new();
    let one = MemberId([1; 32]);
    let two = MemberId([2; 32]);
    let group = bench.join(1, &[Change::Held(one, 8), Change::Held(two, 3)]);
    let arrival =
        |is_objected| Change::Arrival(Arrival { member: two, first_seen_ms: 77, is_objected });
    bench.commit(group, &[arrival(false)]);
    // What was said later counts, also where it is less.
    bench.commit(group, &[Change::Held(one, 4), arrival(true)]);
    let bench = bench.reopened();
    let mut held = bench.reader().held(&group).unwrap();
    held.sort_unstable();
    assert_eq!(held, [(one, 4), (two, 3)]);
    let remembered = bench.reader().remembered(&group).unwrap();
    assert_eq!(remembered.len(), 3, "{remembered:?}");
    for change in [Change::Held(one, 4), Change::Held(two, 3), arrival(true)] {
        assert!(remembered.contains(&change), "{change:?}");
    }
    assert!(remembered.iter().all(Change::is_kept_in_memory));
}

#[test]
fn words_compared_and_whom_a_newcomer_met_are_given_back_as_they_were_said_last() {
    let mut bench = Bench::new();
    let (one, two) = (MemberId([1; 32]), MemberId([2; 32]));
    let compared =
        |member, is_verified| Compared { member, joined_with: Some([3; 32]), is_verified };
    let arriving = |met| Arriving { inviter: one, admitter: two, met, is_over: false };
    let first = [Change::Compared(compared(one, false)), Change::Arriving(arriving(None))];
    let group = bench.join(1, &first);
    assert_eq!(bench.reader().arriving(&group).unwrap(), Some(arriving(None)));
    bench.commit(
        group,
        &[Change::Compared(compared(one, true)), Change::Arriving(arriving(Some(one)))],
    );
    bench.commit(group, &[Change::Compared(compared(two, false))]);
    let bench = bench.reopened();
    let mut known = bench.reader().compared(&group).unwrap();
    known.sort_by_key(|compared| compared.member);
    assert_eq!(known, [compared(one, true), compared(two, false)]);
    assert_eq!(bench.reader().arriving(&group).unwrap(), Some(arriving(Some(one))));
    assert_eq!(bench.reader().remembered(&group).unwrap().len(), 3);
}

#[test]
fn all_entries_under_one_number_are_kept_shown_and_loaded() {
    let mut bench = Bench::new();
    let group = bench.join(1, &[]);
    let me = member(1);
    let same: Vec<_> = (0..3).map(|n| entry(&me, 4, 9, &format!("branch {n}"))).collect();
    assert!(same.iter().all(|entry| entry.order == same[0].order));
    let later = entry(&me, 4, 12, "at another moment");
    let (below, above) = (entry(&me, 3, 8, "below"), entry(&me, 5, 13, "above"));
    let all: Vec<_> = same.iter().chain([&later, &above, &below]).collect();
    bench.commit(group, &all.iter().copied().map(accepted).collect::<Vec<_>>());
    let bench = bench.reopened();
    let loaded = ids(&load(&bench, &group, (me.id, 3, 5), 9));
    assert_eq!((loaded.len(), loaded[0], loaded[5]), (6, above.id, below.id));
    let expected: BTreeSet<_> = all.iter().map(|entry| entry.id).collect();
    assert_eq!(loaded.into_iter().collect::<BTreeSet<_>>(), expected);
    let four = load(&bench, &group, (me.id, 4, 4), 9);
    assert_eq!((four.entries.len(), four.more), (4, false));
    let part = load(&bench, &group, (me.id, 4, 4), 3);
    assert_eq!((part.entries.len(), part.more), (3, true));
    // Each shown once, whatever a page holds.
    for limit in 1..8 {
        let (mut seen, mut before) = (Vec::new(), None::<[u8; 32]>);
        loop {
            let page = bench.reader().timeline(&group, before.as_ref(), limit).unwrap();
            before = page.rows.first().map(|row| row.id);
            seen.extend(page.rows.iter().map(|row| EntryId(row.id)));
            if !page.more {
                break;
            }
        }
        assert_eq!(seen.len(), 6, "pages of {limit}");
        assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), expected, "pages of {limit}");
    }
}

#[test]
fn entries_of_one_number_and_moment_whose_ids_begin_alike_are_both_kept() {
    let mut bench = Bench::new();
    let group = bench.join(1, &[]);
    let me = member(1);
    let like = |entry: Accepted, last: u8| {
        let mut id = [7; 32];
        id[15] = last;
        Accepted { id: EntryId(id), ..entry }
    };
    let one = like(entry(&me, 4, 9, "one thing"), 1);
    let other = like(entry(&me, 4, 9, "another"), 2);
    bench.commit(group, &[accepted(&one), accepted(&other)]);
    assert_eq!(bench.reader().timeline(&group, None, 9).unwrap().rows.len(), 2);
    let loaded = bench.reader().load(&group, &wanted(&[], &[other.id, one.id], 9, 9_999)).unwrap();
    assert_eq!(loaded.entries, [other.entry, one.entry]);
}

#[test]
fn which_entries_are_held_is_told_by_their_own_ids_alone() {
    let mut bench = Bench::new();
    let waiting = [5; 32];
    let op = op("an op");
    let Change::Op(inner) = &op else { panic!("no op") };
    let op_id = EntryId(inner.id().0);
    let group = bench.join(1, &[op]);
    let me = member(1);
    let (mine, theirs) = (entry(&me, 0, 1, "mine"), entry(&member(2), 0, 2, "theirs"));
    let local = LocalId([6; 32]);
    let changes = [accepted(&theirs), signed(mine.clone(), local.0), written(waiting, 0, "later")];
    bench.commit(group, &changes);
    let bench = bench.reopened();
    let asked =
        vec![mine.id, EntryId([9; 32]), EntryId(local.0), EntryId(waiting), op_id, theirs.id];
    let loaded = bench.reader().load(&group, &Wanted::Held(asked)).unwrap();
    let expected = Loaded { held: vec![mine.id, theirs.id], ..Loaded::default() };
    assert_eq!(loaded, expected);
}
