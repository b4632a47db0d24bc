//! A stream's two pumps: bytes in, bytes out, both bounded.

use std::time::Duration;

use futures::{AsyncReadExt as _, AsyncWriteExt as _};
use libp2p::Stream;
use proto::LinkId;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Bytes read or written at once, if so many wait.
const PIECE: usize = 32 * 1024;
/// Messages that may wait to be written: more means that the other end does not read.
const WAITING_MAX: usize = 256;
/// How long what is written at once may take.
const WRITING: Duration = Duration::from_secs(30);
/// How long the end of a stream may take.
const CLOSING: Duration = Duration::from_secs(5);

/// What comes from a stream: bytes, or nothing more.
pub(crate) type Incoming = (LinkId, Option<Vec<u8>>);

/// A stream's way out. Dropped, it closes the stream once everything was written.
pub(crate) struct Pumps {
    out: mpsc::Sender<Vec<u8>>,
    reading: JoinHandle<()>,
}

impl Pumps {
    /// Runs both pumps until the stream or this value ends. What is read goes to `incoming`, which
    /// holds the reading back when it is full.
    pub(crate) fn start(link: LinkId, stream: Stream, incoming: mpsc::Sender<Incoming>) -> Self {
        let (mut read, mut write) = stream.split();
        let (out, mut waiting) = mpsc::channel::<Vec<u8>>(WAITING_MAX);
        let reading = tokio::spawn(async move {
            let mut piece = vec![0; PIECE];
            loop {
                match read.read(&mut piece).await {
                    Ok(0) | Err(_) => break,
                    Ok(len) => {
                        let bytes = piece.get(..len).map(<[u8]>::to_vec);
                        if incoming.send((link, bytes)).await.is_err() {
                            return;
                        }
                    }
                }
            }
            incoming.send((link, None)).await.ok();
        });
        tokio::spawn(async move {
            while let Some(mut bytes) = waiting.recv().await {
                // What waits goes with it: a flush is a system call, and a packet.
                while bytes.len() < PIECE
                    && let Ok(more) = waiting.try_recv()
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
            }
            timeout(CLOSING, write.close()).await.ok();
        });
        Self { out, reading }
    }

    /// Queues bytes. False when the other end has not read for too long, or is gone.
    pub(crate) fn send(&self, bytes: Vec<u8>) -> bool {
        self.out.try_send(bytes).is_ok()
    }
}

impl Drop for Pumps {
    fn drop(&mut self) {
        self.reading.abort();
    }
}
