//! Many people at once, and how words travel among them.

use std::collections::BTreeMap;

use proto::{Change, EntryId, LinkId, MemberId};

use crate::World;
use crate::forge::Forge;

/// For how long bytes are counted after something was said.
const COUNTED_MS: u64 = 3_000;

/// A keep-alive: the smallest frame, its tag and its length.
const PING_BYTES: u64 = 256 + 16 + 2;

/// How far entries have come.
#[derive(Debug, Default)]
pub(crate) struct Travels {
    /// For every entry and everyone who holds it: over how many others it came, and when.
    reached: BTreeMap<EntryId, BTreeMap<usize, (u32, u64)>>,
    /// Who sent what is being handled now.
    from: Option<usize>,
    bytes: u64,
    writes: u64,
}

/// What one word cost, and how it fared.
#[derive(Debug, Clone, Copy, Default)]
pub struct Travel {
    /// Readers who hold it.
    pub reached: usize,
    /// Over how many others it came to the last of them.
    pub hops_max: u32,
    /// And on average.
    pub hops_mean: f64,
    /// When the last one had it, in milliseconds after it was said.
    pub last_ms: u64,
    /// Bytes sent by anyone in the first three seconds, and in how many writes, without keep-alives.
    pub bytes: u64,
    /// See `bytes`.
    pub writes: u64,
    /// Copies that came to someone who held it.
    pub duplicates: u64,
}

impl World {
    /// A group of so many that grew over months, all awake and linked.
    #[must_use]
    pub fn crowd(people: usize, seed: u64) -> Self {
        const WALL: u32 = 3_400_000;
        let (mut forge, founder) = Forge::new(seed);
        let (mut dag, mut members) = (forge.dag(), vec![founder]);
        for nth in 1..people {
            // Twenty each: nobody may let in more than that in a day.
            let wall = WALL + u32::try_from(nth).unwrap() * 60;
            members.push(forge.bring(&mut dag, members[(nth - 1) / 20], wall).unwrap());
        }
        let mut world = Self::strangers(people, seed);
        let name = |who: usize, id: MemberId| forge.member(id, &format!("person {who}"));
        for (who, id) in members.into_iter().enumerate() {
            world.people[who].begin(name(who, id), forge.ops.clone());
            world.wake(who);
        }
        world.wait(60_000);
        world
    }

    /// Someone says something; bytes are counted for three seconds, what arrives for half a minute.
    pub fn measure(&mut self, who: usize, text: &str) -> Travel {
        let (began, before) = (self.now_ms, self.tallies(|tally| tally.duplicates));
        let pings = self.tallies(|tally| tally.pings);
        self.travels = Some(Travels::default());
        self.say(who, text);
        self.wait(COUNTED_MS);
        let pings = self.tallies(|tally| tally.pings) - pings;
        let travels = self.travels.as_ref();
        let (bytes, writes) = travels.map_or((0, 0), |travels| (travels.bytes, travels.writes));
        self.wait(30_000 - COUNTED_MS);
        let travels = self.travels.take().unwrap_or_default();
        let id = self.find(who, text).expect("it was said");
        let reached = travels.reached.get(&id).cloned().unwrap_or_default();
        let others = reached.len().saturating_sub(1);
        Travel {
            reached: others,
            hops_max: reached.values().map(|(hops, _)| *hops).max().unwrap_or(0),
            hops_mean: f64::from(reached.values().map(|(hops, _)| *hops).sum::<u32>())
                / f64::from(u32::try_from(others.max(1)).unwrap()),
            last_ms: reached.values().map(|(_, at)| *at).max().unwrap_or(began) - began,
            bytes: bytes - pings * PING_BYTES,
            writes: writes - pings,
            duplicates: self.tallies(|tally| tally.duplicates) - before,
        }
    }

    fn tallies(&self, of: fn(proto::Tally) -> u64) -> u64 {
        (0..self.people.len()).filter_map(|who| self.tally(who)).map(of).sum()
    }

    /// Who sends what is handled next.
    pub(crate) fn came_from(&mut self, link: LinkId) {
        let from = self.network.holder(link);
        if let Some(travels) = &mut self.travels {
            travels.from = from;
        }
    }

    pub(crate) fn note_travels(&mut self, who: usize, changes: &[Change]) {
        let Some(travels) = &mut self.travels else { return };
        for change in changes {
            if let Change::Entry(accepted) = change {
                let reached = travels.reached.entry(accepted.id).or_default();
                let before = travels.from.and_then(|from| reached.get(&from)).copied();
                let hops = before.map_or(0, |(hops, _)| hops + 1);
                reached.insert(who, (hops, self.now_ms));
            }
        }
    }

    pub(crate) fn note_sent(&mut self, bytes: usize) {
        if let Some(travels) = &mut self.travels {
            travels.bytes += bytes as u64;
            travels.writes += 1;
        }
    }
}
