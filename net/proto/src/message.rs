//! What a member says: one payload kind a file, padded before it is hashed.
//!
//! ```text
//! payload = | tag (1) | fields | 0x80 | 00 .. 00 |      to 256 B, 1, 2, 4, 8 KiB, then Padme
//! ```
//!
//! The log layer treats payloads as bytes. A kind this build does not know is kept as
//! [`Body::Unknown`] and shown as such; a newer build shows it from the same stored bytes, if it is one
//! that stands by itself.
//! Padding: ISO/IEC 7816-4; sizes above 8 KiB: Nikitin et al., "Reducing Metadata Leakage from
//! Encrypted Files and Communication with PURBs", PoPETs 2019, section 4.3 (at most 12 % more).

mod edit;
mod noop;
mod take_back;
mod text;

pub use edit::Edit;
pub use noop::Noop;
pub use take_back::TakeBack;
pub use text::Text;

use crate::encoding::split_tag;
use crate::error::Reject;
use crate::limits::PAYLOAD_MAX;

/// A message's content. Tags are append-only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Words.
    Text(Text),
    /// Other words in place of one's own.
    Edit(Edit),
    /// One's own words, taken back.
    TakeBack(TakeBack),
    /// Nothing.
    Noop(Noop),
    /// A kind of a newer build, by its tag.
    Unknown(u8),
}

impl Body {
    /// The padded payload.
    ///
    /// # Errors
    /// [`Reject::TooLong`] when it does not fit, [`Reject::Encoding`] for an unknown kind, which
    /// nobody here writes.
    pub fn encode(&self) -> Result<Vec<u8>, Reject> {
        let bytes = match self {
            Self::Text(text) => text.encode(),
            Self::Edit(edit) => edit.encode(),
            Self::TakeBack(take_back) => take_back.encode(),
            Self::Noop(noop) => noop.encode(),
            Self::Unknown(_) => return Err(Reject::Encoding),
        };
        pad(bytes)
    }

    /// Reads a padded payload.
    ///
    /// # Errors
    /// [`Reject::Encoding`] and [`Reject::TooLong`]; the author controls all of it.
    pub fn decode(payload: &[u8]) -> Result<Self, Reject> {
        let bytes = unpad(payload)?;
        let (tag, rest) = split_tag(bytes)?;
        Ok(match tag {
            Text::TAG => Self::Text(Text::decode(rest)?),
            Edit::TAG => Self::Edit(Edit::decode(rest)?),
            TakeBack::TAG => Self::TakeBack(TakeBack::decode(rest)?),
            Noop::TAG => Self::Noop(Noop::decode(rest)?),
            unknown => Self::Unknown(unknown),
        })
    }

    /// Whether it stands in the timeline by itself. What an edit or a take-back does is shown where
    /// the message stands that it is about.
    #[must_use]
    pub const fn is_shown(&self) -> bool {
        match self {
            Self::Text(_) | Self::Unknown(_) => true,
            Self::Edit(_) | Self::TakeBack(_) | Self::Noop(_) => false,
        }
    }
}

fn pad(mut bytes: Vec<u8>) -> Result<Vec<u8>, Reject> {
    bytes.push(0x80);
    let len = padded_len(bytes.len());
    if len > PAYLOAD_MAX {
        return Err(Reject::TooLong);
    }
    bytes.resize(len, 0);
    Ok(bytes)
}

fn unpad(payload: &[u8]) -> Result<&[u8], Reject> {
    if payload.len() > PAYLOAD_MAX {
        return Err(Reject::TooLong);
    }
    let marker = payload.iter().rposition(|byte| *byte != 0).ok_or(Reject::Encoding)?;
    if payload.get(marker) != Some(&0x80) || padded_len(marker.saturating_add(1)) != payload.len() {
        return Err(Reject::Encoding);
    }
    payload.get(..marker).ok_or(Reject::Encoding)
}

/// The size to which `len` bytes are padded.
#[must_use]
pub fn padded_len(len: usize) -> usize {
    [256, 1024, 2048, 4096, 8192]
        .into_iter()
        .find(|size| len <= *size)
        .unwrap_or_else(|| padme(len))
}

/// Padmé: rounds up so that the length has only as many significant bits as its exponent has.
fn padme(len: usize) -> usize {
    let exponent = len.checked_ilog2().unwrap_or(0);
    let significant = exponent.checked_ilog2().unwrap_or(0).saturating_add(1);
    let mask =
        1_usize.checked_shl(exponent.saturating_sub(significant)).unwrap_or(1).saturating_sub(1);
    len.saturating_add(mask) & !mask
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn lengths_are_padded_as_the_paper_says() {
        for (len, padded) in [(9, 10), (100, 104), (1000, 1024), (5000, 5120), (70_000, 71_680)] {
            assert_eq!(padme(len), padded);
        }
        for len in [1, 255, 256] {
            assert_eq!(padded_len(len), 256);
        }
        assert_eq!(padded_len(257), 1024);
        assert_eq!(padded_len(8193), padme(8193));
    }

    #[test]
    fn what_is_over_the_bound_with_its_padding_is_too_long() {
        // The greatest padded length that is not over it.
        let fits = 36 * 2048;
        assert!(padded_len(fits) <= PAYLOAD_MAX && padded_len(fits + 1) > PAYLOAD_MAX);
        assert_eq!(pad(vec![1; fits - 1]).map(|padded| padded.len()), Ok(fits));
        assert_eq!(pad(vec![1; fits]), Err(Reject::TooLong));
        let mut payload = vec![0; PAYLOAD_MAX];
        payload[fits] = 0x80;
        assert_eq!(unpad(&payload), Err(Reject::Encoding));
        payload.push(0);
        assert_eq!(unpad(&payload), Err(Reject::TooLong));
    }

    #[test]
    fn padding_has_one_form() {
        let payload = pad(b"abc".to_vec()).unwrap();
        assert_eq!(unpad(&payload), Ok(&b"abc"[..]));
        assert_eq!(unpad(&[0; 256]), Err(Reject::Encoding), "no marker");
        assert_eq!(unpad(&[payload.clone(), vec![0; 768]].concat()), Err(Reject::Encoding));
        assert_eq!(unpad(&payload[..255]), Err(Reject::Encoding));
    }
}
