//! Which entries of one author are one message: the words as they were first said, then every edit.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::encoding::List;
use crate::ids::EntryId;
use crate::limits::VERSIONS_MAX;

/// An entry of the author's own chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Own {
    /// Its place in the chain.
    pub seq: u32,
    /// Its id.
    pub id: EntryId,
}

/// 1 to 16 entries of the author's own, strictly ascending by `seq`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Versions(List<Own, VERSIONS_MAX>);

impl Versions {
    /// Takes versions that fit; none otherwise.
    #[must_use]
    pub fn new(versions: Vec<Own>) -> Option<Self> {
        List::new(versions).and_then(Self::checked)
    }

    /// All of them, the message itself first.
    #[must_use]
    pub fn all(&self) -> &[Own] {
        &self.0
    }

    /// The message itself, and its edits.
    #[must_use]
    pub fn root(&self) -> Option<(&Own, &[Own])> {
        self.0.split_first()
    }

    /// Whether all of them come before the author's `seq`-th entry.
    #[must_use]
    pub fn are_before(&self, seq: u32) -> bool {
        self.0.iter().all(|own| own.seq < seq)
    }

    fn checked(list: List<Own, VERSIONS_MAX>) -> Option<Self> {
        let ascends = list.is_sorted_by(|a, b| a.seq < b.seq);
        (ascends && !list.is_empty()).then_some(Self(list))
    }
}

impl<'de> Deserialize<'de> for Versions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let list = List::deserialize(deserializer)?;
        Self::checked(list).ok_or_else(|| D::Error::custom("versions must ascend"))
    }
}
