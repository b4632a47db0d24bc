//! The store beside redb and SQLCipher, in one run on one disk.
//!
//! ```sh
//! cargo run --release --manifest-path tests/peers/Cargo.toml --bin store_bench
//! cargo run --release --manifest-path tests/peers/Cargo.toml --bin store_bench -- 100000   # no million
//! ```
//!
//! What is compared, and what is not, is in `tests/peers/README.md`. Prints tables in Markdown.

mod machine;
mod ours;
mod redb_rows;
mod sqlcipher;
mod subject;
mod table;

use std::path::Path;
use std::time::Instant;

use ours::Ours;
use redb_rows::Redb;
use sqlcipher::SqlCipher;
use subject::{Floor, Samples, Shape, Subject, opening, sample};

/// Entries of one commit while a store is filled.
const FILL: usize = 500;
/// How often the subjects take turns, so that a disk that changes its mind does so for all of them.
const ROUNDS: usize = 8;
/// How many entries there are when commits are measured.
const COMMITS_AT: usize = 100_000;
const READS: usize = 10_000;
const OPENS: usize = 5;

const HELP: &str = "\
store_bench [ENTRIES]

Fills the store, redb and SQLCipher with 10,000, 100,000 and 1,000,000 entries of 300 bytes, or with no more
than ENTRIES, in a temporary folder (TMPDIR), and measures durable commits, reads, opening, and memory. Some
ten minutes and 5 GB. Building it needs perl, make and a C compiler, for SQLCipher and its OpenSSL.";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<_> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        [ours::OPEN, home] => ours::open_and_report(Path::new(home)),
        [] => run(1_000_000),
        [count] if count.parse::<usize>().is_ok() => run(count.parse().unwrap_or_default()),
        _ => println!("{HELP}"),
    }
}

fn run(entries: usize) {
    machine::print();
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let mut ours = Ours::new(&at("ours"));
    let mut redb = Redb::new(&at("redb"), Shape::ONE);
    let mut cipher = SqlCipher::new(&at("cipher"), Shape::ONE);
    let mut memory = Vec::new();
    for to in [10_000, 100_000, 1_000_000].into_iter().filter(|to| *to <= entries) {
        println!();
        for subject in three(&mut ours, &mut redb, &mut cipher) {
            fill(subject, to);
        }
        memory.extend(ours.opened_by_others(OPENS));
        if to == COMMITS_AT.min(entries) {
            let mut rows = Redb::new(&at("redb rows"), Shape::AS_OURS);
            let mut cipher_rows = SqlCipher::new(&at("cipher rows"), Shape::AS_OURS);
            fill(&mut rows, to);
            fill(&mut cipher_rows, to);
            let mut floor = Floor::new(&at("floor"));
            let [ours, redb, cipher] = three(&mut ours, &mut redb, &mut cipher);
            commits(&mut [ours, redb, cipher, &mut rows, &mut cipher_rows, &mut floor]);
        }
        reads(&mut three(&mut ours, &mut redb, &mut cipher));
        opens(&mut three(&mut ours, &mut redb, &mut cipher));
    }
    println!("\n{}", ours::MEMORY);
    memory.iter().for_each(|line| println!("{line}"));
    machine::print();
}

fn three<'a>(
    ours: &'a mut Ours,
    redb: &'a mut Redb,
    cipher: &'a mut SqlCipher,
) -> [&'a mut dyn Subject; 3] {
    [ours, redb, cipher]
}

fn fill(subject: &mut dyn Subject, to: usize) {
    let (began, before) = (Instant::now(), subject.len());
    while subject.len() < to {
        subject.prepare(FILL.min(to - subject.len()));
        subject.commit();
    }
    let (secs, disk) = (began.elapsed().as_secs(), subject.disk_bytes() >> 20);
    println!(
        "{}: {before} to {to} entries in {secs} s with making them, {disk} MiB",
        subject.name()
    );
}

/// Durable commits of one, 50 and 500 entries.
fn commits(subjects: &mut [&mut dyn Subject]) {
    let names: Vec<_> = subjects.iter().map(|subject| subject.name()).collect();
    let mut table =
        table::Table::new(&format!("durable commit, at {} entries", subjects[0].len()), &names);
    for (size, times) in [(1, 250), (50, 25), (500, 10)] {
        let mut samples = vec![Samples::default(); subjects.len()];
        for _ in 0..ROUNDS {
            for (subject, samples) in subjects.iter_mut().zip(&mut samples) {
                for _ in 0..times {
                    subject.prepare(size);
                    samples.take(|| subject.commit());
                }
            }
        }
        table.row(&format!("of {size}"), &samples);
    }
    table.print();
}

fn reads(subjects: &mut [&mut dyn Subject]) {
    let names: Vec<_> = subjects.iter().map(|subject| subject.name()).collect();
    let mut table = table::Table::new(&format!("read, at {} entries", subjects[0].len()), &names);
    let point = |subject: &mut dyn Subject, nth| subject.point(nth);
    let newest = |subject: &mut dyn Subject, _| subject.newest_page();
    let before = |subject: &mut dyn Subject, nth| subject.page_before(nth);
    table.row("one entry by its id", &sample(subjects, READS, point));
    table.row("the newest 50", &sample(subjects, READS / 10, newest));
    table.row("50 before any entry", &sample(subjects, READS / 10, before));
    table.print();
    println!("\nopening the 100 rows of such a page alone: {}", table::times(&opening()));
}

fn opens(subjects: &mut [&mut dyn Subject]) {
    let names: Vec<_> = subjects.iter().map(|subject| subject.name()).collect();
    let mut table = table::Table::new(&format!("open, at {} entries", subjects[0].len()), &names);
    let mut samples = vec![Samples::default(); subjects.len()];
    for _ in 0..OPENS {
        for (subject, samples) in subjects.iter_mut().zip(&mut samples) {
            samples.push(subject.reopen());
        }
    }
    table.row("to the newest 50", &samples);
    table.print();
}
