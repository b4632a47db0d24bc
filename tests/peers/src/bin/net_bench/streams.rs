//! The floor: bare streams of libp2p, one a directed pair, frames with four bytes of length.
//!
//! Nothing is admitted, signed, sealed beyond what libp2p seals, acknowledged or kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use futures::{AsyncReadExt as _, AsyncWriteExt as _, StreamExt as _};
use libp2p::{Stream, StreamProtocol};
use libp2p_stream::{Control, IncomingStreams};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use crate::board::Board;
use crate::subject::{MESSAGE, Runtimes, Subject, number, until, words};
use crate::swarms::{self, Running};

const PROTOCOL: StreamProtocol = StreamProtocol::new("/bench/1");
/// Bytes that are written before a flush, if so many wait.
const BATCH: usize = 16 * 1024;
/// Bytes read at once.
const PIECE: usize = 32 * 1024;

/// A group of members, each with a stream to every other.
pub struct Streams {
    /// What is to be written, by who writes.
    writers: Vec<Vec<mpsc::UnboundedSender<Arc<[u8]>>>>,
    _running: Vec<Running>,
    _runtimes: Runtimes,
}

impl Streams {
    pub fn new(runtimes: Runtimes, board: &Arc<Board>) -> Self {
        let members = runtimes.members();
        let (mut running, mut controls) = (Vec::new(), Vec::new());
        let opened = Arc::new(AtomicUsize::new(0));
        for member in 0..members {
            let behaviour = libp2p_stream::Behaviour::new();
            let mut control = behaviour.new_control();
            let incoming = control.accept(PROTOCOL).expect("once");
            controls.push(control);
            let runtime = runtimes.of(member);
            running.push(run(runtime, behaviour));
            let hear = (member, Arc::clone(board), Arc::clone(&opened));
            runtime.spawn(accept(incoming, hear));
        }
        swarms::connect_all(&running);
        let (mut writers, mut open) = (Vec::new(), 0);
        for (from, control) in controls.iter().enumerate() {
            let mut own = Vec::new();
            for (_, other) in running.iter().enumerate().filter(|(to, _)| *to != from) {
                let (to_write, waiting) = mpsc::unbounded_channel();
                runtimes.of(from).spawn(write(control.clone(), other.peer, waiting));
                to_write.send(frame(&[])).expect("it runs");
                own.push(to_write);
                open += 1;
                // One after the other: of two that come at once libp2p-stream drops one.
                until("opening", || opened.load(SeqCst) == open);
            }
            writers.push(own);
        }
        Self { writers, _running: running, _runtimes: runtimes }
    }
}

impl Subject for Streams {
    fn say(&self, from: usize, nth: usize) {
        let frame = frame(words(nth, MESSAGE).as_bytes());
        for writer in &self.writers[from] {
            writer.send(Arc::clone(&frame)).expect("it runs");
        }
    }
}

fn run(runtime: &Runtime, behaviour: libp2p_stream::Behaviour) -> Running {
    swarms::run(runtime, behaviour, |_, _| {}, |()| {})
}

fn frame(words: &[u8]) -> Arc<[u8]> {
    let len = u32::try_from(words.len()).expect("short");
    len.to_le_bytes().into_iter().chain(words.iter().copied()).collect()
}

async fn write(
    mut control: Control,
    peer: libp2p::PeerId,
    mut waiting: mpsc::UnboundedReceiver<Arc<[u8]>>,
) {
    let mut stream = control.open_stream(peer, PROTOCOL).await.expect("a stream");
    let mut batch = Vec::with_capacity(2 * BATCH);
    while let Some(frame) = waiting.recv().await {
        batch.extend_from_slice(&frame);
        while batch.len() < BATCH
            && let Ok(frame) = waiting.try_recv()
        {
            batch.extend_from_slice(&frame);
        }
        let written = async {
            stream.write_all(&batch).await?;
            stream.flush().await
        };
        if written.await.is_err() {
            return;
        }
        batch.clear();
    }
}

async fn accept(mut incoming: IncomingStreams, hear: (usize, Arc<Board>, Arc<AtomicUsize>)) {
    while let Some((_, stream)) = incoming.next().await {
        tokio::spawn(read(stream, hear.clone()));
    }
}

async fn read(mut stream: Stream, (member, board, opened): (usize, Arc<Board>, Arc<AtomicUsize>)) {
    let (mut piece, mut held) = (vec![0; PIECE], Vec::new());
    while let Ok(len @ 1..) = stream.read(&mut piece).await {
        held.extend_from_slice(&piece[..len]);
        let mut at = 0;
        while let Some((head, rest)) = held[at..].split_first_chunk() {
            let len = u32::from_le_bytes(*head) as usize;
            let Some(words) = rest.get(..len) else { break };
            match number(words) {
                Some(nth) => board.hear(member, nth),
                None => drop(opened.fetch_add(1, SeqCst)),
            }
            at += 4 + len;
        }
        held.drain(..at);
    }
}

/// Two members without a connection, for the time and the work until each has read a byte.
pub struct Pair {
    runtimes: Runtimes,
    running: [Running; 2],
    control: Control,
}

impl Pair {
    pub fn new() -> Self {
        let runtimes = Runtimes::each(2);
        let [first, second] = [0, 1].map(|_| libp2p_stream::Behaviour::new());
        let (control, mut accepting) = (first.new_control(), second.new_control());
        let mut incoming = accepting.accept(PROTOCOL).expect("once");
        let running = [run(runtimes.of(0), first), run(runtimes.of(1), second)];
        runtimes.of(1).spawn(async move {
            let Some((_, mut stream)) = incoming.next().await else { return };
            let mut byte = [0];
            stream.read_exact(&mut byte).await.expect("a byte");
            stream.write_all(&byte).await.expect("a stream");
            stream.flush().await.expect("a stream");
            incoming.next().await;
        });
        Self { runtimes, running, control }
    }

    /// From dialling until a byte has gone there and back.
    pub fn link(&self) {
        let [first, second] = &self.running;
        let (mut control, peer) = (self.control.clone(), second.peer);
        let dial = swarms::Order::Dial(second.address.clone());
        first.orders.send(dial).expect("it runs");
        while first.connected.load(SeqCst) == 0 {
            std::thread::sleep(std::time::Duration::from_micros(50));
        }
        self.runtimes.of(0).block_on(async move {
            let mut stream = control.open_stream(peer, PROTOCOL).await.expect("a stream");
            stream.write_all(&[1]).await.expect("a stream");
            stream.flush().await.expect("a stream");
            stream.read_exact(&mut [0]).await.expect("a byte");
        });
    }
}
