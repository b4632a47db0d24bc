//! What `tests/living` found: what people saw who lived with the program for fourteen days in fast motion.

use proto::{Command, Done};
use tests::World;

const HOUR_MS: u64 = 3_600_000;

/// Found by living with it: for a minute after the lid was opened, every word was of yesterday evening, for
/// what others had said about the time before was held against the clock here.
#[test]
fn whoever_opens_the_lid_and_speaks_at_once_speaks_now_and_may_invite() {
    for seed in 0..10 {
        let mut world = World::new(4, seed);
        world.close_lid(3);
        world.wait(9 * HOUR_MS);
        world.say(0, "are you up?");
        world.wait(60_000);
        world.open_lid(3);
        world.say(3, "good morning");
        assert_eq!(world.written_at(3, "good morning"), world.time(), "seed {seed}");
        let invite = Command::Invite { expires_secs: 3600, addrs: Vec::new() };
        let invited = world.command(3, invite);
        assert!(matches!(invited, Ok(Done::Invited(..))), "seed {seed}: {invited:?}");
        world.settle();
        for who in 0..4 {
            assert_eq!(world.screen(who).len(), 2, "seed {seed}: {who}");
            assert_eq!(world.screen(who), world.screen(0), "seed {seed}: {who}");
        }
        assert_eq!(world.rejects(), 0, "seed {seed}: nobody did wrong");
    }
}

/// Found by living with it: a laptop whose battery is empty starts years ago. What was written there before
/// its clock was put right was over before anyone saw it, and gone with its author too; so was what came there in that time.
#[test]
fn words_written_while_the_clock_had_fallen_back_for_years_are_read_like_any_other() {
    for seed in 0..10 {
        let mut world = World::strangers(3, seed);
        let years = 3 * 365 * 24 * HOUR_MS;
        (0..3).for_each(|who| world.set_clock_ahead(who, years));
        world.gather(3, seed);
        (0..3).for_each(|who| world.sleep(who));
        world.wait(9 * HOUR_MS);
        world.set_clock_ahead(2, 0);
        world.wake(2);
        world.say(2, "is anyone there?");
        world.wake(0);
        world.wait(60_000);
        world.say(2, "ah, you are");
        world.wait(60_000);
        world.set_clock_ahead(2, years);
        world.wake(1);
        world.settle();
        world.pass(24 * HOUR_MS);
        for who in 0..3 {
            let all = ["is anyone there?", "ah, you are"];
            assert_eq!(world.screen(who), all, "seed {seed}: {who}");
        }
        let age = world.time() - 24 * HOUR_MS + years - world.written_at(0, "is anyone there?");
        assert!(age < 12 * HOUR_MS, "seed {seed}: when they last met, at the earliest");
    }
}

/// Found by living with it: what someone had written alone, before a newcomer came, went to the newcomer too.
#[test]
fn whoever_comes_does_not_read_what_someone_wrote_alone_before() {
    for seed in 0..20 {
        let mut world = World::strangers(4, seed);
        world.break_percent = seed % 4;
        world.gather(3, seed);
        (0..3).for_each(|who| world.sleep(who));
        world.wake(2);
        world.say(2, "for the two of you");
        if seed % 2 == 0 {
            world.sleep(2);
        } else {
            world.close_lid(2);
        }
        world.wait(HOUR_MS);
        world.wake(0);
        world.wake(1);
        let link = world.invite(0);
        assert_eq!(world.join(3, &link), Ok(()), "seed {seed}");
        world.settle();
        if seed % 2 == 0 {
            world.wake(2);
        } else {
            world.open_lid(2);
        }
        world.settle();
        world.say(2, "welcome");
        world.settle();
        for who in 0..3 {
            let all = ["for the two of you", "welcome"];
            assert_eq!(world.screen(who), all, "seed {seed}: {who}");
        }
        assert_eq!(world.screen(3), ["welcome"], "seed {seed}");
        assert!(!world.remembers(3, "for the two of you"), "seed {seed}");
        assert_eq!(world.rejects(), 0, "seed {seed}: nobody did wrong");
    }
}
