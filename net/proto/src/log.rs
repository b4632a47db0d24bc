//! The message layer: entries, chains, the order in which they are shown.

mod budget;
mod chain;
mod entry;
mod order;
mod versions;

pub(crate) use budget::Budgets;
pub(crate) use chain::Log;
pub use entry::{Ends, Entry, EntryBody, EntryHeader};
pub use order::Order;
pub use versions::{Own, Versions};

use crate::ids::MemberId;

/// A part of an author's chain: author, first and last sequence number, both included.
pub type SeqRange = (MemberId, u32, u32);
