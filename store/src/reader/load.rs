//! The entries that an engine asks for.

use std::collections::BTreeSet;

use proto::{Entry, EntryId, GroupId, Loaded, SeqRange, Wanted};

use super::Reader;
use crate::engine::Dir;
use crate::error::Error;
use crate::group_keys::GroupKeys;
use crate::record;
use crate::rows::{Known, Place, SEQ, seq_end, seq_start};

impl Reader {
    /// What is wanted. [`Wanted::Entries`] gives each range from its newest down, then the ids, each
    /// entry once; it stops at either bound, but gives one entry if there is one. All that stand under
    /// one number are given. [`Wanted::Versions`] gives the message and, if its author edited it and
    /// that is signed, the newest edit. A local id is no entry's id here.
    ///
    /// # Errors
    /// See [`Reader`].
    pub fn load(&self, group: &GroupId, wanted: &Wanted) -> Result<Loaded, Error> {
        let _still = self.shared.reading();
        let group = self.shared.group(group)?;
        match wanted {
            Wanted::Entries { ranges, ids, entries_max, bytes_max } => {
                let (entries_max, bytes_max) = (*entries_max, *bytes_max);
                let mut load = Load { entries_max, bytes_max, ..Load::default() };
                for range in ranges {
                    self.load_range(&group, range, &mut load)?;
                }
                self.load_ids(&group, ids, &mut load)?;
                Ok(load.loaded)
            }
            Wanted::Held(ids) => self.which_are_held(&group, ids),
            Wanted::Versions(id) => self.versions(&group, id),
        }
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
            .records(group, SEQ, Dir::Down)
            .from(seq_start(keys, author, *first))
            .to(seq_end(keys, author, *last));
        for place in places {
            if load.loaded.more {
                break;
            }
            load.take(self.entry(group, self.filed(group, &record::decode(&place?.1)?)?)?);
        }
        Ok(())
    }

    fn load_ids(&self, group: &GroupKeys, ids: &[EntryId], load: &mut Load) -> Result<(), Error> {
        for id in ids {
            if load.loaded.more {
                break;
            }
            if let Some(place) = self.place_of(group, id)? {
                load.take(self.entry(group, self.filed(group, &place)?)?);
            }
        }
        Ok(())
    }

    fn which_are_held(&self, group: &GroupKeys, ids: &[EntryId]) -> Result<Loaded, Error> {
        let mut loaded = Loaded::default();
        for id in ids {
            if self.place_of(group, id)?.is_some() {
                loaded.held.push(*id);
            }
        }
        Ok(loaded)
    }

    /// An edit whose body is gone is given too: that the message was taken back can be seen by it.
    fn versions(&self, group: &GroupKeys, id: &EntryId) -> Result<Loaded, Error> {
        let mut loaded = Loaded::default();
        let Some(place) = self.place_of(group, id)? else {
            return Ok(loaded);
        };
        let message = self.filed(group, &place)?;
        let edit = match self.instead_of(group, &message)? {
            Some(by) => self.known(group, &by.0)?,
            None => None,
        };
        let author = message.author;
        loaded.entries.push(self.entry(group, message)?);
        if let Some(Known::Signed(place)) = edit {
            let edit = self.filed(group, &place)?;
            if edit.author == author {
                loaded.entries.push(self.entry(group, edit)?);
            }
        }
        Ok(loaded)
    }

    fn place_of(&self, group: &GroupKeys, id: &EntryId) -> Result<Option<Place>, Error> {
        match self.known(group, &id.0)? {
            Some(Known::Signed(place)) => Ok(place.is_of(id).then_some(place)),
            Some(Known::Written(_) | Known::Op) | None => Ok(None),
        }
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
    fn take(&mut self, entry: Entry) {
        let id = entry.id();
        if self.taken.contains(&id) {
            return;
        }
        let bytes = self.bytes.saturating_add(entry.size());
        let entries = &mut self.loaded.entries;
        let full = entries.len() >= self.entries_max || bytes > self.bytes_max;
        if full && !entries.is_empty() {
            self.loaded.more = true;
        } else {
            self.bytes = bytes;
            self.taken.insert(id);
            entries.push(entry);
        }
    }
}
