//! Messages, notices, and what an engine is given back.

use proto::{Addr, Change, InviteSecret, MemberId, Notice, OpId};

use super::bench::{Bench, accepted, card, chain, entry, member, op, signed, wanted, written};
use crate::engine::{Dir, Engine as _, SledEngine};
use crate::{Error, Page, Row};

fn says(row: &Row) -> String {
    String::from_utf8(row.payload.clone().unwrap()).unwrap()
}

fn texts(page: &Page) -> Vec<String> {
    page.rows.iter().map(says).collect()
}

#[test]
fn an_engine_is_given_back_what_it_committed_in_the_order_it_needs() {
    let mut bench = Bench::new();
    let me = member(1);
    let ops = [op("z"), op("a"), op("m")];
    let group = bench.join(1, &ops[..1]);
    let invite = |invite: [u8; 32], psk| {
        Change::Invite(InviteSecret { invite: OpId(invite), join_psk: psk, disc: [0; 32] })
    };
    let met = |n: u8, port| Change::Met(MemberId([n; 32]), Addr::Tcp4([10, 0, 0, n], port));
    bench.commit(group, &[met(1, 1), invite([2; 32], [1; 32]), Change::Card(card(&me, 1))]);
    bench.commit(group, &[written([8; 32], 1, "second"), written([9; 32], 0, "first")]);
    bench.commit(group, &[chain([1; 32], 2_000), ops[1].clone()]);
    let mut bench = bench.reopened();
    bench.commit(group, &[ops[2].clone()]);
    let notice = Change::Notice(Notice::Complete(me.id));
    bench.commit(group, &[accepted(&entry(&me, 0, 1, "not replayed")), notice]);
    // What replaces something, and an op that comes twice.
    bench.commit(group, &[chain([1; 32], 3), met(1, 2), Change::Card(card(&me, 2))]);
    bench.commit(group, &[invite([2; 32], [7; 32]), ops[0].clone()]);
    let bench = bench.reopened();
    let all = bench.reader().remembered(&group).unwrap();
    let [one, two, three] = ops;
    let expected = [
        one,
        two,
        three,
        chain([1; 32], 3),
        written([9; 32], 0, "first"),
        written([8; 32], 1, "second"),
        Change::Card(card(&me, 2)),
        invite([2; 32], [7; 32]),
        met(1, 2),
    ];
    assert_eq!(all, expected);
    assert!(all.iter().all(Change::is_kept_in_memory));
    assert_eq!(bench.reader().cards(&group).unwrap(), [card(&me, 2)]);
    assert_eq!(bench.reader().ops(&group).unwrap().len(), 3);
}

#[test]
fn a_text_of_65536_bytes_comes_back_byte_for_byte() {
    let mut bench = Bench::new();
    let group = bench.join(1, &[]);
    let text = "0123456789abcdef".repeat(4096);
    assert_eq!(text.len(), 65_536);
    let signed = entry(&member(1), 0, 1, &text);
    let local = [8; 32];
    bench.commit(group, &[accepted(&signed), written(local, 0, &text)]);
    let bench = bench.reopened();
    let page = bench.reader().timeline(&group, None, 9).unwrap();
    assert!(texts(&page) == [text.clone(), text]);
    let wanted = wanted(&[], &[signed.id], 9, usize::MAX);
    assert!(bench.reader().load(&group, &wanted).unwrap().entries == [signed.entry]);
}

#[test]
fn a_timeline_is_paged_by_entry_ids_and_by_local_ids() {
    let mut bench = Bench::new();
    let group = bench.join(1, &[]);
    let me = member(1);
    // Committed out of order, shown in order.
    let entries: Vec<_> =
        (0..40).map(|n| entry(&me, n, u64::from(n) + 1, &format!("s{n}"))).collect();
    for n in [7, 3].into_iter().chain((0..40).filter(|n| ![3, 7].contains(n))) {
        bench.commit(group, &[accepted(&entries[n])]);
    }
    for n in [2, 0, 1] {
        bench.commit(group, &[written([100 + n; 32], n.into(), &format!("w{n}"))]);
    }
    let reader = bench.reader();
    let page = |before: Option<&[u8; 32]>, limit| reader.timeline(&group, before, limit).unwrap();
    let newest = page(None, 4);
    assert_eq!(
        (texts(&newest), newest.more),
        (["s39", "w0", "w1", "w2"].map(String::from).into(), true)
    );
    assert_eq!(newest.rows[0].wall, 1_040);
    assert_eq!((newest.rows[1].wall, newest.rows[1].signed), (2_000, false));
    assert_eq!(texts(&page(Some(&[101; 32]), 2)), ["s39", "w0"]);
    assert_eq!(texts(&page(Some(&entries[5].id.0), 2)), ["s3", "s4"]);
    let mut before = None;
    let mut walked = Vec::new();
    loop {
        let part = page(before.as_ref(), 5);
        before = part.rows.first().map(|row| row.id);
        walked.splice(0..0, texts(&part));
        if !part.more {
            break;
        }
    }
    let all: Vec<_> =
        (0..40).map(|n| format!("s{n}")).chain((0..3).map(|n| format!("w{n}"))).collect();
    assert_eq!(walked, all);
    let first = page(Some(&entries[0].id.0), 5);
    assert_eq!((first.rows.len(), first.more), (0, false));
    assert!(matches!(reader.timeline(&group, Some(&[1; 32]), 5), Err(Error::NoSuchMessage)));
    assert_eq!(reader.message(&group, &[1; 32]).unwrap(), None);
}

#[test]
fn words_of_one_moment_keep_their_order_across_pages() {
    let mut bench = Bench::new();
    let group = bench.join(1, &[]);
    let people: Vec<_> = (1..8).map(member).collect();
    let mut entries: Vec<_> = (0..4)
        .flat_map(|n| people.iter().map(move |who| (n, who)))
        .map(|(n, who)| entry(who, n, 10 + u64::from(n) / 2, &format!("{n} {:?}", who.id)))
        .collect();
    entries.iter().rev().for_each(|entry| bench.commit(group, &[accepted(entry)]));
    entries.sort_by_key(|entry| entry.order);
    let wanted: Vec<_> = entries.iter().map(|entry| entry.id.0).collect();
    for limit in 1..9 {
        let (mut walked, mut before) = (Vec::new(), None::<[u8; 32]>);
        loop {
            let page = bench.reader().timeline(&group, before.as_ref(), limit).unwrap();
            before = page.rows.first().map(|row| row.id);
            walked.splice(0..0, page.rows.iter().map(|row| row.id));
            if !page.more {
                break;
            }
        }
        assert_eq!(walked, wanted, "pages of {limit}");
    }
}

#[test]
fn row_keys_tell_nothing_to_someone_who_knows_the_words() {
    let mut bench = Bench::new();
    let group = bench.join(1, &[]);
    let known = entry(&member(2), 3, 77, "what another member holds too");
    bench.commit(group, &[accepted(&known), written([5; 32], 1_795_176_000_000, "waiting")]);
    let home = bench.close();
    let engine = SledEngine::open(&home.path().join("store")).unwrap();
    let rows = engine.scan(&[], &[0xff], Dir::Up, 999).unwrap();
    assert!(rows.len() > 5);
    let known: [&[u8]; 6] = [
        &known.order.0[..8],
        &known.order.0[8..],
        &known.id.0[..4],
        &known.author.0[..4],
        &1_795_176_000_000_u64.to_be_bytes(),
        &group.0[..4],
    ];
    for (key, _) in rows {
        for (n, part) in known.iter().enumerate() {
            assert!(!key.windows(part.len()).any(|window| window == *part), "{n} in {key:?}");
        }
    }
}

#[test]
fn a_written_message_that_is_signed_is_shown_once_and_keeps_both_ids() {
    let mut bench = Bench::new();
    let group = bench.join(1, &[]);
    let me = member(1);
    let local = [8; 32];
    bench.commit(group, &[written(local, 0, "mine")]);
    let row = bench.reader().message(&group, &local).unwrap().unwrap();
    assert_eq!((row.id, row.signed, row.author), (local, false, me.id));
    let theirs = entry(&member(2), 0, 1, "theirs");
    let mine = entry(&me, 0, 2, "mine");
    bench.commit(group, &[accepted(&theirs), signed(mine.clone(), local)]);
    // It comes back from others, and an engine that lost count says it again.
    bench.commit(group, &[accepted(&mine), signed(mine.clone(), local), written(local, 5, "mine")]);
    let bench = bench.reopened();
    let reader = bench.reader();
    let page = reader.timeline(&group, None, 9).unwrap();
    assert_eq!(texts(&page), ["theirs", "mine"]);
    assert!(reader.remembered(&group).unwrap().is_empty());
    for id in [mine.id.0, local] {
        let row = reader.message(&group, &id).unwrap().unwrap();
        assert_eq!((row.id, row.local.map(|l| l.0), row.signed), (mine.id.0, Some(local), true));
        assert_eq!(texts(&reader.timeline(&group, Some(&id), 9).unwrap()), ["theirs"]);
    }
}

#[test]
fn a_message_signed_in_one_commit_or_known_as_ours_late_leaves_nothing_waiting() {
    let mut bench = Bench::new();
    let group = bench.join(1, &[]);
    let me = member(1);
    let (one, two) = (entry(&me, 0, 1, "one"), entry(&me, 1, 2, "two"));
    bench.commit(group, &[written([1; 32], 0, "one"), signed(one, [1; 32])]);
    bench.commit(group, &[written([2; 32], 1, "two"), accepted(&two)]);
    bench.commit(group, &[signed(two.clone(), [2; 32])]);
    let page = bench.reader().timeline(&group, None, 9).unwrap();
    assert_eq!(texts(&page), ["one", "two"]);
    assert_eq!(bench.reader().message(&group, &[2; 32]).unwrap().unwrap().id, two.id.0);
    assert_eq!(page.rows[1].local.map(|local| local.0), Some([2; 32]));
}

#[test]
fn ranges_are_loaded_from_the_newest_down_within_both_bounds() {
    let mut bench = Bench::new();
    let group = bench.join(1, &[]);
    let (me, other) = (member(1), member(2));
    let mine: Vec<_> = (0..50).map(|n| entry(&me, n, n.into(), &format!("{n}"))).collect();
    let top = entry(&other, u32::MAX, 7, "top");
    let changes: Vec<_> = mine.iter().chain([&top]).map(accepted).collect();
    bench.commit(group, &changes);
    let load = |ranges: &[(MemberId, u32, u32)], ids: &[proto::EntryId], entries, bytes| {
        let loaded = bench.reader().load(&group, &wanted(ranges, ids, entries, bytes)).unwrap();
        let texts = loaded.entries.into_iter().map(|entry| entry.body.unwrap().payload.into_vec());
        let texts = texts.map(|text| String::from_utf8(text).unwrap());
        (texts.collect::<Vec<_>>().join(" "), loaded.more)
    };
    let told = |text: &str, more| (text.to_owned(), more);
    assert_eq!(load(&[(me.id, 3, 6)], &[], 9, 9_999), told("6 5 4 3", false));
    assert_eq!(load(&[(me.id, 3, 6)], &[], 2, 9_999), told("6 5", true));
    assert_eq!(load(&[(me.id, 3, 6)], &[], 4, 9_999), told("6 5 4 3", false));
    let two = mine[5].entry.size() + mine[6].entry.size();
    assert_eq!(load(&[(me.id, 3, 6)], &[], 9, two), told("6 5", true));
    assert_eq!(load(&[(me.id, 3, 6)], &[], 9, 1), told("6", true));
    assert_eq!(load(&[(me.id, 3, 6)], &[], 0, 0), told("6", true));
    let all = [(other.id, 0, u32::MAX), (me.id, 48, 90)];
    let ids = [mine[0].id, mine[48].id, proto::EntryId([9; 32]), mine[1].id];
    assert_eq!(load(&all, &ids, 9, 9_999), told("top 49 48 0 1", false));
    assert_eq!(load(&all, &ids, 4, 9_999), told("top 49 48 0", true));
    assert_eq!(load(&[(me.id, 60, 90)], &[], 9, 9_999), told("", false));
    assert_eq!(load(&[(me.id, 0, 49)], &[], 99, 99_999).0.split(' ').count(), 50);
}

#[test]
fn notices_keep_their_cursors_across_reopening_and_groups() {
    let mut bench = Bench::new();
    let one = bench.join(1, &[Change::Notice(Notice::Complete(MemberId([1; 32])))]);
    let two = bench.join(2, &[]);
    bench.commit(two, &[Change::Notice(Notice::MemberJoined(MemberId([2; 32])))]);
    let mut bench = bench.reopened();
    assert_eq!(bench.reader().latest_cursor().unwrap(), 2);
    bench.commit(one, &[Change::Notice(Notice::MemberLeft(MemberId([3; 32])))]);
    let notices = bench.reader().notices(0, 9).unwrap();
    let seen: Vec<_> = notices.iter().map(|n| (n.cursor, n.group, n.notice.clone())).collect();
    let expected = [
        (1, one, Notice::Complete(MemberId([1; 32]))),
        (2, two, Notice::MemberJoined(MemberId([2; 32]))),
        (3, one, Notice::MemberLeft(MemberId([3; 32]))),
    ];
    assert_eq!(seen, expected);
    assert!(notices.iter().all(|noted| noted.at_ms > 1_577_836_800_000));
    let after = |after, limit| bench.reader().notices(after, limit).unwrap();
    assert_eq!(after(1, 1).iter().map(|noted| noted.cursor).collect::<Vec<_>>(), [2]);
    assert!(after(3, 9).is_empty() && after(u64::MAX, 9).is_empty());
}

#[test]
fn a_commit_over_one_batch_is_written_whole_and_in_order() {
    let mut bench = Bench::new();
    let long = "x".repeat(60_000);
    let ops: Vec<_> = (0..200).map(|n| op(&format!("{n} {}", "y".repeat(600)))).collect();
    let group = bench.join(1, &ops);
    let me = member(1);
    let entries: Vec<_> =
        (0..12).map(|n| entry(&me, n, n.into(), &format!("{n} {long}"))).collect();
    bench.commit(group, &entries.iter().map(accepted).collect::<Vec<_>>());
    let bench = bench.reopened();
    assert_eq!(bench.reader().remembered(&group).unwrap(), ops);
    assert_eq!(bench.reader().timeline(&group, None, 99).unwrap().rows.len(), 12);
}

#[test]
fn a_refused_commit_leaves_nothing_now_or_later() {
    let mut bench = Bench::new();
    let group = bench.join(1, &[op("one")]);
    let notice = || Change::Notice(Notice::Complete(MemberId([1; 32])));
    let changes = [op("two"), notice(), chain([1; 32], 500_000)];
    assert!(matches!(bench.store.commit(&group, &changes), Err(Error::TooLarge)));
    bench.commit(group, &[op("three"), notice()]);
    let bench = bench.reopened();
    assert_eq!(bench.reader().remembered(&group).unwrap(), [op("one"), op("three")]);
    assert_eq!(bench.reader().notices(0, 9).unwrap().len(), 1);
}

#[test]
fn a_reader_beside_the_writer_never_sees_a_message_twice_or_not_at_all() {
    let mut bench = Bench::new();
    let group = bench.join(1, &[]);
    let me = member(1);
    let reader = bench.reader();
    let watch = std::thread::spawn(move || {
        let mut seen = 0;
        while seen < 60 {
            let page = reader.timeline(&group, None, 99).unwrap();
            let expected: Vec<_> = (0..page.rows.len()).map(|n| format!("{n}")).collect();
            assert_eq!(texts(&page), expected);
            assert!(page.rows.len() >= seen, "{} after {seen}", page.rows.len());
            seen = page.rows.len();
        }
    });
    for n in 0..60_u8 {
        bench.commit(group, &[written([n + 1; 32], n.into(), &format!("{n}"))]);
        let entry = entry(&me, n.into(), u64::from(n) + 1, &format!("{n}"));
        bench.commit(group, &[signed(entry, [n + 1; 32])]);
    }
    watch.join().unwrap();
}
