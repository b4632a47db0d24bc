//! The only file that names snow: handshakes and sessions of the Noise protocol (revision 34), its
//! traps closed.
//!
//! - snow takes any ephemeral key: each one that arrives is rejected if its order is low.
//! - snow pads a short key with zeros and panics on a long one: ours have a fixed length.
//! - snow draws from the system: ours draws from a seed that the engine gives, so a run replays.
//! - `ring` has no X25519: the resolver is given explicitly, ring for AEAD, the default for the rest.
//!
//! Read next: [`crate::link`] for `KKpsk0` between members, [`crate::join`] for `NNpsk0`.

#[cfg(test)]
mod vectors;

use core::fmt;

use snow::params::{CipherChoice, DHChoice, HashChoice};
use snow::resolvers::{CryptoResolver, DefaultResolver, RingResolver};
use snow::types::{Cipher, Dh, Hash, Random};
use snow::{Builder, Error, HandshakeState, TransportState};

use crate::error::Reject;
use crate::kdf::Label;
use crate::keys::contributory;
use crate::limits::{FRAME_PLAIN_MAX, NOISE_MAX, REKEY_EVERY};

/// Length of an X25519 public key, the first part of every handshake message used here.
const KEY_LEN: usize = 32;
/// A handshake message without payload: ephemeral key and tag.
pub(crate) const HANDSHAKE_LEN: usize = 48;

/// Who spoke first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Opened the stream.
    Initiator,
    /// Accepted it.
    Responder,
}

/// What two members bring to a handshake.
pub(crate) struct PairKeys<'a> {
    /// Our static secret.
    pub ours: &'a [u8; 32],
    /// Their static public key.
    pub theirs: &'a [u8; 32],
    /// The key that the two share.
    pub psk: &'a [u8; 32],
}

impl fmt::Debug for PairKeys<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PairKeys(..)")
    }
}

/// A two-message handshake under way.
pub(crate) struct Handshake(HandshakeState);

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handshake(..)")
    }
}

impl Handshake {
    /// `Noise_KKpsk0`: both know each other's static key and share a key of their own.
    ///
    /// # Errors
    /// [`Reject::Handshake`] when snow declines the keys.
    pub(crate) fn members(
        role: Role,
        keys: &PairKeys<'_>,
        prologue: &[u8],
        seed: [u8; 32],
    ) -> Result<Self, Reject> {
        contributory(keys.theirs)?;
        let builder = builder("Noise_KKpsk0_25519_ChaChaPoly_BLAKE2s", seed)?
            .local_private_key(keys.ours)
            .and_then(|builder| builder.remote_public_key(keys.theirs))
            .map_err(|_declined| Reject::Handshake)?;
        Self::build(role, builder, keys.psk, prologue)
    }

    /// `Noise_NNpsk0`: two strangers who both hold an invitation.
    ///
    /// # Errors
    /// [`Reject::Handshake`] when snow declines.
    pub(crate) fn invited(
        role: Role,
        psk: &[u8; 32],
        prologue: &[u8],
        seed: [u8; 32],
    ) -> Result<Self, Reject> {
        Self::build(role, builder("Noise_NNpsk0_25519_ChaChaPoly_BLAKE2s", seed)?, psk, prologue)
    }

    fn build(
        role: Role,
        builder: Builder<'_>,
        psk: &[u8; 32],
        prologue: &[u8],
    ) -> Result<Self, Reject> {
        builder
            .psk(0, psk)
            .and_then(|builder| builder.prologue(prologue))
            .and_then(|builder| match role {
                Role::Initiator => builder.build_initiator(),
                Role::Responder => builder.build_responder(),
            })
            .map(Self)
            .map_err(|_declined| Reject::Handshake)
    }

    /// Our next message, 48 bytes.
    ///
    /// # Errors
    /// [`Reject::OutOfTurn`] when it is not our turn.
    pub(crate) fn write(&mut self) -> Result<Vec<u8>, Reject> {
        let mut message = [0; HANDSHAKE_LEN];
        let len = self.0.write_message(&[], &mut message).map_err(|_turn| Reject::OutOfTurn)?;
        message.get(..len).map(<[u8]>::to_vec).ok_or(Reject::Handshake)
    }

    /// Takes their next message, which must be 48 bytes with an ephemeral key of full order.
    ///
    /// # Errors
    /// [`Reject::Handshake`], [`Reject::LowOrder`]; the remote controls the message.
    pub(crate) fn read(&mut self, message: &[u8]) -> Result<(), Reject> {
        if message.len() != HANDSHAKE_LEN {
            return Err(Reject::Handshake);
        }
        let ephemeral = message.first_chunk::<KEY_LEN>().ok_or(Reject::Handshake)?;
        contributory(ephemeral)?;
        let mut payload = [0; HANDSHAKE_LEN];
        self.0.read_message(message, &mut payload).map_err(|_wrong| Reject::Handshake)?;
        Ok(())
    }

    /// The session, once both messages have passed.
    ///
    /// # Errors
    /// [`Reject::OutOfTurn`] before that.
    pub(crate) fn finish(self) -> Result<Session, Reject> {
        let hash = <[u8; 32]>::try_from(self.0.get_handshake_hash())
            .map_err(|_length| Reject::Handshake)?;
        let state = self.0.into_transport_mode().map_err(|_early| Reject::OutOfTurn)?;
        Ok(Session { state, hash, sealed: 0, opened: 0 })
    }
}

/// An encrypted channel. Each direction's key is renewed every 2^16 frames.
pub(crate) struct Session {
    state: TransportState,
    hash: [u8; 32],
    sealed: u64,
    opened: u64,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Session(..)")
    }
}

impl Session {
    /// The handshake's hash: names this session, and nobody else's (Noise, section 11.2).
    #[must_use]
    pub(crate) const fn hash(&self) -> &[u8; 32] {
        &self.hash
    }

    /// Seals one frame of at most [`FRAME_PLAIN_MAX`] bytes.
    ///
    /// # Errors
    /// [`Reject::TooLong`]; nothing here comes from a remote.
    pub(crate) fn seal(&mut self, plain: &[u8]) -> Result<Vec<u8>, Reject> {
        if plain.len() > FRAME_PLAIN_MAX {
            return Err(Reject::TooLong);
        }
        let mut frame = vec![0; plain.len().saturating_add(16)];
        let len = self.state.write_message(plain, &mut frame).map_err(|_long| Reject::TooLong)?;
        frame.truncate(len);
        self.sealed = self.sealed.saturating_add(1);
        if self.sealed.is_multiple_of(REKEY_EVERY) {
            self.state.rekey_outgoing();
        }
        Ok(frame)
    }

    /// Opens one frame.
    ///
    /// # Errors
    /// [`Reject::Handshake`] when it was not sealed for this session, in this order.
    pub(crate) fn open(&mut self, frame: &[u8]) -> Result<Vec<u8>, Reject> {
        if frame.len() > NOISE_MAX {
            return Err(Reject::TooLong);
        }
        let mut plain = vec![0; frame.len()];
        let len =
            self.state.read_message(frame, &mut plain).map_err(|_opaque| Reject::Handshake)?;
        plain.truncate(len);
        self.opened = self.opened.saturating_add(1);
        if self.opened.is_multiple_of(REKEY_EVERY) {
            self.state.rekey_incoming();
        }
        Ok(plain)
    }
}

fn builder(pattern: &str, seed: [u8; 32]) -> Result<Builder<'static>, Reject> {
    let params = pattern.parse().map_err(|_unknown| Reject::Handshake)?;
    Ok(Builder::with_resolver(params, Box::new(Resolver { seed })))
}

/// ring for the AEAD, the default for X25519 and BLAKE2s, a seed for randomness.
struct Resolver {
    seed: [u8; 32],
}

impl CryptoResolver for Resolver {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        let mut hasher = blake3::Hasher::new_keyed(&self.seed);
        hasher.update(Label::NoiseRng.text().as_bytes());
        Some(Box::new(Seeded(hasher.finalize_xof())))
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        DefaultResolver.resolve_dh(choice)
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        DefaultResolver.resolve_hash(choice)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        RingResolver.resolve_cipher(choice).or_else(|| DefaultResolver.resolve_cipher(choice))
    }
}

struct Seeded(blake3::OutputReader);

impl Random for Seeded {
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), Error> {
        self.0.fill(dest);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::MemberSecrets;
    use rand_chacha::ChaCha12Rng;
    use rand_core::SeedableRng as _;

    fn pair(psks: [[u8; 32]; 2], prologues: [&[u8]; 2]) -> Result<(Session, Session), Reject> {
        let mut rng = ChaCha12Rng::seed_from_u64(7);
        let [a, b] = core::array::from_fn(|_| MemberSecrets::generate(&mut rng));
        let hand = |role, ours: &MemberSecrets, theirs: &MemberSecrets, at: usize| {
            let theirs = &theirs.public().nk;
            let keys = PairKeys { ours: ours.noise_static(), theirs, psk: &psks[at] };
            Handshake::members(role, &keys, prologues[at], [at as u8 + 1; 32])
        };
        let mut i = hand(Role::Initiator, &a, &b, 0)?;
        let mut r = hand(Role::Responder, &b, &a, 1)?;
        r.read(&i.write()?)?;
        i.read(&r.write()?)?;
        Ok((i.finish()?, r.finish()?))
    }

    #[test]
    fn two_members_agree_on_a_session_and_nobody_else_does() {
        let (mut i, mut r) = pair([[9; 32]; 2], [b"same"; 2]).unwrap();
        assert_eq!(i.hash(), r.hash());
        let frame = i.seal(b"words").unwrap();
        assert_eq!(r.open(&frame), Ok(b"words".to_vec()));
        assert_eq!(r.open(&frame), Err(Reject::Handshake), "a replayed frame");
        assert_eq!(pair([[9; 32], [8; 32]], [b"same"; 2]).err(), Some(Reject::Handshake));
        assert_eq!(pair([[9; 32]; 2], [b"one", b"two"]).err(), Some(Reject::Handshake));
    }

    #[test]
    fn an_ephemeral_key_of_low_order_is_rejected() {
        let mut r = Handshake::invited(Role::Responder, &[1; 32], b"", [2; 32]).unwrap();
        assert_eq!(r.read(&[0; HANDSHAKE_LEN]), Err(Reject::LowOrder));
        assert_eq!(r.read(&[0; HANDSHAKE_LEN - 1]), Err(Reject::Handshake));
    }

    #[test]
    fn a_session_goes_on_across_a_rekey() {
        let (mut i, mut r) = pair([[9; 32]; 2], [b"same"; 2]).unwrap();
        for n in 0..=REKEY_EVERY {
            let frame = i.seal(&n.to_be_bytes()).unwrap();
            assert_eq!(r.open(&frame), Ok(n.to_be_bytes().to_vec()), "frame {n}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes() {
        let first = |seed| {
            let psk = [1; 32];
            Handshake::invited(Role::Initiator, &psk, b"", seed).unwrap().write().unwrap()
        };
        assert_eq!(first([3; 32]), first([3; 32]));
        assert_ne!(first([3; 32]), first([4; 32]));
    }
}
