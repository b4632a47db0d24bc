//! Random evenings: what people do, drawn from a seed, and what must hold at the end of it.
//!
//! A scenario that fails is made shorter as long as it still fails, and printed as Rust.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use proto::EntryId;
use rand_chacha::ChaCha12Rng;
use rand_core::{Rng as _, SeedableRng as _};

use crate::World;

/// Something that someone does, or that happens to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Someone says the n-th thing of this evening.
    Say(usize, usize),
    /// Someone in the group invites someone who is not, and who joins.
    Join {
        /// The newcomer.
        who: usize,
        /// The inviter.
        by: usize,
    },
    /// The lid is closed.
    Sleep(usize),
    /// The lid is opened.
    Wake(usize),
    /// The power fails at someone's n-th write from now, before or after it is durable.
    CrashAt {
        /// Whose device.
        who: usize,
        /// How many writes go well before.
        nth: u64,
        /// Whether the last write is durable.
        after: bool,
    },
    /// Two cannot reach each other.
    Part(usize, usize),
    /// Everyone can reach everyone again.
    Heal,
    /// Time passes, in milliseconds.
    Wait(u64),
    /// From now on, so many pieces in a hundred break their stream.
    Break(u64),
}

/// An evening.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scenario {
    /// How many people there are; the first begins the group.
    pub people: usize,
    /// Decides all delays and keys.
    pub seed: u64,
    /// What happens, in order.
    pub steps: Vec<Step>,
}

impl Scenario {
    /// Draws an evening.
    #[must_use]
    pub fn random(seed: u64) -> Self {
        let mut rng = ChaCha12Rng::seed_from_u64(seed);
        let mut below = |bound: usize| {
            usize::try_from(rng.next_u64() % bound as u64).expect("below a small bound")
        };
        let people = 2 + below(3);
        let mut steps = vec![Step::Join { who: 1, by: 0 }];
        for nth in 0..6 + below(14) {
            let (who, other) = (below(people), below(people));
            steps.push(match below(16) {
                0..=5 => Step::Say(who, nth),
                6 => Step::Join { who, by: other },
                7 | 8 => Step::Sleep(who),
                9 => Step::Wake(who),
                10 | 11 => Step::CrashAt { who, nth: below(4) as u64, after: below(2) == 0 },
                12 => Step::Part(who, other),
                13 => Step::Heal,
                14 => Step::Break(below(8) as u64),
                _ => Step::Wait(50 + below(4000) as u64),
            });
        }
        Self { people, seed, steps }
    }

    /// Lives through it.
    ///
    /// # Errors
    /// What does not hold at the end.
    pub fn run(&self) -> Result<(), String> {
        let mut world = World::strangers(self.people, self.seed);
        world.found(0);
        let mut acknowledged = BTreeMap::new();
        for step in &self.steps {
            self.step(&mut world, *step, &mut acknowledged);
        }
        world.break_percent = 0;
        world.heal();
        world.cancel_crashes();
        for who in 0..self.people {
            if world.is_member(who) && !world.is_awake(who) {
                world.wake(who);
            }
        }
        world.settle();
        check(&world, self.people, &acknowledged)
    }

    fn step(&self, world: &mut World, step: Step, acknowledged: &mut BTreeMap<String, usize>) {
        match step {
            Step::Say(who, nth) => {
                let text = format!("{who} says {nth}");
                if world.is_awake(who) && world.try_say(who, &text) {
                    acknowledged.insert(text, who);
                }
            }
            Step::Join { who, by } => {
                if world.is_awake(by) && !world.is_member(who) {
                    // An invitation that a crash swallowed, or that nobody honours, changes nothing.
                    if let Some(link) = world.try_invite(by) {
                        world.join(who, &link).ok();
                    }
                }
            }
            Step::Sleep(who) => {
                if world.is_awake(who) {
                    world.sleep(who);
                }
            }
            Step::Wake(who) => {
                if world.is_member(who) && !world.is_awake(who) {
                    world.wake(who);
                }
            }
            Step::CrashAt { who, nth, after } => world.crash_at(who, nth, after),
            Step::Part(a, b) => {
                if a != b {
                    world.part(a, b);
                }
            }
            Step::Heal => world.heal(),
            Step::Wait(ms) => world.wait(ms),
            Step::Break(percent) => world.break_percent = percent,
        }
    }

    /// Runs it, and if it fails, finds a shorter one that fails too.
    ///
    /// # Errors
    /// The shortest failing scenario found, as Rust, and what it breaks.
    pub fn check(&self) -> Result<(), String> {
        let Err(mut why) = self.outcome() else { return Ok(()) };
        let mut shortest = self.clone();
        let mut at = 0;
        while at < shortest.steps.len() {
            let mut shorter = shortest.clone();
            shorter.steps.remove(at);
            match shorter.outcome() {
                Err(still) => (shortest, why) = (shorter, still),
                Ok(()) => at += 1,
            }
        }
        Err(format!("{why}\n\n{shortest}"))
    }

    fn outcome(&self) -> Result<(), String> {
        let run = catch_unwind(AssertUnwindSafe(|| self.run()));
        run.unwrap_or_else(|panic| {
            let says = panic.downcast_ref::<String>().cloned();
            Err(says
                .or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string))
                .unwrap_or_default())
        })
    }
}

/// What must hold when everyone has been there for a while (docs/protocol.md, "What must hold").
fn check(
    world: &World,
    people: usize,
    acknowledged: &BTreeMap<String, usize>,
) -> Result<(), String> {
    let members: Vec<_> = (0..people).filter(|who| world.is_member(*who)).collect();
    // Everyone knows the same ops, and so the same members.
    for who in &members {
        if world.ops(*who) != world.ops(0) {
            return Err(format!("person {who} and person 0 hold different ops"));
        }
        if world.members(*who) != world.members(0) {
            return Err(format!("person {who} and person 0 see different members"));
        }
    }
    let mut all: BTreeMap<EntryId, Vec<usize>> = BTreeMap::new();
    for who in &members {
        for id in world.entries(*who) {
            all.entry(id).or_default().push(*who);
        }
    }
    // An entry is with its readers, all of them, and with nobody else.
    for (id, holders) in &all {
        let readers = world.readers(holders[0], id);
        for who in &members {
            let (may, has) = (readers.contains(&world.id_of(*who)), holders.contains(who));
            if may != has {
                let words = if has { "holds what is not theirs" } else { "lacks what is theirs" };
                return Err(format!("person {who} {words}"));
            }
        }
    }
    // What was acknowledged is there, once; what is shown, is shown once.
    for who in &members {
        let screen = world.screen(*who);
        let once: BTreeSet<_> = screen.iter().collect();
        if once.len() != screen.len() {
            return Err(format!("person {who} sees something twice: {screen:?}"));
        }
        for (text, author) in acknowledged.iter().filter(|(_, author)| *author == who) {
            if !once.contains(text) {
                return Err(format!("person {author} lost their own words: {text}"));
            }
        }
        if world.notified(*who).len() != screen.len() {
            return Err(format!(
                "person {who} heard of {} of {}",
                world.notified(*who).len(),
                screen.len()
            ));
        }
    }
    Ok(())
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "Scenario {{\n    people: {},\n    seed: {},\n    steps: vec![",
            self.people, self.seed
        )?;
        for step in &self.steps {
            writeln!(f, "        Step::{step:?},")?;
        }
        write!(f, "    ],\n}}")
    }
}
