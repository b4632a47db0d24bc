//! Why the network did not do something.

use proto::{JoinError, Refusal, Reject};

/// Why something was not done. Nothing is lost or half done.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The group is not one of this profile's.
    #[error("no such group")]
    NoSuchGroup,
    /// The core declined a command.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Joining did not come about.
    #[error(transparent)]
    Join(#[from] JoinError),
    /// This profile is in that group already.
    #[error("already a member of that group")]
    AlreadyMember,
    /// This profile was in that group and left it.
    #[error("this profile left that group")]
    Left,
    /// Nobody could be reached in time.
    #[error("nobody could be reached")]
    Unreachable,
    /// No address at all.
    #[error("not an address")]
    BadAddress,
    /// More is under way than is waited for.
    #[error("too much is under way")]
    Busy,
    /// The network is down, or going down.
    #[error("the network has stopped")]
    Stopped,
    /// The group's task had to be given up; it starts again by itself.
    #[error("the group's network failed and starts again")]
    Panicked,
    /// The store failed; the group stopped rather than go on without it.
    #[error("the store failed: {0}")]
    Store(std::sync::Arc<store::Error>),
    /// What was remembered makes no group.
    #[error("what was stored makes no group: {0}")]
    Damaged(Reject),
    /// The system gave no threads or sockets.
    #[error("the network could not start: {0}")]
    Runtime(String),
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self::Store(std::sync::Arc::new(error))
    }
}
