//! Random evenings, and what must hold at the end of each.

use tests::scenario::{Scenario, Step};

/// Found by the evenings, once in tens of thousands: an op that came between two Hellos was sent, and
/// nobody looked again whether that made the link complete.
#[test]
fn words_written_alone_are_sent_also_when_someone_left_while_another_came() {
    let steps = vec![
        Step::Join { who: 1, by: 0 },
        Step::Leave(0),
        Step::Break(4),
        Step::Say(1, 6),
        Step::Join { who: 2, by: 1 },
        Step::Sleep(1),
    ];
    let evening = Scenario { people: 3, seed: 16_113, steps };
    assert_eq!(evening.check(), Ok(()));
}

/// Found by the evenings, once in a hundred thousand: both heard of an op between their two Hellos, and
/// each waited for the other to say so.
#[test]
fn words_are_sent_also_when_both_heard_meanwhile_that_someone_left() {
    let steps = vec![
        Step::Join { who: 1, by: 0 },
        Step::Join { who: 2, by: 0 },
        Step::Say(0, 2),
        Step::Say(1, 3),
        Step::Leave(0),
        Step::Wait(1009),
    ];
    let evening = Scenario { people: 3, seed: 80_471, steps };
    assert_eq!(evening.check(), Ok(()));
}

/// Found by the evenings: what was taken back came before the word that it was, and was not asked for again.
#[test]
fn what_was_taken_back_while_its_author_was_alone_is_known_to_all_as_gone() {
    let steps = vec![
        Step::Join { who: 1, by: 0 },
        Step::Say(0, 1),
        Step::Say(1, 3),
        Step::Sleep(0),
        Step::Join { who: 2, by: 1 },
        Step::Wake(0),
        Step::TakeBack(0),
        Step::Wait(3406),
    ];
    let evening = Scenario { people: 4, seed: 86_453, steps };
    assert_eq!(evening.check(), Ok(()));
}

/// Found by the evenings, once in a million.
#[test]
fn two_who_leave_one_after_the_other_are_out_for_whoever_stays() {
    let steps = vec![
        Step::Join { who: 1, by: 0 },
        Step::Join { who: 2, by: 1 },
        Step::Leave(0),
        Step::Leave(1),
    ];
    let evening = Scenario { people: 4, seed: 876_364, steps };
    assert_eq!(evening.check(), Ok(()));
}

/// How many, in all: `SEEDS=10000 cargo nextest run -p tests evenings`.
fn seeds() -> u64 {
    std::env::var("SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(400)
}

fn check(seed: u64) {
    if let Err(why) = Scenario::random(seed).check() {
        panic!("seed {seed}: {why}");
    }
}

#[test]
fn seeds_of_evenings_end_with_everyone_holding_what_is_theirs() {
    (0..seeds()).step_by(2).for_each(check);
}

#[test]
fn seeds_of_other_evenings_end_with_everyone_holding_what_is_theirs() {
    (1..seeds()).step_by(2).for_each(check);
}
