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
        /// It said something else before.
        is_edited: bool,
    },
    /// A kind that this build does not know.
    Unknown,
    /// It was taken back or has ended; the words are gone.
    Gone,
}

/// Reads a payload, none when its body is gone, and what it was edited to, if it was.
#[must_use]
pub fn said(payload: Option<&[u8]>, edited: Option<&str>) -> Said {
    let body = payload.map(Body::decode);
    let (text, reply_to) = match body {
        Some(Ok(Body::Text(words))) => (Some(words.text.into_string()), words.reply_to),
        // What its author encoded wrongly is no worse than a kind not known yet. Edits and take-backs are
        // no messages: they are shown where those stand that they are about.
        Some(Ok(Body::Edit(_) | Body::TakeBack(_) | Body::Noop(_) | Body::Unknown(_)) | Err(_)) => {
            return Said::Unknown;
        }
        None => (None, None),
    };
    match edited.map(str::to_owned).or(text) {
        Some(text) => Said::Text { text, reply_to, is_edited: edited.is_some() },
        None => Said::Gone,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_shown_as_unknown_and_what_ended_as_gone() {
        assert_eq!(said(Some(&[1, 2, 3]), None), Said::Unknown);
        assert_eq!(said(None, None), Said::Gone);
        let body =
            proto::message::Text { reply_to: None, text: proto::Text::new("hello").unwrap() };
        let payload = Body::Text(body).encode().unwrap();
        let hello = Said::Text { text: "hello".into(), reply_to: None, is_edited: false };
        assert_eq!(said(Some(&payload), None), hello);
        let edited = Said::Text { text: "hi".into(), reply_to: None, is_edited: true };
        assert_eq!(said(Some(&payload), Some("hi")), edited);
        assert_eq!(said(None, Some("hi")), edited, "the first words are forgotten");
    }
}
