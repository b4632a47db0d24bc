//! Ours: `net::spawn` with a store of each member's own, as the program runs it.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use net::{Config, Events, Handle};
use proto::message::Body;
use proto::{Change, Command, Done, EntryId, GroupId, Member, Notice, Op};
use store::{Home, Reader, Store};
use tempfile::TempDir;
use tests::forge::Forge;

use crate::board::Board;
use crate::subject::{LETTERS, Subject, number, until, words};

const PASSPHRASE: &str = "a passphrase nobody guesses";
/// When the group grew, in minutes since 2020, an hour apart: 2026 in June.
const WALL: u32 = 3_400_000;
/// Whom one member lets in, at most.
const LET_IN: usize = 20;
/// Notices that are read at once.
const NOTICES: usize = 256;
/// Messages of one author that the others take in as they come; a burst is 2,000.
const EACH_MAX: usize = 1_900;

/// Where stores are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A temporary folder (`TMPDIR`).
    Disk,
    /// A file system in memory, where a sync costs nothing.
    Memory,
}

impl Place {
    fn folder(self) -> TempDir {
        match self {
            Self::Disk => tempfile::tempdir(),
            Self::Memory => tempfile::tempdir_in("/dev/shm"),
        }
        .expect("a folder")
    }
}

/// A group of members, each with a home.
pub struct Ours {
    group: GroupId,
    people: Vec<Person>,
    _folder: TempDir,
}

struct Person {
    handle: Arc<Handle>,
    to_say: Option<Sender<usize>>,
    threads: Vec<JoinHandle<()>>,
}

impl Ours {
    pub fn new(members: usize, place: Place, board: &Arc<Board>) -> Self {
        let folder = place.folder();
        let (people, ops) = group_of(members);
        let group = people[0].group;
        let sightings = Arc::new(Sightings::default());
        let started: Vec<_> = people
            .iter()
            .enumerate()
            .map(|(nth, me)| start(store_at(folder.path().join(nth.to_string()), me, &ops)))
            .collect();
        let handles: Vec<_> = started.iter().map(|(handle, _)| Arc::clone(handle)).collect();
        link_all(&handles, group);
        // So that each can speak several times at once when many words are under way.
        let voices = (64 / members).max(2) + 2;
        let people = started.into_iter().enumerate().map(|(member, (handle, events))| {
            let seen = Seen { member, board: Arc::clone(board), sightings: Arc::clone(&sightings) };
            Person::start((group, handle, events), seen, voices)
        });
        Self { group, people: people.collect(), _folder: folder }
    }

    /// Takes all of them down, and waits until it is done.
    pub fn stop(&mut self) {
        for person in &mut self.people {
            person.to_say = None;
            person.handle.shut_down();
            person.threads.drain(..).for_each(|thread| thread.join().expect("no panic"));
        }
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Subject for Ours {
    fn say(&self, from: usize, nth: usize) {
        self.people[from].to_say.as_ref().expect("running").send(nth).expect("running");
    }

    fn held(&self) -> Option<Vec<(usize, usize)>> {
        let held = |person: &Person| held(person.handle.reader(), &self.group);
        Some(self.people.iter().map(held).collect())
    }

    fn each_max(&self) -> usize {
        EACH_MAX
    }
}

impl Person {
    /// Threads that say what there is to say, as many at once as there are voices, and one that looks
    /// at the store after every hint.
    fn start(
        (group, handle, events): (GroupId, Arc<Handle>, Events),
        seen: Seen,
        voices: usize,
    ) -> Self {
        let (to_say, waiting) = channel();
        let (waiting, seen) = (Arc::new(Mutex::new(waiting)), Arc::new(seen));
        let mut threads = Vec::new();
        for _ in 0..voices {
            let (waiting, seen, handle) =
                (Arc::clone(&waiting), Arc::clone(&seen), Arc::clone(&handle));
            threads.push(thread::spawn(move || speak(&waiting, &seen, (&handle, group))));
        }
        let reader = handle.reader().clone();
        let cursor = reader.latest_cursor().expect("it can be read");
        threads.push(thread::spawn(move || watch((&reader, cursor), &events, &seen)));
        Self { handle, to_say: Some(to_say), threads }
    }
}

/// One voice: says one thing after the other.
fn speak(waiting: &Mutex<Receiver<usize>>, seen: &Seen, (handle, group): (&Handle, GroupId)) {
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
    while let Ok(nth) = next() {
        let text = words(nth, LETTERS);
        loop {
            let say = Command::Say { text: text.clone(), reply_to: None };
            match handle.command(group, say) {
                Ok(Done::Said(id)) => break seen.said(id, nth),
                // A queue is full: whoever waits for an answer waits a little longer.
                Err(net::Error::Busy) => thread::sleep(Duration::from_millis(1)),
                Err(net::Error::Stopped) => return,
                other => panic!("{other:?}"),
            }
        }
    }
}

/// Reads the notices that came since the last hint. The notice of an entry is committed in one batch
/// with the entry, so whoever can read it has the entry, durably.
fn watch((reader, mut cursor): (&Reader, u64), events: &Events, seen: &Seen) {
    while events.wait() {
        loop {
            let notices = reader.notices(cursor, NOTICES).expect("it can be read");
            for noted in &notices {
                cursor = noted.cursor;
                if let Notice::Entry(id) = noted.notice {
                    seen.heard(id);
                }
            }
            if notices.len() < NOTICES {
                break;
            }
        }
    }
}

/// What one member has seen.
struct Seen {
    member: usize,
    board: Arc<Board>,
    sightings: Arc<Sightings>,
}

/// Which entry is which message. Others may have one before its author hears what it is called.
#[derive(Default)]
struct Sightings(Mutex<HashMap<EntryId, Sighting>>);

#[derive(Clone)]
enum Sighting {
    Said {
        by: usize,
        nth: usize,
    },
    /// By whom, and when.
    Early(Vec<(usize, u64)>),
}

impl Seen {
    fn said(&self, id: EntryId, nth: usize) {
        let said = Sighting::Said { by: self.member, nth };
        let mut sightings = self.sightings.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = sightings.insert(id, said);
        drop(sightings);
        if let Some(Sighting::Early(early)) = before {
            let others = early.into_iter().filter(|(member, _)| *member != self.member);
            others.for_each(|(member, at)| self.board.hear_at(member, nth, at));
        }
    }

    fn heard(&self, id: EntryId) {
        let at = self.board.now();
        let mut sightings = self.sightings.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sighting = sightings.entry(id).or_insert_with(|| Sighting::Early(Vec::new()));
        match sighting {
            Sighting::Said { by, nth } if *by != self.member => {
                let nth = *nth;
                drop(sightings);
                self.board.hear_at(self.member, nth, at);
            }
            Sighting::Said { .. } => {}
            Sighting::Early(early) => early.push((self.member, at)),
        }
    }
}

/// Members who let each other in months ago, and all ops there are.
fn group_of(members: usize) -> (Vec<Member>, Vec<Op>) {
    let (mut forge, founder) = Forge::new(5);
    let (mut dag, mut ids) = (forge.dag(), vec![founder]);
    for nth in 1..members {
        let wall = WALL + u32::try_from(nth).expect("few") * 60;
        ids.push(forge.bring(&mut dag, ids[(nth - 1) / LET_IN], wall).expect("it is valid"));
    }
    let name = |(nth, id)| forge.member(id, &format!("person {nth}"));
    let people = ids.into_iter().enumerate().map(name).collect();
    (people, forge.ops)
}

fn store_at(path: PathBuf, me: &Member, ops: &[Op]) -> Store {
    let home = Home::open(&path).expect("a home");
    let mut store = home.create_at_floor(PASSPHRASE).expect("a profile");
    let ops: Vec<_> = ops.iter().cloned().map(Change::Op).collect();
    store.add_group(me, &ops).expect("a group");
    store
}

fn start(store: Store) -> (Arc<Handle>, Events) {
    let listen = vec![net::parse_address("/ip4/127.0.0.1/tcp/0").expect("an address")];
    let (handle, events) = net::spawn(Config { listen, mdns: false }, store).expect("it starts");
    (Arc::new(handle), events)
}

/// Everyone dials everyone before them, and all wait until they are linked and may sign.
fn link_all(handles: &[Arc<Handle>], group: GroupId) {
    let listening = |handle: &Handle| {
        handle.status().get(&group).and_then(|status| status.listen.first().cloned())
    };
    for (nth, handle) in handles.iter().enumerate() {
        until("listening", || listening(handle).is_some());
        for other in &handles[..nth] {
            let address = listening(other).expect("it listens");
            // Whoever is dialled already is no worse for it.
            handle.dial(group, address).ok();
        }
    }
    for handle in handles {
        until("linking", || links(handle, &group) == handles.len() - 1);
        until("the first word", || {
            let say = Command::Say { text: "good evening".into(), reply_to: None };
            matches!(handle.command(group, say), Ok(Done::Said(_)))
        });
    }
}

fn links(handle: &Handle, group: &GroupId) -> usize {
    handle.status().get(group).map_or(0, |status| status.links.len())
}

/// How many numbered messages stand in a timeline, and how many of them again.
fn held(reader: &Reader, group: &GroupId) -> (usize, usize) {
    let (mut held, mut twice, mut before) = (BTreeSet::new(), 0, None);
    loop {
        let page = reader.timeline(group, before.as_ref(), 500).expect("a page");
        for row in &page.rows {
            let payload = row.payload.as_deref().expect("nothing ended");
            let Ok(Body::Text(text)) = Body::decode(payload) else { panic!("not words") };
            if let Some(nth) = number(text.text.as_bytes())
                && !held.insert(nth)
            {
                twice += 1;
            }
        }
        before = page.rows.first().map(|row| row.id);
        if !page.more {
            return (held.len(), twice);
        }
    }
}

/// Two members who never met, for the time and the work until both say that they are linked.
pub struct Pair {
    handles: [Arc<Handle>; 2],
    group: GroupId,
    _folder: TempDir,
}

impl Pair {
    pub fn new(place: Place) -> Self {
        let folder = place.folder();
        let (people, ops) = group_of(2);
        let group = people[0].group;
        let handles = [0, 1].map(|nth| {
            let store = store_at(folder.path().join(nth.to_string()), &people[nth], &ops);
            start(store).0
        });
        for handle in &handles {
            let listens = || handle.status().get(&group).is_some_and(|s| !s.listen.is_empty());
            until("listening", listens);
        }
        // What a start brings with it is over.
        thread::sleep(Duration::from_millis(50));
        Self { handles, group, _folder: folder }
    }

    /// From dialling until both say so.
    pub fn link(&self) {
        let [first, second] = &self.handles;
        let address = second.status()[&self.group].listen[0].clone();
        first.dial(self.group, address).expect("it is there");
        while self.handles.iter().any(|handle| links(handle, &self.group) == 0) {
            thread::sleep(Duration::from_micros(50));
        }
    }
}
