//! Links and delivery beside bare streams, gossipsub and iroh-gossip, in one run.
//!
//! ```sh
//! cargo run --release --manifest-path tests/peers/Cargo.toml --no-default-features --features net --bin net_bench
//! ```
//!
//! What is compared, what is counted, and what is not, is in `tests/peers/README.md`. Every cell runs in a
//! process of its own; the subjects take turns. Prints tables in Markdown, medians of the rounds.

mod board;
mod gossipsub;
mod handshake;
mod irohs;
mod load;
#[path = "../store_bench/machine.rs"]
mod machine;
mod ours;
mod rounds;
mod streams;
mod subject;
mod swarms;

use subject::Kind;

const HELP: &str = "\
net_bench                             all of it, for 3, 10 and 30 members: some 20 minutes
net_bench handshake                   until two are linked
net_bench delivery MEMBERS [ROUNDS]   all subjects, in groups of so many
net_bench overload MEMBERS [RATE]     with twice what each bears, or so many messages a second, offered
net_bench cell SUBJECT MEMBERS        one cell alone, to profile it; SUBJECT is one of
                                      streams, streams-one, ours-memory, ours, gossipsub, iroh
net_bench over SUBJECT MEMBERS RATE   the same with so many messages a second offered

Stores are kept in a temporary folder (TMPDIR), and in /dev/shm where it says in memory. For 30 members some
2,000 files must be allowed (ulimit -n).";

/// Rounds of a table.
const ROUNDS: usize = 3;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<_> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        [] => {
            machine::print();
            handshake::run();
            [3, 10, 30].into_iter().for_each(|members| rounds::delivery(members, ROUNDS));
            rounds::overload(10, None);
            machine::print();
            Some(())
        }
        ["handshake"] => {
            machine::print();
            handshake::run();
            Some(())
        }
        ["delivery", members] => with(members, |members| rounds::delivery(members, ROUNDS)),
        ["delivery", members, times] => {
            with(times, |times| with(members, |members| rounds::delivery(members, times))).flatten()
        }
        ["overload", members] => with(members, |members| rounds::overload(members, None)),
        ["overload", members, rate] => {
            with(rate, |rate| with(members, |members| rounds::overload(members, Some(rate))))
                .flatten()
        }
        ["cell", subject, members] => {
            with(members, |members| kind(subject).map(|kind| load::delivery(kind, members)))
                .flatten()
        }
        ["over", subject, members, rate] => with(members, |members| {
            with(rate, |rate| kind(subject).map(|kind| load::overload(kind, members, rate)))
        })
        .flatten()
        .flatten(),
        _ => None,
    };
    if done.is_none() {
        println!("{HELP}");
    }
}

fn with<N: std::str::FromStr, T>(word: &str, what: impl FnOnce(N) -> T) -> Option<T> {
    word.parse().ok().map(what)
}

fn kind(word: &str) -> Option<Kind> {
    Kind::ALL.into_iter().find(|kind| kind.word() == word)
}
