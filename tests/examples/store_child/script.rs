//! What is committed: one batch after the other, each drawn from its number and what came before.
//!
//! Every kind of change that a store files otherwise than another is among them. No batch is longer
//! than what the store commits as one: [`BATCH_UNITS_MAX`], and then one unit more.

use proto::message::{Body, Edit, TakeBack, Text as Words};
use proto::{
    Accepted, Addr, Arrival, Arriving, Branch, Bytes, Card, ChainState, Change, Compared, Entry,
    EntryBody, EntryEnds, EntryHeader, EntryId, Fork, Gone, GroupId, Instead, InviteSecret, Label,
    List, LocalId, Member, MemberId, MemberSecrets, Notice, Now, Op, OpId, Order, Own, Text,
    Versions, Written,
};
use rand_chacha::ChaCha12Rng;
use rand_core::{Rng as _, SeedableRng as _};

/// Bytes of rows, estimated from above, after which no unit is added: above that the store cuts a
/// commit before a unit, and what belongs to the last one fits its 256 KiB.
const BATCH_UNITS_MAX: usize = 128 * 1024;
/// Everyone in a group, the person of this profile first.
const PEOPLE: usize = 4;
/// Words go to the newest few groups.
const GROUPS_SPOKEN_IN: usize = 4;
/// The day on which it begins, since 1970.
const FIRST_DAY: u64 = 20_000;
pub(crate) const DAY_MS: u64 = 24 * 3600 * 1000;

/// One call of the store.
pub(crate) enum Step {
    /// Adds a group, which also writes the vault.
    Add { me: Box<Member>, changes: Vec<Change> },
    /// Commits changes.
    Commit { group: GroupId, changes: Vec<Change> },
    /// Remembers a port.
    Port { group: GroupId, port: u16 },
    /// Makes unreadable what was taken back. Shows nowhere.
    Forget,
    /// Ends what ends before this day, since 1970.
    EndDays { today: u64 },
    /// Erases a group.
    Erase { group: GroupId },
    /// Changes the passphrase to the one of this number; before the first change it is that of 0.
    Passphrase { old: u64, new: u64 },
}

/// All batches, from the first.
pub(crate) struct Script {
    groups: Vec<Group>,
    next: u64,
    today: u64,
    passphrase: u64,
}

impl Default for Script {
    fn default() -> Self {
        Self { groups: Vec::new(), next: 0, today: FIRST_DAY, passphrase: 0 }
    }
}

impl Script {
    /// The next batch. What writes the vault comes at fixed numbers.
    pub(crate) fn next(&mut self) -> Step {
        let number = self.next;
        self.next += 1;
        let mut rng = ChaCha12Rng::seed_from_u64(number);
        match number % 40 {
            0 | 20 => self.add(&mut rng),
            3 | 23 => Step::Forget,
            7 | 17 | 27 | 37 => self.end_a_day(),
            13 if self.groups.len() > 1 => {
                let which = below(&mut rng, self.groups.len() - 1);
                Step::Erase { group: self.groups.remove(which).people[0].group }
            }
            33 => {
                let old = core::mem::replace(&mut self.passphrase, number);
                Step::Passphrase { old, new: number }
            }
            _ => self.speak(&mut rng),
        }
    }

    /// The number of the passphrase after the batches so far.
    pub(crate) const fn passphrase(&self) -> u64 {
        self.passphrase
    }

    fn add(&mut self, rng: &mut ChaCha12Rng) -> Step {
        let mut group = Group::new(rng);
        let me = Box::new(group.people[0].clone());
        let changes = Batch::draw(&mut group, rng, self.today, 3, 200);
        self.groups.push(group);
        Step::Add { me, changes }
    }

    fn end_a_day(&mut self) -> Step {
        self.today += 1;
        let today = self.today;
        for group in &mut self.groups {
            group.said.retain(|said| said.ends_ms.is_none_or(|ends_ms| ends_ms / DAY_MS >= today));
        }
        Step::EndDays { today }
    }

    fn speak(&mut self, rng: &mut ChaCha12Rng) -> Step {
        let spoken_in = self.groups.len().min(GROUPS_SPOKEN_IN);
        let which = self.groups.len() - 1 - below(rng, spoken_in);
        let group = &mut self.groups[which];
        let id = group.people[0].group;
        let (units, text_max) = match below(rng, 20) {
            0 => {
                let port = u16::try_from(1024 + below(rng, 60_000)).unwrap();
                return Step::Port { group: id, port };
            }
            1..=7 => (1, 2_000),
            8..=13 => (2 + below(rng, 14), 400),
            14..=16 => (16 + below(rng, 45), 300),
            _ => (60, 30_000),
        };
        let changes = Batch::draw(group, rng, self.today, units, text_max);
        Step::Commit { group: id, changes }
    }
}

/// A group as it is so far.
struct Group {
    people: Vec<Member>,
    /// By person, what the next entry follows.
    tips: Vec<(u32, EntryId)>,
    lamport: u64,
    nth: u64,
    /// Written and not signed.
    written: Vec<Written>,
    /// What can be edited and taken back.
    said: Vec<Said>,
    /// Taken back before it came.
    late: Vec<Accepted>,
}

/// A message that is still there.
#[derive(Clone)]
struct Said {
    by: usize,
    versions: Vec<Own>,
    /// Its edits end when it does.
    ends_ms: Option<u64>,
}

impl Said {
    fn of(by: usize, entry: &Accepted) -> Self {
        let versions = vec![Own { seq: entry.seq, id: entry.id }];
        Self { by, versions, ends_ms: entry.ends_ms }
    }
}

impl Group {
    fn new(rng: &mut ChaCha12Rng) -> Self {
        let group = GroupId(bytes(rng));
        let member = |n: usize| {
            let secrets = MemberSecrets::generate(rng);
            let name = Text::new(format!("Person {n}")).unwrap();
            Member { group, id: secrets.public().member_id(&group), secrets, name }
        };
        let people: Vec<_> = (0..PEOPLE).map(member).collect();
        let tips = vec![(0, EntryId::ZERO); PEOPLE];
        let (written, said, late) = (Vec::new(), Vec::new(), Vec::new());
        Self { people, tips, lamport: 0, nth: 0, written, said, late }
    }
}

/// A batch being drawn.
struct Batch<'a> {
    group: &'a mut Group,
    rng: &'a mut ChaCha12Rng,
    today: u64,
    /// Longest text, in bytes.
    text_max: usize,
    changes: Vec<Change>,
    /// Estimated bytes of rows.
    cost: usize,
}

impl<'a> Batch<'a> {
    /// At most so many units, fewer where they are long; then perhaps a long text.
    fn draw(
        group: &'a mut Group,
        rng: &'a mut ChaCha12Rng,
        today: u64,
        units: usize,
        text_max: usize,
    ) -> Vec<Change> {
        let mut batch = Self { group, rng, today, text_max, changes: Vec::new(), cost: 0 };
        for _unit in 0..units {
            if batch.cost < BATCH_UNITS_MAX {
                batch.unit();
            }
        }
        if units > 1 && batch.below(3) == 0 && batch.cost < BATCH_UNITS_MAX {
            let len = 30_000 + batch.below(30_000);
            let body = batch.text_of(len);
            batch.say(&body);
        }
        batch.changes
    }

    /// An op, an entry or a written message, with what belongs to it.
    fn unit(&mut self) {
        match self.below(100) {
            0..=49 => self.say_something(),
            50..=61 => self.write(),
            62..=73 => self.sign(),
            74..=83 => self.take_back(),
            84..=89 => self.edit(),
            90..=92 => self.op(),
            93..=94 => self.take_back_early(),
            95..=96 => self.come_late(),
            _ => self.rest(),
        }
    }

    /// Someone says something.
    fn say(&mut self, body: &Body) {
        let who = self.below(PEOPLE);
        let ends_ms = self.ends_ms();
        let entry = self.entry(who, body, ends_ms);
        self.group.said.push(Said::of(who, &entry));
        self.file(entry);
    }

    fn say_something(&mut self) {
        let body = self.text();
        self.say(&body);
    }

    /// The person here writes something that cannot be signed yet.
    fn write(&mut self) {
        let payload = Bytes::new(self.text().encode().unwrap()).unwrap();
        let local = LocalId(bytes(self.rng));
        let (nth, wall) = (self.group.nth, 2_000 + self.group.nth);
        self.group.nth += 1;
        self.cost += 2_000 + payload.len() * 5 / 4;
        let written = Written { local, nth, wall, payload };
        self.group.written.push(written.clone());
        self.changes.push(Change::Written(written));
        self.changes.push(Change::Notice(Notice::Written(local)));
    }

    /// What was written first is signed, or taken back without a trace.
    fn sign(&mut self) {
        if self.group.written.is_empty() {
            return self.write();
        }
        let written = self.group.written.remove(0);
        if self.below(4) == 0 {
            self.cost += 1_000;
            self.changes.push(Change::Unwritten(written.local));
            return self.changes.push(Change::Notice(Notice::Changed(written.local.0)));
        }
        let body = Body::decode(&written.payload).unwrap();
        let ends_ms = self.ends_ms();
        let entry = Accepted { local: Some(written.local), ..self.entry(0, &body, ends_ms) };
        self.group.said.push(Said::of(0, &entry));
        self.file(entry);
    }

    /// Someone takes their words back: the bodies of all versions go.
    fn take_back(&mut self) {
        if self.group.said.is_empty() {
            return self.say_something();
        }
        let which = self.below(self.group.said.len());
        let Said { by, versions, .. } = self.group.said.remove(which);
        let body = take_back(&versions);
        let entry = self.entry(by, &body, None);
        self.file(entry);
        for (n, own) in versions.iter().enumerate() {
            self.gone(by, own, n == 0);
        }
        self.changes.push(Change::Notice(Notice::Changed(versions[0].id.0)));
    }

    /// Someone edits their words.
    fn edit(&mut self) {
        if self.group.said.is_empty() {
            return self.say_something();
        }
        let which = self.below(self.group.said.len());
        let Said { by, versions, ends_ms } = self.group.said[which].clone();
        let Body::Text(words) = self.text() else { return };
        let body = Body::Edit(Edit { versions: Versions::new(versions.clone()).unwrap(), words });
        let entry = self.entry(by, &body, ends_ms);
        let (author, of) = (entry.author, versions[0].id);
        let instead = Instead { of, author, seq: entry.seq, by: entry.id };
        // Room for another edit stays, so that it can be taken back.
        if versions.len() < 5 {
            self.group.said[which].versions.push(Own { seq: entry.seq, id: entry.id });
        } else {
            self.group.said.remove(which);
        }
        self.file(entry);
        self.changes.push(Change::Instead(instead));
    }

    /// The take-back comes before the words.
    fn take_back_early(&mut self) {
        let who = self.below(PEOPLE);
        let body = self.text();
        let late = self.entry(who, &body, None);
        let own = Own { seq: late.seq, id: late.id };
        let entry = self.entry(who, &take_back(&[own]), None);
        self.file(entry);
        self.gone(who, &own, true);
        self.group.late.push(late);
    }

    /// Words come that were taken back before.
    fn come_late(&mut self) {
        match self.group.late.pop() {
            Some(late) => self.file(late),
            None => self.say_something(),
        }
    }

    fn op(&mut self) {
        let header = Bytes::new(bytes::<100>(self.rng).to_vec()).unwrap();
        let len = 200 + self.below(600);
        let body = Bytes::new(vec![self.letter(); len]).unwrap();
        let sig = self.group.people[0].secrets.sign_as_member(Label::OpSig, &[&header]);
        self.cost += 2_500;
        self.changes.push(Change::Op(Op { header, sig, body }));
        let newcomer = MemberId(bytes(self.rng));
        self.changes.push(Change::Notice(Notice::MemberJoined(newcomer)));
    }

    /// What is replaced by the next of its kind.
    fn rest(&mut self) {
        let who = self.below(PEOPLE);
        let member = self.group.people[who].id;
        let number = u32::try_from(self.below(100_000)).unwrap();
        let port = u16::try_from(self.below(60_000)).unwrap();
        self.cost += 1_500;
        let change = match self.below(8) {
            0 => {
                let now = Now { unix_ms: number.into(), ..Now::default() };
                Change::Card(Card::new(&self.group.people[who], &[], now))
            }
            1 => Change::Met(member, Addr::Tcp4([10, 0, 0, 1], port)),
            2 => Change::Held(member, number),
            3 => Change::Arrival(Arrival {
                member,
                first_seen_ms: number.into(),
                is_objected: number.is_multiple_of(2),
            }),
            4 => Change::Invite(InviteSecret {
                invite: OpId(bytes(self.rng)),
                join_psk: bytes(self.rng),
                disc: bytes(self.rng),
            }),
            5 => Change::Compared(Compared {
                member,
                joined_with: Some(bytes(self.rng)),
                is_verified: number.is_multiple_of(2),
            }),
            6 => {
                let (inviter, admitter) = (self.group.people[0].id, self.group.people[1].id);
                let is_over = number.is_multiple_of(2);
                Change::Arriving(Arriving { inviter, admitter, met: Some(member), is_over })
            }
            _ => {
                let (id, prev) = (EntryId(bytes(self.rng)), EntryId(bytes(self.rng)));
                let branch = Branch { id, prev, lamport: number.into(), ops: Vec::new() };
                let seq = number % 10;
                Change::Fork(Fork { author: member, seq, branches: vec![branch], is_broken: true })
            }
        };
        self.changes.push(change);
    }

    fn gone(&mut self, who: usize, own: &Own, is_shown: bool) {
        let author = self.group.people[who].id;
        self.cost += 3_500;
        self.changes.push(Change::Gone(Gone {
            author,
            seq: own.seq,
            id: own.id,
            is_shown,
            is_awaited: true,
        }));
    }

    /// The next entry of someone's chain. It may be older than what is here already.
    fn entry(&mut self, who: usize, body: &Body, ends_ms: Option<u64>) -> Accepted {
        self.group.lamport += 1;
        let lamport = self.group.lamport + self.rng.next_u64() % 8;
        let me = &self.group.people[who];
        let (seq, prev) = self.group.tips[who];
        let header = EntryHeader {
            v: 1,
            suite: 1,
            space: me.group.0,
            author: me.id,
            seq,
            prev,
            deps: List::default(),
            ops: List::first([OpId([1; 32])]),
            lamport,
            msk: 0,
            wall: 1_000 + lamport,
            ends: EntryEnds::Default,
            payload_hash: [0; 32],
        };
        let payload = Bytes::new(body.encode().unwrap()).unwrap();
        let entry = Entry::sign(header, EntryBody { salt: bytes(self.rng), payload }, me).unwrap();
        self.group.tips[who] = (seq + 1, entry.id());
        Accepted {
            id: entry.id(),
            author: me.id,
            seq,
            order: Order::new(lamport, &me.id, seq),
            first_seen_ms: self.today * DAY_MS,
            ends_ms,
            local: None,
            is_shown: body.is_shown(),
            entry,
        }
    }

    /// Files an entry with what is held of its chain, and sometimes a notice.
    fn file(&mut self, entry: Accepted) {
        let ranges = if self.below(10) == 0 { u32::try_from(self.below(900)).unwrap() } else { 1 };
        let chain = ChainState {
            author: entry.author,
            seq: entry.seq,
            id: entry.id,
            prev: EntryId::ZERO,
            lamport: u64::from(entry.seq),
            ops: vec![OpId([1; 32])],
            held: (0..ranges).map(|n| (n * 2, n * 2)).collect(),
        };
        let ranges = usize::try_from(ranges).unwrap();
        self.cost += 2_500 + entry.entry.size() * 5 / 4 + ranges * 10;
        let notice = (self.below(3) == 0).then_some(Change::Notice(Notice::Entry(entry.id)));
        self.changes.extend([Change::Entry(Box::new(entry)), Change::Chain(chain)]);
        self.changes.extend(notice);
    }

    /// Half of what people say ends within a few days.
    fn ends_ms(&mut self) -> Option<u64> {
        let day = self.today + self.rng.next_u64() % 4;
        (self.below(2) == 0).then_some(day * DAY_MS + 5)
    }

    fn text(&mut self) -> Body {
        let longest = self.text_max;
        // Most of what people say is short.
        let len =
            if self.below(3) == 0 { self.below(longest) } else { self.below(longest.min(200)) };
        self.text_of(1 + len)
    }

    fn text_of(&mut self, len: usize) -> Body {
        let text = String::from(char::from(self.letter())).repeat(len);
        Body::Text(Words { reply_to: None, text: Text::new(text).unwrap() })
    }

    fn letter(&mut self) -> u8 {
        b'a' + u8::try_from(self.below(26)).unwrap()
    }

    fn below(&mut self, bound: usize) -> usize {
        below(self.rng, bound)
    }
}

fn take_back(versions: &[Own]) -> Body {
    Body::TakeBack(TakeBack { versions: Versions::new(versions.to_vec()).unwrap() })
}

fn below(rng: &mut ChaCha12Rng, bound: usize) -> usize {
    usize::try_from(rng.next_u64() % bound as u64).unwrap()
}

fn bytes<const N: usize>(rng: &mut ChaCha12Rng) -> [u8; N] {
    let mut bytes = [0; N];
    rng.fill_bytes(&mut bytes);
    bytes
}
