//! Rows are made from the first message that changed; they are those that all messages make.

use proto::MemberId;

use super::*;
use crate::backend::{MessageView, Page, Profile};
use crate::gui::asks::{Reading, Update};
use crate::gui::clock::Clock;
use crate::gui::testing::message;

const GROUP: GroupId = GroupId([2; 32]);

fn reading(messages: &[MessageView], more: bool) -> Update {
    let group = crate::backend::GroupView {
        arriving: None,
        group: GROUP,
        name: "Tuesday".into(),
        reason: "Company.".into(),
        agreement: String::new(),
        words_stay_secs: 0,
        me: MemberId([1; 32]),
        members: 2,
        last_activity_ms: 1,
    };
    let page = Page { messages: messages.to_vec(), more };
    let talk = Some((GROUP, Ok((Vec::new(), page))));
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

fn rows(timeline: &Timeline) -> Vec<(Key, Kind)> {
    timeline.rows.all().iter().map(|row| (row.key, row.kind)).collect()
}

#[test]
fn rows_from_the_first_change_on_are_those_of_all_messages() {
    let mut model = Model::new(Clock::standing_at(90_000 * 60_000));
    let mut messages: Vec<_> = (100..300).map(said).collect();
    model.apply(reading(&[], true));
    model.apply(reading(&messages, true));
    let mut timeline = Timeline::new();
    timeline.width = 600.0;
    for turn in 0..80_u16 {
        let middle = usize::from(turn * 37) % messages.len();
        match turn % 6 {
            0 | 1 => messages.push(said(300 + turn)),
            2 => messages[middle].edited = !messages[middle].edited,
            3 => messages[middle].pseudonym = format!("name {turn}"),
            4 => drop(messages.remove(middle)),
            _ => messages.insert(0, said(99 - turn)),
        }
        model.apply(reading(&messages, turn < 40));
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
    model.apply(reading(&messages, false));
    let talk = model.talk.as_ref().unwrap();
    assert_eq!(talk.changed_from, messages.len() - 1);
    timeline.rebuild(&model, talk);
    assert!(timeline.rows.len() > before);
    let row = timeline.rows.get(3).unwrap();
    assert_eq!((row.key, row.height), (kept, 123.0));
}
