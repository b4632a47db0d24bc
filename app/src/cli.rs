//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;
use std::{fs, io};

use clap::{Args, Parser, Subcommand};
use net::{Config, Multiaddr};

use crate::client::Client;
use crate::{demo, rpc};

/// Confidential group chat without a provider.
#[derive(Parser)]
#[command(name = "kith", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    place: Place,
}

#[derive(Subcommand)]
enum Command {
    /// The same client without a window: JSON-RPC 2.0, one object a line, on standard input and output.
    Rpc {
        /// The folder that holds this profile and nothing else.
        #[arg(long)]
        home: PathBuf,
        #[command(flatten)]
        network: Network,
    },
    /// A practice group of three on this machine, real in every part: in a window where there is a display,
    /// else printed as it happens.
    Demo,
}

/// Where the window's profile is, and how it reaches others.
#[derive(Args)]
struct Place {
    /// The folder that holds this profile; the system's data folder when absent.
    #[arg(long)]
    home: Option<PathBuf>,
    #[command(flatten)]
    network: Network,
}

#[derive(Args)]
struct Network {
    /// Where to listen, e.g. /ip4/192.168.1.5/tcp/4001; every interface when absent.
    #[arg(long)]
    listen: Vec<Multiaddr>,
    /// Neither announce nor look on the local network.
    #[arg(long)]
    no_mdns: bool,
}

impl Network {
    fn config(self) -> Config {
        Config { listen: self.listen, mdns: !self.no_mdns }
    }
}

/// Where TLS libraries write their keys if it is set, for whoever debugs a network.
const KEY_LOG: &str = "SSLKEYLOGFILE";

/// Set where the program has started itself again, so that it does so once.
const AGAIN: &str = "KITH_STARTED_AGAIN";

/// How many arenas glibc's allocator may have.
const ARENAS: (&str, &str) = ("MALLOC_ARENA_MAX", "2");

/// Does what the command line says.
pub(crate) fn run() -> ExitCode {
    if let Some(code) = start_again() {
        return code;
    }
    let cli = Cli::parse();
    log_to_stderr();
    match cli.command {
        Some(Command::Rpc { home, network }) => match Client::new(&home, network.config()) {
            Ok(client) => rpc::serve(client),
            Err(trouble) => fail(&trouble.says, 1),
        },
        Some(Command::Demo) => match demo::run(demo_window()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&format!("The demo ended early: {error:#}."), 1),
        },
        None => window(cli.place),
    }
}

/// Starts the program once more when its environment is not the one it needs; none when it is.
///
/// Without the variable that would make libp2p write the keys of its connections to a file: what members say is
/// sealed within those once more; who meets whom is not. And with few arenas for glibc's allocator, which else
/// keeps what was freed in one of its own for each of some twenty threads (docs/testing.md, "A running group,
/// watched").
fn start_again() -> Option<ExitCode> {
    let has_key_log = std::env::var_os(KEY_LOG).is_some();
    let lacks_arenas = cfg!(all(target_os = "linux", target_env = "gnu"))
        && std::env::var_os(ARENAS.0).is_none()
        && std::env::var_os(AGAIN).is_none();
    if !has_key_log && !lacks_arenas {
        return None;
    }
    let error = match this_program() {
        Ok(program) => {
            let mut again = std::process::Command::new(program);
            again.args(std::env::args_os().skip(1)).env_remove(KEY_LOG).env(AGAIN, "1");
            if lacks_arenas {
                again.env(ARENAS.0, ARENAS.1);
            }
            match turn_into(again) {
                Ok(code) => return Some(code),
                Err(error) => error,
            }
        }
        Err(error) => error,
    };
    has_key_log.then(|| fail(&format!("Unset {KEY_LOG} and start Kith again: {error}."), 1))
}

/// Where this program is. Fails where something else that runs goes by its name, as a loader does that was called by
/// hand.
fn this_program() -> io::Result<PathBuf> {
    let program = std::env::current_exe()?;
    let called = std::env::args_os().next().map(PathBuf::from).unwrap_or_default();
    let is_this = fs::canonicalize(&called).is_ok_and(|called| called == program)
        || called.file_name() == program.file_name();
    if is_this { Ok(program) } else { Err(io::Error::other("it was started in an unusual way")) }
}

/// Comes back when that fails, or with how it ended.
fn turn_into(mut program: std::process::Command) -> io::Result<ExitCode> {
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt as _;
        Err(program.exec())
    }
    #[cfg(not(unix))]
    program
        .status()
        .map(|status| if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[cfg(feature = "window")]
fn window(place: Place) -> ExitCode {
    use std::sync::Arc;
    if !has_display() {
        return no_window();
    }
    let home = place.home.or_else(|| {
        directories::ProjectDirs::from("", "", "kith").map(|dirs| dirs.data_dir().to_owned())
    });
    let Some(home) = home else {
        return fail("There is no folder for a profile on this system: name one with --home.", 1);
    };
    match Client::new(&home, place.network.config()) {
        Ok(client) => match crate::gui::run(Arc::new(client)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(
                &format!(
                    "The window could not be opened: {error}. `kith rpc` and `kith demo` need none."
                ),
                2,
            ),
        },
        Err(trouble) => fail(&trouble.says, 1),
    }
}

/// Whether there is a display to open a window on.
#[cfg(feature = "window")]
fn has_display() -> bool {
    let displays = ["WAYLAND_DISPLAY", "WAYLAND_SOCKET", "DISPLAY"];
    let is_set = |name: &&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !cfg!(target_os = "linux") || displays.iter().any(is_set)
}

#[cfg(feature = "window")]
fn demo_window() -> Option<demo::Window> {
    has_display().then_some(crate::gui::run as demo::Window)
}

#[cfg(not(feature = "window"))]
fn demo_window() -> Option<demo::Window> {
    None
}

#[cfg(not(feature = "window"))]
fn window(_place: Place) -> ExitCode {
    no_window()
}

fn no_window() -> ExitCode {
    fail("There is no display to open a window on; `kith rpc` and `kith demo` need none.", 2)
}

#[expect(clippy::print_stderr, reason = "the one line that says why the program ends")]
fn fail(says: &str, status: u8) -> ExitCode {
    eprintln!("{says}");
    ExitCode::from(status)
}

/// Logs go to standard error; standard output belongs to the headless client.
fn log_to_stderr() {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_unset| EnvFilter::new("error"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).init();
}
