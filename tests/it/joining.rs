//! Coming in: invitations that let one person in, and what a newcomer can know of who let them in.

use proto::{Command, Done, JoinError, Refusal};
use tests::World;

#[test]
fn two_who_let_each_other_in_have_the_same_words_to_compare_and_keep_them() {
    for seed in 0..10 {
        let mut world = World::new(3, seed);
        let with =
            |world: &World, a, b| world.compared(a, b).and_then(|compared| compared.joined_with);
        for newcomer in [1, 2] {
            let words = with(&world, 0, newcomer);
            assert!(words.is_some(), "seed {seed}");
            assert_eq!(words, with(&world, newcomer, 0), "seed {seed}");
        }
        assert_ne!(with(&world, 0, 1), with(&world, 0, 2), "seed {seed}");
        assert_eq!(world.compared(1, 2), None, "seed {seed}: neither let the other in");
        // Saying that they were the same is one's own, is remembered, and takes nothing away.
        let (one, two, words) = (world.id_of(1), world.id_of(2), with(&world, 0, 1));
        assert_eq!(world.command(0, Command::Verify(one)), Ok(Done::Nothing));
        assert_eq!(world.command(1, Command::Verify(two)), Ok(Done::Nothing));
        assert_eq!(world.command(1, Command::Verify(one)), Err(Refusal::NoSuchMember), "oneself");
        world.sleep(0);
        world.wake(0);
        world.settle();
        let compared = world.compared(0, 1).unwrap();
        assert_eq!((compared.is_verified, compared.joined_with), (true, words), "seed {seed}");
        assert!(world.compared(1, 2).unwrap().is_verified, "seed {seed}");
        assert!(!world.compared(1, 0).unwrap().is_verified, "seed {seed}");
        assert_eq!(world.compared(2, 1), None, "seed {seed}: nobody else hears of it");
    }
}

/// The first so many are a group that person 0 began; the others are not in it yet.
fn gathered(members: usize, people: usize, seed: u64) -> World {
    let mut world = World::strangers(people, seed);
    world.gather(members, seed);
    world
}

/// Four people; person 0 invited. Person 4 is let in by person 1 while the others are away.
fn let_in_by_another(seed: u64) -> World {
    let mut world = gathered(4, 5, seed);
    let link = world.invite(0);
    world.settle();
    (0..4).filter(|who| *who != 1).for_each(|who| world.sleep(who));
    assert_eq!(world.join(4, &link), Ok(()), "seed {seed}");
    world.settle();
    world
}

#[test]
fn a_newcomer_has_arrived_when_they_met_the_inviter_or_two_others() {
    for seed in 0..10 {
        let mut world = let_in_by_another(seed);
        assert!(world.is_arriving(4), "seed {seed}: only who let them in is there");
        world.wake(0);
        world.settle();
        assert!(!world.is_arriving(4), "seed {seed}: the inviter is");

        let mut world = let_in_by_another(seed);
        world.wake(2);
        world.settle();
        assert!(world.is_arriving(4), "seed {seed}: one other");
        world.sleep(4);
        world.wake(4);
        world.settle();
        assert!(world.is_arriving(4), "seed {seed}: the same one again");
        world.wake(3);
        world.settle();
        assert!(!world.is_arriving(4), "seed {seed}: two others");
    }
    let mut world = World::new(2, 1);
    assert!(!world.is_arriving(0) && !world.is_arriving(1));
    world.sleep(0);
}

/// Someone who left keeps a device that does not know of it, and with it an invitation that it may
/// admit with: whoever comes in there meets nobody else, ever, and is told so.
#[test]
fn ghost_group_stays_arriving() {
    for seed in 0..10 {
        let mut world = gathered(3, 4, seed);
        let link = world.invite(0);
        world.settle();
        world.sleep(1);
        let ghost = world.copy_of(1);
        world.sleep(ghost);
        world.wake(1);
        world.settle();
        assert_eq!(world.command(1, Command::Leave), Ok(Done::Nothing));
        world.settle();
        [0, 1, 2].into_iter().for_each(|who| world.sleep(who));
        world.wake(ghost);
        assert_eq!(world.join_through(3, &[ghost], &link), Ok(()), "seed {seed}");
        world.settle();
        assert!(world.is_arriving(3), "seed {seed}");
        // The others know that they left: nobody links with either, and the newcomer goes on waiting.
        world.sleep(ghost);
        world.wake(2);
        world.wake(0);
        world.settle();
        assert!(world.is_arriving(3), "seed {seed}: let in by one who was out");
        assert!(!world.members(0).contains(&world.id_of(3)), "seed {seed}");
        world.say(0, "not for ghosts");
        world.settle();
        assert!(!world.remembers(3, "not for ghosts"), "seed {seed}");
    }
}

/// Those who sleep wake one after the other, and meet in between or only at the end.
fn wake_in_turn(world: &mut World, order: &[usize], one_by_one: bool) {
    for who in order.iter().copied() {
        if !world.is_awake(who) {
            world.wake(who);
        }
        if one_by_one {
            world.settle();
        }
    }
    world.settle();
}

/// Attack 29: whatever order things happen in, one link lets one person in at most.
#[test]
fn invite_single_use() {
    for seed in 0..60 {
        let mut world = gathered(3, 6, seed);
        let (invite, link) = world.invitation(0);
        world.settle();
        // Two people come in with it, through two members who do not hear each other; and meanwhile, at a
        // third of the seeds, whoever made it takes it back.
        let (first, second) = if seed % 2 == 0 { (0, 1) } else { (1, 0) };
        let cancels = seed % 3 == 0 && first == 1;
        [0, 1, 2].into_iter().filter(|who| *who != first).for_each(|who| world.sleep(who));
        assert_eq!(world.join_through(3, &[first], &link), Ok(()), "seed {seed}");
        [first, 3].into_iter().for_each(|who| world.sleep(who));
        world.settle();
        world.wake(second);
        if cancels {
            assert_eq!(world.command(0, Command::CancelInvite(invite)), Ok(Done::Nothing));
            assert_eq!(world.join_through(4, &[0], &link), Err(JoinError::Cancelled));
        } else {
            assert_eq!(world.join_through(4, &[second], &link), Ok(()), "seed {seed}");
        }
        let come: Vec<_> = [3, 4].into_iter().filter(|who| world.is_member(*who)).collect();
        let mut order = vec![first, 2];
        order.extend(&come);
        if seed % 4 > 1 {
            order.reverse();
        }
        wake_in_turn(&mut world, &order, seed % 5 > 0);
        let expected = usize::from(!cancels);
        for who in 0..3 {
            let members = world.members(who);
            let newcomers = come.iter().filter(|at| members.contains(&world.id_of(**at)));
            assert_eq!(newcomers.count(), expected, "seed {seed}: as person {who} sees it");
            assert_eq!(members.len(), 3 + expected, "seed {seed}: person {who}");
        }
        // Whose Add stands is the one let in by who stands earlier among the admitters: the inviter.
        if !cancels {
            let by_inviter = if first == 0 { 3 } else { 4 };
            assert!(world.members(2).contains(&world.id_of(by_inviter)), "seed {seed}");
        }
        // And once it was used, nobody else comes in with it, whoever is asked.
        assert!(world.join(5, &link).is_err() && !world.is_member(5), "seed {seed}");
    }
}

/// Attack 46, and 5: who left is let in nowhere, and nobody comes in with what they gave out.
#[test]
fn removed_members_links_are_dead() {
    for seed in 0..10 {
        let mut world = gathered(4, 5, seed);
        let link = world.invite(1);
        world.settle();
        assert_eq!(world.command(1, Command::Leave), Ok(Done::Nothing));
        world.settle();
        for admitter in [0, 2, 3] {
            let refused = world.join_through(4, &[admitter], &link);
            assert_eq!(refused, Err(JoinError::Cancelled), "seed {seed}");
        }
        assert_eq!(world.join_through(4, &[1], &link), Err(JoinError::Busy), "who left is asked");
        assert!(!world.is_member(4), "seed {seed}");
    }
}
