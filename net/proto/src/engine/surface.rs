//! What goes into an engine and what comes out of it.

use crate::address::Addr;
use crate::change::{Change, Loaded, Path, Wanted};
use crate::error::Refusal;
use crate::ids::{EntryId, LinkId, LocalId, MemberId, OpId, RequestId, Ticket};
use crate::link::Ends;
use crate::noise::Role;
use crate::sync::Missing;

/// What a stream is for: its libp2p protocol name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// `/kith/link/1`: two members.
    Link,
    /// `/kith/join/1`: a newcomer, and whoever lets them in.
    Join,
}

/// Something that happened.
#[derive(Debug)]
pub enum Input {
    /// A person, or the program for them, wants something.
    Command {
        /// Comes back with the answer.
        request: RequestId,
        /// What is wanted.
        command: Command,
    },
    /// A stream was opened by us or accepted.
    Opened {
        /// Its number, never used before in this run.
        link: LinkId,
        /// Who opened it.
        role: Role,
        /// What for.
        purpose: Purpose,
        /// The PeerIds of its two ends, as the transport authenticated them.
        ends: Ends,
        /// How it runs.
        path: Path,
    },
    /// Bytes came, in pieces of any size. The remote controls them.
    Received {
        /// On which stream.
        link: LinkId,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// A stream ended, whoever closed it.
    Closed {
        /// Which.
        link: LinkId,
    },
    /// What was asked for with [`Output::Load`].
    Loaded {
        /// The ticket it was asked with.
        ticket: Ticket,
        /// What was read.
        loaded: Loaded,
    },
    /// The time of [`crate::Engine::poll_timeout`] has come.
    Tick,
}

/// What is to be done, in this order.
#[derive(Debug)]
pub enum Output {
    /// Make these durable, all or none, before the next output.
    Persist(Vec<Change>),
    /// Read this and come back with [`Input::Loaded`].
    Load {
        /// To be given back.
        ticket: Ticket,
        /// What to read.
        what: Wanted,
    },
    /// Send these bytes.
    Transmit {
        /// On which stream.
        to: LinkId,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// Close a stream, once everything before was sent.
    Close(LinkId),
    /// Tell whoever listens.
    Event(Event),
}

/// What a person, or the program for them, wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Say something to the group.
    Say {
        /// 1 to 65,536 bytes of UTF-8.
        text: String,
        /// The message that is answered.
        reply_to: Option<EntryId>,
    },
    /// Say something else in place of an own message; the words before are forgotten.
    Edit {
        /// Which.
        message: Which,
        /// 1 to 65,536 bytes of UTF-8.
        text: String,
    },
    /// Take an own message back: its words are forgotten on every device that hears of it.
    TakeBack(Which),
    /// Make an invitation for one person.
    Invite {
        /// How long it holds, in seconds.
        expires_secs: u64,
        /// Where the group can be reached now; the first four are used.
        addrs: Vec<Addr>,
    },
    /// Take an invitation of one's own back.
    CancelInvite(OpId),
    /// Count someone in whom others let in.
    Welcome(MemberId),
    /// Do not count someone in without being asked.
    Object(MemberId),
    /// The person compared words with someone, and they were the same. Nobody else hears of it.
    Verify(MemberId),
    /// Say what is known to be missing.
    Completeness,
    /// Leave the group, for good.
    Leave,
    /// This device can be reached here now.
    Reachable(Vec<Addr>),
    /// A member was met here: worth trying first after a restart.
    Met(MemberId, Addr),
}

/// A message, by the id it has now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// It is signed.
    Entry(EntryId),
    /// It is written and not yet signed.
    Written(LocalId),
}

/// What came of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    /// Said: durable and signed.
    Said(EntryId),
    /// Written: durable, and to be signed when the first catch-up of this run has ended.
    Written(LocalId),
    /// An invitation's op and its link, a secret that lets one person in.
    Invited(OpId, String),
    /// What is known to be missing.
    Completeness {
        /// Parts of chains, by author, oldest first.
        missing: Vec<Missing>,
        /// Ops and entries that came and wait for others, or for their time.
        waiting: usize,
    },
    /// Nothing more to say of it.
    Nothing,
}

/// What the program may want to know. The store is the truth; these are hints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A command was carried out.
    Done {
        /// Its number.
        request: RequestId,
        /// What came of it.
        done: Done,
    },
    /// A command was declined; nothing has changed.
    Refused {
        /// Its number.
        request: RequestId,
        /// Why.
        refusal: Refusal,
    },
    /// A link to a member is up.
    LinkUp(LinkId, MemberId, Path),
    /// A link to a member that was up is down.
    LinkDown(LinkId, MemberId),
    /// Who is in the group, or how they are reached, has changed.
    Members,
    /// Something was learned about who holds this device's own words.
    Held,
}
