//! Coming to be counted in, and going.

use proto::{Command, Done, Refusal};
use tests::World;

const DAY_MS: u64 = 24 * 3_600_000;

#[test]
fn whoever_leaves_hears_nothing_more_and_what_they_said_stays() {
    for seed in 0..10 {
        let mut world = World::new(4, seed);
        world.break_percent = seed % 3;
        world.sleep(3);
        world.say(1, "goodbye");
        assert_eq!(world.command(1, Command::Leave), Ok(Done::Nothing), "seed {seed}");
        assert_eq!(world.command(1, Command::Leave), Err(Refusal::NotAMember));
        world.settle();
        world.say(0, "now that they have gone");
        world.settle();
        world.wake(3);
        world.settle();
        for who in [0, 2, 3] {
            assert_eq!(world.members(who).len(), 3, "seed {seed}: person {who}");
            let screen = world.screen(who);
            assert_eq!(screen, ["goodbye", "now that they have gone"], "seed {seed}: {who}");
        }
        assert_eq!(world.screen(1), ["goodbye"], "seed {seed}");
        // Where the answer to their farewell was lost they knock again now and then, and nobody opens.
        let mut moments = (0..60).map(|_| {
            world.wait(1_000);
            world.links(1)
        });
        assert!(moments.any(|links| links == 0), "seed {seed}: no link is left");
        assert_eq!(world.rejects(), 0, "seed {seed}");
    }
}

/// Found by writing it: whoever left while nobody was there would have been a member for ever.
#[test]
fn leaving_while_nobody_is_there_is_heard_of_when_someone_comes() {
    for seed in 0..10 {
        let mut world = World::new(3, seed);
        world.sleep(1);
        world.sleep(2);
        world.say(0, "to be read later");
        world.settle();
        assert_eq!(world.command(0, Command::Leave), Ok(Done::Nothing), "seed {seed}");
        world.sleep(0);
        world.wake(0);
        world.wake(1);
        world.settle();
        assert_eq!(world.members(1).len(), 2, "seed {seed}: they heard of it");
        world.wake(2);
        world.settle();
        assert_eq!(world.members(2), world.members(1), "seed {seed}: and passed it on");
        // Two weeks later nobody is looked for any more.
        world.sleep(1);
        world.sleep(2);
        world.pass(15 * DAY_MS);
        assert_eq!(world.looks_for(0), 0, "seed {seed}");
    }
}

/// "I did not see that she had gone, and asked her for days." Nothing in the talk said it.
#[test]
fn everyone_is_told_who_came_and_left_since_they_came_themselves() {
    use room::How;
    let mut world = World::strangers(5, 11);
    world.found(0);
    for newcomer in 1..4 {
        let link = world.invite(0);
        assert_eq!(world.join(newcomer, &link), Ok(()));
        world.pass(DAY_MS);
    }
    let [first, second, third] = [1, 2, 3].map(|who| world.id_of(who));
    let all = [(first, How::Came), (second, How::Came), (third, How::Came)];
    assert_eq!(world.comings(0), all);
    assert_eq!(world.comings(1), all[1..]);
    assert_eq!(world.comings(2), all[2..]);
    assert_eq!(world.comings(3), [], "they came last, to those who were there");
    // Whoever leaves in their first week came only to look: nothing tells their name any more.
    assert_eq!(world.command(3, Command::Leave), Ok(Done::Nothing));
    world.pass(7 * DAY_MS);
    assert_eq!(world.command(1, Command::Leave), Ok(Done::Nothing));
    world.settle();
    let told = [(second, How::Came), (third, How::Passed), (first, How::Left)];
    assert_eq!(world.comings(0), [&all[..1], &told[..]].concat());
    assert_eq!(world.comings(2), told[1..]);
    let name = &world.room(2).comings[1].name;
    assert_eq!(name, &world.room(2).name_of(&first), "who left keeps their name");
    // Whoever comes now is told nothing of it.
    let link = world.invite(0);
    assert_eq!(world.join(4, &link), Ok(()));
    world.settle();
    assert_eq!(world.comings(4), []);
    assert_eq!(world.comings(2).last(), Some(&(world.id_of(4), How::Came)));
}

/// By what they had heard, not by clocks: an op's tells the minute, and anybody can set it back.
#[test]
fn what_was_said_in_the_minute_before_someone_came_stands_above_their_coming() {
    let mut world = World::strangers(3, 13);
    world.gather(2, 13);
    let link = world.invite(0);
    world.settle();
    world.say(1, "before");
    world.settle();
    assert_eq!(world.join(2, &link), Ok(()));
    world.settle();
    world.say(1, "after");
    world.settle();
    let heard = |who| (world.heard(who, "before"), world.heard(who, "after"));
    assert_eq!((heard(0), heard(1)), ((1, 2), (0, 1)));
    assert_eq!(world.heard(2, "after"), 0, "who came last is told of nobody");
}

#[test]
fn an_open_invitation_is_known_to_who_made_it_until_it_is_used_taken_back_or_over() {
    let mut world = World::strangers(3, 12);
    world.gather(2, 12);
    let open = |world: &World, who: usize| {
        let open = world.room(who).open_invitations(&world.id_of(who), world.unix_ms());
        open.into_iter().map(|(invite, _)| invite).collect::<Vec<_>>()
    };
    let made_ms = world.unix_ms();
    let (kept, _) = world.invitation(0);
    let (given_up, _) = world.invitation(0);
    world.settle();
    assert_eq!(open(&world, 0).len(), 2);
    assert_eq!(open(&world, 1), [], "it is for who made it to take back");
    assert_eq!(world.command(0, Command::CancelInvite(given_up)), Ok(Done::Nothing));
    assert_eq!(open(&world, 0), [kept]);
    let (used, link) = world.invitation(0);
    assert_eq!(open(&world, 0).len(), 2);
    assert!(open(&world, 0).contains(&used));
    assert_eq!(world.join(2, &link), Ok(()));
    world.settle();
    assert_eq!(open(&world, 0), [kept]);
    let [(_, until_ms)] = world.room(0).open_invitations(&world.id_of(0), 0)[..] else { panic!() };
    let lasts_ms = until_ms - made_ms;
    assert!((3_600_000..3_660_000).contains(&lasts_ms), "an hour, to the end of its minute");
    let at = |ms| world.room(0).open_invitations(&world.id_of(0), ms).len();
    assert_eq!((at(until_ms), at(until_ms + 1)), (1, 0));
}

#[test]
fn what_someone_said_before_leaving_reaches_those_who_were_away_up_to_their_last_word() {
    for seed in 0..10 {
        let mut world = World::new(3, seed);
        world.sleep(2);
        for n in 0..20 {
            world.say(1, &format!("{n}"));
        }
        world.settle();
        assert_eq!(world.command(1, Command::Leave), Ok(Done::Nothing));
        world.settle();
        world.sleep(1);
        world.wake(2);
        world.settle();
        let said: Vec<_> = (0..20).map(|n| n.to_string()).collect();
        assert_eq!(world.screen(2), said, "seed {seed}: up to the last word they pinned");
    }
}

#[test]
fn a_newcomer_is_counted_in_after_a_week_unless_someone_objects() {
    let mut world = World::strangers(5, 7);
    world.found(0);
    for newcomer in 1..3 {
        let link = world.invite(0);
        assert_eq!(world.join(newcomer, &link), Ok(()));
        world.settle();
        // The founder let them in; so the others' welcome is what counts.
        for who in 1..newcomer {
            let welcome = Command::Welcome(world.id_of(newcomer));
            assert_eq!(world.command(who, welcome), Ok(Done::Nothing));
        }
        world.settle();
    }
    assert_eq!(world.voters(0).len(), 3, "a group of three that knows each other");
    for newcomer in 3..5 {
        let link = world.invite(0);
        assert_eq!(world.join(newcomer, &link), Ok(()));
        world.settle();
    }
    let [third, fourth] = [3, 4].map(|who| world.id_of(who));
    for who in [1, 2] {
        assert_eq!(world.command(who, Command::Object(fourth)), Ok(Done::Nothing));
    }
    world.pass(6 * DAY_MS);
    assert!(!world.voters(0).contains(&third), "there was time to look");
    // An objection outlives a restart.
    for who in [1, 2] {
        world.sleep(who);
        world.wake(who);
    }
    world.pass(2 * DAY_MS);
    assert!(world.voters(0).contains(&third), "a week later");
    assert!(!world.voters(0).contains(&fourth), "not without being asked");
    for who in [1, 2] {
        assert_eq!(world.command(who, Command::Welcome(fourth)), Ok(Done::Nothing));
    }
    world.settle();
    assert!(world.voters(0).contains(&fourth));
    let own = world.id_of(0);
    assert_eq!(world.command(0, Command::Welcome(third)), Err(Refusal::NotToWelcome), "one's own");
    assert_eq!(world.command(0, Command::Object(own)), Err(Refusal::NotToWelcome));
}

#[test]
fn two_a_week_of_one_who_brings_many_are_counted_in_by_themselves() {
    let mut world = World::strangers(7, 3);
    world.found(0);
    let link = world.invite(0);
    assert_eq!(world.join(1, &link), Ok(()));
    world.settle();
    for newcomer in 2..7 {
        let link = world.invite(0);
        assert_eq!(world.join(newcomer, &link), Ok(()));
        world.settle();
    }
    assert_eq!(world.voters(1).len(), 2);
    for (days, voters) in [(6, 2), (2, 4), (4, 4), (4, 6), (7, 7)] {
        world.pass(days * DAY_MS);
        assert_eq!(world.voters(1).len(), voters, "after {days} days more");
    }
}
