//! What a person is writing, and what is about to leave.

use proto::GroupId;
use zeroize::Zeroizing;

use super::Client;
use crate::backend::{Drafts, Trouble};
use crate::trouble::{from_net, from_store};

impl Client {
    /// # Errors
    /// `no_such_group`, `locked`; `store_damaged` when what was kept is no draft.
    pub(super) fn read_drafts(&self, group: &GroupId) -> Result<Drafts, Trouble> {
        let kept = self.open()?.reader().draft(group).map_err(from_store)?;
        kept.map_or_else(
            || Ok(Drafts::default()),
            |kept| {
                serde_json::from_slice(&kept).map_err(|error| {
                    let says = format!("What was being written cannot be read: {error}.");
                    Trouble::new("store_damaged", says)
                })
            },
        )
    }

    /// # Errors
    /// `too_large`, `no_such_group`, `locked`, `disk_full`.
    pub(super) fn write_drafts(&self, group: &GroupId, drafts: &Drafts) -> Result<(), Trouble> {
        let mut bytes = Zeroizing::new(Vec::new());
        if *drafts != Drafts::default() {
            *bytes = serde_json::to_vec(drafts)
                .map_err(|error| Trouble::new("too_large", format!("No draft: {error}.")))?;
        }
        let kept = core::mem::take(&mut *bytes);
        self.open()?.handle.keep_draft(*group, kept).map_err(from_net)
    }
}
