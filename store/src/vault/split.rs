//! The anti-forensic split: 32 bytes spread over 64 KiB, all of which must survive.
//!
//! ```text
//! d = 0; for each stripe but the last, random: d = H(i, d xor stripe); last = d xor secret
//! ```
//!
//! Disks keep old blocks in places nobody can name; one lost stripe of 2,048 destroys the secret.
//! Fruhwirth, "New Methods in Hard Disk Encryption" (2005), section 3.4, with BLAKE3 as the diffuser.

use zeroize::Zeroizing;

use crate::seal;

const STRIPE: usize = 32;
const STRIPES: usize = 2048;
/// Length of what is spread, in bytes.
pub(super) const LEN: usize = STRIPE * STRIPES;
const CONTEXT: &str = "kith 2026-11 v1 store split";

/// Spreads a secret.
pub(super) fn split(secret: &[u8; STRIPE]) -> Zeroizing<Vec<u8>> {
    let mut spread = Zeroizing::new(Vec::with_capacity(LEN));
    for _stripe in 1..STRIPES {
        spread.extend_from_slice(&seal::random::<STRIPE>());
    }
    let last = super::xor(&diffuse(spread.as_chunks().0), secret);
    spread.extend_from_slice(&*last);
    spread
}

/// Gives the secret back, or other bytes if any stripe was changed; none at another length.
pub(super) fn merge(spread: &[u8]) -> Option<Zeroizing<[u8; STRIPE]>> {
    if spread.len() != LEN {
        return None;
    }
    let (last, stripes) = spread.as_chunks().0.split_last()?;
    Some(super::xor(&diffuse(stripes), last))
}

fn diffuse(stripes: &[[u8; STRIPE]]) -> Zeroizing<[u8; STRIPE]> {
    let hasher = blake3::Hasher::new_derive_key(CONTEXT);
    let mut state = Zeroizing::new([0; STRIPE]);
    for (number, stripe) in (0_u32..).zip(stripes) {
        let mixed = super::xor(&state, stripe);
        let mut hasher = hasher.clone();
        hasher.update(&number.to_be_bytes()).update(&*mixed);
        *state = *hasher.finalize().as_bytes();
    }
    state
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stripe_is_needed() {
        let spread = split(&[7; STRIPE]);
        assert_eq!(spread.len(), LEN);
        assert_eq!(*merge(&spread).unwrap(), [7; STRIPE]);
        for stripe in [0, 1, STRIPES / 2, STRIPES - 1] {
            let mut lost = spread.clone();
            lost[stripe * STRIPE] ^= 1;
            assert_ne!(*merge(&lost).unwrap(), [7; STRIPE], "stripe {stripe}");
        }
        assert!(merge(&spread[1..]).is_none());
    }

    #[test]
    fn a_secret_is_never_spread_the_same_way_twice() {
        assert_ne!(split(&[7; STRIPE]), split(&[7; STRIPE]));
    }
}
