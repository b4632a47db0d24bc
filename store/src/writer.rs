//! The one writer.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Weak, atomic};
use std::time::{SystemTime, UNIX_EPOCH};

use proto::{Change, GroupId, Member};

use crate::engine::{BATCH_MAX, Batch, Dir, Engine, Setup, SledEngine};
use crate::error::Error;
use crate::filing::{Counters, Filing};
use crate::group_keys::GroupKeys;
use crate::reader::Reader;
use crate::record;
use crate::rows::{LOCAL, LOCAL_ADDED, LOCAL_PORT, META, META_SCHEMA, NOTE, OPS, Table};
use crate::seal::SpaceKeys;
use crate::shared::Shared;
use crate::vault::{KeyTable, TableView, Vault};

/// What the rows in the tree look like. A greater one is [`Error::Newer`], a smaller one
/// [`Error::Older`]: those were never released.
const ROWS_SCHEMA: u32 = 3;

/// The one writer of an unlocked profile.
///
/// Calls block until the disk has what they wrote; they belong on a thread of their own. Dropping it
/// and all its readers closes the profile and wipes the keys.
pub struct Store {
    pub(crate) shared: Arc<Shared>,
    vault: Vault,
    /// Groups of which a crash left only the keys. Kept, shown to nobody, and replaced when added again.
    pub(crate) unfinished: Vec<Arc<GroupKeys>>,
    cursor: u64,
    pub(crate) arrivals: BTreeMap<GroupId, u64>,
    /// Something was taken back or replaced that [`Self::forget`] has not seen to yet.
    pub(crate) must_forget: bool,
    /// Rows may be here that no key opens, which a crash left.
    pub(crate) must_sweep: bool,
    /// What the vault keeps on the disk is not what it keeps in memory.
    pub(crate) is_vault_behind: bool,
    /// Filed, and not committed yet; empty between calls.
    waiting: Batch,
}

impl core::fmt::Debug for Store {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Store(..)")
    }
}

impl Store {
    /// Opens the rows of an open vault.
    pub(crate) fn open(
        home: &Path,
        lock: Arc<File>,
        vault: Vault,
        table: KeyTable,
    ) -> Result<Self, Error> {
        let begun = |engine: SledEngine| -> Result<(SledEngine, Begun), Error> {
            let begun = begin(&engine, &table);
            match begun {
                // A row it needs cannot be read. The next open saves what can.
                Err(Error::Damaged(_) | Error::Poisoned) if engine.is_damaged() => {
                    drop(engine);
                    let engine = open_engine(home, &lock)?;
                    let begun = begin(&engine, &table)?;
                    Ok((engine, begun))
                }
                begun => begun.map(|begun| (engine, begun)),
            }
        };
        let (engine, begun) = begun(open_engine(home, &lock)?)?;
        let Begun { cursor, arrivals, is_added } = begun;
        let KeyTable { profile, groups } = table;
        let (mut added, mut unfinished) = (Vec::new(), Vec::new());
        for (group, is_added) in groups.into_iter().zip(is_added) {
            if is_added { &mut added } else { &mut unfinished }.push(Arc::new(group));
        }
        let shared = Arc::new(Shared::new(Box::new(engine), profile, added, lock));
        let waiting = Batch::default();
        // A crash may have come before it.
        let (must_forget, must_sweep, is_vault_behind) = (true, true, false);
        Ok(Self {
            shared,
            vault,
            unfinished,
            cursor,
            arrivals,
            must_forget,
            must_sweep,
            is_vault_behind,
            waiting,
        })
    }

    /// A reader of what is committed here.
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader::new(Arc::clone(&self.shared))
    }

    /// Remembers a group and who this device is in it, with what is to be remembered of it so far.
    /// Durable when it returns; a crash before leaves nothing that is shown.
    ///
    /// # Errors
    /// [`Error::GroupExists`]; [`Error::TooLarge`] at several hundred groups; else as
    /// [`Self::commit`].
    pub fn add_group(&mut self, me: &Member, changes: &[Change]) -> Result<(), Error> {
        if self.shared.group(&me.group).is_ok() {
            return Err(Error::GroupExists);
        }
        let group = Arc::new(GroupKeys::generate(me.clone()));
        self.unfinished.retain(|left| left.me.group != me.group);
        self.unfinished.push(Arc::clone(&group));
        self.arrivals.insert(me.group, 0);
        // The keys are durable before their first use.
        self.write_vault()?;
        self.write(&group, changes, Some((&LOCAL_ADDED, 0)))?;
        self.unfinished.retain(|left| left.me.group != me.group);
        self.shared.add_group(group);
        Ok(())
    }

    /// Remembers changes, durably when it returns: all or none of those that fit one batch of 128 KiB,
    /// else several batches in order, cut only before an op, an entry or a written message: what belongs
    /// to one of them stays with it.
    ///
    /// # Errors
    /// [`Error::NoSuchGroup`]; [`Error::TooLarge`] and [`Error::Damaged`], after which the store goes
    /// on; [`Error::Full`], after which it goes on as soon as there is room, and of what was to be written
    /// some batches may be durable; [`Error::Io`] and [`Error::Poisoned`], after which it must be opened
    /// again.
    pub fn commit(&mut self, group: &GroupId, changes: &[Change]) -> Result<(), Error> {
        let group = self.shared.group(group)?;
        self.write(&group, changes, None)
    }

    /// Remembers the port that the system chose, to be tried first at the next start.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub fn set_port(&mut self, group: &GroupId, port: u16) -> Result<(), Error> {
        let group = self.shared.group(group)?;
        self.write(&group, &[], Some((&LOCAL_PORT, port)))
    }

    /// Whether the disk takes anything at all.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub fn check_room(&self) -> Result<(), Error> {
        self.shared.commit(&Batch::default())
    }

    pub(crate) fn write_vault(&mut self) -> Result<(), Error> {
        let added = self.shared.groups();
        let groups = added.iter().chain(&self.unfinished).map(AsRef::as_ref).collect();
        self.is_vault_behind = true;
        self.vault.write(&TableView { profile: self.shared.profile(), groups })?;
        self.is_vault_behind = false;
        Ok(())
    }

    fn write(
        &mut self,
        group: &GroupKeys,
        changes: &[Change],
        local: Option<(&[u8; 1], u16)>,
    ) -> Result<(), Error> {
        self.add_keys(group, changes)?;
        let done = self.file(group, changes, local).and_then(|()| self.flush());
        // What was refused must not come back with the next commit.
        self.waiting = Batch::default();
        if changes.iter().any(|change| matches!(change, Change::Op(_) | Change::Card(_))) {
            // After they can be read: whoever reads the number first never takes old rows for new ones.
            group.version.fetch_add(1, atomic::Ordering::SeqCst);
        }
        done
    }

    /// Every body gets the key of its bucket, and that is durable before its first use.
    fn add_keys(&mut self, group: &GroupKeys, changes: &[Change]) -> Result<(), Error> {
        let entries = changes.iter().filter_map(|change| {
            if let Change::Entry(entry) = change { Some(entry) } else { None }
        });
        let bodies = entries.filter(|entry| entry.entry.body.is_some());
        let buckets = bodies.map(|entry| group.bucket(entry.ends_ms, entry.first_seen_ms));
        let added = group.add(&buckets.collect());
        if added.is_empty() {
            return Ok(());
        }
        self.write_vault().inspect_err(|_error| group.withdraw(&added))
    }

    fn file(
        &mut self,
        group: &GroupKeys,
        changes: &[Change],
        local: Option<(&[u8; 1], u16)>,
    ) -> Result<(), Error> {
        let shared = Arc::clone(&self.shared);
        let now_ms = now_ms();
        for change in changes {
            // What belongs to one entry, op or message is durable together: it is never cut.
            if begins_unit(change) && self.waiting.bytes() > BATCH_MAX / 2 {
                self.flush()?;
            }
            let mut filing = filing(&shared, &self.waiting, group);
            let arrival = self.arrivals.entry(group.me.group).or_default();
            let mut counters = Counters { arrival, cursor: &mut self.cursor, now_ms };
            filing.file(change, &mut counters)?;
            self.must_forget |= filing.must_forget;
            let rows = filing.rows;
            self.queue(rows)?;
        }
        if let Some((which, value)) = local {
            let mut filing = filing(&shared, &self.waiting, group);
            filing.keep(which, &value)?;
            let rows = filing.rows;
            self.queue(rows)?;
        }
        Ok(())
    }

    fn queue(&mut self, rows: Batch) -> Result<(), Error> {
        if self.waiting.bytes().saturating_add(rows.bytes()) > BATCH_MAX {
            self.flush()?;
        }
        self.waiting.absorb(rows);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        let batch = core::mem::take(&mut self.waiting);
        if batch.is_empty() { Ok(()) } else { self.shared.commit(&batch) }
    }

    /// After so many batches the power fails.
    #[cfg(test)]
    pub(crate) fn cut_after(&self, batches: usize) {
        self.shared.power.cut_after(batches);
    }

    /// Whether anyone still holds what a store opened.
    pub(crate) fn watch(&self) -> Weak<Shared> {
        Arc::downgrade(&self.shared)
    }
}

/// Whether a change begins what must not be cut. What follows it up to the next one takes at most half a
/// batch: an entry of some 75 KB, its chain, and what it does to sixteen others of its author.
const fn begins_unit(change: &Change) -> bool {
    match change {
        Change::Op(_) | Change::Entry(_) | Change::Written(_) => true,
        Change::Chain(_)
        | Change::Card(_)
        | Change::Invite(_)
        | Change::Met(..)
        | Change::Fork(_)
        | Change::Gone(_)
        | Change::Instead(_)
        | Change::Unwritten(_)
        | Change::Displaced(_)
        | Change::Held(..)
        | Change::Arrival(_)
        | Change::Compared(_)
        | Change::Arriving(_)
        | Change::Notice(_) => false,
    }
}

fn filing<'a>(shared: &'a Shared, waiting: &'a Batch, group: &'a GroupKeys) -> Filing<'a> {
    let (engine, profile) = (shared.engine(), shared.profile());
    Filing { engine, waiting, profile, group, rows: Batch::default(), must_forget: false }
}

fn open_engine(home: &Path, lock: &Arc<File>) -> Result<SledEngine, Error> {
    let setup = Setup { lock: Some(Arc::clone(lock)), ..Setup::default() };
    SledEngine::open_as(&home.join("store"), setup)
}

/// What a store begins with.
struct Begun {
    cursor: u64,
    arrivals: BTreeMap<GroupId, u64>,
    /// Whether each of the groups is all here.
    is_added: Vec<bool>,
}

fn begin(engine: &SledEngine, table: &KeyTable) -> Result<Begun, Error> {
    if engine.report().is_to_mend {
        mend(engine, table)?;
        engine.mended()?;
    }
    check_schema(engine, table)?;
    let mut begun = Begun {
        cursor: last_number(engine, NOTE, &table.profile)?,
        arrivals: BTreeMap::new(),
        is_added: Vec::new(),
    };
    for group in &table.groups {
        let added = engine.get(&LOCAL.key(&group.keys, &LOCAL_ADDED))?;
        begun.is_added.push(added.is_some());
        let newest = last_number(engine, OPS, &group.keys)?;
        begun.arrivals.insert(group.me.group, newest);
    }
    Ok(begun)
}

/// Rows were lost. Those that name the schema may be among them; rows of another one would not open.
fn mend(engine: &SledEngine, table: &KeyTable) -> Result<(), Error> {
    let key = META.key(&table.profile, &META_SCHEMA);
    let known = record::read::<u32>(engine, &table.profile, &key)?;
    if known.is_some_and(|version| version != ROWS_SCHEMA) {
        return Ok(());
    }
    let is_empty = engine.scan(&[], &[0xff], Dir::Up, 1)?.is_empty();
    if known.is_none() && !is_empty {
        let mut batch = Batch::default();
        record::write(&mut batch, &table.profile, &key, &ROWS_SCHEMA, None)?;
        engine.commit(&batch)?;
    }
    if is_empty { Ok(()) } else { crate::mend::mend(engine, table) }
}

/// The rows are ours, complete as far as one row can tell, and of a version we know.
fn check_schema(engine: &SledEngine, table: &KeyTable) -> Result<(), Error> {
    let key = META.key(&table.profile, &META_SCHEMA);
    match record::read::<u32>(engine, &table.profile, &key)? {
        Some(version) => match version.cmp(&ROWS_SCHEMA) {
            Ordering::Less => Err(Error::Older),
            Ordering::Equal => Ok(()),
            Ordering::Greater => Err(Error::Newer),
        },
        None if table.groups.is_empty() => {
            let mut batch = Batch::default();
            record::write(&mut batch, &table.profile, &key, &ROWS_SCHEMA, None)?;
            engine.commit(&batch)
        }
        None => Err(Error::damaged("the rows are gone")),
    }
}

/// The greatest number that a key of the table begins with; 0 when there is none.
fn last_number(engine: &dyn Engine, table: Table, keys: &SpaceKeys) -> Result<u64, Error> {
    let rows = engine.scan(&table.start(keys), &table.end(keys), Dir::Down, 1)?;
    Ok(rows.first().and_then(|(key, _)| Table::number(key)).unwrap_or(0))
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proto::{MemberId, Notice};

    use super::*;
    use crate::rows::NOTICES_KEPT;
    use crate::tests::bench::{Bench, PASSPHRASE};

    #[test]
    fn rows_of_another_schema_are_refused_and_left_as_they_are() {
        let mut bench = Bench::new();
        let group = bench.join(1, &[Change::Notice(Notice::Complete(MemberId([1; 32])))]);
        let home = bench.close();
        let set = |schema: u32| {
            let (_vault, table) = Vault::unlock(home.path(), PASSPHRASE).unwrap();
            let key = META.key(&table.profile, &META_SCHEMA);
            let mut batch = Batch::default();
            record::write(&mut batch, &table.profile, &key, &schema, None).unwrap();
            SledEngine::open(&home.path().join("store")).unwrap().commit(&batch).unwrap();
        };
        for schema in [0, 1, 2] {
            set(schema);
            for _ in 0..2 {
                assert!(matches!(home.unlock(PASSPHRASE), Err(Error::Older)), "schema {schema}");
            }
        }
        set(4);
        assert!(matches!(home.unlock(PASSPHRASE), Err(Error::Newer)));
        set(3);
        let store = home.unlock(PASSPHRASE).unwrap();
        assert_eq!(store.reader().groups().unwrap()[0].group, group);
        assert_eq!(store.reader().latest_cursor().unwrap(), 1);
    }

    #[test]
    fn the_newest_hundred_thousand_notices_are_kept() {
        let mut bench = Bench::new();
        let notice = |n| Change::Notice(Notice::Complete(MemberId([n; 32])));
        let group = bench.join(1, &[notice(1), notice(2)]);
        bench.store.cursor = NOTICES_KEPT;
        bench.commit(group, &[notice(3)]);
        let notices = bench.store.reader().notices(0, 9).unwrap();
        let cursors: Vec<_> = notices.iter().map(|noted| noted.cursor).collect();
        assert_eq!(cursors, [2, NOTICES_KEPT + 1]);
    }
}
