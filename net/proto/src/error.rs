//! What goes wrong, sorted by whose fault it is.

/// Why something a remote sent was dropped. Data, never an error that leaves the engine, and never
/// told to the remote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reject {
    /// Longer than its kind may be.
    #[error("longer than allowed")]
    TooLong,
    /// Bytes that are not the canonical form of anything.
    #[error("not canonical")]
    Encoding,
    /// A version or suite that this build does not speak.
    #[error("unknown version or suite")]
    Version,
    /// For another group, or another space.
    #[error("for another group")]
    Foreign,
    /// A signature or MAC that does not verify.
    #[error("bad signature")]
    Signature,
    /// The body is not the one that the header commits to.
    #[error("body does not match its hash")]
    BodyHash,
    /// A rule of the control log is broken.
    #[error("invalid op: {0}")]
    Op(&'static str),
    /// A rule of the message layer is broken.
    #[error("invalid entry: {0}")]
    Entry(&'static str),
    /// A handshake that does not come out.
    #[error("handshake failed")]
    Handshake,
    /// A key of low order: it would make a shared secret that everyone knows.
    #[error("key of low order")]
    LowOrder,
    /// A message that has no place in this state.
    #[error("out of turn")]
    OutOfTurn,
    /// Ahead of our clock.
    #[error("ahead of the clock")]
    Early,
    /// More than its fair share, or than one author may make in a day.
    #[error("over budget")]
    Budget,
}

/// Why a local command was declined. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// A text over [`crate::limits::TEXT_MAX`].
    #[error("the text is longer than 64 KiB")]
    TooLarge,
    /// Something the command needs is empty, too long or contradictory.
    #[error("{0}")]
    Bad(&'static str),
    /// More is waiting to be sent than is kept.
    #[error("too many messages are waiting for a first connection")]
    Busy,
    /// This device is no longer a member here.
    #[error("this device is not in the group any more")]
    NotAMember,
    /// This device's clock was set back by more than anybody would believe.
    #[error("this device's clock was ahead; it works again once the clock has caught up")]
    ClockWentBack,
    /// This device's clock and those of most others differ by more than five minutes.
    #[error("this device's clock is not right: it differs from those of the others")]
    ClockIsOff,
    /// Members came since it was said who may not read what was said before they came.
    #[error("people have come since who cannot read this; it can be taken back and said anew")]
    ReadByMore,
    /// So much was signed here in the last 24 hours that nobody would take in more.
    #[error("this device did that too often today; it works again within a day")]
    TooMuchToday,
    /// Has to wait for a first connection in this run.
    #[error("this needs a connection to someone in the group first")]
    NotYet,
    /// Whom one let in oneself, who is no member, or who was counted in.
    #[error("this person cannot be counted in by you")]
    NotToWelcome,
    /// Whom it is about is not in the group, or is this device itself.
    #[error("there is no such person in the group")]
    NoSuchMember,
    /// Only who made it may do that.
    #[error("only who made it may do that")]
    NotYours,
    /// No such invitation.
    #[error("there is no such invitation here")]
    NoSuchInvite,
    /// Someone came in with it already.
    #[error("someone came in with that invitation already")]
    InviteUsed,
    /// The message that is to be edited or taken back is not known here, or gone.
    #[error("no such message here")]
    NoSuchMessage,
}

/// Why joining did not come about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// The text is no invitation.
    #[error("this is not a whole invitation")]
    Unreadable,
    /// Its time is over.
    #[error("this invitation has ended")]
    Expired,
    /// Someone came in with it already.
    #[error("this invitation was used already")]
    Used,
    /// The inviter took it back.
    #[error("this invitation was taken back")]
    Cancelled,
    /// The other side has too much to do.
    #[error("the other side is busy")]
    Busy,
    /// The group lets people in only after a person has agreed.
    #[error("someone there has to agree first")]
    AskFirst,
    /// What came back does not hold together; all of it was forgotten.
    #[error("the other side sent something that does not hold together")]
    Broken,
}
