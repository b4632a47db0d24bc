//! Rounds of cells, each cell in a process of its own, and the tables that come of them.

use std::collections::BTreeMap;
use std::process::Command;

use crate::machine;
use crate::subject::Kind;

/// What is not a number of its own: how many members hold how much, or what went wrong.
const NOTES: [&str; 2] = ["held", "fault"];
/// How much more than it bears is offered.
const TWICE: f64 = 2.0;

/// What cells of one sort printed, by name.
#[derive(Default)]
struct Cells {
    numbers: BTreeMap<String, Vec<f64>>,
    faults: usize,
}

impl Cells {
    fn run(&mut self, arguments: &[&str]) {
        let program = std::env::current_exe().expect("this program");
        let ran = Command::new(program).args(arguments).output().expect("it runs");
        if !ran.status.success() {
            println!("{arguments:?}: {}", String::from_utf8_lossy(&ran.stderr).trim());
        }
        for line in String::from_utf8_lossy(&ran.stdout).lines() {
            let Some((name, rest)) = line.split_once(' ') else { continue };
            if name == "fault" {
                self.faults += 1;
            }
            if !NOTES.contains(&name)
                && let Ok(number) = rest.parse()
            {
                self.numbers.entry(name.to_owned()).or_default().push(number);
            }
        }
    }

    fn median(&self, name: &str) -> f64 {
        let mut numbers = self.numbers.get(name).cloned().unwrap_or_default();
        numbers.sort_by(f64::total_cmp);
        let (last, at) = (numbers.len().saturating_sub(1), numbers.len() / 2);
        match (numbers.get(last / 2), numbers.get(at)) {
            (Some(low), Some(high)) => f64::midpoint(*low, *high),
            _ => f64::NAN,
        }
    }

    fn sum(&self, name: &str) -> f64 {
        self.numbers.get(name).map_or(0.0, |numbers| numbers.iter().sum())
    }
}

/// One table: all subjects in groups of so many. Gives what ours bears, in messages a second.
pub fn delivery(members: usize, rounds: usize) {
    let mut cells: Vec<_> = Kind::ALL.map(|kind| (kind, Cells::default())).into();
    for _ in 0..rounds {
        for (kind, cells) in &mut cells {
            cells.run(&["cell", kind.word(), &members.to_string()]);
        }
    }
    println!();
    machine::print();
    println!(
        "\n| {members} members | p50 | x | p99 | last of a message, p50 | p99 | messages a second | x \
| CPU a delivery | x | cores busy | lost, twice, faults |"
    );
    println!("|{}", " --- |".repeat(12));
    let bare = |name: &str| cells[0].1.median(name);
    for (kind, cells) in &cells {
        let ms = |name: &str| format!("{:.2} ms", cells.median(name) / 1e3);
        println!(
            "| {} | {} | {:.2} | {} | {} | {} | {:.0} | {:.3} | {:.1} µs | {:.1} | {:.2} | {}, {}, {} |",
            kind.name(),
            ms("p50"),
            cells.median("p50") / bare("p50"),
            ms("p99"),
            ms("last-p50"),
            ms("last-p99"),
            cells.median("rate"),
            cells.median("rate") / bare("rate"),
            cells.median("cpu"),
            cells.median("cpu") / bare("cpu"),
            cells.median("cores"),
            cells.sum("lost"),
            cells.sum("twice"),
            cells.faults,
        );
    }
}

/// One table: twice as much as was borne, or what is named.
pub fn overload(members: usize, rate: Option<f64>) {
    println!(
        "\n| {members} members, twice what it bears | offered a second | for | messages \
| all have all after | p50 | p99 | lost, twice, faults |"
    );
    println!("|{}", " --- |".repeat(8));
    for kind in [Kind::Memory, Kind::Ours, Kind::Gossipsub, Kind::Iroh] {
        let members = members.to_string();
        let borne = || {
            let mut cells = Cells::default();
            cells.run(&["cell", kind.word(), &members]);
            cells.median("rate")
        };
        let rate = rate.unwrap_or_else(|| TWICE * borne());
        let mut cells = Cells::default();
        cells.run(&["over", kind.word(), &members, &rate.to_string()]);
        let is_all = cells.sum("lost") == 0.0;
        let behind = cells.median("behind");
        let behind = if is_all { format!("{behind:.2} s") } else { "never".into() };
        println!(
            "| {} | {:.0} | {:.1} s | {:.0} | {behind} | {:.0} ms | {:.0} ms | {}, {}, {} |",
            kind.name(),
            cells.median("offered"),
            cells.median("seconds"),
            cells.median("said"),
            cells.median("p50") / 1e3,
            cells.median("p99") / 1e3,
            cells.sum("lost"),
            cells.sum("twice"),
            cells.faults,
        );
    }
}
