//! The store: signed entries, each in its several sealed rows.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use proto::{
    Accepted, Bytes, Change, Entry, EntryBody, EntryEnds, EntryHeader, EntryId, GroupId, List,
    Member, MemberSecrets, OpId, Order, Text, Wanted,
};
use rand_chacha::ChaCha12Rng;
use rand_core::{Rng as _, SeedableRng as _};
use store::{Home, Reader, Store};

use crate::subject::{PAGE, Samples, Subject, WORDS, disk_bytes};

/// The argument with which this program opens a home and says what that took.
pub const OPEN: &str = "--open";
/// What stands above what it says.
pub const MEMORY: &str = "\
| entries | VmRSS before | unlocked | after a page | after 1,000 pages anywhere \
| unlock to first page, without Argon2 |
| --- | --- | --- | --- | --- | --- |";

const PASSPHRASE: &str = "a passphrase nobody guesses";
/// People in the group.
const AUTHORS: usize = 4;
/// An entry every minute: a million in two years.
const APART_MS: u64 = 60_000;
const BEGIN_MS: u64 = 1_730_000_000_000;

/// A profile with one group.
pub struct Ours {
    store: Option<Store>,
    home: Option<Home>,
    path: PathBuf,
    authors: Vec<Member>,
    ids: Vec<EntryId>,
    prepared: Vec<Change>,
    rng: ChaCha12Rng,
}

impl Ours {
    pub fn new(path: &Path) -> Self {
        let mut rng = ChaCha12Rng::seed_from_u64(7);
        let group = GroupId([7; 32]);
        let member = |rng: &mut ChaCha12Rng| {
            let secrets = MemberSecrets::generate(rng);
            let id = secrets.public().member_id(&group);
            Member { group, id, secrets, name: Text::new("a name").expect("a name") }
        };
        let authors: Vec<_> = (0..AUTHORS).map(|_| member(&mut rng)).collect();
        let home = Home::open(path).expect("a home");
        let mut store = home.create_at_floor(PASSPHRASE).expect("a profile");
        store.add_group(&authors[0], &[]).expect("a group");
        let path = path.to_owned();
        let (ids, prepared) = (Vec::new(), Vec::new());
        Self { store: Some(store), home: Some(home), path, authors, ids, prepared, rng }
    }

    fn group(&self) -> GroupId {
        self.authors[0].group
    }

    fn reader(&self) -> Reader {
        self.store.as_ref().expect("open").reader()
    }

    fn entry(&mut self) -> Accepted {
        let nth = self.ids.len();
        let author = &self.authors[nth % AUTHORS];
        let seq = u32::try_from(nth / AUTHORS).expect("below a billion");
        let (lamport, wall) = (nth as u64 + 1, BEGIN_MS + nth as u64 * APART_MS);
        let id_before = |back: usize| nth.checked_sub(back).map(|at| self.ids[at]);
        let header = EntryHeader {
            v: 1,
            suite: 1,
            space: author.group.0,
            author: author.id,
            seq,
            prev: id_before(AUTHORS).unwrap_or(EntryId([0; 32])),
            deps: List::first(id_before(1)),
            ops: List::first([OpId([1; 32])]),
            lamport,
            msk: 0,
            wall,
            ends: EntryEnds::Default,
            payload_hash: [0; 32],
        };
        let (mut salt, mut payload) = ([0; 16], vec![0; WORDS]);
        self.rng.fill_bytes(&mut salt);
        self.rng.fill_bytes(&mut payload);
        let payload = Bytes::new(payload).expect("short enough");
        let entry = Entry::sign(header, EntryBody { salt, payload }, author).expect("an entry");
        Accepted {
            id: entry.id(),
            author: author.id,
            seq,
            order: Order::new(lamport, &author.id, seq),
            first_seen_ms: wall,
            ends_ms: None,
            local: None,
            is_shown: true,
            entry,
        }
    }
}

impl Subject for Ours {
    fn name(&self) -> &'static str {
        "ours"
    }

    fn len(&self) -> usize {
        self.ids.len()
    }

    fn prepare(&mut self, count: usize) {
        self.prepared.clear();
        for _ in 0..count {
            let accepted = self.entry();
            self.ids.push(accepted.id);
            self.prepared.push(Change::Entry(Box::new(accepted)));
        }
    }

    fn commit(&mut self) {
        let group = self.group();
        let store = self.store.as_mut().expect("open");
        store.commit(&group, &self.prepared).expect("a commit");
    }

    fn point(&mut self, nth: usize) {
        let ids = vec![self.ids[nth]];
        let wanted =
            Wanted::Entries { ranges: Vec::new(), ids, entries_max: 1, bytes_max: 1 << 20 };
        let loaded = self.reader().load(&self.group(), &wanted).expect("it can be read");
        assert_eq!(loaded.entries.len(), 1);
    }

    fn newest_page(&mut self) {
        let page = self.reader().timeline(&self.group(), None, PAGE).expect("a page");
        assert!(page.rows.len() <= PAGE);
    }

    fn page_before(&mut self, nth: usize) {
        let before = Some(&self.ids[nth].0);
        let page = self.reader().timeline(&self.group(), before, PAGE).expect("a page");
        assert!(page.rows.len() <= PAGE);
    }

    fn reopen(&mut self) -> Duration {
        self.store = None;
        let took = |call: &mut dyn FnMut()| {
            let began = Instant::now();
            call();
            began.elapsed()
        };
        let home = self.home.take().expect("a home");
        let argon = took(&mut || home.check(PASSPHRASE).expect("it is the passphrase"));
        let opened = took(&mut || {
            self.store = Some(home.unlock(PASSPHRASE).expect("it opens"));
            self.newest_page();
        });
        self.home = Some(home);
        opened.saturating_sub(argon)
    }

    fn disk_bytes(&self) -> u64 {
        disk_bytes(&self.path)
    }
}

impl Ours {
    /// Lets other processes, which did nothing before, open the home so often: lines of the table of
    /// memory.
    pub fn opened_by_others(&mut self, times: usize) -> Vec<String> {
        self.store = None;
        // It holds the lock, too.
        self.home = None;
        let open = |_| {
            let program = std::env::current_exe().expect("this program");
            let opened = Command::new(program).arg(OPEN).arg(&self.path).output().expect("it runs");
            assert!(opened.status.success(), "it opens");
            String::from_utf8_lossy(&opened.stdout).trim().to_owned()
        };
        let lines = (0..times).map(open).collect();
        self.home = Some(Home::open(&self.path).expect("a home"));
        self.reopen();
        lines
    }
}

/// Opens a home in this process, which did nothing before, and prints a line of the table of memory.
pub fn open_and_report(path: &Path) {
    let before = resident();
    let home = Home::open(path).expect("a home");
    let mut argon = Samples::default();
    argon.take(|| home.check(PASSPHRASE).expect("it is the passphrase"));
    let began = Instant::now();
    let store = home.unlock(PASSPHRASE).expect("it opens");
    let reader = store.reader();
    let unlocked = resident();
    let group = reader.groups().expect("it can be read")[0].group;
    let page = reader.timeline(&group, None, PAGE).expect("a page");
    let took = began.elapsed().as_secs_f64() * 1e3 - argon.micros(50) / 1e3;
    let after = resident();
    let newest = newest_seq(&reader, &group, &page.rows[0].author);
    for nth in 0..1000 {
        let seq = u32::try_from(u64::from(newest) * nth / 1000).unwrap_or(newest);
        reader.load(&group, &wanted(&page.rows[0].author, seq)).expect("it can be read");
    }
    let read = resident();
    let entries = u64::from(newest + 1) * AUTHORS as u64;
    println!(
        "| {entries} | {before} MiB | {unlocked} MiB | {after} MiB | {read} MiB | {took:.0} ms |"
    );
}

fn wanted(author: &proto::MemberId, seq: u32) -> Wanted {
    let ranges = vec![(*author, seq, seq.saturating_add(49))];
    Wanted::Entries { ranges, ids: Vec::new(), entries_max: PAGE, bytes_max: 1 << 20 }
}

fn newest_seq(reader: &Reader, group: &GroupId, author: &proto::MemberId) -> u32 {
    let ranges = vec![(*author, 0, u32::MAX)];
    let newest = Wanted::Entries { ranges, ids: Vec::new(), entries_max: 1, bytes_max: 1 };
    let loaded = reader.load(group, &newest).expect("it can be read");
    let header = loaded.entries[0].parse(group).expect("a header");
    header.seq
}

/// What this process holds in memory now, in MiB (VmRSS).
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or_default() >> 10
}
