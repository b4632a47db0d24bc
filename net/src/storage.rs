//! The store's one writer, on a thread of its own: commits block, and are answered when durable.

use std::thread;
use std::time::{Duration, Instant};

use proto::{Change, GroupId, Member};
use store::{Reader, Store};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::error::Error;

/// Commits that may wait.
const WAITING_MAX: usize = 64;
/// Forgetting takes at most one part of the time in so many.
const FORGET_SHARE: u32 = 60;
/// What is to be forgotten keeps the profile from closing for no longer than about this.
const FORGET_AT_END: Duration = Duration::from_millis(200);
/// A commit that takes longer is worth a warning.
const SLOW: Duration = Duration::from_secs(30);

enum Job {
    AddGroup(Box<Member>, Vec<Change>),
    Commit(GroupId, Vec<Change>),
    SetPort(GroupId, u16),
    KeepDraft(GroupId, Vec<u8>),
    EndDays(u64),
    CheckRoom,
}

impl Job {
    /// Whether something ended that was there before.
    fn run(self, store: &mut Store) -> Result<bool, store::Error> {
        match self {
            Self::AddGroup(me, changes) => store.add_group(&me, &changes).map(|()| false),
            Self::Commit(group, changes) => store.commit(&group, &changes).map(|()| false),
            Self::SetPort(group, port) => store.set_port(&group, port).map(|()| false),
            Self::KeepDraft(group, draft) => store.keep_draft(&group, &draft).map(|()| false),
            Self::CheckRoom => store.check_room().map(|()| false),
            Self::EndDays(now_ms) => store.end_days(now_ms).map(|ended| !ended.is_empty()),
        }
    }
}

/// Where to hand what must be durable.
#[derive(Clone)]
pub(crate) struct Storage {
    jobs: mpsc::Sender<(Job, oneshot::Sender<Result<bool, Error>>)>,
    reader: Reader,
}

impl Storage {
    /// Moves a store to its thread. The thread ends, and the store closes, with the last `Storage`.
    pub(crate) fn start(mut store: Store) -> Result<(Self, thread::JoinHandle<()>), Error> {
        let reader = store.reader();
        let (jobs, mut waiting) = mpsc::channel::<(Job, oneshot::Sender<_>)>(WAITING_MAX);
        let work = move || {
            let mut forgetting = Forgetting { next: Instant::now(), took: Duration::ZERO };
            while let Some((job, answer)) = waiting.blocking_recv() {
                // Whoever asked may be gone; what was asked for is durable all the same.
                answer.send(job.run(&mut store).map_err(Error::from)).ok();
                if waiting.is_empty() && forgetting.next <= Instant::now() {
                    forgetting.go_on(&mut store);
                }
            }
            // What would take long is done when the profile is opened again.
            while forgetting.took < FORGET_AT_END && forgetting.go_on(&mut store) {}
        };
        let thread = thread::Builder::new().name("storage".into()).spawn(work);
        let thread = thread.map_err(|error| Error::Runtime(error.to_string()))?;
        Ok((Self { jobs, reader }, thread))
    }

    /// To read what is durable.
    pub(crate) const fn reader(&self) -> &Reader {
        &self.reader
    }

    pub(crate) async fn add_group(&self, me: Member, changes: Vec<Change>) -> Result<(), Error> {
        self.run(Job::AddGroup(Box::new(me), changes)).await.map(drop)
    }

    pub(crate) async fn commit(&self, group: GroupId, changes: Vec<Change>) -> Result<(), Error> {
        self.run(Job::Commit(group, changes)).await.map(drop)
    }

    pub(crate) async fn set_port(&self, group: GroupId, port: u16) -> Result<(), Error> {
        self.run(Job::SetPort(group, port)).await.map(drop)
    }

    /// Keeps what a person is writing.
    pub(crate) async fn keep_draft(&self, group: GroupId, draft: Vec<u8>) -> Result<(), Error> {
        self.run(Job::KeepDraft(group, draft)).await.map(drop)
    }

    /// Whether the disk takes anything at all.
    pub(crate) async fn check_room(&self) -> Result<(), Error> {
        self.run(Job::CheckRoom).await.map(drop)
    }

    /// Ends what is over by now. Whether there was anything.
    pub(crate) async fn end_days(&self, now_ms: u64) -> Result<bool, Error> {
        self.run(Job::EndDays(now_ms)).await
    }

    async fn run(&self, job: Job) -> Result<bool, Error> {
        let (answer, mut answered) = oneshot::channel();
        self.jobs.send((job, answer)).await.map_err(|_ended| Error::Stopped)?;
        loop {
            match timeout(SLOW, &mut answered).await {
                Ok(done) => return done.map_err(|_ended| Error::Stopped)?,
                Err(_elapsed) => tracing::warn!("the disk has not answered for 30 seconds"),
            }
        }
    }
}

/// Making unreadable for good what was taken back: a bit at a time, in the pauses of everything else. Each bit
/// seals a day's words anew, and whoever edits without end is not to keep the disk busy.
struct Forgetting {
    /// Not before.
    next: Instant,
    /// How long the last bit took.
    took: Duration,
}

impl Forgetting {
    /// Whether there may be more.
    fn go_on(&mut self, store: &mut Store) -> bool {
        let start = Instant::now();
        let done = store.forget();
        self.took = start.elapsed();
        self.next = Instant::now() + self.took.saturating_mul(FORGET_SHARE);
        done.unwrap_or_else(|error| {
            // It is done at the next try, or when the profile is opened again.
            tracing::warn!(%error, "what was taken back is not forgotten yet");
            false
        })
    }
}
