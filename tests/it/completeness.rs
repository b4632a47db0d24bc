//! What is known to be missing is said, with whose it is and who has it; and nothing else is.

use proto::{Command, Done, Missing};
use tests::World;

fn missing(world: &mut World, who: usize) -> (Vec<Missing>, usize) {
    match world.command(who, Command::Completeness) {
        Ok(Done::Completeness { missing, waiting }) => (missing, waiting),
        other => panic!("{other:?}"),
    }
}

#[test]
fn who_was_away_is_told_what_is_missing_until_it_is_here() {
    for seed in 0..10 {
        let mut world = World::new(3, seed);
        world.say(0, "heard by all");
        world.settle();
        world.sleep(2);
        for n in 0..40 {
            world.say(0, &format!("{n} {}", "x".repeat(4_000)));
        }
        world.settle();
        // Who knows nothing of it does not say so.
        world.sleep(0);
        world.sleep(1);
        world.settle();
        world.wake(2);
        world.wait(1_000);
        assert_eq!(missing(&mut world, 2), (vec![], 0), "seed {seed}: nobody told them");
        world.wake(1);
        world.bytes_per_ms = Some(10);
        let (author, holder) = (world.id_of(0), world.id_of(1));
        let mut seen = Vec::new();
        for _ in 0..2_000 {
            world.wait(10);
            let (now, _) = missing(&mut world, 2);
            if now.is_empty() && !seen.is_empty() {
                break;
            }
            seen.extend(now);
        }
        let first = seen.first().expect("they were told").clone();
        assert_eq!((first.from, first.to), (1, 40), "seed {seed}: what was said meanwhile");
        assert!(seen.iter().all(|part| part.author == author && part.held_by == [holder]));
        let sizes: Vec<_> = seen.iter().map(|part| part.to - part.from + 1).collect();
        assert!(
            sizes.is_sorted_by(|one, next| one >= next),
            "seed {seed}: less and less, {sizes:?}"
        );
        world.settle();
        assert_eq!(missing(&mut world, 2), (vec![], 0), "seed {seed}");
        assert_eq!(world.screen(2).len(), 41, "seed {seed}");
    }
}

#[test]
fn a_newcomer_misses_nothing_that_was_said_before_they_came() {
    for seed in 0..10 {
        let mut world = World::strangers(3, seed);
        world.found(0);
        let link = world.invite(0);
        assert_eq!(world.join(1, &link), Ok(()));
        world.settle();
        (0..10).for_each(|n| world.say(n % 2, "before"));
        world.settle();
        let link = world.invite(0);
        assert_eq!(world.join(2, &link), Ok(()));
        world.settle();
        assert_eq!(missing(&mut world, 2), (vec![], 0), "seed {seed}");
        world.say(0, "after");
        world.say(1, "after");
        world.settle();
        assert_eq!(missing(&mut world, 2), (vec![], 0), "seed {seed}");
        assert_eq!(world.screen(2).len(), 2, "seed {seed}");
    }
}
