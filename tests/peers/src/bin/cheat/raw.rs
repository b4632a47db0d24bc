//! Connections without a swarm: as many streams as the other end bears, begun and filled before it has looked at them.

use std::io;
use std::pin::Pin;
use std::task::Poll;

use futures::AsyncWriteExt as _;
use futures::future::poll_fn;
use libp2p::core::Endpoint;
use libp2p::core::muxing::{StreamMuxer as _, StreamMuxerBox};
use libp2p::core::transport::{Boxed, DialOpts, PortUse, Transport as _};
use libp2p::core::upgrade::Version;
use libp2p::{Multiaddr, PeerId, identity, noise, quic, tcp, yamux};
use tokio::time::{Duration, Instant, sleep, timeout_at};

use crate::Tally;

/// Streams that are held in the middle of saying what they are for; more than are looked at side by side.
const HELD: usize = 128;
const STREAMS: usize = 500;

fn transport(is_quic: bool) -> Boxed<(PeerId, StreamMuxerBox)> {
    let key = identity::Keypair::generate_ed25519();
    if is_quic {
        quic::tokio::Transport::new(quic::Config::new(&key))
            .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)))
            .boxed()
    } else {
        tcp::tokio::Transport::new(tcp::Config::default())
            .upgrade(Version::V1)
            .authenticate(noise::Config::new(&key).unwrap())
            .multiplex(yamux::Config::default())
            .boxed()
    }
}

async fn one(to: &Multiaddr, end: Instant, tally: &Tally) -> io::Result<()> {
    let mut transport = transport(to.to_string().contains("/udp/"));
    let to = to.iter().filter(|part| part.tag() != "p2p").collect();
    let how = DialOpts { role: Endpoint::Dialer, port_use: PortUse::New };
    let dialled = transport.dial(to, how).map_err(|error| io::Error::other(error.to_string()))?;
    let dialled = timeout_at(end, dialled).await.map_err(io::Error::other)?;
    let (_, mut muxer) = dialled.map_err(|error| io::Error::other(error.to_string()))?;
    let mut opened = 0;
    let driven = poll_fn(|cx| {
        let mut muxer = Pin::new(&mut muxer);
        while opened < STREAMS {
            let Poll::Ready(stream) = muxer.as_mut().poll_outbound(cx) else { break };
            let Ok(mut stream) = stream else { return Poll::Ready(()) };
            opened += 1;
            tally.begun();
            let tally = tally.clone();
            let fills = opened > HELD;
            tokio::spawn(async move {
                // A length, and nothing behind it.
                stream.write_all(&[0x13]).await.ok();
                stream.flush().await.ok();
                if fills {
                    sleep(Duration::from_millis(500)).await;
                    while stream.write_all(&[7; 16 * 1024]).await.is_ok() {
                        tally.sent(16 * 1024);
                    }
                }
                tokio::time::sleep_until(end).await;
                drop(stream);
            });
        }
        while let Poll::Ready(inbound) = muxer.as_mut().poll_inbound(cx) {
            if inbound.is_err() {
                return Poll::Ready(());
            }
        }
        match muxer.poll(cx) {
            Poll::Ready(Err(_)) => Poll::Ready(()),
            Poll::Ready(Ok(_)) | Poll::Pending => Poll::Pending,
        }
    });
    timeout_at(end, driven).await.ok();
    Ok(())
}

pub async fn streams(to: Multiaddr, (count, end): (usize, Instant), tally: Tally) {
    let many = |nth: usize| {
        let (tally, to) = (tally.clone(), to.clone());
        tokio::spawn(async move {
            sleep(Duration::from_millis(20 * nth as u64)).await;
            while Instant::now() < end {
                if one(&to, end, &tally).await.is_err() {
                    tally.failed();
                }
                sleep(Duration::from_millis(200)).await;
            }
        })
    };
    for task in (0..count).map(many).collect::<Vec<_>>() {
        task.await.ok();
    }
}
