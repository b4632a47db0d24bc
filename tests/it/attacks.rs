//! Attacks by name, played through by whole groups; those on one member are in `net/proto/src/attacks.rs`.

use std::collections::BTreeSet;

use proto::{Bytes, Dag, MemberId, Op, OpBody, Standing, Taken, Welcome};
use rand_chacha::ChaCha12Rng;
use rand_core::{Rng as _, SeedableRng as _};
use tests::World;
use tests::forge::Forge;
use tests::reference::{Reference, Without};

/// Minutes since 2020 at which histories begin: 2026.
const WALL: u32 = 3_600_000;

type People = BTreeSet<MemberId>;

fn hear(dag: &mut Dag, ops: &[Op]) {
    for op in ops {
        let taken = dag.take(op.clone());
        assert!(matches!(taken, Ok(Taken::New | Taken::Known)), "{taken:?}");
    }
}

/// Everyone who may welcomes a newcomer; gives how many did.
fn welcome(forge: &mut Forge, dag: &mut Dag, by: &People, newcomer: MemberId, wall: u32) -> usize {
    let body = OpBody::Welcome(Welcome { member: newcomer });
    by.iter().filter(|author| forge.make(dag, **author, &body, wall).is_ok()).count()
}

fn standing(ops: &[Op], without: Without) -> Standing {
    let reference = Reference::new(ops, without);
    reference.standing(&reference.everything())
}

fn without(people: &People, gone: &[MemberId]) -> People {
    people.iter().filter(|who| !gone.contains(who)).copied().collect()
}

/// Someone lets people in, and then says two things at once in a place before that, to take all of them
/// along when they are thrown out.
#[test]
fn equivocation_griefing() {
    for seed in 0..10 {
        let (mut forge, founder) = Forge::new(seed);
        let (mut dag, mut members) = (forge.dag(), People::from([founder]));
        let forker = forge.bring(&mut dag, founder, WALL).unwrap();
        let mut early = forge.dag();
        members.insert(forker);
        for nth in 0..5 {
            let (wall, by) = (WALL + nth * 1440, if nth % 2 == 0 { forker } else { founder });
            let newcomer = forge.bring(&mut dag, by, wall).unwrap();
            welcome(&mut forge, &mut dag, &members, newcomer, wall);
            members.insert(newcomer);
        }
        let (others, wall) = (without(&members, &[forker]), WALL + 10_000);
        assert_eq!(welcome(&mut forge, &mut dag, &others, forker, wall), 5);
        // Nobody but the forker has counted these in: one they let in, and whom that one let in.
        let unknown = forge.bring(&mut dag, forker, wall).unwrap();
        let friend = forge.bring(&mut dag, unknown, wall).unwrap();
        welcome(&mut forge, &mut dag, &People::from([forker]), friend, wall);
        let before = dag.standing();
        assert_eq!((before.members.len(), before.voters.len()), (9, 7), "seed {seed}");

        forge.make(&mut early, forker, &OpBody::Merge, WALL).unwrap();
        hear(&mut dag, &forge.ops.clone());
        let after = dag.standing();
        assert_eq!(
            after.members,
            without(&before.members, &[forker, unknown, friend]),
            "seed {seed}"
        );
        assert_eq!(after.voters, without(&before.voters, &[forker]), "seed {seed}");
        // Whoever learns of the fork first, and of the rest later, finds the same.
        hear(&mut early, &forge.ops.clone());
        assert_eq!(early.standing(), after, "seed {seed}");
        assert_eq!(standing(&forge.ops, Without::Nothing), *after, "seed {seed}");
        // To welcome them now is too late: who knows of the fork cannot.
        assert_eq!(welcome(&mut forge, &mut dag, &others, unknown, wall + 1), 0, "seed {seed}");
        let control = standing(&forge.ops, Without::Voiding);
        assert_eq!(control.members, without(&before.members, &[forker]), "the rule has power");
    }
}

/// Nobody holds an entry that was written before its author knew of them. Gives how many entries some
/// hold and others must not, and how many are held in all.
fn count_withheld(world: &World, people: &[usize], seed: u64) -> (usize, usize) {
    let mut all = BTreeSet::new();
    let mut held = 0;
    for who in people {
        let entries = world.entries(*who);
        for id in &entries {
            let is_reader = world.readers(*who, id).contains(&world.id_of(*who));
            assert!(is_reader, "seed {seed}: person {who} holds {id:?}, which is not theirs");
        }
        held += entries.len();
        all.extend(entries);
    }
    (all.len() * people.len() - held, held)
}

/// People join through this one and that one, over streams that break, while others talk and some
/// cannot reach each other.
#[test]
fn joiner_gets_nothing_before_add() {
    let (mut withheld, mut held) = (0, 0);
    for seed in 0..6 {
        let mut dice = ChaCha12Rng::seed_from_u64(!seed);
        let mut below = |bound: usize| usize::try_from(dice.next_u64() % bound as u64).unwrap();
        let mut world = World::strangers(5, seed);
        world.found(0);
        for newcomer in 1..5 {
            world.say(below(newcomer), &format!("{newcomer} is still to come"));
            let link = world.invite(below(newcomer));
            world.settle();
            // Someone is away, maybe the inviter: a third one lets them in, and they meet later.
            let (away, a, b) = (below(newcomer + 1), below(newcomer), below(newcomer + 1));
            if away < newcomer && newcomer > 1 {
                world.say(away, "only some hear this in time");
                world.sleep(away);
            }
            world.part(a, b);
            world.break_percent = seed % 6;
            let by = (0..newcomer).find(|who| world.is_awake(*who)).unwrap();
            world.say(by, &format!("{newcomer} is at the door"));
            assert_eq!(world.join(newcomer, &link), Ok(()), "seed {seed}");
            world.say(by, &format!("welcome, {newcomer}"));
            world.wait(below(3000) as u64);
            world.say(newcomer, "hello");
            if !world.is_awake(away) {
                world.wake(away);
            }
            world.wait(below(9000) as u64);
            world.heal();
        }
        world.break_percent = 0;
        world.settle();
        let counts = count_withheld(&world, &[0, 1, 2, 3, 4], seed);
        (withheld, held) = (withheld + counts.0, held + counts.1);
    }
    assert!(withheld > 100 && held > 300, "{withheld} withheld, {held} held: too little happened");
}

/// The forker says many things at once in that place. Each pair of them is a reason of its own against
/// everyone they let in, and each was unknown to those who welcomed them.
#[test]
fn equivocation_griefing_with_many_branches_costs_little() {
    let (mut forge, founder) = Forge::new(1);
    let (mut dag, mut members) = (forge.dag(), People::from([founder]));
    let forker = forge.bring(&mut dag, founder, WALL).unwrap();
    let early = forge.ops.clone();
    members.insert(forker);
    for nth in 0..6 {
        let by = if nth % 2 == 0 { forker } else { founder };
        let newcomer = forge.bring(&mut dag, by, WALL).unwrap();
        welcome(&mut forge, &mut dag, &members, newcomer, WALL);
        members.insert(newcomer);
    }
    let before = forge.ops.len();
    for branch in 0..600_u16 {
        let mut dag = Dag::from_ops(early.iter().cloned()).unwrap();
        let body = [&[17], &branch.to_le_bytes()[..]].concat();
        let body = OpBody::Unknown(Bytes::new(body).unwrap());
        forge.make(&mut dag, forker, &body, WALL).unwrap();
    }
    // The whole of it fits into three messages.
    hear(&mut dag, &forge.ops[before..]);
    assert_eq!(dag.members().len(), 7, "only the forker is lost");
}

/// Attack 7: words for someone who has left are marked, for the author had not heard of it.
#[test]
fn old_view_entry_is_marked() {
    use proto::{Command, Unheard};
    for seed in 0..10 {
        let mut world = World::new(4, seed);
        world.say(2, "all are here");
        world.settle();
        for (a, b) in [(2, 0), (2, 1), (2, 3)] {
            world.part(a, b);
        }
        let left = world.id_of(1);
        world.command(1, Command::Leave).unwrap();
        world.wait(5 * 60_000);
        world.say(2, "is anyone there?");
        world.say(0, "they have left");
        world.settle();
        world.heal();
        world.settle();
        for who in [0, 2, 3] {
            let unheard = |text| world.unheard(who, text);
            assert_eq!(unheard("is anyone there?"), [Unheard::Left(left)], "seed {seed}: {who}");
            assert_eq!(unheard("all are here"), [], "seed {seed}: {who}");
            assert_eq!(unheard("they have left"), [], "seed {seed}: {who}");
        }
        assert_eq!(world.screen(1), ["all are here"], "seed {seed}: and none of it is theirs");
    }
}

/// Attack 27: one who says thousands of things at once delays nobody else.
#[test]
fn flood_does_not_starve() {
    for seed in 0..3 {
        let mut world = World::new(4, seed);
        // The listener is linked with one other alone, over a slow line.
        for talker in [0, 3] {
            world.part(2, talker);
        }
        world.settle();
        world.bytes_per_ms = Some(200);
        for n in 0..2500 {
            world.say(0, &format!("{n} {}", "z".repeat(1500)));
        }
        for n in 0..10 {
            world.wait(2_000);
            world.say(3, &format!("are you there? {n}"));
            let before = world.screen(2).len();
            world.wait(5_000);
            let screen = world.screen(2);
            let heard = screen.contains(&format!("are you there? {n}"));
            assert!(heard, "seed {seed}: after five seconds, {n}: {before} {}", screen.len());
        }
        // Nothing of the flood is lost either.
        world.bytes_per_ms = None;
        world.settle();
        assert_eq!(world.screen(2).len(), 2510, "seed {seed}");
    }
}
