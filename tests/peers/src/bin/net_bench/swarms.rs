//! Swarms of libp2p as `net` makes them, with another behaviour on top.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use futures::StreamExt as _;
use libp2p::swarm::dial_opts::DialOpts;
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Swarm, SwarmBuilder, noise, tcp, yamux};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use crate::subject::until;

/// A connection without a stream is closed after this; as in `net`.
const IDLE: Duration = Duration::from_secs(15);

/// What a swarm is told while it runs.
pub enum Order {
    Dial(Multiaddr),
    Say(usize),
}

/// A swarm that runs.
pub struct Running {
    pub peer: PeerId,
    pub address: Multiaddr,
    pub orders: mpsc::UnboundedSender<Order>,
    /// Peers to whom there is a connection.
    pub connected: Arc<AtomicUsize>,
}

/// A swarm under a new identity, listening on loopback: what it does when someone here says a message, and
/// when something else happens.
pub fn run<B>(
    runtime: &Runtime,
    behaviour: B,
    mut on_say: impl FnMut(&mut B, usize) + Send + 'static,
    mut on_event: impl FnMut(B::ToSwarm) + Send + 'static,
) -> Running
where
    B: NetworkBehaviour + Send,
    B::ToSwarm: Send,
{
    let mut swarm = runtime.block_on(async { listen(build(behaviour)).await });
    let (orders, mut waiting) = mpsc::unbounded_channel();
    let connected = Arc::new(AtomicUsize::new(0));
    let peer = *swarm.local_peer_id();
    let address = swarm.listeners().next().expect("it listens").clone();
    let count = Arc::clone(&connected);
    runtime.spawn(async move {
        loop {
            tokio::select! {
                order = waiting.recv() => match order {
                    Some(Order::Dial(address)) => swarm.dial(unknown(address)).expect("a dial"),
                    Some(Order::Say(nth)) => on_say(swarm.behaviour_mut(), nth),
                    None => return,
                },
                event = swarm.select_next_some() => match event {
                    SwarmEvent::Behaviour(event) => on_event(event),
                    SwarmEvent::ConnectionEstablished { num_established, .. }
                        if num_established.get() == 1 => drop(count.fetch_add(1, SeqCst)),
                    _ => {}
                },
            }
        }
    });
    Running { peer, address, orders, connected }
}

/// Everyone dials everyone before them.
pub fn connect_all(all: &[Running]) {
    for (nth, running) in all.iter().enumerate() {
        for other in &all[..nth] {
            running.orders.send(Order::Dial(other.address.clone())).expect("it runs");
        }
    }
    let others = all.len() - 1;
    until("connecting", || all.iter().all(|one| one.connected.load(SeqCst) == others));
}

fn unknown(address: Multiaddr) -> DialOpts {
    DialOpts::unknown_peer_id().address(address).build()
}

fn build<B: NetworkBehaviour>(behaviour: B) -> Swarm<B> {
    SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default)
        .expect("a transport")
        .with_behaviour(|_key| behaviour)
        .expect("a behaviour")
        .with_swarm_config(|config| config.with_idle_connection_timeout(IDLE))
        .build()
}

async fn listen<B: NetworkBehaviour>(mut swarm: Swarm<B>) -> Swarm<B> {
    swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse().expect("an address")).expect("a port");
    while !matches!(swarm.select_next_some().await, SwarmEvent::NewListenAddr { .. }) {}
    swarm
}
