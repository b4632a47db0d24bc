//! What the window shows, as plain data; what a person can do; what comes of it.
//!
//! ```text
//! Model ── views draw it ──> Action ── Gui ──> Job ── Desk ──> Update ── Model::apply ──> Model
//! ```
//!
//! Read next: [`super::asks`], for what is asked for, and [`super::desk`], for who carries it out.

use std::collections::{BTreeMap, BTreeSet};

use proto::{GroupId, MemberId};
use room::Coming;

pub(crate) use super::asks::{
    Action, Busy, Did, Here, Job, Place, Reading, Secret, TalkPage, Update,
};
use super::clock::Clock;
use super::words::plain_name;
use crate::backend::{
    GroupView, Held, Invitation, Look, MemberView, MessageId, MessageView, OpenInvitation, Page,
    Profile, SafetyWords, Trouble,
};

/// How many messages are kept at hand while one is at the newest; older ones are read again when one goes up.
const KEPT_LEN: usize = 10 * PAGE_LEN;

/// So long something has to be missing before it is said unasked, in milliseconds: what comes in the wrong
/// order is whole in a moment.
const MISSING_MS: u64 = 10_000;

/// How many messages are asked for at once.
pub(crate) const PAGE_LEN: usize = 50;

/// The open group.
#[derive(Debug)]
pub(crate) struct Talk {
    /// Its id.
    pub(crate) group: GroupId,
    /// Who is in it.
    pub(crate) members: Vec<MemberView>,
    /// Who came and who left.
    pub(crate) comings: Vec<Coming>,
    /// Own invitations that nobody has used.
    pub(crate) invitations: Vec<OpenInvitation>,
    /// Its messages, as far back as they are loaded.
    pub(crate) messages: Vec<MessageView>,
    /// Older ones exist.
    pub(crate) more: bool,
    /// They are being read.
    pub(crate) loading: bool,
    /// Counts changes of `messages` and `comings`.
    pub(crate) revision: u64,
    /// Those before this one are as they were before the last change.
    pub(crate) changed_from: usize,
    /// What follows this one came while one was elsewhere.
    pub(crate) new_after: Option<MessageId>,
    /// It has been read at least once.
    pub(crate) arrived: bool,
}

/// A question or an answer that lies over everything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialog {
    /// Whether to take this message back.
    TakeBack(MessageId),
    /// On how many devices a message is known to be; none while it is being looked up.
    Where(Option<Held>),
    /// The words to compare with someone.
    Compare(MemberId),
    /// Whether to leave the open group.
    Leave,
    /// What is known of the connection, and what is not.
    Connection,
    /// Another passphrase.
    Passphrase,
    /// Whether to erase everything.
    Erase,
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
    /// The page about shared computers was shown.
    greeted: bool,
    /// What time is called.
    pub(crate) clock: Clock,
    /// What lies over everything else.
    pub(crate) dialog: Option<Dialog>,
    /// Whether anything is known to be missing; none while that is not known.
    pub(crate) missing: Option<bool>,
    /// What is looked at is the newest.
    pub(crate) at_newest: bool,
    /// When it was first seen to be, in milliseconds since 1970.
    missing_since_ms: Option<u64>,
    /// The words to compare, of [`Dialog::Compare`].
    pub(crate) words: Option<SafetyWords>,
    /// Something was done that nothing on the screen shows by itself.
    pub(crate) done: Option<&'static str>,
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
            greeted: false,
            clock,
            dialog: None,
            missing: None,
            at_newest: true,
            missing_since_ms: None,
            words: None,
            done: None,
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
        let loaded = if self.at_newest { loaded.min(KEPT_LEN - PAGE_LEN) } else { loaded };
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
        self.set_missing(None);
        self.talk = Some(Talk {
            group,
            members: Vec::new(),
            comings: Vec::new(),
            invitations: Vec::new(),
            messages: Vec::new(),
            more: false,
            loading: false,
            revision: 0,
            changed_from: 0,
            new_after,
            arrived: false,
        });
    }

    /// Forgets all that a locked window may not show.
    pub(crate) fn forget(&mut self) {
        let Self { details, profile, greeted, .. } = *self;
        let is_first = profile == Some(Profile::None) && self.place == Place::Shared;
        let place = if is_first { Place::Shared } else { Place::Talk };
        let clock = self.clock.clone();
        *self = Self { details, profile, greeted, place, ..Self::new(clock) };
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
            Update::Said { done, .. } | Update::Kept { done, .. } => {
                if let Err(trouble) = done {
                    self.trouble = Some(trouble);
                }
            }
            Update::Drafts(_) => return None,
            Update::Where(held) => {
                if matches!(self.dialog, Some(Dialog::Where(_))) {
                    self.dialog = None;
                    self.dialog = Some(Dialog::Where(Some(self.settle(Busy::Looking, held)?)));
                }
                return None;
            }
            Update::Known(missing) => {
                let missing = self.settle(Busy::Looking, missing);
                self.set_missing(missing);
                return None;
            }
            Update::Words(words) => {
                self.words = self.settle(Busy::Looking, words);
                return None;
            }
            Update::Did(did, done) => self.on_did(did, done)?,
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

    /// Something has been missing for a while.
    pub(crate) fn is_missing(&self) -> bool {
        let now_ms = self.clock.now_ms();
        self.missing_since_ms.is_some_and(|since| now_ms >= since.saturating_add(MISSING_MS))
    }

    /// How long until something that is missing has been for a while, in milliseconds; none when nothing is,
    /// or it has.
    pub(crate) fn missing_wait_ms(&self) -> Option<u64> {
        let due = self.missing_since_ms?.saturating_add(MISSING_MS);
        due.checked_sub(self.clock.now_ms()).filter(|wait| *wait > 0)
    }

    fn set_missing(&mut self, missing: Option<bool>) {
        self.missing = missing;
        self.missing_since_ms = if missing == Some(true) {
            self.missing_since_ms.or_else(|| Some(self.clock.now_ms()))
        } else {
            None
        };
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

    /// Something was done that a dialog asked for; none when it was not.
    fn on_did(&mut self, did: Did, done: Result<(), Trouble>) -> Option<()> {
        self.settle(Busy::Doing, done)?;
        self.dialog = None;
        self.trouble = None;
        match did {
            Did::TakenBack | Did::Compared => {}
            Did::Left => self.talk = None,
            Did::Revoked => {
                self.invitation = None;
                self.done = Some("This invitation was taken back. Its link lets nobody in.");
            }
            Did::Rephrased => self.done = Some("From now on the new passphrase opens Kith."),
            Did::Erased => {
                self.profile = Some(Profile::None);
                self.forget();
            }
        }
        Some(())
    }

    fn on_read(&mut self, reading: Reading) -> Option<Job> {
        if reading.profile != Profile::Open {
            self.forget();
        }
        self.profile = Some(reading.profile);
        if reading.profile == Profile::None && !self.greeted {
            self.greeted = true;
            self.place = Place::Shared;
        }
        match reading.groups {
            Ok(mut groups) => {
                for group in &mut groups {
                    group.name = plain_name(&group.name);
                }
                groups.sort_by_key(|group| core::cmp::Reverse(group.last_activity_ms));
                self.groups = groups;
            }
            Err(trouble) => self.trouble = Some(trouble),
        }
        let read = reading.talk.as_ref().map(|(group, _)| *group);
        match reading.talk {
            Some((group, Ok(read))) => self.on_talk(group, read),
            Some((_, Err(trouble))) => self.trouble = Some(trouble),
            None => {}
        }
        if self.talk.as_ref().map(|talk| talk.group) == read {
            self.set_missing(reading.missing);
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

    fn on_talk(&mut self, group: GroupId, mut read: TalkPage) {
        let page = with_plain_names(read.page.without_faded());
        read.members.iter_mut().for_each(|member| member.pseudonym = plain_name(&member.pseudonym));
        read.comings.iter_mut().for_each(|coming| coming.name = plain_name(&coming.name));
        let Some(talk) = self.talk.as_mut().filter(|talk| talk.group == group) else { return };
        (talk.members, talk.invitations) = (read.members, read.invitations);
        if talk.comings != read.comings {
            talk.comings = read.comings;
            talk.changed_from = 0;
            talk.revision = talk.revision.wrapping_add(1);
        }
        talk.arrived = true;
        talk.more = page.more;
        let same = talk.messages.iter().zip(&page.messages).take_while(|(old, new)| old == new);
        let same = same.count();
        if same < talk.messages.len().max(page.messages.len()) {
            talk.changed_from = same;
            talk.messages = page.messages;
            talk.revision = talk.revision.wrapping_add(1);
        }
    }

    fn on_older(&mut self, group: GroupId, page: Result<Page, Trouble>) {
        let Some(talk) = self.talk.as_mut().filter(|talk| talk.group == group) else { return };
        talk.loading = false;
        match page {
            Ok(page) => {
                let page = with_plain_names(page.without_faded());
                let known: BTreeSet<MessageId> =
                    talk.messages.iter().map(|message| message.id).collect();
                let older =
                    page.messages.into_iter().filter(|message| !known.contains(&message.id));
                talk.messages.splice(0..0, older);
                talk.changed_from = 0;
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

fn with_plain_names(mut page: Page) -> Page {
    for message in &mut page.messages {
        message.pseudonym = plain_name(&message.pseudonym);
    }
    page
}

#[cfg(test)]
mod tests;
