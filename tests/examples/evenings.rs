//! Very many random evenings: the figures of docs/testing.md.
//!
//! ```sh
//! cargo run --release -p tests --example evenings -- 1000000          # seeds 0 to 999,999
//! cargo run --release -p tests --example evenings -- 1000 5000        # so many, from 5,000 on
//! ```
//!
//! Prints every seed whose evening does not end as it must, made short, and ends with status 1 then.

#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use tests::scenario::Scenario;

fn main() -> ExitCode {
    let mut asked = std::env::args().skip(1).filter_map(|arg| arg.parse::<u64>().ok());
    let count = asked.next().unwrap_or(10_000);
    let first = asked.next().unwrap_or(0);
    // What fails is caught and told with its seed.
    std::panic::set_hook(Box::new(|_| {}));
    let (next, failed) = (AtomicU64::new(first), AtomicU64::new(0));
    let began = Instant::now();
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count {
                        return;
                    }
                    if let Err(why) = Scenario::random(seed).check() {
                        failed.fetch_add(1, Ordering::Relaxed);
                        println!("seed {seed}: {why}");
                    }
                    let done = seed + 1 - first;
                    if done.is_multiple_of(50_000) {
                        println!("{done} after {} s", began.elapsed().as_secs());
                    }
                }
            });
        }
    });
    let failed = failed.into_inner();
    println!("{count} evenings in {} s, {failed} failed", began.elapsed().as_secs());
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
