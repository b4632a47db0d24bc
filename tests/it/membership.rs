//! Membership is a pure function of the set of ops: the same in every order, and the one defined.

use std::collections::BTreeSet;

use proto::{Dag, InviteCancel, Leave, MemberId, Op, OpBody, Taken, Welcome};
use rand_chacha::ChaCha12Rng;
use rand_core::{Rng as _, SeedableRng as _};
use tests::forge::Forge;
use tests::reference::{Reference, Without};

/// Minutes since 2020 at which histories begin: 2026.
const WALL: u32 = 3_600_000;

struct Dice(ChaCha12Rng);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.0.next_u64() % bound.max(1) as u64).unwrap()
    }

    fn pick<T: Copy>(&mut self, items: &[T]) -> Option<T> {
        (!items.is_empty()).then(|| items[self.below(items.len())])
    }
}

/// A random history: three places that hear of each other now and then, everyone able to act at any of
/// them, and so to fork.
fn history(seed: u64) -> Forge {
    let mut dice = Dice(ChaCha12Rng::seed_from_u64(seed));
    let (mut forge, _) = Forge::new(seed);
    let mut places: Vec<Dag> = (0..3).map(|_| forge.dag()).collect();
    let steps = 6 + dice.below(14);
    for step in 0..steps {
        let at = dice.below(3);
        let wall = WALL + u32::try_from(step).unwrap() * 30;
        if dice.below(4) == 0 {
            hear(&mut places[at], &forge.ops);
        }
        let members: Vec<MemberId> = places[at].members().iter().copied().collect();
        let Some(author) = dice.pick(&members) else { continue };
        let other = dice.pick(&members).unwrap_or(author);
        let invite = dice.pick(&forge.invitations());
        let dag = &mut places[at];
        // What is not valid here and now is no part of the history.
        let _was_valid = match (dice.below(10), invite) {
            (0..=2, _) => forge.bring(dag, author, wall).is_ok(),
            (3, _) => {
                let others: Vec<_> = members.iter().copied().filter(|who| *who != author).collect();
                forge.invite(dag, author, &others, wall).is_ok()
            }
            (4 | 5, Some(invite)) => forge.add(dag, author, invite, wall).is_ok(),
            (6, Some(invite)) => {
                let cancel = OpBody::InviteCancel(InviteCancel { invite });
                forge.make(dag, author, &cancel, wall).is_ok()
            }
            (7, _) if step > 8 => {
                forge.make(dag, author, &OpBody::Leave(Leave { last: None }), wall).is_ok()
            }
            (8, _) => forge.make(dag, author, &OpBody::Merge, wall).is_ok(),
            _ => {
                let welcome = OpBody::Welcome(Welcome { member: other });
                forge.make(dag, author, &welcome, wall).is_ok()
            }
        };
    }
    forge
}

/// Takes in ops in the order in which they were made. What was valid once is valid everywhere.
fn hear(dag: &mut Dag, ops: &[Op]) {
    for op in ops {
        let taken = dag.take(op.clone());
        assert!(matches!(taken, Ok(Taken::New | Taken::Known)), "{taken:?}");
    }
}

/// A random order in which every op comes after its ancestors.
fn shuffled(ops: &[Op], dice: &mut Dice) -> Vec<Op> {
    let (mut waiting, mut order, mut held) = (ops.to_vec(), Vec::new(), BTreeSet::new());
    while !waiting.is_empty() {
        let op = waiting.swap_remove(dice.below(waiting.len()));
        let (header, _) = op.parse().unwrap();
        if header.deps.iter().all(|dep| held.contains(dep)) {
            held.insert(op.id());
            order.push(op);
        } else {
            waiting.push(op);
        }
    }
    order
}

/// Op by op: who left, or said two things under one number, is no member however the set grows.
fn whoever_is_out_stays_out(ops: &[Op], seed: u64) {
    let mut dag = Dag::from_ops(ops.iter().take(1).cloned()).unwrap();
    let (mut places, mut out) = (BTreeSet::new(), BTreeSet::new());
    for op in ops.iter().skip(1) {
        if dag.take(op.clone()).unwrap() != Taken::New {
            continue; // Made in two places alike: it is one op.
        }
        let (header, body) = op.parse().unwrap();
        if !places.insert((header.author, header.seq)) || matches!(body, OpBody::Leave(_)) {
            out.insert(header.author);
        }
        assert!(dag.members().is_disjoint(&out), "seed {seed}: someone who was out is back");
    }
}

fn check(seed: u64) {
    let forge = history(seed);
    let mut dice = Dice(ChaCha12Rng::seed_from_u64(!seed));
    let reference = Reference::new(&forge.ops, Without::Nothing);
    let wanted = reference.standing(&reference.everything());
    if seed.is_multiple_of(8) || seed % 8 == 5 {
        whoever_is_out_stays_out(&shuffled(&forge.ops, &mut dice), seed);
    }
    for _ in 0..2 {
        let mut dag = Dag::from_ops(shuffled(&forge.ops, &mut dice)).unwrap_or_else(|reject| {
            panic!("seed {seed}: an op was valid once and is not now: {reject}")
        });
        assert_eq!(*dag.standing(), wanted, "seed {seed}");
        // Any view: whoever may read there is the same for whoever holds it.
        let ids: Vec<_> = dag.ids().collect();
        let view = dice.pick(&ids).unwrap();
        let readers = dag.readers(&[view]).unwrap();
        assert_eq!(
            *readers,
            reference.standing(&reference.closure(&[view])),
            "seed {seed}: a view"
        );
    }
}

/// How many histories, in all: `SEEDS=10000 cargo nextest run -p tests histories`.
fn seeds() -> u64 {
    std::env::var("SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(1_000)
}

#[test]
fn seeds_of_histories_agree_with_the_definition_in_every_order() {
    (0..seeds()).step_by(2).for_each(check);
}

#[test]
fn seeds_of_other_histories_agree_with_the_definition_in_every_order() {
    (1..seeds()).step_by(2).for_each(check);
}

/// A group of eight that grew in the open: everyone welcomed everyone.
fn eight(seed: u64) -> (Forge, Dag, Vec<MemberId>) {
    let (mut forge, founder) = Forge::new(seed);
    let (mut dag, mut members) = (forge.dag(), vec![founder]);
    for nth in 1..8_usize {
        let wall = WALL + u32::try_from(nth).unwrap() * 1440;
        let newcomer = forge.bring(&mut dag, members[(nth - 1) / 2], wall).unwrap();
        welcome(&mut forge, &mut dag, &members, newcomer, wall);
        members.push(newcomer);
    }
    assert_eq!(dag.standing().voters.len(), 8);
    (forge, dag, members)
}

/// Everyone who may welcomes a newcomer; gives how many did.
fn welcome(
    forge: &mut Forge,
    dag: &mut Dag,
    by: &[MemberId],
    newcomer: MemberId,
    wall: u32,
) -> usize {
    let body = OpBody::Welcome(Welcome { member: newcomer });
    by.iter().filter(|author| forge.make(dag, **author, &body, wall).is_ok()).count()
}

fn standing(ops: &[Op], without: Without) -> proto::Standing {
    let reference = Reference::new(ops, without);
    reference.standing(&reference.everything())
}

/// Someone forks their chain at its first op, in the group's early days, to let 20 of their own in.
#[test]
fn r1_sybils_of_an_early_fork_stay_out_also_when_welcomed_by_those_who_know() {
    let (mut forge, mut dag, members) = eight(1);
    let forker = members[1];
    let early: Vec<_> = forge.ops.iter().take(3).cloned().collect();
    let mut branch = Dag::from_ops(early).unwrap();
    let sybils: Vec<_> =
        (0..20).map(|_| forge.bring(&mut branch, forker, WALL + 1500).unwrap()).collect();
    hear(&mut dag, &forge.ops.clone());
    assert_eq!(dag.members().len(), 7, "the forker is out, and nobody else");
    let others: Vec<_> = members.iter().copied().filter(|who| *who != forker).collect();
    // No honest client would; and it cannot, for they are no members once the fork is known.
    assert_eq!(welcome(&mut forge, &mut dag, &others, sybils[0], WALL + 20_000), 0);
    let known = standing(&forge.ops, Without::Nothing);
    assert_eq!(known, *dag.standing());
    assert!(known.members.is_disjoint(&sybils.iter().copied().collect()));
    let control = standing(&forge.ops, Without::Voiding);
    assert!(sybils.iter().all(|sybil| control.members.contains(sybil)), "the rule has power");
}

/// In a group of two, one lets in a second self, who lets in four more.
#[test]
fn r2_a_sybils_sybils_have_no_say() {
    let (mut forge, founder) = Forge::new(2);
    let mut dag = forge.dag();
    let second = forge.bring(&mut dag, founder, WALL).unwrap();
    let sybil = forge.bring(&mut dag, second, WALL).unwrap();
    let more: Vec<_> = (0..4).map(|_| forge.bring(&mut dag, sybil, WALL).unwrap()).collect();
    for newcomer in &more {
        assert_eq!(welcome(&mut forge, &mut dag, &[second], *newcomer, WALL + 1), 1);
    }
    assert_eq!(dag.standing().voters, [founder, second].into());
    assert_eq!(standing(&forge.ops, Without::Confirmation).voters.len(), 7, "the rule has power");
}

/// One of eight lets in 25 of their own; ordinary ops of the others give them no say.
#[test]
fn r3_sybils_never_vote_unwelcomed() {
    let (mut forge, mut dag, members) = eight(3);
    let greedy = members[3];
    let wall = WALL + 60_000;
    let sybils: Vec<_> = (0..25).map(|_| forge.bring(&mut dag, greedy, wall).unwrap()).collect();
    for member in &members {
        forge.make(&mut dag, *member, &OpBody::Merge, wall + 10_080).unwrap();
    }
    for sybil in sybils.iter().take(3) {
        welcome(&mut forge, &mut dag, &sybils, *sybil, wall + 10_081);
    }
    assert_eq!(dag.standing().voters, members.into_iter().collect());
    assert_eq!(standing(&forge.ops, Without::Confirmation).voters.len(), 33, "the rule has power");
}

/// Someone who was silent takes an invitation back, from a view in which nobody had come with it.
#[test]
fn r4_a_stale_cancellation_takes_nobody_with_it_whom_the_others_welcomed() {
    let (mut forge, mut dag, members) = eight(4);
    let silent = members[7];
    let others: Vec<_> = members.iter().copied().filter(|who| *who != silent).collect();
    let [welcomed, unknown] =
        [0, 1].map(|_| forge.invite(&mut dag, silent, &others, WALL + 30_000).unwrap());
    let mut stale = forge.dag();
    let wall = WALL + 40_000;
    let stays = forge.add(&mut dag, members[0], welcomed, wall).unwrap();
    welcome(&mut forge, &mut dag, &others, stays, wall);
    let goes = forge.add(&mut dag, members[0], unknown, wall).unwrap();
    for invite in [welcomed, unknown] {
        let cancel = OpBody::InviteCancel(InviteCancel { invite });
        forge.make(&mut stale, silent, &cancel, wall).unwrap();
    }
    hear(&mut dag, &forge.ops.clone());
    let known = dag.standing();
    assert!(known.members.contains(&stays), "the others counted them in before they knew");
    assert!(!known.members.contains(&goes), "nobody had counted them in");
    // Welcomes by those who know of the cancellation do not bring them back.
    assert_eq!(welcome(&mut forge, &mut dag, &others, goes, wall + 1), 0);
    assert_eq!(*known, standing(&forge.ops, Without::Nothing));
    let control = standing(&forge.ops, Without::Voiding);
    assert!(control.members.contains(&goes), "the rule has power");
}
