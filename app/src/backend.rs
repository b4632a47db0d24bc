//! What the window and `kith rpc` ask of the program below them, and the plain data they get.
//!
//! Every method blocks until it has an answer: a caller that must not wait (the window) asks from a
//! thread of its own. The store is the truth; [`Backend::watch`] only says that it is worth reading.

#![cfg_attr(
    not(feature = "window"),
    expect(dead_code, reason = "some of it is for the window alone")
)]

use proto::{GroupId, MemberId, OpId};
use room::Coming;
use serde::{Deserialize, Serialize};

/// Names a message: an entry's id, or the local id of one that is not signed yet.
pub(crate) type MessageId = [u8; 32];

/// Why something was not done. Nothing is lost or half done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// The stable name of docs/rpc.md, "Errors".
    pub name: &'static str,
    /// A sentence that a person can act on.
    pub says: String,
}

impl Trouble {
    /// Trouble of this name, in these words.
    pub(crate) fn new(name: &'static str, says: impl Into<String>) -> Self {
        Self { name, says: says.into() }
    }
}

/// Whether a profile is there, and open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// The home is empty.
    None,
    /// There is one; its passphrase is needed.
    Locked,
    /// It is open.
    Open,
}

/// A group, as its member sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GroupView {
    /// Its id.
    pub group: GroupId,
    /// What it is called.
    pub name: String,
    /// Why it meets.
    pub reason: String,
    /// What was agreed on; may be empty.
    pub agreement: String,
    /// How long words stay, in seconds; 0: for good.
    pub words_stay_secs: u32,
    /// This device's member.
    pub me: MemberId,
    /// Set while this device has met nobody but who let it in, or one more: that one's name, which may be
    /// empty. Until then only their word says that this is the group one was invited to.
    pub arriving: Option<String>,
    /// How many are in it.
    pub members: usize,
    /// The newest message, or the beginning, in milliseconds since 1970.
    pub last_activity_ms: u64,
}

/// Someone in a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MemberView {
    /// Their id.
    pub member: MemberId,
    /// The name they bear here; empty until it has arrived.
    pub pseudonym: String,
    /// Whether it is this device's own member.
    pub me: bool,
    /// When they came, in milliseconds since 1970.
    pub since_ms: u64,
    /// The person here compared words with them. One's own knowledge: nobody is told.
    pub verified: bool,
    /// Whether a link to them is up now. A fact of this device; never shown as presence.
    pub linked: bool,
}

/// Words to compare with someone, out loud.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SafetyWords {
    /// Twelve, the same on both devices at any time.
    pub words: Vec<String>,
    /// Four, the same on both devices if one of the two let the other in, and nobody stood between.
    pub joined_with: Option<Vec<String>>,
}

/// Someone who came or left before a message was written, for all but its author.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unheard {
    /// The name they bear or bore; may be empty.
    pub pseudonym: String,
    /// They left; else they came.
    pub left: bool,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MessageView {
    /// Its id.
    pub id: MessageId,
    /// Who said it.
    pub author: MemberId,
    /// The name they bear; empty until it has arrived.
    pub pseudonym: String,
    /// What was said; empty when `known` is not set.
    pub text: String,
    /// When it was written, by the author's clock, in milliseconds since 1970.
    pub sent_at_ms: u64,
    /// What it answers.
    pub reply_to: Option<MessageId>,
    /// Whether this build knows its kind.
    pub known: bool,
    /// It said something else before.
    pub edited: bool,
    /// Its words are gone: they were taken back, or have faded.
    pub gone: bool,
    /// It has faded: its time was over.
    pub faded: bool,
    /// Its author's device said something else under the same number.
    pub forked: bool,
    /// Whose coming or going its author had not heard of when they wrote it.
    pub unheard: Vec<Unheard>,
    /// How many of those who came or left ([`Backend::comings`]) its author had heard of.
    pub heard: usize,
    /// Written here and not yet signed: it waits for a first connection.
    pub waiting: bool,
}

/// A part of a timeline, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Page {
    /// The messages.
    pub messages: Vec<MessageView>,
    /// Older ones exist.
    pub more: bool,
}

impl Page {
    /// The same for people: what has faded is left out, and so is what is older than the first that did.
    pub(crate) fn without_faded(self) -> Self {
        let more = self.more && self.messages.first().is_none_or(|oldest| !oldest.faded);
        let messages = self.messages.into_iter().filter(|message| !message.faded).collect();
        Self { messages, more }
    }
}

/// An invitation that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Invitation {
    /// Its op.
    pub invite: OpId,
    /// The link: a secret that lets one person in.
    pub link: String,
    /// Whether the link names addresses of this device, or of others in the group.
    pub has_addresses: bool,
    /// Until when, in milliseconds since 1970.
    pub expires_ms: u64,
}

/// An invitation that was made here and that nobody has used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OpenInvitation {
    /// Its op.
    pub invite: OpId,
    /// Until when, in milliseconds since 1970.
    pub expires_ms: u64,
}

/// What an invitation shows before agreeing: no name, member or count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Look {
    /// Why the group meets.
    pub reason: String,
    /// What was agreed on; may be empty.
    pub agreement: String,
    /// Until when it holds, in milliseconds since 1970.
    pub expires_ms: u64,
}

/// On how many other members' devices a message is known to be, and how many others there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held {
    /// Those who said so, or who wrote it.
    pub by: usize,
    /// The other members.
    pub of: usize,
}

/// What a person is writing in a group.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Drafts {
    /// What stands in the field.
    pub text: String,
    /// What it answers.
    pub reply_to: Option<MessageId>,
    /// What was sent and can still be called back, in this order.
    pub leaving: Vec<Leaving>,
}

/// Words that leave in a moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Leaving {
    /// What is said.
    pub text: String,
    /// What it answers.
    pub reply_to: Option<MessageId>,
    /// The own message that it replaces.
    pub edit: Option<MessageId>,
    /// When it leaves, in milliseconds since 1970.
    pub due_ms: u64,
}

/// How the window looks. It is known before a profile is open, so that whoever needs large letters can read
/// the first page too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Appearance {
    /// How large everything is, in percent.
    pub percent: u8,
    /// Dark or light; as the system has it when absent.
    pub dark: Option<bool>,
}

impl Default for Appearance {
    fn default() -> Self {
        Self { percent: 100, dark: None }
    }
}

/// A new group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewGroup {
    /// What it is called.
    pub name: String,
    /// Why it meets.
    pub reason: String,
    /// What is agreed on from the start; may be empty.
    pub agreement: String,
    /// The founder's own name in it.
    pub pseudonym: String,
    /// Hours that a suggestion stays open; the protocol's default when absent.
    pub consent_hours: Option<u16>,
    /// Days that words stay, 0 for good; the protocol's default when absent.
    pub words_stay_days: Option<u16>,
}

/// The program below the window and the headless client.
pub(crate) trait Backend: Send + Sync {
    /// Whether a profile is there, and open.
    fn profile(&self) -> Profile;
    /// Makes a profile and opens it. Takes about a second on purpose.
    fn create_profile(&self, passphrase: &str) -> Result<(), Trouble>;
    /// Opens the profile. Takes about a second on purpose.
    fn unlock(&self, passphrase: &str) -> Result<(), Trouble>;
    /// Closes it: keys gone from memory, network down.
    fn lock(&self) -> Result<(), Trouble>;
    /// The groups that this profile is in.
    fn groups(&self) -> Result<Vec<GroupView>, Trouble>;
    /// Starts a group.
    fn create_group(&self, new: &NewGroup) -> Result<GroupId, Trouble>;
    /// Makes an invitation for one person.
    fn invite(
        &self,
        group: &GroupId,
        expires_secs: u64,
        addresses: bool,
    ) -> Result<Invitation, Trouble>;
    /// Asks whoever admits with this link why the group meets. Up to 20 s.
    fn look(&self, link: &str) -> Result<Look, Trouble>;
    /// Joins with a link, waiting for someone who lets them in for so long.
    fn accept(&self, link: &str, pseudonym: &str, timeout_secs: u64) -> Result<GroupId, Trouble>;
    /// Who is in the group.
    fn members(&self, group: &GroupId) -> Result<Vec<MemberView>, Trouble>;
    /// The invitations that were made here and still let someone in, the one that ends first at first.
    fn open_invitations(&self, group: &GroupId) -> Result<Vec<OpenInvitation>, Trouble>;
    /// Who came and who left since this device's member came, in the order in which that was known.
    fn comings(&self, group: &GroupId) -> Result<Vec<Coming>, Trouble>;
    /// Words to compare with someone.
    fn safety_words(&self, group: &GroupId, member: MemberId) -> Result<SafetyWords, Trouble>;
    /// Remembers that the words were the same. Nobody else hears of it.
    fn verify(&self, group: &GroupId, member: MemberId) -> Result<(), Trouble>;
    /// Says something; durable here when it returns.
    fn send(
        &self,
        group: &GroupId,
        text: &str,
        reply_to: Option<MessageId>,
    ) -> Result<MessageId, Trouble>;
    /// Says something else in place of an own message; durable here when it returns.
    fn edit(&self, group: &GroupId, id: &MessageId, text: &str) -> Result<(), Trouble>;
    /// Takes an own message back; durable here when it returns.
    fn take_back(&self, group: &GroupId, id: &MessageId) -> Result<(), Trouble>;
    /// On how many devices a message is known to be: evidence, never a guess.
    fn held(&self, group: &GroupId, id: &MessageId) -> Result<Held, Trouble>;
    /// What was being written when [`Self::keep_drafts`] was last called; for this device alone.
    fn drafts(&self, group: &GroupId) -> Result<Drafts, Trouble>;
    /// Keeps what is being written, sealed; durable when it returns. At most 128 KiB.
    fn keep_drafts(&self, group: &GroupId, drafts: &Drafts) -> Result<(), Trouble>;
    /// Whether anything said in the group is known to be missing here. That none is known is no promise.
    fn is_missing(&self, group: &GroupId) -> Result<bool, Trouble>;
    /// Leaves a group for good.
    fn leave(&self, group: &GroupId) -> Result<(), Trouble>;
    /// Takes an invitation back that nobody has used.
    fn revoke(&self, group: &GroupId, invite: &OpId) -> Result<(), Trouble>;
    /// Lets `new` open the profile in place of `old`. Takes about two seconds on purpose.
    fn change_passphrase(&self, old: &str, new: &str) -> Result<(), Trouble>;
    /// Erases all that is kept here.
    fn erase(&self) -> Result<(), Trouble>;
    /// The newest `limit` messages, or the newest older than `before`.
    fn messages(
        &self,
        group: &GroupId,
        before: Option<MessageId>,
        limit: usize,
    ) -> Result<Page, Trouble>;
    /// How the window looked when [`Self::keep_appearance`] was last called.
    fn appearance(&self) -> Appearance;
    /// Keeps how the window looks, in the clear, until everything is erased.
    fn keep_appearance(&self, appearance: Appearance) -> Result<(), Trouble>;
    /// Calls back, from any thread, whenever something may have changed. A hint.
    fn watch(&self, hint: Box<dyn Fn() + Send + Sync>);
}
