//! The outermost bytes of a link: what a relay can see.
//!
//! ```text
//! | length (2) | one Noise message, to the end |
//! its plaintext: | used (2) | used bytes | zeros |     256 B, 1, 2, 4 .. 32 KiB or 65,519
//! those, run together: | length (4) | message |       at most 128 KiB a message
//! ```
//!
//! All numbers are big-endian. The remote controls every byte; buffers are bounded.

use crate::error::Reject;
use crate::limits::{FRAME_PLAIN_MAX, FRAME_SIZES, LINK_MSG_MAX};
use crate::noise::Session;

/// Room for bytes in the largest frame.
const CHUNK_MAX: usize = FRAME_PLAIN_MAX - 2;

/// Cuts arriving bytes into frames.
#[derive(Debug, Default)]
pub(crate) struct Deframer {
    bytes: Vec<u8>,
}

impl Deframer {
    /// Takes bytes as they come from the stream.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole frame, without its length.
    pub(crate) fn next(&mut self) -> Option<Vec<u8>> {
        let (len, rest) = self.bytes.split_first_chunk::<2>()?;
        let len = usize::from(u16::from_be_bytes(*len));
        let frame = rest.get(..len)?.to_vec();
        self.bytes.drain(..len.saturating_add(2));
        Some(frame)
    }

    /// Exactly `len` bytes that are no frame.
    pub(crate) fn next_raw(&mut self, len: usize) -> Option<Vec<u8>> {
        let raw = self.bytes.get(..len)?.to_vec();
        self.bytes.drain(..len);
        Some(raw)
    }
}

/// A frame's bytes behind their length. `frame` is at most 65,535 bytes.
pub(crate) fn framed(frame: &[u8]) -> Result<Vec<u8>, Reject> {
    let len = u16::try_from(frame.len()).map_err(|_long| Reject::TooLong)?;
    let mut out = len.to_be_bytes().to_vec();
    out.extend_from_slice(frame);
    Ok(out)
}

/// Seals a message: one frame, or as many as it takes.
pub(crate) fn seal(session: &mut Session, message: &[u8]) -> Result<Vec<u8>, Reject> {
    if message.len() > LINK_MSG_MAX {
        return Err(Reject::TooLong);
    }
    let len = u32::try_from(message.len()).map_err(|_long| Reject::TooLong)?;
    let mut bytes = len.to_be_bytes().to_vec();
    bytes.extend_from_slice(message);
    seal_plain(session, &bytes)
}

/// Seals bytes that stand behind their lengths already.
pub(crate) fn seal_plain(session: &mut Session, bytes: &[u8]) -> Result<Vec<u8>, Reject> {
    let mut out = Vec::with_capacity(bytes.len().saturating_add(512));
    for chunk in bytes.chunks(CHUNK_MAX) {
        let used = u16::try_from(chunk.len()).map_err(|_long| Reject::TooLong)?;
        let mut plain = used.to_be_bytes().to_vec();
        plain.extend_from_slice(chunk);
        let size = FRAME_SIZES.into_iter().find(|size| plain.len() <= *size);
        plain.resize(size.unwrap_or(FRAME_PLAIN_MAX), 0);
        out.extend_from_slice(&framed(&session.seal(&plain)?)?);
    }
    Ok(out)
}

/// Puts messages together again.
#[derive(Debug, Default)]
pub(crate) struct Reassembly {
    bytes: Vec<u8>,
}

impl Reassembly {
    /// Takes one sealed frame.
    pub(crate) fn push(&mut self, session: &mut Session, frame: &[u8]) -> Result<(), Reject> {
        let plain = session.open(frame)?;
        let (used, rest) = plain.split_first_chunk::<2>().ok_or(Reject::Encoding)?;
        let used = usize::from(u16::from_be_bytes(*used));
        let chunk = rest.get(..used).ok_or(Reject::Encoding)?;
        if !FRAME_SIZES.contains(&plain.len()) || rest.iter().skip(used).any(|byte| *byte != 0) {
            return Err(Reject::Encoding);
        }
        self.bytes.extend_from_slice(chunk);
        Ok(())
    }

    /// The next whole message.
    pub(crate) fn next(&mut self) -> Result<Option<Vec<u8>>, Reject> {
        let Some((len, rest)) = self.bytes.split_first_chunk::<4>() else { return Ok(None) };
        let len = usize::try_from(u32::from_be_bytes(*len)).map_err(|_long| Reject::TooLong)?;
        if len > LINK_MSG_MAX {
            return Err(Reject::TooLong);
        }
        let Some(message) = rest.get(..len).map(<[u8]>::to_vec) else { return Ok(None) };
        self.bytes.drain(..len.saturating_add(4));
        Ok(Some(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::{Handshake, Role};

    fn sessions() -> (Session, Session) {
        let hand = |role, seed| Handshake::invited(role, &[1; 32], b"", [seed; 32]).unwrap();
        let (mut i, mut r) = (hand(Role::Initiator, 1), hand(Role::Responder, 2));
        r.read(&i.write().unwrap()).unwrap();
        i.read(&r.write().unwrap()).unwrap();
        (i.finish().unwrap(), r.finish().unwrap())
    }

    #[test]
    fn messages_of_every_size_pass_whatever_the_pieces() {
        let (mut i, mut r) = sessions();
        let (mut deframer, mut reassembly) = (Deframer::default(), Reassembly::default());
        for len in [0, 1, 250, 251, 1000, 65_513, 65_514, LINK_MSG_MAX] {
            let message: Vec<u8> = (0..len).map(|n| n as u8).collect();
            let sealed = seal(&mut i, &message).unwrap();
            for piece in sealed.chunks(977) {
                deframer.push(piece);
            }
            while let Some(frame) = deframer.next() {
                assert!(FRAME_SIZES.contains(&(frame.len() - 16)), "{} bytes", frame.len());
                reassembly.push(&mut r, &frame).unwrap();
            }
            assert_eq!(reassembly.next(), Ok(Some(message)));
            assert_eq!(reassembly.next(), Ok(None));
        }
        assert_eq!(seal(&mut i, &vec![0; LINK_MSG_MAX + 1]), Err(Reject::TooLong));
    }

    #[test]
    fn a_message_that_claims_to_be_huge_is_rejected() {
        let (mut i, mut r) = sessions();
        let mut plain = vec![0; 256];
        plain[..6].copy_from_slice(&[0, 4, 0xff, 0xff, 0xff, 0xff]);
        let frame = i.seal(&plain).unwrap();
        let mut reassembly = Reassembly::default();
        reassembly.push(&mut r, &frame).unwrap();
        assert_eq!(reassembly.next(), Err(Reject::TooLong));
    }
}
