//! Random evenings, and what must hold at the end of each.

use tests::scenario::Scenario;

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
