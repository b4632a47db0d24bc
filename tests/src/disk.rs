//! What someone's device remembers on a real disk, held against the model of it.
//!
//! Everything that the model ([`Memory`]) keeps, a [`Store`] in a folder of its own keeps too. Whatever
//! it gives back is compared with what the model gives; where no order is promised, none is asked for.
//! Engines work with what the store gave.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::fs;

use proto::{Change, Entry, GroupId, Loaded, Member, Op, Wanted};
use store::{Home, Reader, Row, Store};
use tempfile::TempDir;

use crate::memory::Memory;

const PASSPHRASE: &str = "a passphrase nobody guesses";
/// Small, so that an evening has several pages.
const PAGE: usize = 3;

/// A profile in a temporary folder.
pub(crate) struct Disk {
    /// None while the device is off.
    store: Option<Store>,
    home: Home,
    /// Goes last, for what is open is in it.
    folder: TempDir,
}

impl Disk {
    pub(crate) fn new() -> Self {
        Self::in_folder(tempfile::tempdir().expect("a folder"))
    }

    fn in_folder(folder: TempDir) -> Self {
        let home = Home::open(folder.path()).expect("a home");
        Self { store: None, home, folder }
    }

    /// Makes the profile, with the one group that is ever in it.
    pub(crate) fn begin(&mut self, me: &Member, ops: &[Op]) {
        let mut store = self.home.create_at_floor(PASSPHRASE).expect("a profile");
        let ops: Vec<_> = ops.iter().cloned().map(Change::Op).collect();
        store.add_group(me, &ops).expect("a group");
        self.store = Some(store);
    }

    /// Commits what the model, which has not got it yet, is about to remember.
    pub(crate) fn commit(&mut self, memory: &Memory, changes: &[Change]) {
        self.open().commit(&memory.group(), changes).expect("the disk takes it");
    }

    /// What ended on a day before this is no more.
    pub(crate) fn fade(&mut self, unix_ms: u64) {
        self.open().end_days(unix_ms).expect("the disk takes it");
    }

    /// The device is switched off, or its power fails. What was committed is durable.
    pub(crate) fn close(&mut self) {
        self.store = None;
    }

    /// The folder once more, as it is now.
    pub(crate) fn copy(&mut self) -> Self {
        self.close();
        let folder = tempfile::tempdir().expect("a folder");
        copy_folder(self.folder.path(), folder.path()).expect("a copy");
        Self::in_folder(folder)
    }

    /// What the engine asked for; the model gave `expected`.
    pub(crate) fn load(&mut self, memory: &Memory, wanted: &Wanted, expected: Loaded) -> Loaded {
        let (reader, group) = (self.open().reader(), memory.group());
        let loaded = reader.load(&group, wanted).expect("it can be read");
        if loaded == expected {
            return loaded;
        }
        // Those under one number come in any order, and a bound may fall between them.
        let all = &without_bounds(wanted);
        let in_all = |loaded: &Loaded| loaded.entries.iter().map(place).collect::<Vec<_>>();
        let (here, there) = (reader.load(&group, all).expect("it can be read"), memory.load(all));
        same("entries in the order of their numbers", &in_all(&here), &in_all(&there));
        same_set("entries", &here.entries, &there.entries);
        same("which are held", &here.held, &there.held);
        same("whether there is more", &loaded.more, &expected.more);
        // A run is the same with a disk and without one.
        expected
    }

    /// What an engine that starts again is given. What was taken back before is forgotten for good, and
    /// nothing else is.
    pub(crate) fn remembered(&mut self, memory: &Memory) -> Vec<Change> {
        self.check(memory);
        if self.open().forget().expect("the disk takes it") {
            self.check(memory);
        }
        self.open().reader().remembered(&memory.group()).expect("it can be read")
    }

    /// Compares all that is there, in every way in which it can be read.
    pub(crate) fn check(&mut self, memory: &Memory) {
        let Some(me) = &memory.me else { return };
        let reader = self.open().reader();
        let groups = reader.groups().expect("it can be read");
        same("who this is", &groups.iter().map(identity).collect::<Vec<_>>(), &vec![identity(me)]);
        check_remembered(memory, &reader);
        check_entries(memory, &reader);
        check_timeline(memory, &reader);
        let noted = reader.notices(0, usize::MAX).expect("it can be read");
        let noted: Vec<_> = noted.into_iter().map(|noted| noted.notice).collect();
        same("notices", &noted, &memory.notices);
    }

    fn open(&mut self) -> &mut Store {
        self.store
            .get_or_insert_with(|| self.home.unlock(PASSPHRASE).expect("the profile opens again"))
    }
}

fn check_remembered(memory: &Memory, reader: &Reader) {
    let here = reader.remembered(&memory.group()).expect("it can be read");
    let there = memory.remembered();
    let in_order = |changes: &[Change]| {
        let is_in_order = |change: &&Change| matches!(change, Change::Op(_) | Change::Written(_));
        changes.iter().filter(is_in_order).cloned().collect::<Vec<_>>()
    };
    same("ops and written messages, in order", &in_order(&here), &in_order(&there));
    same_set("what is remembered", &here, &there);
}

/// Also those that are not shown, and that what was taken back is erased.
fn check_entries(memory: &Memory, reader: &Reader) {
    let ids: Vec<_> = memory.entries.values().map(|accepted| accepted.id).collect();
    let authors: BTreeSet<_> = memory.entries.values().map(|accepted| accepted.author).collect();
    let ranges = authors.into_iter().map(|author| (author, 0, u32::MAX)).collect();
    let (entries_max, bytes_max) = (usize::MAX, usize::MAX);
    let all = Wanted::Entries { ranges, ids: Vec::new(), entries_max, bytes_max };
    let load = |wanted: &Wanted| reader.load(&memory.group(), wanted).expect("it can be read");
    same_set("all entries", &load(&all).entries, &memory.load(&all).entries);
    same("which of all are held", &load(&Wanted::Held(ids.clone())).held, &ids);
    let me = memory.me.as_ref().expect("a member").id;
    for accepted in memory.entries.values().filter(|accepted| accepted.author == me) {
        let versions = Wanted::Versions(accepted.id);
        same("a message and its edit", &load(&versions), &memory.load(&versions));
    }
}

fn check_timeline(memory: &Memory, reader: &Reader) {
    let (group, rows) = (memory.group(), memory.rows());
    let page = |before: Option<&[u8; 32]>, limit| {
        reader.timeline(&group, before, limit).expect("it can be read")
    };
    let whole = page(None, usize::MAX);
    same("the timeline", &whole.rows, &rows);
    same("whether there is more than everything", &whole.more, &false);
    let mut paged: Vec<Row> = Vec::new();
    loop {
        let next = page(paged.first().map(|row| &row.id), PAGE);
        paged.splice(0..0, next.rows);
        if !next.more {
            break;
        }
    }
    same("the timeline, page by page", &paged, &rows);
    for row in rows {
        for id in [Some(row.id), row.local.map(|local| local.0)].into_iter().flatten() {
            let message = reader.message(&group, &id).expect("it can be read");
            same("a single message", &message.as_ref(), &Some(&row));
        }
    }
}

fn same<T: PartialEq + Debug>(what: &str, here: &T, there: &T) {
    assert!(
        here == there,
        "the store is not as the model of it: {what}:\n{here:#?}\nwhere the model has\n{there:#?}"
    );
}

fn same_set<T: PartialEq + Debug>(what: &str, here: &[T], there: &[T]) {
    let only = |these: &[T], those: &[T]| {
        let only = these.iter().filter(|this| !those.contains(this));
        only.map(|this| format!("{this:#?}")).collect::<Vec<_>>()
    };
    let (lost, more) = (only(there, here), only(here, there));
    assert!(lost.is_empty(), "the store lost some of {what}: {}", lost.join("\n"));
    assert!(more.is_empty(), "the store has more of {what}: {}", more.join("\n"));
    assert_eq!(here.len(), there.len(), "the store has some of {what} twice");
}

fn identity(me: &Member) -> (GroupId, proto::MemberId, String) {
    (me.group, me.id, me.name.to_string())
}

fn place(entry: &Entry) -> (proto::MemberId, u32) {
    let header: proto::EntryHeader =
        proto::decode(&entry.header, entry.header.len()).expect("a header");
    (header.author, header.seq)
}

fn without_bounds(wanted: &Wanted) -> Wanted {
    match wanted {
        Wanted::Entries { ranges, ids, .. } => Wanted::Entries {
            ranges: ranges.clone(),
            ids: ids.clone(),
            entries_max: usize::MAX,
            bytes_max: usize::MAX,
        },
        Wanted::Held(_) | Wanted::Versions(_) => wanted.clone(),
    }
}

fn copy_folder(from: &std::path::Path, to: &std::path::Path) -> std::io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            fs::create_dir(&to)?;
            copy_folder(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}
