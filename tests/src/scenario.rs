//! Random evenings: what people do, drawn from a seed, and what must hold at the end of it.
//!
//! A scenario that fails is made shorter as long as it still fails, and printed as Rust.

mod holds;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use rand_chacha::ChaCha12Rng;
use rand_core::{Rng as _, SeedableRng as _};

use crate::World;
use crate::lies::{LIES, Lie};

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
    /// From now on, so many pieces in a hundred arrive twice, late or altered.
    Mangle(u64),
    /// Someone says something else instead of the newest message of theirs.
    Edit(usize, usize),
    /// Someone takes the newest message of theirs back.
    TakeBack(usize),
    /// Someone counts another in.
    Welcome(usize, usize),
    /// Someone leaves.
    Leave(usize),
    /// Someone's clock is so many minutes ahead.
    Clock(usize, u64),
    /// Someone's device runs twice from now on: a backup was restored beside it.
    Copy(usize),
    /// Someone's device signs what is not true.
    Lie(usize, Lie),
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

/// What was promised to people in an evening.
#[derive(Debug, Default)]
pub(crate) struct Promised {
    /// Messages whose sending was acknowledged.
    pub(crate) messages: Vec<Promise>,
    /// Devices that run twice: the person, and the copy.
    pub(crate) copies: BTreeMap<usize, usize>,
    /// Members who lied: what they said is theirs to mind.
    pub(crate) liars: BTreeSet<usize>,
}

/// A message that was acknowledged.
#[derive(Debug)]
pub(crate) struct Promise {
    pub(crate) author: usize,
    /// All that it ever said.
    pub(crate) versions: Vec<String>,
    /// What it may say now; more than one while an edit was not acknowledged. None: it is gone.
    pub(crate) says: Vec<Option<String>>,
}

impl Promise {
    fn says_now(&self) -> Option<&str> {
        self.says.last().and_then(Option::as_deref)
    }
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
            steps.push(match below(24) {
                0..=6 => Step::Say(who, nth),
                7 => Step::Join { who, by: other },
                8 | 9 => Step::Sleep(who),
                10 => Step::Wake(who),
                11 | 12 => Step::CrashAt { who, nth: below(4) as u64, after: below(2) == 0 },
                13 => Step::Part(who, other),
                14 => Step::Heal,
                15 => Step::Break(below(8) as u64),
                16 | 17 => Step::Edit(who, nth),
                18 => Step::TakeBack(who),
                19 => Step::Welcome(who, other),
                20 if below(4) == 0 => Step::Leave(who),
                20 if below(3) == 0 => Step::Mangle(below(3) as u64),
                21 if below(2) == 0 => Step::Clock(who, below(9) as u64),
                21 if below(3) == 0 => Step::Copy(who),
                22 if below(3) == 0 => Step::Lie(who, LIES[below(LIES.len())]),
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
        self.run_in(World::strangers(self.people, self.seed)).map(drop)
    }

    /// [`Self::run`], with a real store in each device, which must keep what the model keeps.
    ///
    /// # Errors
    /// What does not hold at the end, or that the run differs from the one without.
    pub fn run_on_disk(&self) -> Result<(), String> {
        let without = self.run_in(World::strangers(self.people, self.seed))?;
        let with = self.run_in(World::strangers_on_disk(self.people, self.seed))?;
        if with == without { Ok(()) } else { Err("a disk changed what happened".to_owned()) }
    }

    fn run_in(&self, mut world: World) -> Result<u64, String> {
        world.found(0);
        let mut promised = Promised::default();
        for step in &self.steps {
            self.step(&mut world, *step, &mut promised);
        }
        world.break_percent = 0;
        world.mangle_percent = 0;
        world.heal();
        world.cancel_crashes();
        // Of a device that runs twice, first the copy comes together with the others, then the original.
        let copied: Vec<_> = promised.copies.iter().map(|(who, copy)| (*who, *copy)).collect();
        let wake = |world: &mut World, who| {
            if world.is_member(who) && !world.is_awake(who) {
                world.wake(who);
            }
        };
        copied.iter().for_each(|(_, copy)| world.sleep(*copy));
        for (who, copy) in copied {
            (0..self.people).for_each(|who| wake(&mut world, who));
            world.sleep(who);
            wake(&mut world, copy);
            world.settle();
            world.sleep(copy);
        }
        (0..self.people).for_each(|who| wake(&mut world, who));
        world.settle();
        world.check_disks();
        holds::check(&world, self.people, &promised)?;
        Ok(world.trace())
    }

    fn step(&self, world: &mut World, step: Step, promised: &mut Promised) {
        match step {
            Step::Say(who, nth) => {
                let copy = promised.copies.get(&who).copied().filter(|_| nth % 2 == 0);
                let device = copy.unwrap_or(who);
                let text = format!("{device} says {nth}.");
                if world.is_awake(device) && world.try_say(device, &text) {
                    let says = vec![Some(text.clone())];
                    promised.messages.push(Promise { author: who, versions: vec![text], says });
                }
            }
            Step::Edit(who, nth) => rewrite(world, who, Some(nth), promised),
            Step::TakeBack(who) => rewrite(world, who, None, promised),
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
            Step::Mangle(percent) => world.mangle_percent = percent,
            Step::Welcome(who, other) => {
                if world.is_awake(who) && world.is_member(other) {
                    let welcome = proto::Command::Welcome(world.id_of(other));
                    world.try_command(who, welcome);
                }
            }
            Step::Leave(who) => {
                if world.is_awake(who) && !promised.copies.contains_key(&who) {
                    world.try_command(who, proto::Command::Leave);
                }
            }
            Step::Clock(who, minutes) => world.set_clock_ahead(who, minutes * 60_000),
            Step::Lie(who, lie) => {
                // A liar is one from then on, and no device of theirs runs twice.
                if world.is_member(who) && !promised.copies.contains_key(&who) {
                    promised.liars.insert(who);
                    world.lie(who, lie);
                }
            }
            Step::Copy(who) => {
                if world.is_awake(who)
                    && !promised.liars.contains(&who)
                    && !promised.copies.contains_key(&who)
                {
                    let copy = world.copy_of(who);
                    promised.copies.insert(who, copy);
                }
            }
        }
    }

    /// Runs it, and if it fails, finds a shorter one that fails too.
    ///
    /// # Errors
    /// The shortest failing scenario found, as Rust, and what it breaks.
    pub fn check(&self) -> Result<(), String> {
        self.check_by(Self::run)
    }

    /// [`Self::check`], on disks.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub fn check_on_disk(&self) -> Result<(), String> {
        self.check_by(Self::run_on_disk)
    }

    fn check_by(&self, run: fn(&Self) -> Result<(), String>) -> Result<(), String> {
        let Err(mut why) = self.outcome(run) else { return Ok(()) };
        let mut shortest = self.clone();
        let mut at = 0;
        while at < shortest.steps.len() {
            let mut shorter = shortest.clone();
            shorter.steps.remove(at);
            match shorter.outcome(run) {
                Err(still) => (shortest, why) = (shorter, still),
                Ok(()) => at += 1,
            }
        }
        Err(format!("{why}\n\n{shortest}"))
    }

    fn outcome(&self, run: fn(&Self) -> Result<(), String>) -> Result<(), String> {
        let run = catch_unwind(AssertUnwindSafe(|| run(self)));
        run.unwrap_or_else(|panic| {
            let says = panic.downcast_ref::<String>().cloned();
            Err(says
                .or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string))
                .unwrap_or_default())
        })
    }
}

/// Someone edits the newest message of theirs that is not gone, or takes it back.
fn rewrite(world: &mut World, who: usize, nth: Option<usize>, promised: &mut Promised) {
    // Two devices that rewrite one message at once: each keeps to its own, and so do we.
    if !world.is_awake(who) || promised.copies.contains_key(&who) {
        return;
    }
    let is_theirs = |promise: &&mut Promise| promise.author == who && promise.says_now().is_some();
    let Some(promise) = promised.messages.iter_mut().rev().find(is_theirs) else { return };
    let Some(now) = promise.says_now().map(str::to_owned) else { return };
    let Some(message) = world.find(who, &now).map(proto::Which::Entry) else { return };
    let text = nth.map(|nth| format!("{who} says {nth} instead."));
    let command = match &text {
        Some(text) => proto::Command::Edit { message, text: text.clone() },
        None => proto::Command::TakeBack(message),
    };
    match world.try_command(who, command) {
        Some(Ok(_)) => promise.says = vec![text.clone()],
        // The power failed: it may have become durable or not.
        None => promise.says.insert(0, text.clone()),
        Some(Err(_)) => return,
    }
    promise.versions.extend(text);
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
