//! A member's keys: independent random keys for every purpose, fresh for every group.
//!
//! ```text
//! ik  Ed25519  signs control ops          nk  X25519   Noise static of links
//! dk  X25519   pairwise derivations       rk  Ed25519  revocation; its secret half is not kept
//! ```
//!
//! Why two X25519 keys: `nk` is used by Noise; one static-static DH in two protocols would be joint
//! use of one key (docs/protocol.md, "Identities").

use core::fmt;

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use rand_core::{CryptoRng, Rng};
use serde::{Deserialize, Serialize};
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::encoding::{self, List, Text};
use crate::error::Reject;
use crate::ids::{GroupId, MemberId};
use crate::kdf::{Label, framed, kdf};
use crate::limits::PSEUDONYM_MAX;

/// An Ed25519 signature (RFC 8032), 64 bytes on the wire.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Sig([u8; 32], [u8; 32]);

impl Sig {
    /// Signs `parts`, framed under `label`, with an Ed25519 secret.
    #[must_use]
    pub fn sign(secret: &[u8; 32], label: Label, parts: &[&[u8]]) -> Self {
        let signature = SigningKey::from_bytes(secret).sign(&framed(label, parts));
        Self(*signature.r_bytes(), *signature.s_bytes())
    }

    /// Verifies strictly: no small-order keys, one accepted signature for one message.
    ///
    /// # Errors
    /// [`Reject::Signature`]; the attacker controls everything but `label`.
    pub fn verify(&self, public: &[u8; 32], label: Label, parts: &[&[u8]]) -> Result<(), Reject> {
        let key = VerifyingKey::from_bytes(public).map_err(|_no_point| Reject::Signature)?;
        key.verify_strict(&framed(label, parts), &Signature::from_components(self.0, self.1))
            .map_err(|_wrong| Reject::Signature)
    }
}

impl fmt::Debug for Sig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sig(..)")
    }
}

/// A member's public keys (docs/protocol.md, "Identities").
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberKeys {
    /// Ed25519: signs control ops.
    pub ik: [u8; 32],
    /// X25519: Noise static of links.
    pub nk: [u8; 32],
    /// X25519: pairwise derivations only.
    pub dk: [u8; 32],
    /// Ed25519: revocation.
    pub rk: [u8; 32],
    /// ML-KEM-768 encapsulation key of suite 2; at most one, and none in suite 1.
    pub kem: List<List<u8, 1184>, 1>,
}

impl MemberKeys {
    /// The member that these keys are in `group`.
    #[must_use]
    pub fn member_id(&self, group: &GroupId) -> MemberId {
        MemberId(kdf(Label::MemberId, &[&group.0, &encoding::encode(self)]))
    }

    /// Checks what can be checked of keys alone: curve points of full order, and no suite-2 key.
    ///
    /// # Errors
    /// [`Reject::LowOrder`], [`Reject::Signature`], [`Reject::Version`]; all under a remote's control.
    pub fn check(&self) -> Result<(), Reject> {
        if !self.kem.is_empty() {
            return Err(Reject::Version);
        }
        for key in [&self.ik, &self.rk] {
            let key = VerifyingKey::from_bytes(key).map_err(|_no_point| Reject::Signature)?;
            if key.is_weak() {
                return Err(Reject::LowOrder);
            }
        }
        contributory(&self.nk)?;
        contributory(&self.dk)
    }

    /// Whether any key of `self` is also a key of `other`.
    #[must_use]
    pub fn shares_a_key_with(&self, other: &Self) -> bool {
        let ours = [self.ik, self.nk, self.dk, self.rk];
        [other.ik, other.nk, other.dk, other.rk].iter().any(|key| ours.contains(key))
    }
}

/// Rejects an X25519 public key of low order, with which every shared secret would be known.
///
/// # Errors
/// [`Reject::LowOrder`].
pub(crate) fn contributory(public: &[u8; 32]) -> Result<(), Reject> {
    // Whether the result is zero does not depend on the secret, which X25519 clamps.
    let shared = StaticSecret::from([0x5a; 32]).diffie_hellman(&PublicKey::from(*public));
    if shared.was_contributory() { Ok(()) } else { Err(Reject::LowOrder) }
}

/// A key to which mail is sealed; certified by `ik`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrekeyBody {
    /// Counts a member's prekeys from 0.
    pub idx: u32,
    /// X25519.
    pub x25519: [u8; 32],
    /// ML-KEM-768, suite 2.
    pub kem: List<List<u8, 1184>, 1>,
    /// What this member's build can do, one bit each.
    pub caps: u32,
    /// Oldest protocol version it speaks.
    pub ver_min: u8,
    /// Newest protocol version it speaks.
    pub ver_max: u8,
    /// When it is superseded at the latest, in minutes since 2020.
    pub expires: u32,
}

/// A key that signs entries; certified by `ik`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubkeyBody {
    /// Counts a member's subkeys from 0.
    pub idx: u16,
    /// Ed25519.
    pub msk: [u8; 32],
}

/// What a newcomer hands over, and what their two signatures cover: the keys *and* the first prekey
/// and subkey, so that whoever lets someone in cannot slip in a signing key of their own.
#[must_use]
pub fn keys_digest(keys: &MemberKeys, prekey: &PrekeyBody, subkey: &SubkeyBody) -> [u8; 32] {
    let (keys, prekey, subkey) =
        (encoding::encode(keys), encoding::encode(prekey), encoding::encode(subkey));
    kdf(Label::Keys, &[&keys, &prekey, &subkey])
}

/// What stands for a member when people compare words (docs/protocol.md, "Comparing words"): the id commits to
/// the group and to all of the member's keys, so whoever has other keys has other words.
#[must_use]
pub fn safety(group: &GroupId, member: &MemberId) -> [u8; 32] {
    kdf(Label::Safety, &[&group.0, &member.0])
}

/// A member's secret keys. Wiped when dropped.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub struct MemberSecrets {
    ik: [u8; 32],
    nk: [u8; 32],
    dk: [u8; 32],
    rk_public: [u8; 32],
    prekey: [u8; 32],
    msk: [u8; 32],
}

impl fmt::Debug for MemberSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemberSecrets(..)")
    }
}

impl MemberSecrets {
    /// Draws fresh keys. The revocation key's secret half is forgotten at once.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let rk = Zeroizing::new(draw(rng));
        Self {
            ik: draw(rng),
            nk: draw(rng),
            dk: draw(rng),
            rk_public: ed25519_public(&rk),
            prekey: draw(rng),
            msk: draw(rng),
        }
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> MemberKeys {
        MemberKeys {
            ik: ed25519_public(&self.ik),
            nk: x25519_public(&self.nk),
            dk: x25519_public(&self.dk),
            rk: self.rk_public,
            kem: List::default(),
        }
    }

    /// The first prekey, as it stands in the op that makes this member one.
    #[must_use]
    pub fn first_prekey(&self, expires: u32) -> PrekeyBody {
        PrekeyBody {
            idx: 0,
            x25519: x25519_public(&self.prekey),
            kem: List::default(),
            caps: 0,
            ver_min: crate::limits::VERSION,
            ver_max: crate::limits::VERSION,
            expires,
        }
    }

    /// The first subkey, as it stands in the op that makes this member one.
    #[must_use]
    pub fn first_subkey(&self) -> SubkeyBody {
        SubkeyBody { idx: 0, msk: ed25519_public(&self.msk) }
    }

    /// Signs with the identity key.
    #[must_use]
    pub fn sign_as_member(&self, label: Label, parts: &[&[u8]]) -> Sig {
        Sig::sign(&self.ik, label, parts)
    }

    /// Signs with the message-signing subkey.
    #[must_use]
    pub fn sign_message(&self, label: Label, parts: &[&[u8]]) -> Sig {
        Sig::sign(&self.msk, label, parts)
    }

    /// The Noise static secret of links.
    #[must_use]
    pub const fn noise_static(&self) -> &[u8; 32] {
        &self.nk
    }

    /// The shared secret of two members' `dk`, from which hints and link keys are derived.
    #[must_use]
    pub fn pairwise(&self, theirs: &MemberKeys) -> Zeroizing<[u8; 32]> {
        let secret = StaticSecret::from(self.dk);
        Zeroizing::new(secret.diffie_hellman(&PublicKey::from(theirs.dk)).to_bytes())
    }
}

/// The public half of an Ed25519 secret.
#[must_use]
pub(crate) fn ed25519_public(secret: &[u8; 32]) -> [u8; 32] {
    SigningKey::from_bytes(secret).verifying_key().to_bytes()
}

fn x25519_public(secret: &[u8; 32]) -> [u8; 32] {
    PublicKey::from(&StaticSecret::from(*secret)).to_bytes()
}

/// Takes one of several away by chance; none when there are none.
pub(crate) fn pick<T>(rng: &mut impl Rng, items: &mut Vec<T>) -> Option<T> {
    let bound = u64::try_from(items.len()).ok()?;
    let at = rng.next_u64().checked_rem(bound)?;
    usize::try_from(at).ok().map(|at| items.swap_remove(at))
}

/// Draws `N` random bytes.
pub(crate) fn draw<const N: usize>(rng: &mut impl CryptoRng) -> [u8; N] {
    let mut bytes = [0; N];
    rng.fill_bytes(&mut bytes);
    bytes
}

/// Who this device is in one group: all that an engine needs to speak as that member.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Member {
    /// The group.
    pub group: GroupId,
    /// This device's member.
    pub id: MemberId,
    /// Its keys.
    pub secrets: MemberSecrets,
    /// The name it bears here.
    pub name: Text<PSEUDONYM_MAX>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha12Rng;
    use rand_core::SeedableRng as _;

    #[test]
    fn a_key_of_low_order_is_rejected() {
        assert_eq!(contributory(&[0; 32]), Err(Reject::LowOrder));
        let mut one = [0; 32];
        one[0] = 1;
        assert_eq!(contributory(&one), Err(Reject::LowOrder));
        let secrets = MemberSecrets::generate(&mut ChaCha12Rng::seed_from_u64(1));
        assert_eq!(secrets.public().check(), Ok(()));
        let weak = MemberKeys { dk: [0; 32], ..secrets.public() };
        assert_eq!(weak.check(), Err(Reject::LowOrder));
    }

    #[test]
    fn a_signature_holds_for_its_label_and_parts_alone() {
        let sig = Sig::sign(&[7; 32], Label::OpSig, &[b"one"]);
        let public = ed25519_public(&[7; 32]);
        assert_eq!(sig.verify(&public, Label::OpSig, &[b"one"]), Ok(()));
        assert_eq!(sig.verify(&public, Label::EntrySig, &[b"one"]), Err(Reject::Signature));
        assert_eq!(sig.verify(&public, Label::OpSig, &[b"two"]), Err(Reject::Signature));
        assert_eq!(encoding::encode(&sig).len(), 64);
    }

    #[test]
    fn the_words_to_compare_are_others_for_every_member_and_every_group() {
        let words = |group, member| safety(&GroupId([group; 32]), &MemberId([member; 32]));
        assert_ne!(words(1, 1), words(1, 2));
        assert_ne!(words(1, 1), words(2, 1));
    }

    #[test]
    fn secrets_do_not_show_in_debug() {
        let secrets = MemberSecrets::generate(&mut ChaCha12Rng::seed_from_u64(1));
        assert_eq!(format!("{secrets:?}"), "MemberSecrets(..)");
    }
}
