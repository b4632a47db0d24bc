//! The link layer of docs/protocol.md, a second time: hints, Noise, frames. What goes into it is up
//! to whoever cheats.

use std::io;

use futures::{AsyncReadExt as _, AsyncWriteExt as _};
use libp2p::Stream;
use proto::{Ends, Member, MemberId, MemberKeys};
use rand_core::Rng as _;
use snow::{Builder, TransportState};

use crate::rng;

/// Plaintext of a frame.
const FRAME_SIZES: [usize; 8] = [256, 1024, 2048, 4096, 8192, 16384, 32768, 65519];
const CHUNK_MAX: usize = 65_517;
const REKEY_EVERY: u64 = 65_536;

fn context(label: &str) -> String {
    format!("kith 2026-11 v1 {label}")
}

fn frame(parts: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    for part in parts {
        out.extend_from_slice(&(part.len() as u64).to_le_bytes());
        out.extend_from_slice(part);
    }
    out
}

fn kdf(label: &str, parts: &[&[u8]]) -> [u8; 32] {
    blake3::derive_key(&context(label), &frame(parts))
}

fn mac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    *blake3::keyed_hash(key, &frame(parts)).as_bytes()
}

/// Whom one may meet at the other end: what is shared with them.
struct Pair {
    member: MemberId,
    nk: [u8; 32],
    hint: [u8; 32],
    psk: [u8; 32],
}

fn pairs(me: &Member, others: &[(MemberId, MemberKeys)]) -> Vec<Pair> {
    let pair = |(member, keys): &(MemberId, MemberKeys)| {
        let shared = me.secrets.pairwise(keys);
        let (low, high) = (me.id.min(*member), me.id.max(*member));
        let parts: [&[u8]; 4] = [&*shared, &me.group.0, &low.0, &high.0];
        let (hint, psk) = (kdf("link-hint", &parts), kdf("link-psk", &parts));
        Pair { member: *member, nk: keys.nk, hint, psk }
    };
    others.iter().map(pair).collect()
}

/// A first message of a link: hints that fit these, or nobody.
fn a1(pairs: &[Pair], ends: &Ends) -> ([u8; 16], Vec<u8>) {
    let (mut nonce, mut hello) = ([0; 16], vec![1]);
    rng().fill_bytes(&mut nonce);
    hello.extend_from_slice(&nonce);
    for pair in pairs.iter().take(64) {
        let hint = mac(&pair.hint, &[&[1], &nonce, &ends.initiator, &ends.responder]);
        hello.extend_from_slice(&hint[..8]);
    }
    let have = hello.len();
    hello.resize(1 + 16 + 64 * 8, 0);
    rng().fill_bytes(&mut hello[have..]);
    (nonce, hello)
}

/// A first message that looks like one, and fits nobody.
pub fn strange_a1() -> Vec<u8> {
    let ends = Ends { initiator: Vec::new(), responder: Vec::new() };
    framed(&a1(&[], &ends).1)
}

pub fn framed(bytes: &[u8]) -> Vec<u8> {
    let len = u16::try_from(bytes.len()).unwrap();
    [&len.to_be_bytes(), bytes].concat()
}

/// How far to go before stopping.
#[derive(Clone, Copy, PartialEq)]
pub enum Until {
    /// Hints that fit, and then nothing.
    Hints,
    Up,
}

/// What is sealed for the other end.
pub struct Sealer {
    pub session: TransportState,
    sealed: u64,
    opened: u64,
}

impl Sealer {
    /// Seals these bytes, messages or not, in the largest frames.
    pub fn seal(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len() + 4096);
        for chunk in bytes.chunks(CHUNK_MAX) {
            let mut plain = u16::try_from(chunk.len()).unwrap().to_be_bytes().to_vec();
            plain.extend_from_slice(chunk);
            let size = FRAME_SIZES.into_iter().find(|size| plain.len() <= *size).unwrap();
            plain.resize(size, 0);
            out.extend(self.seal_plain(&plain));
        }
        out
    }

    /// Seals a plaintext as it is.
    pub fn seal_plain(&mut self, plain: &[u8]) -> Vec<u8> {
        let mut sealed = vec![0; plain.len() + 16];
        let len = self.session.write_message(plain, &mut sealed).unwrap();
        self.sealed += 1;
        if self.sealed.is_multiple_of(REKEY_EVERY) {
            self.session.rekey_outgoing();
        }
        framed(&sealed[..len])
    }

    pub fn open(&mut self, frame: &[u8]) -> io::Result<Vec<u8>> {
        let mut plain = vec![0; frame.len()];
        let len = self.session.read_message(frame, &mut plain).map_err(io::Error::other)?;
        self.opened += 1;
        if self.opened.is_multiple_of(REKEY_EVERY) {
            self.session.rekey_incoming();
        }
        plain.truncate(len);
        let used = usize::from(u16::from_be_bytes([plain[0], plain[1]]));
        Ok(plain[2..2 + used].to_vec())
    }
}

/// Opens a link as a member; none if it was to stop before.
pub async fn open(
    stream: &mut Stream,
    (me, others): (&Member, &[(MemberId, MemberKeys)]),
    ends: &Ends,
    until: Until,
) -> io::Result<Option<(MemberId, Sealer)>> {
    let pairs = pairs(me, others);
    let (nonce, hello) = a1(&pairs, ends);
    stream.write_all(&framed(&hello)).await?;
    stream.flush().await?;
    let mut answer = [0; 32];
    stream.read_exact(&mut answer).await?;
    if until == Until::Hints {
        return Ok(None);
    }
    let (n_r, proof) = answer.split_at(16);
    let fits = |pair: &&Pair| {
        let wanted = mac(&pair.hint, &[&[2], &nonce, n_r, &ends.initiator, &ends.responder]);
        wanted[..16] == *proof
    };
    let pair = pairs.iter().find(fits).ok_or_else(|| io::Error::other("a stranger"))?;
    let parts: [&[u8]; 5] = [&[1], &hello, &answer, &ends.initiator, &ends.responder];
    let context = context("link");
    let prologue = [&frame(&[context.as_bytes()])[..], &frame(&parts)].concat();
    let mut noise = Builder::new("Noise_KKpsk0_25519_ChaChaPoly_BLAKE2s".parse().unwrap())
        .local_private_key(me.secrets.noise_static())
        .and_then(|builder| builder.remote_public_key(&pair.nk))
        .and_then(|builder| builder.psk(0, &pair.psk))
        .and_then(|builder| builder.prologue(&prologue))
        .and_then(Builder::build_initiator)
        .map_err(io::Error::other)?;
    let mut message = [0; 48];
    noise.write_message(&[], &mut message).map_err(io::Error::other)?;
    stream.write_all(&framed(&message)).await?;
    stream.flush().await?;
    let mut answer = [0; 50];
    stream.read_exact(&mut answer).await?;
    noise.read_message(&answer[2..], &mut message).map_err(io::Error::other)?;
    let session = noise.into_transport_mode().map_err(io::Error::other)?;
    Ok(Some((pair.member, Sealer { session, sealed: 0, opened: 0 })))
}
