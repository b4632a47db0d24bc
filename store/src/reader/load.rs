//! The entries that an engine asks for.

use std::collections::BTreeSet;

use proto::{Entry, EntryId, GroupId, Loaded, SeqRange, Wanted};

use super::Reader;
use crate::engine::Dir;
use crate::error::Error;
use crate::record;
use crate::rows::{Filed, Known, SEQ, seq_end, seq_start};
use crate::vault::GroupKeys;

impl Reader {
    /// The entries wanted: each range from its newest down, then the ids, each entry once. Stops at
    /// either bound, but gives one entry if there is one.
    ///
    /// # Errors
    /// See [`Reader`].
    pub fn load(&self, group: &GroupId, wanted: &Wanted) -> Result<Loaded, Error> {
        let group = self.shared.group(group)?;
        let _still = self.shared.reading();
        let Wanted::Entries { ranges, ids, entries_max, bytes_max } = wanted;
        let mut load = Load { entries_max: *entries_max, bytes_max: *bytes_max, ..Load::default() };
        for range in ranges {
            self.load_range(&group, range, &mut load)?;
        }
        for id in ids {
            if let Some(Known::Signed(place)) = self.known(&group, &id.0)?
                && !load.loaded.more
            {
                load.take(self.filed(&group, &place)?);
            }
        }
        Ok(load.loaded)
    }

    fn load_range(
        &self,
        group: &GroupKeys,
        range: &SeqRange,
        load: &mut Load,
    ) -> Result<(), Error> {
        let (author, first, last) = range;
        let keys = &group.keys;
        let places = self
            .records(keys, SEQ, Dir::Down)
            .from(seq_start(keys, author, *first))
            .to(seq_end(keys, author, *last));
        for place in places {
            if load.loaded.more {
                break;
            }
            load.take(self.filed(group, &record::decode(&place?.1)?)?);
        }
        Ok(())
    }
}

/// A load under way.
#[derive(Default)]
struct Load {
    entries_max: usize,
    bytes_max: usize,
    bytes: usize,
    taken: BTreeSet<EntryId>,
    loaded: Loaded,
}

impl Load {
    fn take(&mut self, filed: Filed<Entry>) {
        if self.taken.contains(&filed.id) {
            return;
        }
        let bytes = self.bytes.saturating_add(filed.entry.size());
        let entries = &mut self.loaded.entries;
        let full = entries.len() >= self.entries_max || bytes > self.bytes_max;
        if full && !entries.is_empty() {
            self.loaded.more = true;
        } else {
            self.bytes = bytes;
            self.taken.insert(filed.id);
            entries.push(filed.entry);
        }
    }
}
