//! Other words in place of one's own.
//!
//! ```text
//! | 1 (1) | versions: count, then seq and entry id of each | reply_to | length | UTF-8 |
//! ```

use serde::{Deserialize, Serialize};

use super::Text;
use crate::encoding::{self, tagged};
use crate::error::Reject;
use crate::limits::PAYLOAD_MAX;
use crate::log::Versions;

/// A text of 1 to 65,536 bytes that takes the place of all earlier versions: their bodies go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    /// Every version so far, the message itself first.
    pub versions: Versions,
    /// What it says from now on, and what it answers.
    pub words: Text,
}

impl Edit {
    pub(super) const TAG: u8 = 1;

    pub(super) fn encode(&self) -> Vec<u8> {
        tagged(Self::TAG, self)
    }

    pub(super) fn decode(fields: &[u8]) -> Result<Self, Reject> {
        let edit: Self = encoding::decode(fields, PAYLOAD_MAX)?;
        if edit.words.text.is_empty() { Err(Reject::Encoding) } else { Ok(edit) }
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
        let first = Own { seq: 3, id: EntryId([0x11; 32]) };
        let second = Own { seq: 300, id: EntryId([0x22; 32]) };
        let versions = Versions::new(vec![first, second]).unwrap();
        let text = encoding::Text::new("hello, dear Alder").unwrap();
        let words = Text { reply_to: Some(EntryId([0x33; 32])), text };
        let body = Body::Edit(Edit { versions, words });
        let bytes = body.encode().unwrap();
        assert_eq!(hex(&bytes), include_str!("../../../../tests/vectors/edit.hex").trim());
        assert_eq!(Body::decode(&bytes), Ok(body));
    }

    #[test]
    fn an_edit_to_no_words_at_all_is_none() {
        let versions = Versions::new(vec![Own { seq: 0, id: EntryId([1; 32]) }]).unwrap();
        let words = Text { reply_to: None, text: encoding::Text::default() };
        let body = Body::Edit(Edit { versions, words });
        assert_eq!(Body::decode(&body.encode().unwrap()), Err(Reject::Encoding));
    }
}
