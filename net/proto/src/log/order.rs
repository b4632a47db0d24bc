//! The order in which entries are shown: the same on every device that holds the same entries.
//!
//! ```text
//! | lamport, big-endian (8) | BLAKE3(author + seq, big-endian) (8) |      compared as bytes
//! ```

use crate::ids::MemberId;

/// An entry's place in its space; the store's row order too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Order(pub [u8; 16]);

impl Order {
    /// The place of an author's `seq`-th entry with this lamport.
    #[must_use]
    pub fn new(lamport: u64, author: &MemberId, seq: u32) -> Self {
        let tie = blake3::Hasher::new().update(&author.0).update(&seq.to_be_bytes()).finalize();
        let mut out = [0; 16];
        let bytes = lamport.to_be_bytes().into_iter().chain(tie.as_bytes().iter().copied());
        out.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        Self(out)
    }
}
