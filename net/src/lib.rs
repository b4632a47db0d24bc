//! How members reach each other: one task and one libp2p swarm a group, links over streams.
//!
//! ```text
//! Handle -> Node -> GroupTask { Engine, swarm, streams } -> Storage (one thread, the only writer)
//!                   Joining   { Newcomer, swarm }
//! ```
//!
//! Groups share nothing: every group has a PeerId of its own, fresh for every run, and its own port.
//! Nothing here decides what members may know; that is [`proto`]'s. Read next: `group_task.rs`.

mod address;
mod behaviour;
mod config;
mod doors;
mod error;
mod group_task;
mod handle;
mod joining;
mod node;
mod storage;
mod streams;
#[cfg(test)]
mod tests;

pub use address::parse as parse_address;
pub use config::Config;
pub use error::Error;
pub use handle::{Events, Handle, LinkStatus, Status};
pub use libp2p::Multiaddr;

use store::Store;

/// Starts the network of a profile: a task for every group the store knows.
///
/// # Errors
/// [`Error::Store`] when what was remembered cannot be read, [`Error::Runtime`] when the system gives
/// no threads.
pub fn spawn(config: Config, store: Store) -> Result<(Handle, Events), Error> {
    Handle::start(config, store)
}
