//! `kith`: the window, `kith rpc` and `kith demo`.

mod backend;
mod cli;
mod client;
mod compare;
mod demo;
#[cfg(feature = "window")]
mod gui;
mod rpc;
mod times;
mod trouble;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
