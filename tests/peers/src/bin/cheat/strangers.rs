//! Strangers: sockets, connections and streams of nobody who belongs here.

use std::io;
use std::net::SocketAddr;

use futures::{AsyncReadExt as _, AsyncWriteExt as _};
use libp2p::Multiaddr;
use rand_core::Rng as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio::time::{Duration, Instant, sleep, sleep_until, timeout_at};

use crate::link::{framed, strange_a1};
use crate::net::{Connection, JOIN, LINK};
use crate::{Tally, rng};

const MULTISTREAM: &[u8] = b"\x13/multistream/1.0.0\n";
const NOISE: &[u8] = b"\x07/noise\n";

fn noise(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    rng().fill_bytes(&mut bytes);
    bytes
}

async fn socket(to: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind("127.0.0.66:0".parse().unwrap())?;
    socket.set_recv_buffer_size(2048)?;
    socket.connect(to).await
}

/// What is done with a socket, until it is closed or the time is up.
async fn one_socket(how: &str, to: SocketAddr, end: Instant) -> io::Result<()> {
    let mut stream = socket(to).await?;
    let say: Vec<u8> = match how {
        "silent" => Vec::new(),
        "multistream" => MULTISTREAM.to_vec(),
        "noise" => [MULTISTREAM, NOISE, &[0, 32], &noise(32)].concat(),
        "noise-garbage" => [MULTISTREAM, NOISE, &framed(&noise(60_000))].concat(),
        "garbage-sockets" => noise(64 * 1024),
        "unread" => [MULTISTREAM, &b"\x03na\n".repeat(20_000)].concat(),
        _ => {
            // A byte a second.
            for byte in [MULTISTREAM, NOISE].concat() {
                stream.write_all(&[byte]).await?;
                sleep(Duration::from_secs(1)).await;
            }
            Vec::new()
        }
    };
    timeout_at(end, stream.write_all(&say)).await.map_err(io::Error::other)??;
    let mut piece = [0; 512];
    loop {
        if how == "unread" {
            sleep_until(end).await;
            return Ok(());
        }
        match timeout_at(end, stream.read(&mut piece)).await {
            Ok(Ok(0) | Err(_)) | Err(_) => return Ok(()),
            Ok(Ok(_)) => {}
        }
    }
}

/// So many sockets at once; one that is closed is opened again.
pub async fn sockets(
    how: &'static str,
    to: SocketAddr,
    (count, end): (usize, Instant),
    tally: Tally,
) {
    let one = |_| {
        let tally = tally.clone();
        tokio::spawn(async move {
            while Instant::now() < end {
                tally.begun();
                if one_socket(how, to, end).await.is_err() {
                    tally.failed();
                    sleep(Duration::from_millis(50)).await;
                }
            }
        })
    };
    for task in (0..count).map(one).collect::<Vec<_>>() {
        task.await.ok();
    }
}

/// Datagrams that are nothing, or look like the beginning of a connection over QUIC.
pub async fn datagrams(to: SocketAddr, (count, end): (usize, Instant), tally: Tally) {
    let one = |nth: usize| {
        let tally = tally.clone();
        tokio::spawn(async move {
            let socket = UdpSocket::bind("127.0.0.66:0").await?;
            while Instant::now() < end {
                tally.begun();
                let mut datagram = noise(1200);
                if nth.is_multiple_of(2) {
                    // A long header, an Initial packet of version 1, with ids of eight bytes.
                    datagram[..6].copy_from_slice(&[0xc3, 0, 0, 0, 1, 8]);
                    datagram[14] = 8;
                    datagram[23..26].copy_from_slice(&[0, 0x44, 0x96]);
                }
                socket.send_to(&datagram, to).await.ok();
                sleep(Duration::from_millis(2)).await;
            }
            io::Result::Ok(())
        })
    };
    for task in (0..count).map(one).collect::<Vec<_>>() {
        task.await.ok();
    }
}

/// What is done with a connection that libp2p takes for one.
async fn one_connection(how: &str, to: &Multiaddr, end: Instant, tally: &Tally) -> io::Result<()> {
    let mut connection = Connection::new(to).await?;
    let (protocol, say) = match how {
        "join-silent" => (JOIN, Vec::new()),
        "join-garbage" => (JOIN, framed(&noise(48))),
        "hints" => (LINK, strange_a1()),
        "hints-long" => (LINK, framed(&noise(65_000))),
        "hints-slow" => (LINK, strange_a1()),
        _ => (LINK, Vec::new()),
    };
    let mut held = Vec::new();
    while Instant::now() < end && !connection.is_over() {
        tally.begun();
        let opened = timeout_at(end, connection.open(protocol.clone())).await;
        let mut stream = opened.map_err(io::Error::other)??;
        match how {
            "hints" | "hints-long" | "join-garbage" => {
                stream.write_all(&say).await?;
                stream.flush().await?;
                let mut came = Vec::new();
                timeout_at(end, stream.read_to_end(&mut came)).await.ok();
            }
            "hints-slow" => {
                for byte in &say {
                    let said = async {
                        stream.write_all(&[*byte]).await?;
                        stream.flush().await
                    };
                    if said.await.is_err() {
                        break;
                    }
                    sleep(Duration::from_secs(1)).await;
                }
            }
            "streams" => {
                // As many as there may be, silent, all at once.
                stream.write_all(&[0]).await.ok();
                stream.flush().await.ok();
                held.push(stream);
                if held.len() > 400 {
                    held.clear();
                }
            }
            _ => {
                // Silent, and again as soon as it is closed.
                stream.flush().await.ok();
                timeout_at(end, stream.read_to_end(&mut Vec::new())).await.ok();
            }
        }
    }
    Ok(())
}

pub async fn connections(
    how: &'static str,
    to: Multiaddr,
    (count, end): (usize, Instant),
    tally: Tally,
) {
    let one = |nth: usize| {
        let (tally, to) = (tally.clone(), to.clone());
        tokio::spawn(async move {
            sleep(Duration::from_millis(5 * nth as u64)).await;
            while Instant::now() < end {
                if one_connection(how, &to, end, &tally).await.is_err() {
                    tally.failed();
                    sleep(Duration::from_millis(200)).await;
                }
            }
        })
    };
    for task in (0..count).map(one).collect::<Vec<_>>() {
        task.await.ok();
    }
}
