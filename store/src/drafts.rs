//! What a person is writing: kept for them alone, and for nobody else to read.

use proto::GroupId;
use zeroize::Zeroizing;

use crate::engine::Batch;
use crate::error::Error;
use crate::reader::Reader;
use crate::record;
use crate::rows::{DRAFT, DRAFT_WRITING};
use crate::writer::Store;

/// The largest draft, in bytes: one batch, with room.
const DRAFT_MAX: usize = 128 * 1024;

impl Store {
    /// Keeps what a person is writing in a group in place of what was kept before, in one batch; nothing
    /// when it is empty. What it means is the caller's affair. At most 128 KiB.
    ///
    /// What was kept before can be read from the disk until the keys of the day go
    /// ([`Self::end_days`]).
    ///
    /// # Errors
    /// [`Error::TooLarge`]; else as [`Self::commit`].
    #[expect(clippy::needless_pass_by_ref_mut, reason = "there is one writer, and one at a time")]
    pub fn keep_draft(&mut self, group: &GroupId, draft: &[u8]) -> Result<(), Error> {
        if draft.len() > DRAFT_MAX {
            return Err(Error::TooLarge);
        }
        let group = self.shared.group(group)?;
        let key = DRAFT.key(&group.keys, &DRAFT_WRITING);
        let old = self.shared.engine().get(&key)?;
        let mut rows = Batch::default();
        match old {
            None if draft.is_empty() => return Ok(()),
            Some(old) if draft.is_empty() => record::remove(&mut rows, &*group, &key, &old)?,
            old => record::write(&mut rows, &*group, &key, &draft, old.as_deref())?,
        }
        self.shared.commit(&rows)
    }
}

impl Reader {
    /// What [`Store::keep_draft`] kept last.
    ///
    /// # Errors
    /// See [`Reader`].
    pub fn draft(&self, group: &GroupId) -> Result<Option<Zeroizing<Vec<u8>>>, Error> {
        let _still = self.shared.reading();
        let group = self.shared.group(group)?;
        let key = DRAFT.key(&group.keys, &DRAFT_WRITING);
        let draft: Option<Vec<u8>> = record::read(self.shared.engine(), &*group, &key)?;
        Ok(draft.map(Zeroizing::new))
    }
}
