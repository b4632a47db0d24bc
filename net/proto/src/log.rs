//! The message layer: entries, chains, the order in which they are shown.

mod chain;
mod entry;
mod order;

pub(crate) use chain::Log;
pub use entry::{Ends, Entry, EntryBody, EntryHeader};
pub use order::Order;

use crate::ids::MemberId;

/// A part of an author's chain: author, first and last sequence number, both included.
pub type SeqRange = (MemberId, u32, u32);
