//! Words end by time: thirty days, where nobody agreed on anything else.

use proto::Refusal;
use tests::World;

const DAY_MS: u64 = 24 * 3600 * 1000;

#[test]
fn words_fade_for_everyone_and_who_was_away_neither_sees_them_nor_misses_anything() {
    for seed in 0..6 {
        let mut world = World::new(3, seed);
        world.break_percent = seed % 3;
        world.sleep(2);
        world.say(0, "fades");
        world.settle();
        world.say(1, "is edited");
        world.settle();
        let edited = world.find(1, "is edited").unwrap();
        world.pass(20 * DAY_MS);
        assert!(world.edit(1, edited, "fades with the first words").is_ok());
        world.say(0, "stays a while");
        world.settle();
        assert_eq!(world.screen(1), ["fades", "fades with the first words", "stays a while"]);
        world.pass(11 * DAY_MS);
        assert_eq!(world.edit(1, edited, "too late"), Err(Refusal::NoSuchMessage));
        world.wake(2);
        world.settle();
        assert_eq!(world.screen(0), ["(gone)", "(gone)", "stays a while"], "seed {seed}");
        assert_eq!(world.screen(2), ["stays a while"], "seed {seed}");
        world.say(2, "here I am");
        world.settle();
        for who in 0..3 {
            assert!(world.is_complete(who), "seed {seed}: {who} misses nothing");
            assert!(world.screen(who).ends_with(&["here I am".to_owned()]), "seed {seed}: {who}");
            for words in ["is edited", "fades"] {
                assert!(!world.remembers(who, words), "seed {seed}: {who} kept {words}");
            }
        }
        assert_eq!(world.rejects(), 0, "seed {seed}: nobody did wrong");
    }
}

#[test]
fn who_was_away_for_longer_than_words_stay_hears_what_was_taken_back_meanwhile() {
    for seed in 0..6 {
        let mut world = World::new(3, seed);
        world.sleep(2);
        world.say(0, "said");
        world.settle();
        let said = world.find(0, "said").unwrap();
        world.pass(DAY_MS);
        assert!(world.take_back(0, said).is_ok());
        world.say(0, "after it");
        world.settle();
        // The words have ended, and what took them back would have too.
        world.pass(40 * DAY_MS);
        world.wake(2);
        world.say(1, "now");
        world.settle();
        assert_eq!(world.screen(2), ["now"], "seed {seed}");
        assert!((0..3).all(|who| world.is_complete(who)), "seed {seed}");
    }
}

#[test]
fn a_clock_that_is_ahead_keeps_nobody_from_what_has_not_ended() {
    for who in 0..3 {
        let mut world = World::new(3, 7);
        world.sleep(2);
        world.say(0, "words");
        world.settle();
        world.pass(15 * DAY_MS);
        // For this one it is over already: whoever asks others gets the words.
        world.sleep(who);
        world.set_clock_ahead(who, 20 * DAY_MS);
        world.wake(who);
        if who != 2 {
            world.wake(2);
        }
        world.settle();
        let expected: &[&str] = if who == 2 { &[] } else { &["words"] };
        assert_eq!(world.screen(2), expected, "{who} is ahead");
    }
}
