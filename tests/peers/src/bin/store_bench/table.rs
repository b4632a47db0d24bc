//! A table in Markdown: ours first, and how the others compare.

use crate::subject::Samples;

/// One column for each subject.
pub struct Table {
    head: String,
    rows: Vec<String>,
    columns: usize,
}

impl Table {
    pub fn new(what: &str, names: &[&str]) -> Self {
        let others = names.iter().skip(1).map(|name| format!("{name} | x |"));
        let head = format!("| {what} | {} | {}", names[0], others.collect::<Vec<_>>().join(" "));
        Self { head, rows: Vec::new(), columns: 2 * names.len() }
    }

    /// Medians and, in brackets, the 99th of a hundred; for each other, its median in parts of ours.
    pub fn row(&mut self, what: &str, samples: &[Samples]) {
        let ours = samples[0].micros(50);
        let mut row = format!("| {what} | {} |", times(&samples[0]));
        for other in &samples[1..] {
            row += &format!(" {} | {:.2} |", times(other), other.micros(50) / ours);
        }
        self.rows.push(row);
    }

    pub fn print(&self) {
        println!("\n{}\n|{}", self.head, " --- |".repeat(self.columns));
        self.rows.iter().for_each(|row| println!("{row}"));
    }
}

/// The median and, in brackets, the 99th of a hundred.
pub fn times(samples: &Samples) -> String {
    let [median, worst] = [samples.micros(50), samples.micros(99)].map(|micros| match micros {
        0.0..1000.0 => format!("{micros:.0} µs"),
        1000.0..100_000.0 => format!("{:.1} ms", micros / 1e3),
        _ => format!("{:.0} ms", micros / 1e3),
    });
    format!("{median} ({worst})")
}
