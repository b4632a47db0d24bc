//! A client that cheats: it speaks the protocol (docs/protocol.md), and keeps to none of its rules.
//!
//! ```text
//! cheat join LINK ADDRESS FILE                    comes in with an invitation; who it is goes to FILE
//! cheat member ATTACK ADDRESS SECONDS FILE        one attack over links, as that member
//! cheat sockets | datagrams | connections | raw ATTACK ADDRESS SECONDS COUNT       as a stranger
//! ```
//!
//! It prints one line at its end: what it did, in numbers.

mod attacks;
mod forge;
mod link;
mod member;
mod net;
mod raw;
mod strangers;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{SystemTime, UNIX_EPOCH};

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use proto::Now;
use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng as _;
use tokio::time::{Duration, Instant};

/// Random enough for whoever cheats.
fn rng() -> ChaCha12Rng {
    static NTH: AtomicU64 = AtomicU64::new(0);
    let seed = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos());
    ChaCha12Rng::seed_from_u64(seed.unwrap_or(0) ^ (NTH.fetch_add(1, Relaxed) << 40))
}

fn now() -> Now {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Now { unix_ms: u64::try_from(since.as_millis()).unwrap(), ..Now::default() }
}

#[derive(Default)]
struct Counts {
    begun: AtomicU64,
    failed: AtomicU64,
    linked: AtomicU64,
    closed: AtomicU64,
    said: AtomicU64,
    sent: AtomicU64,
    heard: AtomicU64,
}

/// What was done so far.
#[derive(Clone, Default)]
pub struct Tally(Arc<Counts>);

impl Tally {
    fn begun(&self) {
        self.0.begun.fetch_add(1, Relaxed);
    }
    fn failed(&self) {
        self.0.failed.fetch_add(1, Relaxed);
    }
    fn linked(&self) {
        self.0.linked.fetch_add(1, Relaxed);
    }
    fn closed(&self) {
        self.0.closed.fetch_add(1, Relaxed);
    }
    fn said(&self, count: u64) {
        self.0.said.fetch_add(count, Relaxed);
    }
    fn sent(&self, bytes: usize) {
        self.0.sent.fetch_add(bytes as u64, Relaxed);
    }
    fn heard(&self, bytes: usize) {
        self.0.heard.fetch_add(bytes as u64, Relaxed);
    }

    fn print(&self) {
        let counts = &self.0;
        let [begun, failed, linked, closed, said, sent, heard] = [
            &counts.begun,
            &counts.failed,
            &counts.linked,
            &counts.closed,
            &counts.said,
            &counts.sent,
            &counts.heard,
        ]
        .map(|count| count.load(Relaxed));
        println!(
            "{{\"begun\": {begun}, \"failed\": {failed}, \"linked\": {linked}, \"closed\": {closed}, \
             \"said\": {said}, \"sent\": {sent}, \"heard\": {heard}}}"
        );
    }
}

fn socket_of(address: &Multiaddr) -> std::net::SocketAddr {
    let (mut ip, mut port) = (None, 0);
    for part in address {
        match part {
            Protocol::Ip4(found) => ip = Some(found),
            Protocol::Tcp(found) | Protocol::Udp(found) => port = found,
            _ => {}
        }
    }
    (ip.unwrap(), port).into()
}

#[tokio::main]
async fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let arg = |nth: usize| -> &'static str {
        String::leak(
            args.get(nth).unwrap_or_else(|| panic!("see main.rs for the arguments")).clone(),
        )
    };
    let tally = Tally::default();
    if arg(0) == "join" {
        let me = member::Me::join(arg(1), &arg(2).parse().unwrap()).await.unwrap();
        return me.save(arg(3));
    }
    let (what, direct): (_, Multiaddr) = (arg(1), arg(2).parse().unwrap());
    let to = net::from_elsewhere(&direct).await;
    let end = Instant::now() + Duration::from_secs(arg(3).parse().unwrap());
    if arg(0) == "member" {
        let mut me = member::Me::load(arg(4));
        attacks::run(what, &mut me, (to, end), tally.clone()).await;
    } else {
        let many = (arg(4).parse().unwrap(), end);
        match arg(0) {
            "sockets" => strangers::sockets(what, socket_of(&direct), many, tally.clone()).await,
            "raw" => raw::streams(to, many, tally.clone()).await,
            "datagrams" => strangers::datagrams(socket_of(&direct), many, tally.clone()).await,
            _ => strangers::connections(what, to, many, tally.clone()).await,
        }
    }
    tally.print();
}
