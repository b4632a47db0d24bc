//! What the writer and all readers have in common.

use std::fs::File;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use proto::{GroupId, Member};

use crate::engine::{Batch, Engine};
use crate::error::Error;
use crate::group_keys::GroupKeys;
use crate::seal::SpaceKeys;

/// The open rows and their keys. When the last one who holds it goes, sled is closed, the keys are
/// wiped and the lock is let go, in this order.
pub(crate) struct Shared {
    engine: Box<dyn Engine>,
    /// A commit is seen whole or not at all, and only once it is durable.
    gate: RwLock<()>,
    profile: SpaceKeys,
    groups: RwLock<Vec<Arc<GroupKeys>>>,
    _lock: Arc<File>,
    #[cfg(test)]
    pub(crate) power: crate::tests::cut::Power,
}

impl Shared {
    pub(crate) fn new(
        engine: Box<dyn Engine>,
        profile: SpaceKeys,
        groups: Vec<Arc<GroupKeys>>,
        lock: Arc<File>,
    ) -> Self {
        Self {
            engine,
            gate: RwLock::new(()),
            profile,
            groups: RwLock::new(groups),
            _lock: lock,
            #[cfg(test)]
            power: Default::default(),
        }
    }

    /// For the writer, and for readers that hold what [`Self::reading`] gives.
    pub(crate) fn engine(&self) -> &dyn Engine {
        self.engine.as_ref()
    }

    pub(crate) const fn profile(&self) -> &SpaceKeys {
        &self.profile
    }

    /// Keeps commits away while several rows are read.
    pub(crate) fn reading(&self) -> RwLockReadGuard<'_, ()> {
        self.gate.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// For the writer alone.
    pub(crate) fn commit(&self, batch: &Batch) -> Result<(), Error> {
        let _alone = self.alone();
        #[cfg(test)]
        self.power.use_up()?;
        self.engine.commit(batch)
    }

    /// Keeps readers away while keys go: for the writer alone.
    pub(crate) fn alone(&self) -> RwLockWriteGuard<'_, ()> {
        self.gate.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn group(&self, group: &GroupId) -> Result<Arc<GroupKeys>, Error> {
        let groups = self.groups.read().unwrap_or_else(PoisonError::into_inner);
        groups.iter().find(|known| known.me.group == *group).cloned().ok_or(Error::NoSuchGroup)
    }

    /// All groups, in the order in which they were added.
    pub(crate) fn groups(&self) -> Vec<Arc<GroupKeys>> {
        self.groups.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn members(&self) -> Vec<Member> {
        self.groups().iter().map(|group| group.me.clone()).collect()
    }

    /// For the writer alone.
    pub(crate) fn add_group(&self, group: Arc<GroupKeys>) {
        self.groups.write().unwrap_or_else(PoisonError::into_inner).push(group);
    }

    /// For the writer alone.
    pub(crate) fn remove_group(&self, group: &GroupId) {
        let _alone = self.alone();
        let mut groups = self.groups.write().unwrap_or_else(PoisonError::into_inner);
        groups.retain(|known| known.me.group != *group);
    }
}
