//! Admission of a member: pairwise hints, then `Noise_KKpsk0`. Typed states, consumed as they advance.
//!
//! ```text
//! A1 i -> r   | length (2) | v | n_i (16) | hints: 64 or 512 times 8 |      for every member one, the rest random
//! A2 r -> i   | n_r (16) | proof (16) |                                     or 32 random bytes, and the end
//! A3, A4      Noise_KKpsk0, 48 bytes each behind their length; then frames
//! ```
//!
//! Whoever is no current member gets 32 random-looking bytes and a closed stream, and learns neither
//! group nor size. Hints and proof cover both ends' authenticated PeerIds, so they cannot be replayed
//! or relayed (docs/protocol.md, "Links"). The responder says nothing in the session before the
//! initiator's `Hello` (Noise spec, section 7.7).

pub(crate) mod frame;
mod message;
mod up;

pub(crate) use message::{
    Entries, Frontier, Have, Hello, LinkMsg, Ops, OpsWant, Space, Tip, Want, frontier_digest,
};
pub(crate) use up::Up;

use std::collections::{BTreeMap, BTreeSet};

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::control::Dag;
use crate::error::Reject;
use crate::ids::MemberId;
use crate::kdf::{Label, first, framed, kdf, mac, same};
use crate::keys::{Member, draw};
use crate::limits::{HINTS, HINTS_LARGE, SUITE, VERSION};
use crate::noise::{Handshake, PairKeys, Role, Session};

/// Length of the answer to a link's first message.
pub(crate) const ANSWER_LEN: usize = 32;
const NONCE_LEN: usize = 16;
const HINT_LEN: usize = 8;

/// The two ends of a stream, as the transport authenticated them: libp2p PeerIds, by who opened it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ends {
    /// PeerId of whoever opened the stream.
    pub initiator: Vec<u8>,
    /// PeerId of whoever accepted it.
    pub responder: Vec<u8>,
}

/// What two members share and nobody else can compute.
pub(crate) struct Pair {
    hint: Zeroizing<[u8; 32]>,
    psk: Zeroizing<[u8; 32]>,
    nk: [u8; 32],
}

impl core::fmt::Debug for Pair {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Pair(..)")
    }
}

/// What the members share with this device, computed once for each.
#[derive(Debug, Default)]
pub(crate) struct Pairs(BTreeMap<MemberId, Pair>);

impl Pairs {
    /// Computes what is new and forgets those who are no members.
    pub(crate) fn refresh(&mut self, me: &Member, dag: &Dag, members: &BTreeSet<MemberId>) {
        self.0.retain(|member, _| members.contains(member));
        for member in members.iter().filter(|member| **member != me.id) {
            let Some(keys) = dag.keys(member) else { continue };
            self.0.entry(*member).or_insert_with(|| {
                let shared = me.secrets.pairwise(keys);
                let (low, high) = (me.id.min(*member), me.id.max(*member));
                let parts: [&[u8]; 4] = [&*shared, &me.group.0, &low.0, &high.0];
                Pair {
                    hint: Zeroizing::new(kdf(Label::LinkHint, &parts)),
                    psk: Zeroizing::new(kdf(Label::LinkPsk, &parts)),
                    nk: keys.nk,
                }
            });
        }
    }

    fn iter(&self) -> impl Iterator<Item = (&MemberId, &Pair)> {
        self.0.iter()
    }
}

/// A link that is not admitted yet.
#[derive(Debug)]
pub(crate) enum Opening {
    /// We sent hints; the answer is due.
    Hinted { hello: Vec<u8>, nonce: [u8; NONCE_LEN] },
    /// We know whom we speak to and sent our handshake message; theirs is due.
    Shaking { member: MemberId, handshake: Box<Handshake> },
    /// Their hints are due.
    Listening,
    /// We answered hints that fit these members; their handshake message is due.
    Answered { fitting: Vec<MemberId>, prologue: Vec<u8> },
}

/// How an opening went on.
#[derive(Debug)]
pub(crate) enum Opened {
    /// Send this and wait.
    Next(Opening, Vec<u8>),
    /// Send this, if anything, and speak with this member.
    Admitted { member: MemberId, session: Box<Session>, send: Vec<u8> },
    /// Send this and close.
    Stranger(Vec<u8>),
}

impl Opening {
    /// Opens a link: what to send first.
    pub(crate) fn initiate(
        pairs: &Pairs,
        ends: &Ends,
        rng: &mut impl CryptoRng,
    ) -> (Self, Vec<u8>) {
        let nonce: [u8; NONCE_LEN] = draw(rng);
        let mut hints: Vec<[u8; HINT_LEN]> =
            pairs.iter().map(|(_, pair)| hint(pair, &nonce, ends)).collect();
        let room = if hints.len() > HINTS { HINTS_LARGE } else { HINTS };
        hints.truncate(room);
        while hints.len() < room {
            hints.push(draw(rng));
        }
        shuffle(&mut hints, rng);
        let mut hello = vec![VERSION];
        hello.extend_from_slice(&nonce);
        hello.extend(hints.iter().flatten());
        // At most 4,113 bytes, which a frame holds.
        let send = frame::framed(&hello).unwrap_or_default();
        (Self::Hinted { hello, nonce }, send)
    }

    /// What the next message of the other end must be: a raw answer, or a frame.
    pub(crate) const fn awaits_raw(&self) -> bool {
        match self {
            Self::Hinted { .. } => true,
            Self::Shaking { .. } | Self::Listening | Self::Answered { .. } => false,
        }
    }

    /// Goes on with the other end's next message, all of which they control.
    pub(crate) fn advance(
        self,
        message: &[u8],
        ends: &Ends,
        (me, pairs): (&Member, &Pairs),
        rng: &mut impl CryptoRng,
    ) -> Result<Opened, Reject> {
        match self {
            Self::Hinted { hello, nonce } => {
                let (n_r, proof) =
                    message.split_first_chunk::<NONCE_LEN>().ok_or(Reject::Handshake)?;
                let (member, pair) = pairs
                    .iter()
                    .find(|(_, pair)| same(proof, &proof_of(pair, &nonce, n_r, ends)))
                    .ok_or(Reject::Handshake)?;
                let prologue = prologue(&hello, message, ends);
                let mut handshake =
                    Handshake::members(Role::Initiator, &keys(me, pair), &prologue, draw(rng))?;
                let send = frame::framed(&handshake.write()?)?;
                let handshake = Box::new(handshake);
                Ok(Opened::Next(Self::Shaking { member: *member, handshake }, send))
            }
            Self::Shaking { member, mut handshake } => {
                handshake.read(message)?;
                let session = Box::new(handshake.finish()?);
                Ok(Opened::Admitted { member, session, send: Vec::new() })
            }
            Self::Listening => answer(message, ends, pairs, rng),
            Self::Answered { fitting, prologue } => {
                for member in fitting {
                    let Some(pair) = pairs.0.get(&member) else { continue };
                    let keys = keys(me, pair);
                    let mut handshake =
                        Handshake::members(Role::Responder, &keys, &prologue, draw(rng))?;
                    if handshake.read(message).is_ok() {
                        let send = frame::framed(&handshake.write()?)?;
                        let session = Box::new(handshake.finish()?);
                        return Ok(Opened::Admitted { member, session, send });
                    }
                }
                Err(Reject::Handshake)
            }
        }
    }
}

fn answer(
    hello: &[u8],
    ends: &Ends,
    pairs: &Pairs,
    rng: &mut impl CryptoRng,
) -> Result<Opened, Reject> {
    let stranger = |rng: &mut _| Ok(Opened::Stranger(draw::<ANSWER_LEN>(rng).to_vec()));
    let Some(([VERSION], rest)) = hello.split_first_chunk::<1>() else { return stranger(rng) };
    let Some((n_i, rest)) = rest.split_first_chunk::<NONCE_LEN>() else { return stranger(rng) };
    let (hints, odd) = rest.as_chunks::<HINT_LEN>();
    if !odd.is_empty() || !matches!(hints.len(), HINTS | HINTS_LARGE) {
        return stranger(rng);
    }
    let hints: BTreeSet<_> = hints.iter().collect();
    let fitting: Vec<_> =
        pairs.iter().filter(|(_, pair)| hints.contains(&hint(pair, n_i, ends))).collect();
    let Some((_, pair)) = fitting.first() else { return stranger(rng) };
    let n_r: [u8; NONCE_LEN] = draw(rng);
    let mut send = n_r.to_vec();
    send.extend_from_slice(&proof_of(pair, n_i, &n_r, ends));
    let prologue = prologue(hello, &send, ends);
    let fitting = fitting.into_iter().map(|(member, _)| *member).collect();
    Ok(Opened::Next(Opening::Answered { fitting, prologue }, send))
}

fn keys<'a>(me: &'a Member, pair: &'a Pair) -> PairKeys<'a> {
    PairKeys { ours: me.secrets.noise_static(), theirs: &pair.nk, psk: &pair.psk }
}

fn hint(pair: &Pair, n_i: &[u8], ends: &Ends) -> [u8; HINT_LEN] {
    first(&mac(&pair.hint, &[&[1], n_i, &ends.initiator, &ends.responder]))
}

fn proof_of(pair: &Pair, n_i: &[u8], n_r: &[u8], ends: &Ends) -> [u8; 16] {
    first(&mac(&pair.hint, &[&[2], n_i, n_r, &ends.initiator, &ends.responder]))
}

fn prologue(hello: &[u8], answer: &[u8], ends: &Ends) -> Vec<u8> {
    framed(Label::Link, &[&[SUITE], hello, answer, &ends.initiator, &ends.responder])
}

/// Fisher and Yates.
fn shuffle<T>(items: &mut [T], rng: &mut impl CryptoRng) {
    for last in (1..items.len()).rev() {
        let bound = u64::try_from(last).unwrap_or(0).saturating_add(1);
        // The bias of a 64-bit remainder below 512 is under 2^-55.
        let other = rng.next_u64().checked_rem(bound).and_then(|n| usize::try_from(n).ok());
        items.swap(last, other.unwrap_or(0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha12Rng;
    use rand_core::SeedableRng as _;

    #[test]
    fn the_number_of_hints_tells_only_whether_a_group_is_large() {
        let mut rng = ChaCha12Rng::seed_from_u64(1);
        let ends = Ends { initiator: vec![1], responder: vec![2] };
        for (others, hints) in [(0, HINTS), (1, HINTS), (64, HINTS), (65, HINTS_LARGE)] {
            let pair = |n: u8| {
                let (hint, psk) = (Zeroizing::new([n; 32]), Zeroizing::new([n; 32]));
                (MemberId([n; 32]), Pair { hint, psk, nk: [n; 32] })
            };
            let pairs = Pairs((0..others).map(pair).collect());
            let (Opening::Hinted { hello, .. }, _) = Opening::initiate(&pairs, &ends, &mut rng)
            else {
                panic!()
            };
            assert_eq!(hello.len(), 1 + NONCE_LEN + hints * HINT_LEN, "{others} others");
        }
    }
}
