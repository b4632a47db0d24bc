//! A profile in a temporary folder, and things to put into it.

use std::fs;
use std::path::Path;

use proto::message::{Body, Edit, TakeBack, Text};
use proto::{
    Accepted, Bytes, Card, ChainState, Change, Entry, EntryBody, EntryHeader, EntryId, GroupId,
    LocalId, Member, MemberId, MemberSecrets, Op, OpId, Order, Own, Versions, Wanted, Written,
    decode, encode,
};
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::SeedableRng as _;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tempfile::TempDir;

use crate::{Home, Reader, Store};

/// A folder that costs no disk, where the system has such.
pub(crate) fn in_memory() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_none| tempfile::tempdir()).unwrap()
}

/// A copy of all files of a home, as they are now, but for the ballast.
pub(crate) fn copy_of(home: &Path) -> TempDir {
    let copy = in_memory();
    copy_into(home, copy.path());
    copy
}

fn copy_into(from: &Path, to: &Path) {
    for file in fs::read_dir(from).unwrap() {
        let path = file.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        if path.is_dir() {
            fs::create_dir(&to).unwrap();
            copy_into(&path, &to);
        } else if !path.ends_with("ballast") {
            fs::copy(&path, &to).unwrap();
        }
    }
}

pub(crate) const PASSPHRASE: &str = "PLAINPASSPHRASE";

pub(crate) struct Bench {
    pub(crate) store: Store,
    pub(crate) home: Home,
    /// Removes the folder when it goes; none where the test made its own.
    pub(crate) dir: Option<TempDir>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let dir = in_memory();
        let bench = Self::create(Home::open(dir.path()).unwrap());
        Self { dir: Some(dir), ..bench }
    }

    /// As a person would, without the second that calibration takes.
    pub(crate) fn create(home: Home) -> Self {
        let store = home.create_at_floor(PASSPHRASE).unwrap();
        Self { store, home, dir: None }
    }

    pub(crate) fn unlock(home: Closed) -> Self {
        let Closed { home, dir } = home;
        Self { store: home.unlock(PASSPHRASE).unwrap(), home, dir }
    }

    /// Closes the profile and keeps the folder.
    pub(crate) fn close(self) -> Closed {
        Closed { home: self.home, dir: self.dir }
    }

    pub(crate) fn reopened(self) -> Self {
        Self::unlock(self.close())
    }

    pub(crate) fn join(&mut self, n: u8, changes: &[Change]) -> GroupId {
        let me = member(n);
        self.store.add_group(&me, changes).unwrap();
        me.group
    }

    pub(crate) fn commit(&mut self, group: GroupId, changes: &[Change]) {
        self.store.commit(&group, changes).unwrap();
    }

    pub(crate) fn reader(&self) -> Reader {
        self.store.reader()
    }

    /// Commits until the power fails: after so many batches nothing more reaches the disk.
    pub(crate) fn commit_cut(
        &mut self,
        group: GroupId,
        changes: &[Change],
        batches: usize,
    ) -> bool {
        self.store.cut_after(batches);
        self.store.commit(&group, changes).is_ok()
    }
}

/// A locked profile.
pub(crate) struct Closed {
    home: Home,
    dir: Option<TempDir>,
}

impl core::ops::Deref for Closed {
    type Target = Home;

    fn deref(&self) -> &Home {
        &self.home
    }
}

/// A value of one of proto's bounded types.
pub(crate) fn of<T: Serialize + DeserializeOwned>(value: &(impl Serialize + ?Sized)) -> T {
    decode(&encode(value), usize::MAX).unwrap()
}

/// This device in group `n`.
pub(crate) fn member(n: u8) -> Member {
    let secrets = MemberSecrets::generate(&mut ChaCha12Rng::seed_from_u64(n.into()));
    let group = GroupId([n; 32]);
    let id = secrets.public().member_id(&group);
    Member { group, id, secrets, name: of("PLAINNAME") }
}

/// The store does not look into ops.
pub(crate) fn op(says: &str) -> Change {
    let sig = of(&([1_u8; 32], [1_u8; 32]));
    Change::Op(Op { header: of(says), sig, body: of(&says.repeat(40)) })
}

/// An entry that was not written here, with a payload that no build knows.
pub(crate) fn entry(author: &Member, seq: u32, lamport: u64, says: &str) -> Accepted {
    entry_of(author, seq, lamport, says.as_bytes().to_vec())
}

/// An entry with a real payload.
pub(crate) fn said(author: &Member, seq: u32, lamport: u64, body: &Body) -> Accepted {
    let entry = entry_of(author, seq, lamport, body.encode().unwrap());
    Accepted { is_shown: body.is_shown(), ..entry }
}

fn entry_of(author: &Member, seq: u32, lamport: u64, payload: Vec<u8>) -> Accepted {
    let header = EntryHeader {
        v: 1,
        suite: 1,
        space: author.group.0,
        author: author.id,
        seq,
        prev: EntryId([0; 32]),
        deps: of(&[0_u8; 0][..]),
        ops: of(&[OpId([1; 32])][..]),
        lamport,
        msk: 0,
        wall: 1_000 + lamport,
        ends: of(&0_u32),
        payload_hash: [0; 32],
    };
    let body = EntryBody { salt: [3; 16], payload: Bytes::new(payload).unwrap() };
    let entry = Entry::sign(header, body, author).unwrap();
    Accepted {
        id: entry.id(),
        author: author.id,
        seq,
        order: Order::new(lamport, &author.id, seq),
        first_seen_ms: 5,
        ends_ms: None,
        local: None,
        is_shown: true,
        entry,
    }
}

pub(crate) fn accepted(entry: &Accepted) -> Change {
    Change::Entry(Box::new(entry.clone()))
}

/// The same entry, known to be the one written here as `local`.
pub(crate) fn signed(entry: Accepted, local: [u8; 32]) -> Change {
    Change::Entry(Box::new(Accepted { local: Some(LocalId(local)), ..entry }))
}

pub(crate) fn written(local: [u8; 32], nth: u64, says: &str) -> Change {
    written_of(local, nth, says.as_bytes().to_vec())
}

/// A written message with a real payload.
pub(crate) fn wrote(local: [u8; 32], nth: u64, body: &Body) -> Change {
    written_of(local, nth, body.encode().unwrap())
}

fn written_of(local: [u8; 32], nth: u64, payload: Vec<u8>) -> Change {
    let payload = Bytes::new(payload).unwrap();
    Change::Written(Written { local: LocalId(local), nth, wall: 2_000 + nth, payload })
}

pub(crate) fn text(says: &str) -> Body {
    Body::Text(Text { reply_to: None, text: of(says) })
}

/// An edit of a message and of its edits so far.
pub(crate) fn edit(versions: &[&Accepted], says: &str) -> Body {
    let words = Text { reply_to: None, text: of(says) };
    Body::Edit(Edit { versions: versions_of(versions), words })
}

pub(crate) fn take_back(versions: &[&Accepted]) -> Body {
    Body::TakeBack(TakeBack { versions: versions_of(versions) })
}

fn versions_of(versions: &[&Accepted]) -> Versions {
    let own = |entry: &&Accepted| Own { seq: entry.seq, id: entry.id };
    Versions::new(versions.iter().map(own).collect()).unwrap()
}

/// What is held of a chain, in that many ranges.
pub(crate) fn chain(author: [u8; 32], ranges: u32) -> Change {
    Change::Chain(ChainState {
        author: MemberId(author),
        seq: ranges * 2,
        id: EntryId([4; 32]),
        prev: EntryId([3; 32]),
        lamport: 9,
        ops: vec![OpId([1; 32])],
        held: (0..ranges).map(|n| (n * 2, n * 2)).collect(),
    })
}

pub(crate) fn wanted(
    ranges: &[(MemberId, u32, u32)],
    ids: &[EntryId],
    entries_max: usize,
    bytes_max: usize,
) -> Wanted {
    Wanted::Entries { ranges: ranges.into(), ids: ids.into(), entries_max, bytes_max }
}

pub(crate) fn card(member: &Member, unix_ms: u64) -> Card {
    let now = proto::Now { unix_ms, ..proto::Now::default() };
    Card::new(member, &[], now)
}
