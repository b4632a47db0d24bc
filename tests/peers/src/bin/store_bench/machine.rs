//! What it ran on, and how busy that was.

use std::fs;

/// Prints it.
pub fn print() {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    println!(
        "{cores} cores,{}; load {}",
        model.replace(['\t', ':'], ""),
        read("/proc/loadavg").trim()
    );
}
