//! What an entry says.

use proto::EntryId;
use proto::message::{Body, Text};

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

/// Reads the payload of a message, or that of its newest edit; none when its body is gone.
#[must_use]
pub fn said(payload: Option<&[u8]>) -> Said {
    let text = |words: Text, is_edited| Said::Text {
        text: words.text.into_string(),
        reply_to: words.reply_to,
        is_edited,
    };
    match payload.map(Body::decode) {
        Some(Ok(Body::Text(words))) => text(words, false),
        Some(Ok(Body::Edit(edit))) => text(edit.words, true),
        // What its author encoded wrongly is no worse than a kind not known yet.
        Some(Ok(Body::TakeBack(_) | Body::Noop(_) | Body::Unknown(_)) | Err(_)) => Said::Unknown,
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
        let words = Text { reply_to: None, text: proto::Text::new("hello").unwrap() };
        let payload = Body::Text(words.clone()).encode().unwrap();
        let hello = |is_edited| Said::Text { text: "hello".into(), reply_to: None, is_edited };
        assert_eq!(said(Some(&payload)), hello(false));
        let own = proto::Own { seq: 0, id: EntryId([1; 32]) };
        let versions = proto::Versions::new(vec![own]).unwrap();
        let edit = proto::message::Edit { versions, words };
        let payload = Body::Edit(edit).encode().unwrap();
        assert_eq!(said(Some(&payload)), hello(true), "the first words are forgotten");
    }
}
