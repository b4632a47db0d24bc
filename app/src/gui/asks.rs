//! What a person does, what is asked for it, and what comes of that.
//!
//! ```text
//! Action (a person) ── Gui ──> Job (the desk) ──> Update (the model)
//! ```

use proto::{GroupId, MemberId, OpId};
use room::Coming;
use zeroize::Zeroizing;

use super::model::Dialog;
use crate::backend::{
    Appearance, Drafts, GroupView, Held, Invitation, Leaving, Look, MemberView, MessageId,
    NewGroup, OpenInvitation, Page, Profile, SafetyWords, Trouble,
};

/// Which part of the program one is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Among the groups; with none, the two ways to come to one.
    Talk,
    /// Starting a group.
    Start,
    /// Joining one.
    Join,
    /// How Kith looks, and the profile.
    Settings,
    /// What to know about a computer that others use too.
    Shared,
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
    /// What a dialog asked for.
    Doing,
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
    /// Did something in the open group.
    Here(Here),
    /// Chose another passphrase: the old one, and the new one.
    Rephrase(Secret, Secret),
    /// Erases everything.
    Erase,
    /// Asks something first.
    Ask(Dialog),
    /// Put the question or the answer away.
    CloseDialog,
    /// Makes everything larger or smaller, by so many steps.
    Zoom(i8),
    /// Starts a group.
    Start(NewGroup),
    /// Looks at an invitation.
    Look(String),
    /// Put the invitation away.
    ForgetLook,
    /// Agreed, under this name.
    Accept(String),
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

/// What a person did in the open group.
#[derive(Debug)]
pub(crate) enum Here {
    /// Reached the oldest message that is loaded.
    Older,
    /// Invites someone.
    Invite,
    /// Makes the invitation anew without addresses; the one that was made is taken back.
    WithoutAddresses,
    /// Sent what is in the composer: it leaves in a moment.
    Sent,
    /// Answers this message.
    Reply(MessageId),
    /// Writes an own message anew.
    Edit(MessageId),
    /// Takes it back.
    TakeBack(MessageId),
    /// Asks on how many devices it is known to be.
    Where(MessageId),
    /// Asks what is known of the connection.
    Known,
    /// Asks for the words to compare with someone.
    Compare(MemberId),
    /// The words were the same.
    Same(MemberId),
    /// Leaves it.
    Leave,
    /// Takes an own invitation back.
    Revoke(OpId),
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
    /// Says something, or replaces what was said; unless it was said before the program last ended.
    Say { group: GroupId, said: Leaving, again: bool },
    /// Reads what was being written in these groups.
    Drafts(Vec<GroupId>),
    /// Keeps what is being written.
    Keep { group: GroupId, drafts: Drafts },
    /// Takes an own message back.
    TakeBack { group: GroupId, id: MessageId },
    /// Looks on how many devices it is known to be.
    Where { group: GroupId, id: MessageId },
    /// Looks whether anything is known to be missing.
    Known(GroupId),
    /// Gives the words to compare with someone.
    Compare { group: GroupId, member: MemberId },
    /// Remembers that they were the same.
    Same { group: GroupId, member: MemberId },
    /// Leaves a group.
    Leave(GroupId),
    /// Takes an invitation back.
    Revoke { group: GroupId, invite: OpId },
    /// Replaces the passphrase.
    Rephrase { old: Secret, new: Secret },
    /// Erases everything.
    Erase,
    /// Keeps how the window looks.
    Appear(Appearance),
    /// Starts a group.
    Start(NewGroup),
    /// Looks at an invitation.
    Look(String),
    /// Joins with it.
    Accept { link: String, pseudonym: String },
    /// Makes one, in place of another if there is one.
    Invite { group: GroupId, addresses: bool, instead_of: Option<OpId> },
}

/// What was done that a dialog asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Did {
    /// A message was taken back.
    TakenBack,
    /// Words were the same.
    Compared,
    /// The group was left.
    Left,
    /// An invitation was taken back.
    Revoked,
    /// There is another passphrase.
    Rephrased,
    /// Nothing is kept here any more.
    Erased,
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
    Said { group: GroupId, said: Leaving, done: Result<(), Trouble> },
    /// What was being written.
    Drafts(Vec<(GroupId, Result<Drafts, Trouble>)>),
    /// What is being written in this group is kept, or how the window looks; or why not.
    Kept { group: Option<GroupId>, done: Result<(), Trouble> },
    /// On how many devices a message is known to be.
    Where(Result<Held, Trouble>),
    /// Whether anything is known to be missing.
    Known(Result<bool, Trouble>),
    /// The words to compare.
    Words(Result<SafetyWords, Trouble>),
    /// Something was done, or why not.
    Did(Did, Result<(), Trouble>),
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
    pub(crate) const fn is_of_a_group(&self) -> bool {
        match self {
            Self::Read(_) | Self::Opened(_) | Self::Locked(_) => false,
            Self::Kept { group: None, .. } => false,
            Self::Did(Did::Rephrased | Did::Erased, _) => false,
            Self::Older { .. }
            | Self::Said { .. }
            | Self::Drafts(_)
            | Self::Kept { group: Some(_), .. }
            | Self::Where(_)
            | Self::Known(_)
            | Self::Words(_)
            | Self::Did(Did::TakenBack | Did::Compared | Did::Left | Did::Revoked, _)
            | Self::Started(_)
            | Self::Looked { .. }
            | Self::Joined(_)
            | Self::Invited { .. } => true,
        }
    }
}

/// What is shown of a group.
#[derive(Debug, Default)]
pub(crate) struct TalkPage {
    /// Who is in it.
    pub(crate) members: Vec<MemberView>,
    /// Who came and who left.
    pub(crate) comings: Vec<Coming>,
    /// Own invitations that nobody has used.
    pub(crate) invitations: Vec<OpenInvitation>,
    /// Its newest messages.
    pub(crate) page: Page,
}

/// Everything that is shown, as it was at one moment.
#[derive(Debug)]
pub(crate) struct Reading {
    /// Whether there is a profile, and whether it is open.
    pub(crate) profile: Profile,
    /// The groups, or why they could not be read.
    pub(crate) groups: Result<Vec<GroupView>, Trouble>,
    /// The open group.
    pub(crate) talk: Option<(GroupId, Result<TalkPage, Trouble>)>,
    /// Whether anything is known to be missing in it; none while that is not known.
    pub(crate) missing: Option<bool>,
}
