//! What a person may choose about the network.

use libp2p::Multiaddr;

/// How to listen and where to look.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Where to listen; every interface and a port of the system's choosing when empty. A port named
    /// here serves the first group, the others get one of the system's choosing.
    pub listen: Vec<Multiaddr>,
    /// Whether to announce and look on the local network.
    pub mdns: bool,
}
