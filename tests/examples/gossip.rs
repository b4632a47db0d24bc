//! How words travel in groups of 3, 10, 50 and 200: the figures of docs/benchmarks.md.
//!
//! ```sh
//! cargo run --release -p tests --example gossip              # all of them
//! cargo run --release -p tests --example gossip -- 3 10      # some
//! ```

#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use tests::World;

/// Words that are said in each group, by different people.
const WORDS: usize = 20;

fn main() {
    let asked: Vec<usize> = std::env::args().skip(1).filter_map(|arg| arg.parse().ok()).collect();
    let sizes = if asked.is_empty() { vec![3, 10, 50, 200] } else { asked };
    println!(
        "| members | links each | readers reached | hops to the last, mean | ms to the last, median | copies beyond the first, per delivery | bytes per delivery | writes per delivery |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    for members in sizes {
        figures(members);
    }
}

fn figures(members: usize) {
    let mut world = World::crowd(members, 1);
    let links = (0..members).map(|who| world.links(who)).sum::<usize>() as f64 / members as f64;
    // The first words show where copies come twice.
    for nth in 0..WORDS {
        world.measure(nth * 7 % members, &format!("warm {nth}"));
    }
    let travels: Vec<_> = (0..WORDS)
        .map(|nth| world.measure(nth * 5 % members, &format!("{nth} {}", "z".repeat(200))))
        .collect();
    let sum = |what: fn(&tests::Travel) -> f64| travels.iter().map(what).sum::<f64>();
    let reached = sum(|travel| travel.reached as f64);
    let mut last: Vec<_> = travels.iter().map(|travel| travel.last_ms).collect();
    last.sort_unstable();
    let hops = travels.iter().map(|travel| travel.hops_max).max().unwrap_or(0);
    println!(
        "| {members} | {links:.1} | {:.2} % | {hops}, {:.2} | {} | {:.2} | {:.0} | {:.1} |",
        100.0 * reached / (WORDS * (members - 1)) as f64,
        sum(|travel| travel.hops_mean) / WORDS as f64,
        last.get(last.len() / 2).copied().unwrap_or_default(),
        sum(|travel| travel.duplicates as f64) / reached,
        sum(|travel| travel.bytes as f64) / reached,
        sum(|travel| travel.writes as f64) / reached,
    );
}
