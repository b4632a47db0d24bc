//! The store's one writer, on a thread of its own: commits block, and are answered when durable.

use std::thread;
use std::time::{Duration, Instant};

use proto::{Change, GroupId, Member};
use store::{Reader, Store};
use tokio::sync::{mpsc, oneshot};

use crate::error::Error;

/// Commits that may wait.
const WAITING_MAX: usize = 64;
/// The least time between two times of forgetting: each seals a day's words anew, and whoever edits without
/// end is not to keep the disk busy.
const FORGET_PAUSE: Duration = Duration::from_secs(60);

enum Job {
    AddGroup(Box<Member>, Vec<Change>),
    Commit(GroupId, Vec<Change>),
    SetPort(GroupId, u16),
    EndDays(u64),
}

impl Job {
    /// Whether something ended that was there before.
    fn run(self, store: &mut Store) -> Result<bool, store::Error> {
        match self {
            Self::AddGroup(me, changes) => store.add_group(&me, &changes).map(|()| false),
            Self::Commit(group, changes) => store.commit(&group, &changes).map(|()| false),
            Self::SetPort(group, port) => store.set_port(&group, port).map(|()| false),
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
            let mut forgot: Option<Instant> = None;
            while let Some((job, answer)) = waiting.blocking_recv() {
                // Whoever asked may be gone; what was asked for is durable all the same.
                answer.send(job.run(&mut store).map_err(Error::from)).ok();
                let is_time = forgot.is_none_or(|at| at.elapsed() >= FORGET_PAUSE);
                if is_time && waiting.is_empty() && forget(&mut store) {
                    forgot = Some(Instant::now());
                }
            }
            forget(&mut store);
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

    /// Ends what is over by now. Whether there was anything.
    pub(crate) async fn end_days(&self, now_ms: u64) -> Result<bool, Error> {
        self.run(Job::EndDays(now_ms)).await
    }

    async fn run(&self, job: Job) -> Result<bool, Error> {
        let (answer, answered) = oneshot::channel();
        self.jobs.send((job, answer)).await.map_err(|_ended| Error::Stopped)?;
        answered.await.map_err(|_ended| Error::Stopped)?
    }
}

/// What was taken back is made unreadable for good. Whether there was anything.
fn forget(store: &mut Store) -> bool {
    let mut forgot = false;
    loop {
        match store.forget() {
            Ok(true) => forgot = true,
            Ok(false) => return forgot,
            Err(error) => {
                // It is done at the next try, or when the profile is opened again.
                tracing::warn!(%error, "what was taken back is not forgotten yet");
                return true;
            }
        }
    }
}
