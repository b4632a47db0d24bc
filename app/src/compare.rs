//! Words that two people compare, out loud, to know that nobody stands between them.
//!
//! From the English list of BIP 39: eleven bits a word, the first bits of a digest first. Whoever would have
//! the same words with other keys has to find them first: 66 bits for a member, and the other half is the
//! other's. Four words at a join are enough because both sides are bound to their part before they see the
//! other's (docs/protocol.md, "Comparing words").

use bip39::Language;
use proto::{GroupId, MemberId};

/// Words for one member; a pair has twice as many.
const EACH: usize = 6;
/// Words for a join.
const JOIN: usize = 4;
/// What one word stands for.
const BITS: usize = 11;

/// The twelve words of two members: the same on both devices, whichever of the two asks.
pub(crate) fn of_pair(group: &GroupId, one: MemberId, other: MemberId) -> Vec<String> {
    let (first, second) = if one < other { (one, other) } else { (other, one) };
    let words = |member| words(proto::safety(group, &member), EACH);
    words(first).chain(words(second)).map(str::to_owned).collect()
}

/// The four words of a join.
pub(crate) fn of_join(joined_with: &[u8; 32]) -> Vec<String> {
    words(*joined_with, JOIN).map(str::to_owned).collect()
}

/// The first words of a digest; 23 at most.
fn words(digest: [u8; 32], count: usize) -> impl Iterator<Item = &'static str> {
    let list = Language::English.word_list();
    let bit = move |at: usize| {
        let byte = digest.get(at / 8).copied().unwrap_or_default();
        usize::from(byte >> (7 - at % 8) & 1)
    };
    let index =
        move |nth: usize| (nth * BITS..(nth + 1) * BITS).fold(0, |sum, at| sum << 1 | bit(at));
    (0..count).filter_map(move |nth| list.get(index(nth)).copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_bip_39_for_the_same_bits() {
        // The first eleven of the test vectors for 00.. and 7f.. and ff..
        let first = |digest, count| words(digest, count).collect::<Vec<_>>();
        assert_eq!(first([0; 32], 3), ["abandon", "abandon", "abandon"]);
        assert_eq!(first([0x7f; 32], 4), ["legal", "winner", "thank", "year"]);
        assert_eq!(first([0x80; 32], 4), ["letter", "advice", "cage", "absurd"]);
        assert_eq!(first([0xff; 32], 23), ["zoo"; 23]);
    }

    #[test]
    fn both_of_a_pair_have_the_same_words_and_nobody_else_has() {
        let [wren, alder, moss] = [1, 2, 3].map(|n| MemberId([n; 32]));
        let group = GroupId([9; 32]);
        let words = of_pair(&group, wren, alder);
        assert_eq!(words.len(), 12);
        assert_eq!(words, of_pair(&group, alder, wren));
        assert_ne!(words, of_pair(&group, wren, moss));
        assert_ne!(words, of_pair(&GroupId([8; 32]), wren, alder));
    }
}
