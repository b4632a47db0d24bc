//! What the window shows, and what comes of what a person does.

use proto::{MemberId, OpId};

use super::*;

const ME: MemberId = MemberId([1; 32]);
const HERE: GroupId = GroupId([2; 32]);
const THERE: GroupId = GroupId([3; 32]);

fn group(group: GroupId, last_activity_ms: u64) -> GroupView {
    let (name, reason, agreement) = (String::new(), String::new(), String::new());
    let words_stay_secs = 30 * 24 * 3600;
    GroupView {
        arriving: None,
        group,
        name,
        reason,
        agreement,
        words_stay_secs,
        me: ME,
        members: 2,
        last_activity_ms,
    }
}

fn message(nth: u8) -> MessageView {
    MessageView {
        id: [nth; 32],
        author: ME,
        pseudonym: "Juniper".to_owned(),
        text: nth.to_string(),
        sent_at_ms: u64::from(nth),
        reply_to: None,
        known: true,
        edited: false,
        gone: false,
        faded: false,
        forked: false,
        unheard: Vec::new(),
        heard: 0,
        waiting: false,
    }
}

fn page(nths: impl IntoIterator<Item = u8>, more: bool) -> Page {
    Page { messages: nths.into_iter().map(message).collect(), more }
}

fn read(groups: Vec<GroupView>, talk: Option<(GroupId, Page)>) -> Update {
    let talk = talk.map(|(group, page)| (group, Ok(TalkPage { page, ..TalkPage::default() })));
    Update::Read(Box::new(Reading {
        profile: Profile::Open,
        groups: Ok(groups),
        talk,
        missing: None,
    }))
}

/// A window that is open at `HERE`, with three messages.
fn open() -> Model {
    let mut model = Model::new(Clock::standing_at(0));
    let first = model.apply(read(vec![group(THERE, 1), group(HERE, 2)], None));
    assert!(matches!(first, Some(Job::Read { open: Some(HERE), .. })));
    model.apply(read(vec![group(THERE, 1), group(HERE, 2)], Some((HERE, page(4..7, true)))));
    model
}

fn said(model: &Model) -> Vec<String> {
    model.talk.iter().flat_map(|talk| &talk.messages).map(|m| m.text.clone()).collect()
}

#[test]
fn the_group_that_spoke_last_is_opened_first() {
    let model = open();
    assert_eq!(model.open_group().map(|group| group.group), Some(HERE));
    assert_eq!(said(&model), ["4", "5", "6"]);
}

#[test]
fn older_messages_come_above_and_none_comes_twice() {
    let mut model = open();
    model.apply(Update::Older { group: HERE, page: Ok(page(1..5, false)) });
    assert_eq!(said(&model), ["1", "2", "3", "4", "5", "6"]);
}

#[test]
fn a_page_of_a_group_that_was_left_is_not_shown_in_another() {
    let mut model = open();
    model.open(THERE);
    model.apply(Update::Older { group: HERE, page: Ok(page(1..5, false)) });
    model.apply(read(vec![group(THERE, 1), group(HERE, 2)], Some((HERE, page(4..7, true)))));
    assert!(said(&model).is_empty());
}

#[test]
fn only_what_came_while_one_was_elsewhere_is_new() {
    let mut model = open();
    assert!(model.fresh.is_empty(), "what was there at the start");
    model.apply(read(vec![group(THERE, 9), group(HERE, 8)], None));
    assert_eq!(model.fresh.iter().collect::<Vec<_>>(), [&THERE]);
    model.open(THERE);
    assert!(model.fresh.is_empty());
}

#[test]
fn nothing_of_a_group_stays_in_a_locked_window() {
    let mut model = open();
    let expires_ms = 0;
    let invitation = Invitation {
        invite: OpId([4; 32]),
        link: "kith:1".to_owned(),
        has_addresses: true,
        expires_ms,
    };
    model.apply(Update::Invited { group: HERE, invitation: Ok(invitation) });
    assert!(model.invitation.is_some());
    model.apply(Update::Locked(Ok(())));
    assert_eq!(model.profile, Some(Profile::Locked));
    assert!(model.groups.is_empty() && model.talk.is_none() && model.invitation.is_none());
}

#[test]
fn what_comes_after_locking_says_nothing() {
    let mut model = open();
    model.apply(Update::Locked(Ok(())));
    model.apply(Update::Joined(Err(Trouble::new("unreachable", "Nobody was there."))));
    model.apply(Update::Started(Ok(THERE)));
    assert!(model.trouble.is_none() && model.talk.is_none());
}

#[test]
fn joining_does_not_take_one_away_from_where_one_went_meanwhile() {
    let mut model = open();
    model.apply(Update::Joined(Ok(THERE)));
    assert_eq!(model.open_group().map(|group| group.group), Some(HERE));
    assert!(model.fresh.contains(&THERE));
    model.place = Place::Join;
    model.apply(Update::Joined(Ok(THERE)));
    assert_eq!(
        (model.place, model.open_group().map(|group| group.group)),
        (Place::Talk, Some(THERE))
    );
}

#[test]
fn an_invitation_is_not_shown_over_another_group() {
    let mut model = open();
    model.open(THERE);
    let invitation = Invitation {
        invite: OpId([4; 32]),
        link: "kith:1".to_owned(),
        has_addresses: true,
        expires_ms: 0,
    };
    model.apply(Update::Invited { group: HERE, invitation: Ok(invitation) });
    assert!(model.invitation.is_none());
}
