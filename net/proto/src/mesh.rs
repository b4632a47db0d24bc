//! With whom links are kept: with everyone, or in a large group with some.
//!
//! Every member knows all others, so those who are linked by chance are chosen from all of them; who cannot
//! be reached gives way to another, as in Leitao et al., "`HyParView`", DSN 2007, whose passive view is the
//! list of members here. Nobody is exchanged without a reason.

use std::collections::BTreeSet;

use rand_core::Rng;

use crate::ids::MemberId;
use crate::keys::pick;
use crate::limits::{FULL_MESH_MAX, MESH_DIALS};

/// Whom to dial.
#[derive(Debug, Default)]
pub(crate) struct Mesh {
    /// None: everyone.
    chosen: Option<BTreeSet<MemberId>>,
}

impl Mesh {
    /// Whether everyone is to be linked with everyone.
    pub(crate) const fn is_full(&self) -> bool {
        self.chosen.is_none()
    }

    /// Whether this member is to be dialled.
    pub(crate) fn wants(&self, member: &MemberId) -> bool {
        self.chosen.as_ref().is_none_or(|chosen| chosen.contains(member))
    }

    /// Takes note of who the others are, and of those of them who are linked.
    pub(crate) fn refresh(
        &mut self,
        others: &BTreeSet<MemberId>,
        linked: &BTreeSet<MemberId>,
        rng: &mut impl Rng,
    ) {
        if others.len() <= FULL_MESH_MAX {
            self.chosen = None;
            return;
        }
        let mut chosen = self.chosen.take().unwrap_or_default();
        chosen.retain(|member| others.contains(member));
        chosen.extend(linked.iter().copied().take(MESH_DIALS.saturating_sub(chosen.len())));
        let mut left: Vec<_> = others.difference(&chosen).copied().collect();
        while chosen.len() < MESH_DIALS
            && let Some(member) = pick(rng, &mut left)
        {
            chosen.insert(member);
        }
        self.chosen = Some(chosen);
    }

    /// Lets go of those who could not be reached; others take their places at the next
    /// [`Self::refresh`].
    pub(crate) fn drop_unreached(&mut self, linked: &BTreeSet<MemberId>) {
        if let Some(chosen) = &mut self.chosen {
            chosen.retain(|member| linked.contains(member));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha12Rng;
    use rand_core::SeedableRng as _;

    fn members(count: u8) -> BTreeSet<MemberId> {
        (0..count).map(|n| MemberId([n; 32])).collect()
    }

    #[test]
    fn a_large_group_links_some_with_some_and_replaces_who_is_away() {
        let mut rng = ChaCha12Rng::seed_from_u64(1);
        let (mut mesh, nobody) = (Mesh::default(), BTreeSet::new());
        mesh.refresh(&members(64), &nobody, &mut rng);
        assert!(mesh.is_full() && members(64).iter().all(|member| mesh.wants(member)));
        mesh.refresh(&members(65), &nobody, &mut rng);
        let wanted = |mesh: &Mesh| -> BTreeSet<_> {
            members(65).into_iter().filter(|member| mesh.wants(member)).collect()
        };
        let first = wanted(&mesh);
        assert_eq!((mesh.is_full(), first.len()), (false, MESH_DIALS));
        mesh.refresh(&members(65), &nobody, &mut rng);
        assert_eq!(wanted(&mesh), first, "nobody is exchanged for no reason");
        let linked: BTreeSet<_> = first.iter().copied().take(9).collect();
        mesh.drop_unreached(&linked);
        mesh.refresh(&members(65), &linked, &mut rng);
        let second = wanted(&mesh);
        assert!(second.len() == MESH_DIALS && second.is_superset(&linked));
    }
}
