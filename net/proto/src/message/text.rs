//! Words, and what they answer.
//!
//! ```text
//! | 0 (1) | reply_to: 0, or 1 and an entry id (33) | length | UTF-8 |
//! ```

use serde::{Deserialize, Serialize};

use crate::encoding::{self, tagged};
use crate::error::Reject;
use crate::ids::EntryId;
use crate::limits::{PAYLOAD_MAX, TEXT_MAX};

/// A text of 1 to 65,536 bytes of UTF-8, kept byte for byte.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Text {
    /// The entry that is answered.
    pub reply_to: Option<EntryId>,
    /// What was said.
    pub text: encoding::Text<TEXT_MAX>,
}

impl Text {
    pub(super) const TAG: u8 = 0;

    pub(super) fn encode(&self) -> Vec<u8> {
        tagged(Self::TAG, self)
    }

    pub(super) fn decode(fields: &[u8]) -> Result<Self, Reject> {
        let text: Self = encoding::decode(fields, PAYLOAD_MAX)?;
        if text.text.is_empty() { Err(Reject::Encoding) } else { Ok(text) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Body, tests::hex};
    use super::*;

    #[test]
    fn text_comes_back_byte_for_byte() {
        let odd = "a\0b \u{202e} right to left \u{1f600} e\u{301} <script>";
        for (reply_to, text) in
            [(None, odd.to_owned()), (Some(EntryId([7; 32])), "z".repeat(TEXT_MAX))]
        {
            let body = Body::Text(Text { reply_to, text: encoding::Text::new(text).unwrap() });
            assert_eq!(Body::decode(&body.encode().unwrap()), Ok(body));
        }
    }

    #[test]
    fn an_empty_text_is_none() {
        let empty = Body::Text(Text { reply_to: None, text: encoding::Text::default() });
        assert_eq!(Body::decode(&empty.encode().unwrap()), Err(Reject::Encoding));
    }

    #[test]
    fn its_bytes_are_the_vector() {
        let text = encoding::Text::new("hello, Alder").unwrap();
        let body = Body::Text(Text { reply_to: Some(EntryId([0x11; 32])), text });
        let bytes = body.encode().unwrap();
        assert_eq!(hex(&bytes), include_str!("../../../../tests/vectors/text.hex").trim());
    }
}
