//! One's own words, taken back: their bodies go, on every device that hears of it.
//!
//! ```text
//! | 2 (1) | versions: count, then seq and entry id of each |
//! ```

use serde::{Deserialize, Serialize};

use crate::encoding::{self, tagged};
use crate::error::Reject;
use crate::limits::PAYLOAD_MAX;
use crate::log::Versions;

/// Says that a message is not to be kept in any of its versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakeBack {
    /// Every version so far, the message itself first.
    pub versions: Versions,
}

impl TakeBack {
    pub(super) const TAG: u8 = 2;

    pub(super) fn encode(&self) -> Vec<u8> {
        tagged(Self::TAG, self)
    }

    pub(super) fn decode(fields: &[u8]) -> Result<Self, Reject> {
        encoding::decode(fields, PAYLOAD_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Body, tests::hex};
    use super::*;
    use crate::ids::EntryId;
    use crate::log::Own;

    #[test]
    fn its_bytes_are_the_vector() {
        let versions = Versions::new(vec![Own { seq: 300, id: EntryId([0x11; 32]) }]).unwrap();
        let body = Body::TakeBack(TakeBack { versions });
        let bytes = body.encode().unwrap();
        assert_eq!(hex(&bytes), include_str!("../../../../tests/vectors/take_back.hex").trim());
        assert_eq!(Body::decode(&bytes), Ok(body));
    }

    #[test]
    fn versions_are_at_least_one_and_ascend() {
        let own = |seq| Own { seq, id: EntryId([1; 32]) };
        assert!(Versions::new(vec![]).is_none());
        assert!(Versions::new(vec![own(2), own(2)]).is_none());
        assert!(Versions::new((0..17).map(own).collect()).is_none());
        let versions = Versions::new(vec![own(1), own(3)]).unwrap();
        assert!(
            versions.are_before(4) && !versions.are_before(3),
            "none stands where they are named"
        );
        // What the constructor refuses, the wire refuses too.
        for wrong in [vec![], vec![own(2), own(1)], (0..17).map(own).collect::<Vec<_>>()] {
            let bytes = tagged(TakeBack::TAG, &wrong);
            assert_eq!(Body::decode(&super::super::pad(bytes).unwrap()), Err(Reject::Encoding));
        }
    }
}
