//! What the program holds of the network: blocking calls in, hints out.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use libp2p::Multiaddr;
use proto::{Addr, Command, Done, Founding, GroupId, MemberId, Offer, OpId, Path};
use store::{Reader, Store};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot};

use crate::config::Config;
use crate::error::Error;
use crate::node::{self, NodeCommand};
use crate::storage::Storage;

/// Commands that may wait.
const WAITING_MAX: usize = 256;
/// How long going down may take before it is cut short.
const GOING_DOWN: Duration = Duration::from_secs(5);

/// A link that is up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkStatus {
    /// In which group.
    pub group: GroupId,
    /// To whom.
    pub member: MemberId,
    /// How it runs.
    pub path: Path,
}

/// What one group's swarm is doing.
#[derive(Debug, Clone, Default)]
pub struct Status {
    /// Where it listens, each ending in its PeerId.
    pub listen: Vec<Multiaddr>,
    /// The links that are up.
    pub links: Vec<LinkStatus>,
    /// Why the group has stopped, if it has.
    pub stopped: Option<Error>,
}

/// What every group's swarm is doing, as last told.
pub(crate) type Statuses = Arc<Mutex<BTreeMap<GroupId, Status>>>;

/// Hints: something may have changed, so the store is worth reading.
#[derive(Debug)]
pub struct Events(Receiver<()>);

impl Events {
    /// Waits for the next hint. Several changes may be one hint. False when the network is down.
    #[must_use]
    pub fn wait(&self) -> bool {
        self.0.recv().is_ok()
    }
}

/// Where tasks leave hints. One that is not taken yet stands for all that follow.
#[derive(Clone)]
pub(crate) struct Hints(SyncSender<()>);

impl Hints {
    pub(crate) fn hint(&self) {
        self.0.try_send(()).ok();
    }
}

/// A running network. Every call blocks until it has an answer; none may be made from async code.
#[derive(Debug)]
pub struct Handle {
    commands: mpsc::Sender<NodeCommand>,
    statuses: Statuses,
    reader: Reader,
    down: Mutex<Option<(Runtime, thread::JoinHandle<()>)>>,
}

impl Handle {
    pub(crate) fn start(config: Config, store: Store) -> Result<(Self, Events), Error> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("net")
            .enable_all()
            .build()
            .map_err(|error| Error::Runtime(error.to_string()))?;
        let (storage, thread) = Storage::start(store)?;
        let reader = storage.reader().clone();
        let (hints, events) = sync_channel(1);
        let (commands, waiting) = mpsc::channel(WAITING_MAX);
        let statuses = Statuses::default();
        let inside = runtime.enter();
        node::start(config, storage, Hints(hints), Arc::clone(&statuses), waiting)?;
        drop(inside);
        let down = Mutex::new(Some((runtime, thread)));
        Ok((Self { commands, statuses, reader, down }, Events(events)))
    }

    /// To read what is durable.
    #[must_use]
    pub const fn reader(&self) -> &Reader {
        &self.reader
    }

    /// Starts a group.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Store`].
    pub fn found(&self, founding: Founding) -> Result<GroupId, Error> {
        self.ask(|answer| NodeCommand::Found(Box::new(founding), answer))
    }

    /// Has a group do something.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::NoSuchGroup`].
    pub fn command(&self, group: GroupId, command: Command) -> Result<Done, Error> {
        self.ask(|answer| NodeCommand::Engine(group, command, answer))
    }

    /// Makes an invitation that holds for so long, with this device's addresses in it if wanted.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::NoSuchGroup`].
    pub fn invite(
        &self,
        group: GroupId,
        expires_secs: u64,
        addresses: bool,
    ) -> Result<(OpId, String), Error> {
        match self.ask(|answer| NodeCommand::Invite(group, expires_secs, addresses, answer))? {
            Done::Invited(invite, link) => Ok((invite, link)),
            Done::Said(_) | Done::Written(_) | Done::Completeness { .. } | Done::Nothing => {
                Err(Error::Stopped)
            }
        }
    }

    /// Asks whoever admits with a link what the group is for.
    ///
    /// # Errors
    /// [`Error::Join`], [`Error::Unreachable`] after `timeout`.
    pub fn look(&self, link: &str, timeout: Duration) -> Result<Offer, Error> {
        let link = link.to_owned();
        self.ask(|answer| NodeCommand::Look(link, timeout, answer))
    }

    /// Joins with a link.
    ///
    /// # Errors
    /// [`Error::Join`], [`Error::AlreadyMember`], [`Error::Unreachable`] after `timeout`.
    pub fn join(&self, link: &str, name: &str, timeout: Duration) -> Result<GroupId, Error> {
        let (link, name) = (link.to_owned(), name.to_owned());
        self.ask(|answer| NodeCommand::Join { link, name, timeout, answer })
    }

    /// Connects to an address, for one group.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::NoSuchGroup`].
    pub fn dial(&self, group: GroupId, address: Multiaddr) -> Result<(), Error> {
        self.ask(|answer| NodeCommand::Dial(group, address, answer))
    }

    /// Keeps what a person is writing in a group, for this device alone; durable when it returns.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::NoSuchGroup`].
    pub fn keep_draft(&self, group: GroupId, draft: Vec<u8>) -> Result<(), Error> {
        self.ask(|answer| NodeCommand::KeepDraft(group, draft, answer))
    }

    /// What every group's swarm is doing.
    #[must_use]
    pub fn status(&self) -> BTreeMap<GroupId, Status> {
        self.statuses.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes the network down and closes the store; everything acknowledged is durable. Calls under
    /// way answer [`Error::Stopped`].
    pub fn shut_down(&self) {
        let down = self.down.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some((runtime, storage)) = down else { return };
        let (answer, stopped) = oneshot::channel();
        if self.commands.blocking_send(NodeCommand::Stop(answer)).is_ok() {
            stopped.blocking_recv().ok();
        }
        runtime.shutdown_timeout(GOING_DOWN);
        // A thread that panicked has nothing more to write.
        storage.join().ok();
    }

    #[cfg(test)]
    pub(crate) fn panic(&self, group: GroupId) {
        self.commands.blocking_send(NodeCommand::Panic(group)).ok();
    }

    fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<T, Error>>) -> NodeCommand,
    ) -> Result<T, Error> {
        let (answer, answered) = oneshot::channel();
        self.commands.try_send(command(answer)).map_err(|failed| match failed {
            mpsc::error::TrySendError::Full(_) => Error::Busy,
            mpsc::error::TrySendError::Closed(_) => Error::Stopped,
        })?;
        answered.blocking_recv().map_err(|_ended| Error::Stopped)?
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shut_down();
    }
}

/// Addresses for an invitation: two of this device's, one each of two other linked members.
pub(crate) fn invitation_addrs(own: &[Addr], others: impl IntoIterator<Item = Addr>) -> Vec<Addr> {
    let own_first = own.iter().take(2).cloned();
    own_first.chain(others.into_iter().take(2)).collect()
}
