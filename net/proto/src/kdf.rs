//! One derivation, one MAC, one list of labels.
//!
//! `kdf(label, p1..pn)` is BLAKE3 in `derive_key` mode with context `"kith 2026-11 v1 " + label`; the
//! input is every part as `u64_le(len) + bytes`. `mac(key, p1..pn)` is BLAKE3 `keyed_hash` with the
//! same framing. So no two uses share an input, and no part runs into the next
//! (docs/protocol.md, "Primitives").

use subtle::ConstantTimeEq as _;

macro_rules! labels {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// What a derived value or a signature is for. Every label of the protocol stands here.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Label { $($(#[$doc])* $name,)* }

        impl Label {
            /// All labels.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The label's text, as it stands in the derivation.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            const fn context(self) -> &'static str {
                match self { $(Self::$name => concat!("kith 2026-11 v1 ", $text),)* }
            }
        }
    };
}

labels! {
    /// A member's id.
    MemberId = "member-id",
    /// A newcomer's public keys in one digest.
    Keys = "keys",
    /// An op's id.
    OpId = "op-id",
    /// An op's body.
    OpBody = "op-body",
    /// Signature of an op.
    OpSig = "op-sig",
    /// Signatures of a newcomer: by the invitation and by their own key.
    AddSig = "add",
    /// A founder's signature of their own keys.
    GenesisSig = "genesis",
    /// An entry's id.
    EntryId = "entry-id",
    /// An entry's salted payload.
    EntryPayload = "entry-payload",
    /// Signature of an entry.
    EntrySig = "entry-sig",
    /// Signature of a card.
    CardSig = "card",
    /// Digest of a frontier.
    Frontier = "frontier",
    /// Check of an invitation's text.
    LinkCheck = "link-check",
    /// Key of an invitation's handshake.
    InvPsk = "inv-psk",
    /// Signing key of an invitation.
    InvSign = "inv-sign",
    /// Where an invitation's admitters are looked for.
    InvDisc = "inv-disc",
    /// Binds an invitation to its group.
    InvAnchor = "inv-anchor",
    /// Lets a newcomer know the inviter.
    InvBy = "inv-by",
    /// Commits a newcomer to their keys.
    SasCommit = "sas-commit",
    /// What two people compare after a join.
    Sas = "sas",
    /// What people compare to know that a member is who they think.
    Safety = "safety",
    /// Prologue of a join.
    Join = "join",
    /// Signature of whoever lets someone in.
    JoinSig = "join-a",
    /// Key of the hints between two members.
    LinkHint = "link-hint",
    /// Key of the handshake between two members.
    LinkPsk = "link-psk",
    /// Prologue of a link.
    Link = "link",
    /// Ephemeral keys and other bytes that the Noise handshakes draw.
    NoiseRng = "noise-rng",
}

/// Derives 32 bytes from `parts` for the purpose that `label` names.
#[must_use]
pub(crate) fn kdf(label: Label, parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key(label.context());
    absorb(&mut hasher, parts);
    *hasher.finalize().as_bytes()
}

/// Authenticates `parts` under `key`.
#[must_use]
pub(crate) fn mac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_keyed(key);
    absorb(&mut hasher, parts);
    *hasher.finalize().as_bytes()
}

/// The first `N` bytes of a MAC or digest. `N` is at most 32.
#[must_use]
pub(crate) fn first<const N: usize>(digest: &[u8; 32]) -> [u8; N] {
    digest.first_chunk().copied().unwrap_or([0; N])
}

/// The length framing of [`kdf`] as plain bytes: a prologue, or what a signature covers.
#[must_use]
pub(crate) fn framed(label: Label, parts: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    for part in core::iter::once(&label.context().as_bytes()).chain(parts) {
        out.extend_from_slice(&len_le(part));
        out.extend_from_slice(part);
    }
    out
}

/// Compares without telling where two values differ.
#[must_use]
pub(crate) fn same(left: &[u8], right: &[u8]) -> bool {
    left.ct_eq(right).into()
}

fn absorb(hasher: &mut blake3::Hasher, parts: &[&[u8]]) {
    for part in parts {
        hasher.update(&len_le(part));
        hasher.update(part);
    }
}

fn len_le(part: &[u8]) -> [u8; 8] {
    u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn labels_unique() {
        let texts: BTreeSet<_> = Label::ALL.iter().map(|label| label.text()).collect();
        let derived: BTreeSet<_> = Label::ALL.iter().map(|label| kdf(*label, &[])).collect();
        assert_eq!((texts.len(), derived.len()), (Label::ALL.len(), Label::ALL.len()));
        // Every variant, in the order in which they stand.
        assert!(Label::ALL.iter().enumerate().all(|(at, label)| *label as usize == at));
        assert_eq!(Label::ALL.last(), Some(&Label::NoiseRng));
        // "join" begins "join-a": what is signed under one is never the beginning of what is under another.
        for (one, other) in Label::ALL.iter().flat_map(|a| Label::ALL.iter().map(move |b| (a, b))) {
            let (framed_one, framed_other) = (framed(*one, &[b"x"]), framed(*other, &[]));
            assert!(one == other || !framed_one.starts_with(&framed_other), "{one:?}, {other:?}");
        }
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(kdf(Label::Keys, &[b"ab", b"c"]), kdf(Label::Keys, &[b"a", b"bc"]));
        assert_ne!(kdf(Label::Keys, &[b"abc"]), kdf(Label::Keys, &[b"abc", b""]));
        assert_ne!(kdf(Label::Keys, &[b"abc"]), kdf(Label::OpId, &[b"abc"]));
        assert_ne!(mac(&[1; 32], &[b"ab", b"c"]), mac(&[1; 32], &[b"a", b"bc"]));
    }
}
