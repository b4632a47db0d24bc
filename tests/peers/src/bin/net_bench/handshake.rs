//! Until two are linked: our admission beside a bare connection with a stream.

use std::time::{Duration, Instant};

use cpu_time::ProcessTime;

use crate::board::micros;
use crate::ours::{self, Place};
use crate::streams;

/// How often, of each.
const TIMES: usize = 40;

/// Prints a table.
pub fn run() {
    let (mut bare, mut memory, mut disk) = (Took::default(), Took::default(), Took::default());
    for _ in 0..TIMES {
        let pair = streams::Pair::new();
        bare.take(|| pair.link());
        drop(pair);
        for (place, took) in [(Place::Memory, &mut memory), (Place::Disk, &mut disk)] {
            let pair = ours::Pair::new(place);
            took.take(|| pair.link());
        }
    }
    println!(
        "\n| until linked, both ends | time, median | 99th of a hundred | x | CPU, median | x |"
    );
    println!("| --- | --- | --- | --- | --- | --- |");
    bare.print("bare connection, one stream, a byte there and back", &bare);
    memory.print("ours, store in memory", &bare);
    disk.print("ours", &bare);
}

/// Time and work.
#[derive(Default)]
struct Took {
    time: Vec<Duration>,
    cpu: Vec<Duration>,
}

impl Took {
    fn take(&mut self, link: impl FnOnce()) {
        let (began, cpu) = (Instant::now(), ProcessTime::now());
        link();
        self.time.push(began.elapsed());
        self.cpu.push(cpu.elapsed());
    }

    fn print(&self, what: &str, bare: &Self) {
        let of = |times: &[Duration], of_thousand| {
            let mut times = times.to_vec();
            times.sort_unstable();
            micros(&times, of_thousand) / 1e3
        };
        let (time, worst, cpu) = (of(&self.time, 500), of(&self.time, 990), of(&self.cpu, 500));
        let (bare_time, bare_cpu) = (of(&bare.time, 500), of(&bare.cpu, 500));
        println!(
            "| {what} | {time:.2} ms | {worst:.2} ms | {:.2} | {cpu:.2} ms | {:.2} |",
            time / bare_time,
            cpu / bare_cpu
        );
    }
}
