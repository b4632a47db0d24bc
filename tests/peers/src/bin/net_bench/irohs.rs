//! iroh-gossip over iroh: QUIC, no relay, addresses on loopback known beforehand.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use futures::StreamExt as _;
use iroh::address_lookup::memory::MemoryLookup;
use iroh::endpoint::presets;
use iroh::protocol::Router;
use iroh::{Endpoint, EndpointAddr, EndpointId, RelayMode, TransportAddr};
use iroh_gossip::api::{Event, GossipReceiver};
use iroh_gossip::net::Gossip;
use iroh_gossip::{ALPN, TopicId};
use tokio::sync::mpsc;

use crate::board::Board;
use crate::subject::{MESSAGE, Runtimes, Subject, number, until, words};

const TOPIC: TopicId = TopicId::from_bytes([7; 32]);
/// Members whom a newcomer is told of.
const BOOTSTRAP: usize = 5;
/// Members find further neighbours after the first.
const SETTLING: std::time::Duration = std::time::Duration::from_secs(3);

/// A group of members who have joined one topic.
pub struct Iroh {
    to_say: Vec<mpsc::UnboundedSender<usize>>,
    _routers: Vec<Router>,
    _runtimes: Runtimes,
}

impl Iroh {
    pub fn new(runtimes: Runtimes, board: &Arc<Board>) -> Self {
        let members = runtimes.members();
        let lookup = MemoryLookup::new();
        let (mut routers, mut gossips, mut ids) = (Vec::new(), Vec::new(), Vec::new());
        for member in 0..members {
            let lookup = lookup.clone();
            let (router, gossip) = runtimes.of(member).block_on(bind(lookup));
            ids.push(router.endpoint().id());
            routers.push(router);
            gossips.push(gossip);
        }
        let joined = Arc::new(AtomicUsize::new(0));
        let mut to_say = Vec::new();
        for (member, gossip) in gossips.into_iter().enumerate() {
            let known = ids[member.saturating_sub(BOOTSTRAP)..member].to_vec();
            let (orders, waiting) = mpsc::unbounded_channel();
            let hear = (member, Arc::clone(board), Arc::clone(&joined));
            runtimes.of(member).spawn(take_part(gossip, known, waiting, hear));
            to_say.push(orders);
        }
        until("joining", || joined.load(SeqCst) == members);
        std::thread::sleep(SETTLING);
        Self { to_say, _routers: routers, _runtimes: runtimes }
    }
}

impl Subject for Iroh {
    fn say(&self, from: usize, nth: usize) {
        self.to_say[from].send(nth).expect("it runs");
    }
}

async fn bind(lookup: MemoryLookup) -> (Router, Gossip) {
    let endpoint = Endpoint::builder(presets::Minimal)
        .relay_mode(RelayMode::Disabled)
        .clear_ip_transports()
        .bind_addr("127.0.0.1:0")
        .expect("an address")
        .address_lookup(lookup.clone())
        .bind()
        .await
        .expect("a socket");
    let sockets = endpoint.bound_sockets().into_iter().map(TransportAddr::Ip).collect();
    lookup.add_endpoint_info(EndpointAddr { id: endpoint.id(), addrs: sockets });
    let gossip = Gossip::builder().spawn(endpoint.clone());
    let router = Router::builder(endpoint).accept(ALPN, gossip.clone()).spawn();
    (router, gossip)
}

async fn take_part(
    gossip: Gossip,
    known: Vec<EndpointId>,
    mut waiting: mpsc::UnboundedReceiver<usize>,
    (member, board, joined): (usize, Arc<Board>, Arc<AtomicUsize>),
) {
    let mut topic = gossip.subscribe(TOPIC, known).await.expect("a topic");
    topic.joined().await.expect("a neighbour");
    joined.fetch_add(1, SeqCst);
    let (sender, receiver) = topic.split();
    tokio::spawn(hear(receiver, member, board));
    while let Some(nth) = waiting.recv().await {
        if let Err(error) = sender.broadcast(words(nth, MESSAGE).into()).await {
            println!("fault not said: {error}");
        }
    }
}

async fn hear(mut receiver: GossipReceiver, member: usize, board: Arc<Board>) {
    while let Some(event) = receiver.next().await {
        match event {
            Ok(Event::Received(message)) => {
                board.hear(member, number(&message.content).expect("a number"));
            }
            Ok(Event::Lagged) => println!("fault member {member} lagged behind"),
            Ok(Event::NeighborUp(_) | Event::NeighborDown(_)) => {}
            Err(error) => return println!("fault member {member} hears no more: {error}"),
        }
    }
}
