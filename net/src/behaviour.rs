//! A swarm: TCP and QUIC, libp2p's own Noise and yamux or TLS below our links, mDNS if wanted.
//!
//! A fresh Ed25519 key for every swarm: a PeerId names nobody and lives for one run.

use std::time::Duration;

use libp2p::connection_limits::{self, ConnectionLimits};
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::swarm::{NetworkBehaviour, StreamProtocol};
use libp2p::{Swarm, SwarmBuilder, noise, tcp, yamux};
use libp2p::{identify, mdns};

use crate::doors::Doors;
use crate::error::Error;

/// Stream of a link between two members.
pub(crate) const LINK: StreamProtocol = StreamProtocol::new("/kith/link/1");
/// Stream of a join.
pub(crate) const JOIN: StreamProtocol = StreamProtocol::new("/kith/join/1");

/// Connections from others: still shaking hands, in all, and with one peer; and the first two from one address.
const PENDING_MAX: u32 = 64;
const INCOMING_MAX: u32 = 256;
const PER_PEER_MAX: u32 = 4;
const PENDING_FROM_ONE_MAX: usize = 32;
const INCOMING_FROM_ONE_MAX: usize = 128;
/// Streams of one connection: a link, a join, and what libp2p says beside.
const STREAMS_MAX: u16 = 32;
/// What may wait to be read over QUIC, on one stream and on one connection.
const UNREAD_STREAM_MAX: u32 = 1024 * 1024;
const UNREAD_MAX: u32 = 2 * 1024 * 1024;
/// A connection without a stream is closed after this.
const IDLE: Duration = Duration::from_secs(15);
/// How often the local network is asked, and how long an answer holds.
///
/// Everyone answers everyone's question, to all: what it costs grows with the square of the group. Whoever comes asks
/// at once, and again after half a second, a second, two and so on.
const MDNS_QUERY: Duration = Duration::from_secs(240);
const MDNS_TTL: Duration = Duration::from_secs(600);
/// QUIC's own signs of life: later than any of ours ([`proto::limits::PING_MS`]), so that a link needs none.
const QUIC_KEEP_ALIVE: Duration = Duration::from_secs(35);
/// When QUIC gives a silent connection up, in milliseconds; a link may be silent for longer than a minute.
const QUIC_IDLE_MS: u32 = 90_000;

/// What identify says of us: the protocol that libp2p programs name, and nothing more.
const IDENTIFY: &str = "/ipfs/id/1.0.0";

/// What a swarm does beside connecting.
#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    pub(crate) limits: connection_limits::Behaviour,
    pub(crate) doors: Doors,
    pub(crate) streams: libp2p_stream::Behaviour,
    pub(crate) identify: identify::Behaviour,
    pub(crate) mdns: Toggle<mdns::tokio::Behaviour>,
}

/// A swarm under a new identity.
pub(crate) fn swarm(with_mdns: bool) -> Result<Swarm<Behaviour>, Error> {
    let runtime = |error: &dyn std::fmt::Display| Error::Runtime(error.to_string());
    let swarm = SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, streams)
        .map_err(|error| runtime(&error))?
        .with_quic_config(|mut config| {
            config.keep_alive_interval = QUIC_KEEP_ALIVE;
            config.max_idle_timeout = QUIC_IDLE_MS;
            config.max_concurrent_stream_limit = STREAMS_MAX.into();
            config.max_stream_data = UNREAD_STREAM_MAX;
            config.max_connection_data = UNREAD_MAX;
            config
        })
        .with_behaviour(|key| {
            let config =
                mdns::Config { ttl: MDNS_TTL, query_interval: MDNS_QUERY, enable_ipv6: false };
            let peer = key.public().to_peer_id();
            // Without multicast there is no local network to look on; everything else goes on.
            let mdns = with_mdns
                .then(|| mdns::tokio::Behaviour::new(config, peer))
                .and_then(|made| made.inspect_err(|error| tracing::warn!(%error, "no mDNS")).ok());
            let limits = ConnectionLimits::default()
                .with_max_pending_incoming(Some(PENDING_MAX))
                .with_max_established_incoming(Some(INCOMING_MAX))
                .with_max_established_per_peer(Some(PER_PEER_MAX));
            Behaviour {
                limits: connection_limits::Behaviour::new(limits),
                doors: Doors::new(PENDING_FROM_ONE_MAX, INCOMING_FROM_ONE_MAX),
                streams: libp2p_stream::Behaviour::new(),
                identify: identify::Behaviour::new(unnamed(key.public())),
                mdns: mdns.into(),
            }
        })
        .map_err(|error| runtime(&error))?
        .with_swarm_config(|config| config.with_idle_connection_timeout(IDLE))
        .build();
    Ok(swarm)
}

fn streams() -> yamux::Config {
    let mut config = yamux::Config::default();
    config.set_max_num_streams(STREAMS_MAX.into());
    config
}

/// What anyone who connects may know: a key that lives for one run, and the names of our streams. No address of
/// ours, no name or version of the program; and what they say of themselves is not kept.
fn unnamed(key: libp2p::identity::PublicKey) -> identify::Config {
    identify::Config::new(IDENTIFY.to_owned(), key)
        .with_agent_version(String::new())
        .with_hide_listen_addrs(true)
        .with_push_listen_addr_updates(false)
        .with_cache_size(0)
}
