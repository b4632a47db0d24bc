//! The store's one writer, on a thread of its own: commits block, and are answered when durable.

use std::thread;

use proto::{Change, GroupId, Member};
use store::{Reader, Store};
use tokio::sync::{mpsc, oneshot};

use crate::error::Error;

/// Commits that may wait.
const WAITING_MAX: usize = 64;

enum Job {
    AddGroup(Box<Member>, Vec<Change>),
    Commit(GroupId, Vec<Change>),
    SetPort(GroupId, u16),
    EndDays(u64),
}

/// Where to hand what must be durable.
#[derive(Clone)]
pub(crate) struct Storage {
    jobs: mpsc::Sender<(Job, oneshot::Sender<Result<(), Error>>)>,
    reader: Reader,
}

impl Storage {
    /// Moves a store to its thread. The thread ends, and the store closes, with the last `Storage`.
    pub(crate) fn start(mut store: Store) -> Result<(Self, thread::JoinHandle<()>), Error> {
        let reader = store.reader();
        let (jobs, mut waiting) = mpsc::channel::<(Job, oneshot::Sender<_>)>(WAITING_MAX);
        let work = move || {
            while let Some((job, answer)) = waiting.blocking_recv() {
                let done = match job {
                    Job::AddGroup(me, changes) => store.add_group(&me, &changes),
                    Job::Commit(group, changes) => store.commit(&group, &changes),
                    Job::SetPort(group, port) => store.set_port(&group, port),
                    Job::EndDays(now_ms) => store.end_days(now_ms).map(drop),
                };
                // Whoever asked may be gone; what was asked for is durable all the same.
                answer.send(done.map_err(Error::from)).ok();
                if waiting.is_empty() {
                    forget(&mut store);
                }
            }
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
        self.run(Job::AddGroup(Box::new(me), changes)).await
    }

    pub(crate) async fn commit(&self, group: GroupId, changes: Vec<Change>) -> Result<(), Error> {
        self.run(Job::Commit(group, changes)).await
    }

    pub(crate) async fn set_port(&self, group: GroupId, port: u16) -> Result<(), Error> {
        self.run(Job::SetPort(group, port)).await
    }

    /// Ends what is over by now.
    pub(crate) async fn end_days(&self, now_ms: u64) -> Result<(), Error> {
        self.run(Job::EndDays(now_ms)).await
    }

    async fn run(&self, job: Job) -> Result<(), Error> {
        let (answer, answered) = oneshot::channel();
        self.jobs.send((job, answer)).await.map_err(|_ended| Error::Stopped)?;
        answered.await.map_err(|_ended| Error::Stopped)?
    }
}

/// What was taken back is made unreadable for good as soon as there is nothing else to do.
fn forget(store: &mut Store) {
    loop {
        match store.forget() {
            Ok(true) => {}
            Ok(false) => return,
            // It is done at the next try, or when the profile is opened again.
            Err(error) => return tracing::warn!(%error, "what was taken back is not forgotten yet"),
        }
    }
}
