//! The names of things: 32-byte ids that commit to what they name, and small local numbers.
//!
//! Shown and read as 64 lower-case hex digits (docs/rpc.md, "Forms"); `Debug` prints eight of them.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

/// A text that is not 64 lower-case hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id has 64 lower-case hex digits")]
pub struct NotAnId;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub [u8; 32]);

        impl $name {
            /// All zeros: "none" where a format has a fixed place for an id.
            pub const ZERO: Self = Self([0; 32]);

            /// The id's bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().take(4).try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                hex32(text).map(Self).ok_or(NotAnId)
            }
        }
    };
}

id! {
    /// A group: the id of its Genesis op.
    GroupId
}
id! {
    /// A member: commits to the group and to all of the member's keys (docs/protocol.md, "Identities").
    MemberId
}
id! {
    /// A control op: commits to its header, and through it to its body and its past.
    OpId
}
id! {
    /// An entry of the message layer: commits to its header, and through it to its plaintext.
    EntryId
}
id! {
    /// A message written here and not yet signed. Random; stays valid beside the entry's own id.
    LocalId
}

/// One stream to a remote peer, as numbered by whoever drives the engine. Never used twice in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// Matches a command with its answer. Chosen by whoever sends the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// Matches a load with what was loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

fn hex32(text: &str) -> Option<[u8; 32]> {
    let mut out = [0; 32];
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != out.len() || !rest.is_empty() {
        return None;
    }
    for (byte, [high, low]) in out.iter_mut().zip(pairs) {
        *byte = (nibble(*high)? << 4) | nibble(*low)?;
    }
    Some(out)
}

const fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit.wrapping_sub(b'0')),
        b'a'..=b'f' => Some(digit.wrapping_sub(b'a').wrapping_add(10)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_what_it_shows_and_nothing_else() {
        let id = OpId(core::array::from_fn(|i| i as u8 * 7));
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in ["", "0", &"g".repeat(64), &"A".repeat(64), &"0".repeat(63), &"0".repeat(66)] {
            assert_eq!(bad.parse::<OpId>(), Err(NotAnId), "{bad}");
        }
    }
}
