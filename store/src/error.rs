//! Why the store cannot do what it was asked.

use std::io;

/// Why the store cannot do what it was asked. None of these is a remote's fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another process, or another [`Store`](crate::Store) of this one, holds the folder.
    #[error("the folder is in use by another process")]
    InUse,
    /// The path leads to something that is no folder.
    #[error("the path is no folder")]
    NotAFolder,
    /// Nothing was created here yet.
    #[error("there is no profile in this folder")]
    NoProfile,
    /// Something was created here already.
    #[error("there is a profile in this folder already")]
    ProfileExists,
    /// The passphrase opens no slot. Nothing was changed.
    #[error("wrong passphrase")]
    WrongPassphrase,
    /// What is stored is not what was written. Says which part; holds nothing private.
    #[error("the stored data is damaged: {0}")]
    Damaged(String),
    /// A newer build wrote this.
    #[error("the stored data is of a newer version")]
    Newer,
    /// Rows as they were before anything was released. There is nothing that would bring them over:
    /// the profile is left as it is, for the build that made it.
    #[error("this profile was made by a test version of Kith that is too old to be read")]
    Older,
    /// The disk is full. What is there can be read, and it goes on when there is room again.
    #[error("the disk is full")]
    Full,
    /// An earlier write failed, so that what is on disk is unknown until the store is opened again.
    #[error("an earlier write failed; open the store again")]
    Poisoned,
    /// The group is not known here.
    #[error("no such group")]
    NoSuchGroup,
    /// The group is known here already.
    #[error("the group is known already")]
    GroupExists,
    /// Neither an entry id nor a local id of this group.
    #[error("no such message")]
    NoSuchMessage,
    /// A value is over what one row, one record or one batch may hold.
    #[error("too large to be stored")]
    TooLarge,
    /// The file system refused.
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl Error {
    pub(crate) fn damaged(what: &str) -> Self {
        Self::Damaged(what.to_owned())
    }

    /// An IO error as what it means to us: a full disk has its own name.
    pub(crate) fn from_io(error: io::Error) -> Self {
        let full = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded];
        if full.contains(&error.kind()) { Self::Full } else { Self::Io(error) }
    }
}
