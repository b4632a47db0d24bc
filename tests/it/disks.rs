//! Whole groups whose devices keep what they remember in the real store, beside the model of it.
//!
//! Every read is compared with what the model gives (`tests/src/disk.rs`).

use proto::{Command, Done, Which};
use tests::World;
use tests::scenario::{Scenario, Step};

const DAY_MS: u64 = 24 * 3_600_000;

/// How many evenings, in all: `STORE_SEEDS=300 cargo nextest run -p tests disk`.
fn seeds() -> u64 {
    std::env::var("STORE_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(8)
}

fn check(seed: u64) {
    if let Err(why) = Scenario::random(seed).check_on_disk() {
        panic!("seed {seed}: {why}");
    }
}

#[test]
fn seeds_of_evenings_are_on_disk_as_they_are_remembered() {
    (0..seeds()).step_by(2).for_each(check);
}

#[test]
fn seeds_of_other_evenings_are_on_disk_as_they_are_remembered() {
    (1..seeds()).step_by(2).for_each(check);
}

#[test]
fn whoever_was_away_for_a_week_finds_all_of_it_on_their_disk() {
    let mut world = World::on_disk(3, 1);
    world.say(2, "see you in a week");
    world.settle();
    world.sleep(2);
    // More than one page, one batch of a commit and one answer hold.
    for nth in 0..100 {
        world.say(nth % 2, &format!("{nth}: {}", "so much to tell. ".repeat(200)));
    }
    world.settle();
    world.pass(7 * DAY_MS);
    world.wake(2);
    world.wait(2_000);
    // In the middle of it the lid is closed once more.
    world.sleep(2);
    world.check_disks();
    world.wake(2);
    world.settle();
    world.check_disks();
    assert_eq!(world.screen(2).len(), 101);
    assert_eq!(world.screen(2), world.screen(0));
}

#[test]
fn words_that_faded_are_on_no_disk_and_those_that_did_not_are() {
    let mut world = World::on_disk(3, 4);
    world.say(0, "fades");
    world.settle();
    world.sleep(2);
    world.pass(20 * DAY_MS);
    world.say(1, "stays a while");
    world.settle();
    world.pass(11 * DAY_MS);
    world.wake(2);
    world.settle();
    world.check_disks();
    for who in 0..3 {
        assert_eq!(world.screen(who), ["(gone)", "stays a while"], "person {who}");
        assert!(!world.remembers(who, "fades"), "person {who}");
    }
}

#[test]
fn words_edited_and_taken_back_where_the_power_fails_are_on_no_disk() {
    for (nth, after) in [(0, false), (0, true)] {
        let mut world = World::on_disk(3, 5);
        world.break_percent = 2;
        for text in ["first words", "gone soon", "kept"] {
            world.say(0, text);
        }
        world.settle();
        let [first, soon] = ["first words", "gone soon"].map(|text| world.find(0, text).unwrap());
        world.sleep(2);
        assert!(world.edit(0, first, "second words").is_ok());
        world.crash_at(0, nth, after);
        let take_back = Command::TakeBack(Which::Entry(soon));
        assert_eq!(world.try_command(0, take_back), None, "the power fails");
        world.wake(0);
        assert!(world.take_back(0, soon).is_ok(), "again, or already");
        // What is written while nobody is there, is not signed when the power fails.
        world.sleep(1);
        world.sleep(0);
        world.wake(0);
        world.say(0, "written alone");
        world.crash_at(0, 0, after);
        assert!(!world.try_say(0, "never acknowledged"));
        world.wake(0);
        world.wake(1);
        world.wake(2);
        world.settle();
        world.check_disks();
        for who in 0..3 {
            let mut screen = world.screen(who);
            screen.retain(|text| text != "never acknowledged");
            assert_eq!(screen, ["second words", "(gone)", "kept", "written alone"], "{who}");
            assert!(!world.remembers(who, "first words") && !world.remembers(who, "gone soon"));
        }
    }
}

#[test]
fn whoever_left_keeps_on_disk_what_they_had_and_nobody_forgets_that_they_left() {
    let mut world = World::on_disk(3, 9);
    world.sleep(2);
    world.say(1, "goodbye");
    world.crash_at(1, 1, true);
    let left = world.try_command(1, Command::Leave);
    assert!(left.is_none_or(|left| left == Ok(Done::Nothing)));
    world.cancel_crashes();
    if !world.is_awake(1) {
        world.wake(1);
    }
    world.settle();
    world.say(0, "now that they have gone");
    for who in [0, 1] {
        world.sleep(who);
        world.wake(who);
    }
    world.wake(2);
    world.settle();
    world.check_disks();
    for who in [0, 2] {
        assert_eq!(world.members(who).len(), 2, "person {who}");
        assert_eq!(world.screen(who), ["goodbye", "now that they have gone"], "person {who}");
    }
    assert_eq!(world.screen(1), ["goodbye"]);
}

#[test]
fn a_disk_that_was_copied_goes_on_as_two() {
    let steps = vec![
        Step::Join { who: 1, by: 0 },
        Step::Say(0, 1),
        Step::Copy(0),
        Step::Say(0, 2),
        Step::Say(0, 3),
        Step::CrashAt { who: 1, nth: 2, after: true },
        Step::Wait(3_000),
        Step::Edit(1, 4),
    ];
    assert_eq!(Scenario { people: 3, seed: 12, steps }.check_on_disk(), Ok(()));
}
