//! Swarms that connect, and nothing more: a new PeerId each time.

use std::io;

use futures::StreamExt as _;
use libp2p::swarm::dial_opts::DialOpts;
use libp2p::swarm::{StreamProtocol, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Stream, SwarmBuilder, noise, tcp, yamux};
use libp2p_stream::Control;
use proto::Ends;
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinHandle;
use tokio::time::{Duration, timeout};

pub const LINK: StreamProtocol = StreamProtocol::new("/kith/link/1");
pub const JOIN: StreamProtocol = StreamProtocol::new("/kith/join/1");

/// Longer than a connection takes when nobody is disturbed.
const PATIENCE: Duration = Duration::from_secs(12);

/// From an address of this machine that is not the others', so that it can be told apart from them: libp2p does not
/// let one choose, so what goes there over TCP is passed on.
pub async fn from_elsewhere(to: &Multiaddr) -> Multiaddr {
    if !to.to_string().contains("/tcp/") {
        return to.clone();
    }
    let target = crate::socket_of(to);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut one, _)) = listener.accept().await {
            tokio::spawn(async move {
                let socket = TcpSocket::new_v4()?;
                socket.bind("127.0.0.66:0".parse().unwrap())?;
                let mut other = socket.connect(target).await?;
                one.set_nodelay(true)?;
                other.set_nodelay(true)?;
                tokio::io::copy_bidirectional(&mut one, &mut other).await
            });
        }
    });
    format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap()
}

/// A connection. Dropped, it ends.
pub struct Connection {
    pub control: Control,
    pub peer: PeerId,
    pub ends: Ends,
    running: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.running.abort();
    }
}

impl Connection {
    pub async fn new(to: &Multiaddr) -> io::Result<Self> {
        let mut swarm = SwarmBuilder::with_new_identity()
            .with_tokio()
            .with_tcp(
                tcp::Config::default().nodelay(true),
                noise::Config::new,
                yamux::Config::default,
            )
            .map_err(io::Error::other)?
            .with_quic()
            .with_behaviour(|_| libp2p_stream::Behaviour::new())
            .map_err(io::Error::other)?
            .with_swarm_config(|config| {
                config.with_idle_connection_timeout(Duration::from_secs(600))
            })
            .build();
        if !to.to_string().contains("/tcp/") {
            let from = "/ip4/127.0.0.66/udp/0/quic-v1".parse().unwrap();
            swarm.listen_on(from).map_err(io::Error::other)?;
            while !matches!(swarm.select_next_some().await, SwarmEvent::NewListenAddr { .. }) {}
        }
        swarm.dial(DialOpts::from(to.clone())).map_err(io::Error::other)?;
        let met = async {
            loop {
                match swarm.select_next_some().await {
                    SwarmEvent::ConnectionEstablished { peer_id, .. } => return Ok(peer_id),
                    SwarmEvent::OutgoingConnectionError { error, .. } => {
                        return Err(io::Error::other(error.to_string()));
                    }
                    _ => {}
                }
            }
        };
        let peer = timeout(PATIENCE, met).await.map_err(io::Error::other)??;
        let (initiator, responder) = (swarm.local_peer_id().to_bytes(), peer.to_bytes());
        let control = swarm.behaviour().new_control();
        let running = tokio::spawn(async move {
            loop {
                let event = swarm.select_next_some().await;
                if let SwarmEvent::ConnectionClosed { .. } = event {
                    return;
                }
            }
        });
        Ok(Self { control, peer, ends: Ends { initiator, responder }, running })
    }

    pub fn is_over(&self) -> bool {
        self.running.is_finished()
    }

    pub async fn open(&mut self, protocol: StreamProtocol) -> io::Result<Stream> {
        let opened = timeout(PATIENCE, self.control.open_stream(self.peer, protocol)).await;
        opened.map_err(io::Error::other)?.map_err(io::Error::other)
    }
}
