//! What an entry says.

use proto::EntryId;
use proto::message::Body;

/// What one entry shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// Words, and the entry they answer.
    Text {
        /// What was said.
        text: String,
        /// What it answers.
        reply_to: Option<EntryId>,
    },
    /// A kind that this build does not know.
    Unknown,
    /// It has ended; the words are gone.
    Gone,
}

/// Reads a payload; none when its body is gone.
#[must_use]
pub fn said(payload: Option<&[u8]>) -> Said {
    match payload.map(Body::decode) {
        Some(Ok(Body::Text(words))) => {
            Said::Text { text: words.text.into_string(), reply_to: words.reply_to }
        }
        // What its author encoded wrongly is no worse than a kind not known yet.
        Some(Ok(Body::Unknown(_)) | Err(_)) => Said::Unknown,
        None => Said::Gone,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_shown_as_unknown_and_what_ended_as_gone() {
        assert_eq!(said(Some(&[1, 2, 3])), Said::Unknown);
        assert_eq!(said(None), Said::Gone);
        let body =
            proto::message::Text { reply_to: None, text: proto::Text::new("hello").unwrap() };
        let payload = Body::Text(body).encode().unwrap();
        assert_eq!(said(Some(&payload)), Said::Text { text: "hello".into(), reply_to: None });
    }
}
