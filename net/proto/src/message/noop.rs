//! Nothing: an entry that only stands in its author's chain.
//!
//! ```text
//! | 3 (1) |
//! ```

use crate::error::Reject;

/// Shows nothing and changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Noop;

impl Noop {
    pub(super) const TAG: u8 = 3;

    pub(super) fn encode(self) -> Vec<u8> {
        vec![Self::TAG]
    }

    pub(super) const fn decode(fields: &[u8]) -> Result<Self, Reject> {
        if fields.is_empty() { Ok(Self) } else { Err(Reject::Encoding) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Body, pad, tests::hex};
    use super::*;

    #[test]
    fn its_bytes_are_the_vector() {
        let bytes = Body::Noop(Noop).encode().unwrap();
        assert_eq!(hex(&bytes), include_str!("../../../../tests/vectors/noop.hex").trim());
        assert_eq!(Body::decode(&bytes), Ok(Body::Noop(Noop)));
        assert_eq!(Body::decode(&pad(vec![3, 0]).unwrap()), Err(Reject::Encoding));
    }
}
