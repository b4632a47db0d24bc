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
