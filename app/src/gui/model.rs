//! What the window shows, as plain data; what a person can do; what comes of it.
//!
//! ```text
//! Model ── views draw it ──> Action ── Gui ──> Job ── Desk ──> Update ── Model::apply ──> Model
//! ```
//!
//! Read next: [`super::desk`], for who carries out a [`Job`].

use std::collections::{BTreeMap, BTreeSet};

use proto::GroupId;
use zeroize::Zeroizing;

use super::clock::Clock;
use crate::backend::{
    GroupView, Invitation, Look, MemberView, MessageId, MessageView, NewGroup, Page, Profile,
    Trouble,
};

/// How many messages are asked for at once.
pub(crate) const PAGE_LEN: usize = 50;

/// Which part of the program one is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Among the groups; with none, the two ways to come to one.
    Talk,
    /// Starting a group.
    Start,
    /// Joining one.
    Join,
}

/// What is under way that a screen waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Busy {
    /// A passphrase is being tried, or set.
    Opening,
    /// A group is being made.
    Starting,
    /// An invitation is being looked at.
    Looking,
    /// Someone is to let one in.
    Joining,
    /// An invitation is being made.
    Inviting,
}

/// What a person did.
#[derive(Debug)]
pub(crate) enum Action {
    /// Chose a passphrase.
    CreateProfile(Secret),
    /// Gave it.
    Unlock(Secret),
    /// Locked everything up.
    Lock,
    /// Went somewhere.
    Go(Place),
    /// Opened a group.
    Open(GroupId),
    /// Reached the oldest message that is loaded.
    Older,
    /// Said something.
    Say(String),
    /// Starts a group.
    Start(NewGroup),
    /// Looks at an invitation.
    Look(String),
    /// Put the invitation away.
    ForgetLook,
    /// Agreed, under this name.
    Accept(String),
    /// Invites someone to the open group.
    Invite,
    /// Put the invitation that was made away.
    CloseInvitation,
    /// Copies this.
    Copy(String),
    /// From light to dark and back.
    SwitchTheme,
    /// Shows or hides what is known about the group.
    SwitchDetails,
    /// Read what went wrong.
    CloseTrouble,
}

/// A passphrase on its way; gone from memory when it has arrived.
pub(crate) struct Secret(pub(crate) Zeroizing<String>);

impl core::fmt::Debug for Secret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// What the desk is asked to do.
#[derive(Debug)]
pub(crate) enum Job {
    /// Reads everything that is shown, with this many messages of the open group.
    Read { open: Option<GroupId>, limit: usize },
    /// Reads a page of older messages.
    Older { group: GroupId, before: MessageId },
    /// Makes a profile.
    CreateProfile(Secret),
    /// Opens it.
    Unlock(Secret),
    /// Closes it.
    Lock,
    /// Says something.
    Say { group: GroupId, text: String },
    /// Starts a group.
    Start(NewGroup),
    /// Looks at an invitation.
    Look(String),
    /// Joins with it.
    Accept { link: String, pseudonym: String },
    /// Makes one.
    Invite(GroupId),
}

/// What came of a [`Job`].
#[derive(Debug)]
pub(crate) enum Update {
    /// All that is shown.
    Read(Box<Reading>),
    /// Older messages, or why not.
    Older { group: GroupId, page: Result<Page, Trouble> },
    /// The profile is open, or why it is not.
    Opened(Result<(), Trouble>),
    /// It is closed, or why it is not.
    Locked(Result<(), Trouble>),
    /// It is kept here, or why it is not: then the words come back.
    Said { group: GroupId, text: String, done: Result<(), Trouble> },
    /// A group was made, or why not.
    Started(Result<GroupId, Trouble>),
    /// What an invitation shows, or why nothing.
    Looked { link: String, look: Result<Look, Trouble> },
    /// One is in, or why not.
    Joined(Result<GroupId, Trouble>),
    /// An invitation was made, or why not.
    Invited { group: GroupId, invitation: Result<Invitation, Trouble> },
}

impl Update {
    /// Whether it means nothing once the profile is closed.
    const fn is_of_a_group(&self) -> bool {
        match self {
            Self::Read(_) | Self::Opened(_) | Self::Locked(_) => false,
            Self::Older { .. }
            | Self::Said { .. }
            | Self::Started(_)
            | Self::Looked { .. }
            | Self::Joined(_)
            | Self::Invited { .. } => true,
        }
    }
}

/// Who is in a group, and its newest messages.
pub(crate) type TalkPage = (Vec<MemberView>, Page);

/// Everything that is shown, as it was at one moment.
#[derive(Debug)]
pub(crate) struct Reading {
    /// Whether there is a profile, and whether it is open.
    pub(crate) profile: Profile,
    /// The groups, or why they could not be read.
    pub(crate) groups: Result<Vec<GroupView>, Trouble>,
    /// The open group.
    pub(crate) talk: Option<(GroupId, Result<TalkPage, Trouble>)>,
}

/// The open group.
#[derive(Debug)]
pub(crate) struct Talk {
    /// Its id.
    pub(crate) group: GroupId,
    /// Who is in it.
    pub(crate) members: Vec<MemberView>,
    /// Its messages, as far back as they are loaded.
    pub(crate) messages: Vec<MessageView>,
    /// Older ones exist.
    pub(crate) more: bool,
    /// They are being read.
    pub(crate) loading: bool,
    /// Counts changes of `messages`.
    pub(crate) revision: u64,
    /// What follows this one came while one was elsewhere.
    pub(crate) new_after: Option<MessageId>,
    /// It has been read at least once.
    pub(crate) arrived: bool,
}

/// What the window shows.
#[derive(Debug)]
pub(crate) struct Model {
    /// Whether there is a profile, and whether it is open; none while nobody knows.
    pub(crate) profile: Option<Profile>,
    /// Which part of the program is shown.
    pub(crate) place: Place,
    /// The groups, the most recent first.
    pub(crate) groups: Vec<GroupView>,
    /// The open one.
    pub(crate) talk: Option<Talk>,
    /// Groups with something new.
    pub(crate) fresh: BTreeSet<GroupId>,
    /// What is under way.
    pub(crate) busy: Option<Busy>,
    /// What went wrong last.
    pub(crate) trouble: Option<Trouble>,
    /// The invitation that is being looked at, and its link.
    pub(crate) look: Option<(String, Look)>,
    /// The invitation that was made.
    pub(crate) invitation: Option<Invitation>,
    /// What is known about the group is shown beside its messages.
    pub(crate) details: bool,
    /// What time is called.
    pub(crate) clock: Clock,
    /// Words that could not be sent, to go back to where they were typed.
    pub(crate) returned: Option<(GroupId, String)>,
    seen_ms: BTreeMap<GroupId, u64>,
    left_at: BTreeMap<GroupId, MessageId>,
}

impl Model {
    /// Before anything is known.
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            profile: None,
            place: Place::Talk,
            groups: Vec::new(),
            talk: None,
            fresh: BTreeSet::new(),
            busy: None,
            trouble: None,
            look: None,
            invitation: None,
            details: true,
            clock,
            returned: None,
            seen_ms: BTreeMap::new(),
            left_at: BTreeMap::new(),
        }
    }

    /// The open group, as its members see it.
    pub(crate) fn open_group(&self) -> Option<&GroupView> {
        let talk = self.talk.as_ref()?;
        self.groups.iter().find(|group| group.group == talk.group)
    }

    /// What to read so that all that is shown is true again.
    ///
    /// One page more than is loaded, so that what came in does not push the oldest out of the window.
    pub(crate) fn reading(&self) -> Job {
        let loaded = self.talk.as_ref().map_or(0, |talk| talk.messages.len());
        let limit = if loaded <= PAGE_LEN { PAGE_LEN } else { loaded.saturating_add(PAGE_LEN) };
        Job::Read { open: self.talk.as_ref().map(|talk| talk.group), limit }
    }

    /// Goes to a group.
    pub(crate) fn open(&mut self, group: GroupId) {
        self.place = Place::Talk;
        if self.talk.as_ref().is_some_and(|talk| talk.group == group) {
            return;
        }
        if let Some((left, last)) =
            self.talk.as_ref().and_then(|talk| Some((talk.group, talk.messages.last()?.id)))
        {
            self.left_at.insert(left, last);
        }
        let new_after =
            if self.fresh.remove(&group) { self.left_at.get(&group).copied() } else { None };
        self.talk = Some(Talk {
            group,
            members: Vec::new(),
            messages: Vec::new(),
            more: false,
            loading: false,
            revision: 0,
            new_after,
            arrived: false,
        });
    }

    /// Forgets all that a locked window may not show.
    pub(crate) fn forget(&mut self) {
        let details = self.details;
        let profile = self.profile;
        *self = Self { details, profile, ..Self::new(self.clock.clone()) };
    }

    /// Takes in what came of a job; says what to ask for next.
    pub(crate) fn apply(&mut self, update: Update) -> Option<Job> {
        if self.profile != Some(Profile::Open) && update.is_of_a_group() {
            return None;
        }
        match update {
            Update::Read(reading) => return self.on_read(*reading),
            Update::Older { group, page } => {
                self.on_older(group, page);
                return None;
            }
            Update::Opened(done) => self.settle(Busy::Opening, done)?,
            Update::Locked(done) => {
                if let Err(trouble) = done {
                    self.trouble = Some(trouble);
                } else {
                    self.profile = Some(Profile::Locked);
                    self.forget();
                }
            }
            Update::Said { group, text, done } => {
                if let Err(trouble) = done {
                    self.trouble = Some(trouble);
                    self.returned = Some((group, text));
                }
            }
            Update::Started(done) => {
                let group = self.settle(Busy::Starting, done)?;
                self.open(group);
            }
            Update::Looked { link, look } => {
                self.look = Some((link, self.settle(Busy::Looking, look)?));
                return None;
            }
            Update::Joined(done) => {
                let group = self.settle(Busy::Joining, done)?;
                self.look = None;
                // Whoever went on writing elsewhere is not taken away from there.
                if self.place == Place::Join {
                    self.open(group);
                } else {
                    self.fresh.insert(group);
                }
            }
            Update::Invited { group, invitation } => {
                let invitation = self.settle(Busy::Inviting, invitation)?;
                let open = self.talk.as_ref().is_some_and(|talk| talk.group == group);
                self.invitation = open.then_some(invitation);
                return None;
            }
        }
        Some(self.reading())
    }

    /// What was waited for has come: its value, or its trouble said.
    fn settle<T>(&mut self, busy: Busy, done: Result<T, Trouble>) -> Option<T> {
        if self.busy == Some(busy) {
            self.busy = None;
        }
        match done {
            Ok(value) => Some(value),
            Err(trouble) => {
                self.trouble = Some(trouble);
                None
            }
        }
    }

    fn on_read(&mut self, reading: Reading) -> Option<Job> {
        if reading.profile != Profile::Open {
            self.forget();
        }
        self.profile = Some(reading.profile);
        match reading.groups {
            Ok(mut groups) => {
                groups.sort_by_key(|group| core::cmp::Reverse(group.last_activity_ms));
                self.groups = groups;
            }
            Err(trouble) => self.trouble = Some(trouble),
        }
        match reading.talk {
            Some((group, Ok((members, page)))) => self.on_talk(group, members, page),
            Some((_, Err(trouble))) => self.trouble = Some(trouble),
            None => {}
        }
        self.notice_new();
        let gone = self.talk.is_some() && self.open_group().is_none();
        if gone {
            self.talk = None;
        }
        let first = self.groups.first().map(|group| group.group)?;
        if self.talk.is_some() {
            return None;
        }
        let place = self.place;
        self.open(first);
        self.place = place;
        Some(self.reading())
    }

    fn on_talk(&mut self, group: GroupId, members: Vec<MemberView>, page: Page) {
        let page = page.without_faded();
        let Some(talk) = self.talk.as_mut().filter(|talk| talk.group == group) else { return };
        talk.members = members;
        talk.arrived = true;
        talk.more = page.more;
        if talk.messages != page.messages {
            talk.messages = page.messages;
            talk.revision = talk.revision.wrapping_add(1);
        }
    }

    fn on_older(&mut self, group: GroupId, page: Result<Page, Trouble>) {
        let Some(talk) = self.talk.as_mut().filter(|talk| talk.group == group) else { return };
        talk.loading = false;
        match page {
            Ok(page) => {
                let page = page.without_faded();
                let known: BTreeSet<MessageId> =
                    talk.messages.iter().map(|message| message.id).collect();
                let older =
                    page.messages.into_iter().filter(|message| !known.contains(&message.id));
                talk.messages.splice(0..0, older);
                talk.more = page.more;
                talk.revision = talk.revision.wrapping_add(1);
            }
            Err(trouble) => {
                // Asking again at once would ask without end.
                talk.more = false;
                self.trouble = Some(trouble);
            }
        }
    }

    /// What is on the screen is not new; what this run of the program meets first is not, either.
    fn notice_new(&mut self) {
        let open = self.talk.as_ref().map(|talk| talk.group);
        for group in &self.groups {
            let seen = self.seen_ms.entry(group.group).or_insert(group.last_activity_ms);
            if Some(group.group) == open {
                *seen = group.last_activity_ms;
            } else if group.last_activity_ms > *seen {
                *seen = group.last_activity_ms;
                self.fresh.insert(group.group);
            }
        }
    }
}

#[cfg(test)]
mod tests {
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
            waiting: false,
        }
    }

    fn page(nths: impl IntoIterator<Item = u8>, more: bool) -> Page {
        Page { messages: nths.into_iter().map(message).collect(), more }
    }

    fn read(groups: Vec<GroupView>, talk: Option<(GroupId, Page)>) -> Update {
        let talk = talk.map(|(group, page)| (group, Ok((Vec::new(), page))));
        Update::Read(Box::new(Reading { profile: Profile::Open, groups: Ok(groups), talk }))
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
    fn words_that_could_not_be_sent_come_back() {
        let mut model = open();
        let done = Err(Trouble::new("disk_full", "There is no room left."));
        model.apply(Update::Said { group: HERE, text: "Hello".to_owned(), done });
        assert_eq!(model.returned, Some((HERE, "Hello".to_owned())));
        assert_eq!(model.trouble.map(|trouble| trouble.name), Some("disk_full"));
    }

    #[test]
    fn nothing_of_a_group_stays_in_a_locked_window() {
        let mut model = open();
        let expires_ms = 0;
        let invitation =
            Invitation { invite: OpId([4; 32]), link: "kith:1".to_owned(), expires_ms };
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
        let invitation =
            Invitation { invite: OpId([4; 32]), link: "kith:1".to_owned(), expires_ms: 0 };
        model.apply(Update::Invited { group: HERE, invitation: Ok(invitation) });
        assert!(model.invitation.is_none());
    }
}
