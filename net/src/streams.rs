//! A stream's two pumps: bytes in, bytes out, both bounded.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::io::WriteHalf;
use futures::{AsyncReadExt as _, AsyncWriteExt as _};
use libp2p::Stream;
use proto::LinkId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Bytes read or written at once, if so many wait.
const PIECE: usize = 32 * 1024;
/// Messages that may wait to be written, and their bytes, unless one alone is more: beyond, the other end does not
/// read. With a new link the cards of all members are sent at once.
const WAITING_MAX: usize = 1024;
const WAITING_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How long what is written at once may take.
const WRITING: Duration = Duration::from_secs(30);
/// How long the end of a stream may take, with all that waits to be written before it.
const CLOSING: Duration = Duration::from_secs(10);

/// Pieces of one stream that may wait for the engine: whoever sends without a pause does not keep others waiting.
const TURNS: usize = 4;

/// What comes from a stream.
pub(crate) struct Incoming {
    pub(crate) link: LinkId,
    /// None: nothing more.
    pub(crate) bytes: Option<Vec<u8>>,
    /// To be kept until what comes of it is carried out: then the stream has its turn again.
    pub(crate) turn: Option<OwnedSemaphorePermit>,
}

/// A stream's way out. Dropped, it closes the stream once everything was written, or soon.
pub(crate) struct Pumps {
    out: mpsc::Sender<Vec<u8>>,
    /// Bytes that wait to be written, or are being written.
    waiting: Arc<AtomicUsize>,
    reading: JoinHandle<()>,
    /// Ends with this value.
    _open: oneshot::Sender<()>,
}

impl Pumps {
    /// Runs both pumps until the stream or this value ends. What is read goes to `incoming`, which
    /// holds the reading back when it is full.
    pub(crate) fn start(link: LinkId, stream: Stream, incoming: mpsc::Sender<Incoming>) -> Self {
        let (mut read, write) = stream.split();
        let (out, queue) = mpsc::channel::<Vec<u8>>(WAITING_MAX);
        let (open, closed) = oneshot::channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let reading = tokio::spawn(async move {
            let mut piece = vec![0; PIECE];
            let turns = Arc::new(Semaphore::new(TURNS));
            loop {
                match read.read(&mut piece).await {
                    Ok(0) | Err(_) => break,
                    Ok(len) => {
                        let bytes = piece.get(..len).map(<[u8]>::to_vec);
                        let turn = Arc::clone(&turns).acquire_owned().await.ok();
                        if incoming.send(Incoming { link, bytes, turn }).await.is_err() {
                            return;
                        }
                    }
                }
            }
            incoming.send(Incoming { link, bytes: None, turn: None }).await.ok();
        });
        let writing = write_out(write, queue, Arc::clone(&waiting));
        tokio::spawn(async move {
            tokio::pin!(writing);
            tokio::select! {
                () = &mut writing => {}
                // Whoever does not read keeps nothing here once the stream is closed.
                _ = closed => drop(timeout(CLOSING, writing).await),
            }
        });
        Self { out, waiting, reading, _open: open }
    }

    /// Queues bytes. False when the other end has not read for too long, or is gone.
    pub(crate) fn send(&self, bytes: Vec<u8>) -> bool {
        let before = self.waiting.fetch_add(bytes.len(), Ordering::Relaxed);
        let has_room = before == 0 || before.saturating_add(bytes.len()) <= WAITING_BYTES_MAX;
        has_room && self.out.try_send(bytes).is_ok()
    }
}

impl Drop for Pumps {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

/// Writes what comes until nothing more does, then closes the stream.
async fn write_out(
    mut write: WriteHalf<Stream>,
    mut queue: mpsc::Receiver<Vec<u8>>,
    waiting: Arc<AtomicUsize>,
) {
    while let Some(mut bytes) = queue.recv().await {
        // What waits goes with it: a flush is a system call, and a packet.
        while bytes.len() < PIECE
            && let Ok(more) = queue.try_recv()
        {
            bytes.extend_from_slice(&more);
        }
        let written = async {
            write.write_all(&bytes).await?;
            write.flush().await
        };
        // Who does not read for so long is gone, or means no good.
        if !matches!(timeout(WRITING, written).await, Ok(Ok(()))) {
            return;
        }
        waiting.fetch_sub(bytes.len(), Ordering::Relaxed);
    }
    write.close().await.ok();
}
