//! Rows are made from the first message that changed; they are those that all messages make.

use proto::MemberId;
use room::{Coming, How};

use super::*;
use crate::backend::{MessageView, Page, Profile};
use crate::gui::asks::{Reading, TalkPage, Update};
use crate::gui::clock::Clock;
use crate::gui::testing::{NOW_MS, message};

const GROUP: GroupId = GroupId([2; 32]);

fn reading(messages: &[MessageView], more: bool) -> Update {
    reading_with(messages, &[], more)
}

fn reading_with(messages: &[MessageView], comings: &[Coming], more: bool) -> Update {
    reading_for(messages, comings, (more, 0))
}

fn reading_for(
    messages: &[MessageView],
    comings: &[Coming],
    (more, words_stay_secs): (bool, u32),
) -> Update {
    let group = crate::backend::GroupView {
        arriving: None,
        group: GROUP,
        name: "Tuesday".into(),
        reason: "Company.".into(),
        agreement: String::new(),
        words_stay_secs,
        me: MemberId([1; 32]),
        members: 2,
        last_activity_ms: 1,
    };
    let page = Page { messages: messages.to_vec(), more };
    let read = TalkPage { page, comings: comings.to_vec(), ..TalkPage::default() };
    let talk = Some((GROUP, Ok(read)));
    Update::Read(Box::new(Reading {
        profile: Profile::Open,
        groups: Ok(vec![group]),
        talk,
        missing: None,
    }))
}

/// Said by one of three, some hours after the one before.
fn said(nth: u16) -> MessageView {
    let author = MemberId([u8::try_from(nth % 3).unwrap(); 32]);
    message(nth, author, "words", 90_000 - u64::from(nth) * 150)
}

/// Someone came so many minutes ago.
fn coming(nth: u16, minutes: u64) -> Coming {
    let member = MemberId([u8::try_from(100 + nth).unwrap(); 32]);
    let at_ms = message(0, member, "", minutes).sent_at_ms;
    Coming { member, name: format!("Newcomer {nth}"), at_ms, how: How::Came }
}

fn rows(timeline: &Timeline) -> Vec<(Key, Kind)> {
    timeline.rows.all().iter().map(|row| (row.key, row.kind)).collect()
}

#[test]
fn rows_from_the_first_change_on_are_those_of_all_messages() {
    let mut model = Model::new(Clock::standing_at(90_000 * 60_000));
    let mut messages: Vec<_> = (100..300).map(said).collect();
    let mut comings: Vec<_> =
        (0..60).map(|nth| coming(nth, 90_000 - u64::from(nth) * 797)).collect();
    comings.reverse();
    model.apply(reading(&[], true));
    model.apply(reading_with(&messages, &comings, true));
    let mut timeline = Timeline::new();
    timeline.width = 600.0;
    for turn in 0..80_u16 {
        let middle = usize::from(turn * 37) % messages.len();
        match turn % 7 {
            6 if turn > 40 => comings.push(coming(turn, 0)),
            0 | 1 => messages.push(said(300 + turn)),
            2 => messages[middle].edited = !messages[middle].edited,
            3 => messages[middle].pseudonym = format!("name {turn}"),
            4 => drop(messages.remove(middle)),
            _ => messages.insert(0, said(99 - turn)),
        }
        for message in &mut messages {
            let heard = comings.iter().filter(|coming| coming.at_ms <= message.sent_at_ms);
            message.heard = heard.count();
        }
        model.apply(reading_with(&messages, &comings, turn < 40));
        let talk = model.talk.as_ref().unwrap();
        timeline.rebuild(&model, talk);
        let mut fresh = Timeline::new();
        fresh.width = 600.0;
        fresh.rebuild(&model, talk);
        assert_eq!(rows(&timeline), rows(&fresh), "turn {turn}");
        // Heights that were measured stay with their rows.
        let last = timeline.rows.len() - 1;
        timeline.rows.set_height(last, 77.0);
        assert_eq!(timeline.rows.get(last).unwrap().height, 77.0, "turn {turn}");
    }
    // Nothing that stands above the change is made again.
    let (kept, before) = (timeline.rows.get(3).unwrap().key, timeline.rows.len());
    timeline.rows.set_height(3, 123.0);
    messages.push(said(400));
    model.apply(reading_with(&messages, &comings, false));
    let talk = model.talk.as_ref().unwrap();
    assert_eq!(talk.changed_from, messages.len() - 1);
    timeline.rebuild(&model, talk);
    assert!(timeline.rows.len() > before);
    let row = timeline.rows.get(3).unwrap();
    assert_eq!((row.key, row.height), (kept, 123.0));
}

/// Where those who came and left stand among messages, by their numbers.
fn told(messages: &[MessageView], comings: &[Coming], more: bool) -> Vec<String> {
    let mut model = Model::new(Clock::standing_at(90_000 * 60_000));
    model.apply(reading(&[], true));
    model.apply(reading_with(messages, comings, more));
    let mut timeline = Timeline::new();
    timeline.width = 600.0;
    timeline.rebuild(&model, model.talk.as_ref().unwrap());
    let told = timeline.rows.all().iter().filter_map(|row| match row.kind {
        Kind::Beginning | Kind::New | Kind::Day(_) => None,
        Kind::Coming { nth } => Some(comings[nth].name.clone()),
        Kind::Message { nth, head } => Some(format!("{nth}{}", if head { " named" } else { "" })),
    });
    told.collect()
}

#[test]
fn who_came_stands_where_their_coming_was_known() {
    let author = MemberId([2; 32]);
    let said = |nth: u16, heard| MessageView {
        heard,
        ..message(nth, author, "words", u64::from(30 - nth))
    };
    // The third was said after the first had come by every clock, by someone who had not heard of it.
    let messages = [said(0, 0), said(1, 1), said(2, 0), said(3, 1)];
    let came = [coming(0, 29), coming(1, 20)];
    let all = |messages: &[MessageView], more| told(messages, &came, more);
    let here = ["0 named", "Newcomer 0", "1 named", "2", "3", "Newcomer 1"];
    assert_eq!(all(&messages, false), here);
    // What the oldest of them knew stands nowhere, while older ones are not loaded.
    assert_eq!(all(&messages[1..], true), ["0 named", "1", "2", "Newcomer 1"]);
    assert_eq!(all(&messages[1..], false)[0], "Newcomer 0");
    assert_eq!(all(&[], false), ["Newcomer 0", "Newcomer 1"]);
    assert_eq!(all(&[], true), [] as [&str; 0]);
}

/// Whoever had set their clock back came and went without a word.
#[test]
fn a_clock_that_is_set_back_hides_nobodys_coming_and_makes_no_day() {
    let author = MemberId([2; 32]);
    let messages = [0, 1].map(|nth| MessageView {
        heard: usize::from(nth),
        ..message(nth, author, "words", u64::from(30 - nth))
    });
    let (early, late) = (coming(0, 89_000), coming(1, 89_000));
    let comings = [early, late];
    let mut model = Model::new(Clock::standing_at(NOW_MS));
    model.apply(reading_for(&messages, &comings, (false, 3600)));
    let kinds = |model: &Model| {
        let mut timeline = Timeline::new();
        timeline.width = 600.0;
        timeline.rebuild(model, model.talk.as_ref().unwrap());
        rows(&timeline).into_iter().map(|(key, _)| key).collect::<Vec<_>>()
    };
    model.apply(reading_for(&messages, &comings, (false, 3600)));
    let keys = kinds(&model);
    let days =
        keys.iter().filter(|key| matches!(key, Key::Day(_) | Key::DayAgain(_) | Key::DayOf(..)));
    assert_eq!((keys.len(), days.count()), (6, 1), "{keys:?}");
    // Where words of then have faded, what stood above them has, too.
    model.apply(reading_for(&messages[1..], &comings, (false, 3600)));
    assert_eq!(kinds(&model).len(), 4, "{:?}", kinds(&model));
}
