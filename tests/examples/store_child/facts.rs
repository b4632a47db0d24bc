//! What is stored, as facts that can be compared one by one: a name, and the exact bytes under it.

use std::collections::{BTreeMap, BTreeSet};

use proto::message::Body;
use proto::{
    ChainState, Change, Entry, EntryHeader, Fork, GroupId, LocalId, Member, MemberId, Notice,
    Wanted, decode, encode,
};
use store::{Error, Reader, Row};
use tests::memory::{Memory, shown};

use crate::script::{DAY_MS, Script, Step};

/// Facts by name.
pub(crate) type Named = BTreeMap<String, Vec<u8>>;

const PASSPHRASE: &str = "passphrase";
/// How the name of a fact begins that says what comes before another.
const ORDER: &str = "before ";
/// Rows that a timeline is asked for at once.
const PAGE: usize = 200;

/// What the batches so far come to.
#[derive(Default)]
pub(crate) struct Facts {
    groups: Vec<(Member, Memory)>,
    ports: BTreeMap<GroupId, u16>,
    notices: Vec<(GroupId, Notice)>,
    passphrase: u64,
    authors: BTreeMap<GroupId, Vec<MemberId>>,
}

/// What was found in a profile.
pub(crate) struct Seen {
    facts: Named,
    /// What could not be read.
    errors: Vec<String>,
}

/// What to think of a profile.
pub(crate) enum Verdict {
    /// All that was acknowledged, and nothing else.
    Old,
    /// And the whole of the batch after that.
    New,
    /// Something else: in one word what, and then why.
    Bad(String),
}

impl Facts {
    /// Takes in a batch.
    pub(crate) fn learn(&mut self, step: &Step) {
        match step {
            Step::Add { me, changes } => {
                self.groups.push(((**me).clone(), Memory::default()));
                self.commit(&me.group, changes);
            }
            Step::Commit { group, changes } => self.commit(group, changes),
            Step::Port { group, port } => {
                self.ports.insert(*group, *port);
            }
            Step::Forget => {}
            Step::EndDays { today } => {
                self.groups.iter_mut().for_each(|(_, memory)| memory.fade(today * DAY_MS));
            }
            Step::Erase { group } => {
                self.groups.retain(|(me, _)| me.group != *group);
                self.ports.remove(group);
                self.notices.retain(|(of, _)| of != group);
            }
            Step::Passphrase { new, .. } => self.passphrase = *new,
        }
    }

    fn commit(&mut self, group: &GroupId, changes: &[Change]) {
        for change in changes {
            if let Change::Notice(notice) = change {
                self.notices.push((*group, notice.clone()));
            }
            if let Change::Entry(entry) = change {
                let authors = self.authors.entry(*group).or_default();
                if !authors.contains(&entry.author) {
                    authors.push(entry.author);
                }
            }
        }
        let found = self.groups.iter_mut().find(|(me, _)| me.group == *group);
        found.unwrap().1.commit(changes.to_vec());
    }

    /// What a profile should hold.
    pub(crate) fn all(&self) -> Named {
        let mut facts = Named::new();
        groups(&mut facts, &self.groups.iter().map(|(me, _)| me).collect::<Vec<_>>());
        for (me, memory) in &self.groups {
            let group = me.group;
            if let Some(port) = self.ports.get(&group) {
                facts.insert(format!("{group} port"), encode(port));
            }
            remembered(&mut facts, &group, &memory.remembered());
            for accepted in memory.entries.values() {
                facts.insert(format!("{group} entry {}", accepted.id), encode(&accepted.entry));
                facts.insert(format!("{group} id {}", accepted.id), Vec::new());
            }
            timeline(&mut facts, &group, expected_rows(me, memory));
        }
        notices(&mut facts, &self.notices);
        facts.insert(PASSPHRASE.to_owned(), encode(&self.passphrase));
        facts
    }

    /// What a profile holds. Whose entries there may be is known here; whatever else is shown is seen too.
    pub(crate) fn seen(&self, reader: &Reader, passphrase: u64) -> Seen {
        let (mut facts, mut errors) = (Named::new(), Vec::new());
        let mut note = |read: Result<(), Error>| {
            errors.extend(read.err().map(|error| error.to_string()));
        };
        facts.insert(PASSPHRASE.to_owned(), encode(&passphrase));
        note(reader.notices(0, usize::MAX).map(|found| {
            let found: Vec<_> = found.into_iter().map(|note| (note.group, note.notice)).collect();
            notices(&mut facts, &found);
        }));
        let found = reader.groups().unwrap_or_default();
        groups(&mut facts, &found.iter().collect::<Vec<_>>());
        for me in &found {
            let group = me.group;
            note(reader.port(&group).map(|port| {
                facts.extend(port.map(|port| (format!("{group} port"), encode(&port))));
            }));
            note(reader.remembered(&group).map(|found| remembered(&mut facts, &group, &found)));
            note(self.entries(&mut facts, reader, &group));
            note(rows(reader, &group).map(|rows| timeline(&mut facts, &group, rows)));
        }
        Seen { facts, errors }
    }

    /// Entries by the chains of all authors, and whether each is found by its id.
    fn entries(&self, facts: &mut Named, reader: &Reader, group: &GroupId) -> Result<(), Error> {
        let authors = self.authors.get(group).into_iter().flatten();
        let wanted = Wanted::Entries {
            ranges: authors.map(|author| (*author, 0, u32::MAX)).collect(),
            ids: Vec::new(),
            entries_max: usize::MAX,
            bytes_max: usize::MAX,
        };
        let mut ids = Vec::new();
        for entry in reader.load(group, &wanted)?.entries {
            facts.insert(format!("{group} entry {}", entry.id()), encode(&entry));
            ids.push(entry.id());
        }
        for id in reader.load(group, &Wanted::Held(ids))?.held {
            facts.insert(format!("{group} id {id}"), Vec::new());
        }
        Ok(())
    }
}

fn notices(facts: &mut Named, notices: &[(GroupId, Notice)]) {
    let named =
        notices.iter().map(|(group, notice)| (format!("{group} {notice:?}"), encode(notice)));
    in_order(facts, "notices", named);
}

fn groups(facts: &mut Named, groups: &[&Member]) {
    let named = groups.iter().map(|me| (format!("group {}", me.group), encode(*me)));
    in_order(facts, "groups", named);
}

/// Facts that stand in an order. Which one each follows is a fact of its own: where one is missing,
/// its neighbours are still themselves.
fn in_order(facts: &mut Named, first: &str, named: impl Iterator<Item = (String, Vec<u8>)>) {
    let mut before = first.to_owned();
    for (name, bytes) in named {
        facts.insert(format!("{ORDER}{name}"), encode(&before));
        facts.insert(name.clone(), bytes);
        before = name;
    }
}

/// A group's ops, chains and so on. Only ops have an order of their own.
fn remembered(facts: &mut Named, group: &GroupId, changes: &[Change]) {
    let mut ops = Vec::new();
    for change in changes {
        let (name, bytes) = match change {
            Change::Op(op) => {
                ops.push((format!("{group} op {}", op.id()), encode(op)));
                continue;
            }
            Change::Chain(chain) => (format!("chain {}", chain.author), encode(chain)),
            Change::Written(written) => (format!("written {}", written.nth), encode(written)),
            Change::Card(card) => (format!("card {}", card.member), encode(card)),
            Change::Invite(invite) => (format!("invite {}", invite.invite), encode(invite)),
            Change::Met(member, addr) => (format!("met {member}"), encode(addr)),
            Change::Fork(fork) => (format!("fork {} {}", fork.author, fork.seq), encode(fork)),
            Change::Gone(gone) => (format!("gone {} {}", gone.id, gone.author), encode(gone)),
            Change::Held(member, seq) => (format!("held {member}"), encode(seq)),
            Change::Arrival(arrival) => (format!("arrival {}", arrival.member), encode(arrival)),
            Change::Compared(compared) => {
                (format!("compared {}", compared.member), encode(compared))
            }
            Change::Arriving(arriving) => ("arriving".to_owned(), encode(arriving)),
            Change::Entry(_)
            | Change::Instead(_)
            | Change::Unwritten(_)
            | Change::Displaced(_)
            | Change::Notice(_) => ("what is not remembered".to_owned(), Vec::new()),
        };
        facts.insert(format!("{group} {name}"), bytes);
    }
    in_order(facts, "ops", ops.into_iter());
}

/// A [`Shown`] without its id.
type EncodedRow =
    (Option<LocalId>, MemberId, u64, Option<Vec<u8>>, Option<String>, Option<u64>, bool);

/// A row of a timeline: what it is, and the words that are shown.
struct Shown {
    id: [u8; 32],
    local: Option<LocalId>,
    author: MemberId,
    wall: u64,
    payload: Option<Vec<u8>>,
    words: Option<String>,
    ends_ms: Option<u64>,
    signed: bool,
}

fn timeline(facts: &mut Named, group: &GroupId, rows: Vec<Shown>) {
    let named = rows.into_iter().map(|row| {
        let Shown { id, local, author, wall, payload, words, ends_ms, signed } = row;
        let bytes = encode(&(local, author, wall, payload, words, ends_ms, signed));
        (format!("{group} row {}", LocalId(id)), bytes)
    });
    in_order(facts, "rows", named);
}

fn expected_rows(me: &Member, memory: &Memory) -> Vec<Shown> {
    let signed = memory.entries.values().filter(|accepted| accepted.is_shown);
    let signed = signed.map(|accepted| Shown {
        id: accepted.id.0,
        local: accepted.local,
        author: accepted.author,
        wall: 1_000 + u64::from_be_bytes(*accepted.order.0.first_chunk().unwrap()),
        payload: accepted.entry.body.as_ref().map(|body| body.payload.to_vec()),
        words: memory.words(accepted),
        ends_ms: accepted.ends_ms,
        signed: true,
    });
    let written = memory.written.values().map(|written| Shown {
        id: written.local.0,
        local: Some(written.local),
        author: me.id,
        wall: written.wall,
        payload: Some(written.payload.to_vec()),
        words: Some(shown(&written.payload)),
        ends_ms: None,
        signed: false,
    });
    signed.chain(written).collect()
}

/// The whole timeline, page by page.
fn rows(reader: &Reader, group: &GroupId) -> Result<Vec<Shown>, Error> {
    let mut rows: Vec<Row> = Vec::new();
    loop {
        let before = rows.first().map(|row| row.id);
        let page = reader.timeline(group, before.as_ref(), PAGE)?;
        rows.splice(0..0, page.rows);
        if !page.more {
            break;
        }
    }
    let shown = rows.into_iter().map(|row| Shown {
        words: row.edit.as_deref().map(edited).or_else(|| row.payload.as_deref().map(shown)),
        id: row.id,
        local: row.local,
        author: row.author,
        wall: row.wall,
        payload: row.payload,
        ends_ms: row.ends_ms,
        signed: row.signed,
    });
    Ok(shown.collect())
}

fn edited(payload: &[u8]) -> String {
    match Body::decode(payload) {
        Ok(Body::Edit(edit)) => edit.words.text.to_string(),
        other => format!("no edit: {other:?}"),
    }
}

/// Whether what was seen is all of the old, which is what so many batches come to, or all of the new.
pub(crate) fn judge(seen: &Seen, old: &Named, new: &Named, batches: u64) -> Verdict {
    let facts = &seen.facts;
    if seen.errors.is_empty() && facts == old {
        return Verdict::Old;
    }
    if seen.errors.is_empty() && facts == new {
        return Verdict::New;
    }
    let is_odd = |(name, bytes): &(&String, &Vec<u8>)| {
        ![old.get(*name), new.get(*name)].contains(&Some(*bytes))
    };
    let odd: Named =
        facts.iter().filter(is_odd).map(|(name, bytes)| (name.clone(), bytes.clone())).collect();
    // What comes before what says nothing where something is missing.
    let never = never_so(&odd, batches);
    let is_wrong = |name: &&String| !name.starts_with(ORDER) && !is_told_anew(name, facts);
    if let Some(name) = never.iter().find(is_wrong) {
        return Verdict::Bad(format!("WRONG {name}{}", row_in_words(name, facts)));
    }
    if let Some(error) = seen.errors.first() {
        return Verdict::Bad(format!("READ {error}, and {} more", seen.errors.len() - 1));
    }
    let is_lost = |name: &&String| {
        odd.contains_key(*name) || new.contains_key(*name) && !facts.contains_key(*name)
    };
    let lost: Vec<_> = old.keys().filter(is_lost).collect();
    let others = odd.keys().find(|name| !old.contains_key(*name));
    if let Some(name) = lost.iter().find(|name| !name.starts_with(ORDER)).copied().or(others) {
        return Verdict::Bad(format!("LOST {name}, one of {}", lost.len().max(odd.len())));
    }
    if let Some(name) = odd.keys().next() {
        return Verdict::Bad(format!("WRONG {name}"));
    }
    let is_not = |named: &Named| {
        let other = facts.iter().find(|(name, bytes)| named.get(*name) != Some(bytes));
        other.map_or("something is missing", |(name, _)| name).to_owned()
    };
    let (old, new) = (is_not(old), is_not(new));
    Verdict::Bad(format!("PARTIAL not as before: {old}; not as after: {new}"))
}

/// What a row shows, for whoever has to find out why it is wrong.
fn row_in_words(name: &str, facts: &Named) -> String {
    let row = facts.get(name).filter(|_| name.contains(" row "));
    let row = row.and_then(|bytes| decode::<EncodedRow>(bytes, bytes.len()).ok());
    row.map_or_else(String::new, |(local, _, wall, payload, words, ends, signed)| {
        let short = |text: String| {
            text.chars().take(1).chain(text.len().to_string().chars()).collect::<String>()
        };
        let (payload, words) = (payload.as_deref().map(shown).map(short), words.map(short));
        format!(
            ": {local:?} wall {wall} said {payload:?} shown {words:?} ends {ends:?} signed {signed}"
        )
    })
}

/// Whether this is what a mended store tells anew (`store/src/mend.rs`): of a chain or a fork, that it holds
/// what is there; of a message, no words, because those it has now were lost. Then something was lost, and
/// nothing is made up.
fn is_told_anew(name: &str, facts: &Named) -> bool {
    let Some((group, what)) = name.split_once(' ') else { return false };
    let row = facts.get(name).filter(|_| what.starts_with("row "));
    if let Some(bytes) = row {
        let row = decode::<EncodedRow>(bytes, bytes.len()).unwrap();
        return row.3.is_none() && row.4.is_none();
    }
    let fork = facts.get(name).filter(|_| what.starts_with("fork "));
    if let Some(fork) = fork.and_then(|bytes| decode::<Fork>(bytes, bytes.len()).ok()) {
        let is_there = |id| facts.contains_key(&format!("{group} entry {id}"));
        return fork.branches.iter().all(|branch| is_there(branch.id));
    }
    let chain = facts.get(name).filter(|_| what.starts_with("chain "));
    let Some(chain) = chain.and_then(|bytes| decode::<ChainState>(bytes, bytes.len()).ok()) else {
        return false;
    };
    let entries = format!("{group} entry ");
    let there = facts.range(entries.clone()..).take_while(|(name, _)| name.starts_with(&entries));
    let there: BTreeSet<u32> = there
        .filter_map(|(_, bytes)| decode::<Entry>(bytes, bytes.len()).ok())
        .filter_map(|entry| decode::<EntryHeader>(&entry.header, entry.header.len()).ok())
        .filter(|header| header.author == chain.author)
        .map(|header| header.seq)
        .collect();
    let held: BTreeSet<u32> = chain.held.iter().flat_map(|(first, last)| *first..=*last).collect();
    held == there
}

/// Which facts were true after none of so many batches.
fn never_so(odd: &Named, batches: u64) -> Vec<String> {
    let (mut script, mut facts) = (Script::default(), Facts::default());
    let mut left = odd.clone();
    for _batch in 0..batches {
        if left.is_empty() {
            break;
        }
        facts.learn(&script.next());
        let all = facts.all();
        left.retain(|name, bytes| !all.get(name).is_some_and(|was| is_as_it_was(name, bytes, was)));
    }
    left.into_keys().collect()
}

/// Whether a fact says what it said before. Of a message that is what is shown: where the end of the disk's log is
/// gone, the words below an edit may lie there again, and nobody sees them.
fn is_as_it_was(name: &str, now: &[u8], was: &[u8]) -> bool {
    let row = |bytes: &[u8]| {
        let (local, author, wall, _, words, ends, signed) =
            decode::<EncodedRow>(bytes, bytes.len()).ok()?;
        Some((local, author, wall, words, ends, signed))
    };
    now == was || name.contains(" row ") && row(now).is_some() && row(now) == row(was)
}
