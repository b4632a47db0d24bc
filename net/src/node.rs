//! The whole profile: one task a group, joins beside them, commands in.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::PoisonError;
use std::time::Duration;

use futures::FutureExt as _;
use libp2p::Multiaddr;
use proto::{
    Change, Command, Dag, Done, Founding, GroupId, Invitation, JoinError, Member, Now, Offer, Text,
};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, sleep};

use crate::config::Config;
use crate::error::Error;
use crate::group_task::{GroupCommand, GroupTask};
use crate::handle::{Hints, Status, Statuses};
use crate::joining;
use crate::storage::Storage;

/// Commands that may wait for one group.
const WAITING_MAX: usize = 128;
/// How often it is looked whether a day is over.
const DAYS_EVERY: Duration = Duration::from_secs(60);
/// How often it is looked whether groups that stopped for want of room can go on.
const ROOM_EVERY: Duration = Duration::from_secs(5);

/// First and last pause before a group that panicked is started again, and how long it must have lived since for
/// the pause to be the first again.
const RESTART_FIRST: Duration = Duration::from_secs(1);
const RESTART_LAST: Duration = Duration::from_secs(60);
const RESTART_FORGOTTEN: Duration = Duration::from_secs(600);

/// Where an answer goes.
pub(crate) type Answer<T> = oneshot::Sender<Result<T, Error>>;

/// What the handle wants.
pub(crate) enum NodeCommand {
    Found(Box<Founding>, Answer<GroupId>),
    Engine(GroupId, Command, Answer<Done>),
    Invite(GroupId, u64, bool, Answer<Done>),
    Look(String, Duration, Answer<Offer>),
    Join {
        link: String,
        name: String,
        timeout: Duration,
        answer: Answer<GroupId>,
    },
    Dial(GroupId, Multiaddr, Answer<()>),
    KeepDraft(GroupId, Vec<u8>, Answer<()>),
    /// A join that ended well.
    Joined(Box<proto::Joined>, Vec<Change>, Answer<GroupId>),
    /// A group's task panicked: libp2p's code is large, and one bug in it must not end a program.
    Panicked(GroupId),
    /// Its pause is over.
    Restart(GroupId),
    #[cfg(test)]
    Panic(GroupId),
    Stop(oneshot::Sender<()>),
}

struct Node {
    config: Config,
    storage: Storage,
    hints: Hints,
    statuses: Statuses,
    groups: BTreeMap<GroupId, (mpsc::Sender<GroupCommand>, JoinHandle<()>)>,
    own: mpsc::WeakSender<NodeCommand>,
    /// The group that has the port which was named, if one was.
    first: Option<GroupId>,
    /// When a group last panicked, and how long it was left alone for it.
    panics: BTreeMap<GroupId, (Instant, Duration)>,
    candidates: joining::Candidates,
}

/// Starts a task for every group, then serves commands until told to stop. Needs a runtime around it.
pub(crate) fn start(
    config: Config,
    storage: Storage,
    hints: Hints,
    statuses: Statuses,
    mut commands: mpsc::Receiver<NodeCommand>,
) -> Result<(), Error> {
    let (own, mut joined) = mpsc::channel(WAITING_MAX);
    let groups = BTreeMap::new();
    let candidates = joining::Candidates::default();
    let (own_weak, first, panics) = (own.downgrade(), None, BTreeMap::new());
    let mut node =
        Node { config, storage, hints, statuses, groups, own: own_weak, first, panics, candidates };
    for member in node.storage.reader().groups()? {
        let group = member.group;
        // One group that cannot start does not keep the others from it.
        if let Err(error) = node.start_group(member) {
            // One that was left long ago is none to start; its words can still be read.
            if !matches!(error, Error::Refused(_)) {
                tracing::error!(%error, "a group cannot start");
            }
            let mut statuses = node.statuses.lock().unwrap_or_else(PoisonError::into_inner);
            statuses.entry(group).or_default().stopped = Some(error);
        }
    }
    tokio::spawn(async move {
        // Held here, so that joins can report as long as the node runs.
        let _own = own;
        let mut days = tokio::time::interval(DAYS_EVERY);
        days.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut room = tokio::time::interval(ROOM_EVERY);
        room.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let command = tokio::select! {
                command = commands.recv() => command,
                command = joined.recv() => command,
                _ = days.tick() => {
                    node.end_days().await;
                    continue;
                }
                _ = room.tick() => {
                    node.go_on().await;
                    continue;
                }
            };
            match command {
                Some(NodeCommand::Stop(stopped)) => {
                    node.stop().await;
                    drop(node);
                    stopped.send(()).ok();
                    return;
                }
                Some(command) => node.on_command(command).await,
                None => return node.stop().await,
            }
        }
    });
    Ok(())
}

impl Node {
    async fn on_command(&mut self, command: NodeCommand) {
        if matches!(command, NodeCommand::Engine(..) | NodeCommand::Invite(..)) {
            self.go_on().await;
        }
        match command {
            NodeCommand::Found(founding, answer) => {
                let found = self.found(*founding).await;
                answer.send(found).ok();
            }
            NodeCommand::Engine(group, command, answer) => {
                self.pass(group, answer, |answer| GroupCommand::Engine(command, answer));
            }
            NodeCommand::Invite(group, secs, addresses, answer) => {
                self.pass(group, answer, |answer| GroupCommand::Invite(secs, addresses, answer));
            }
            NodeCommand::Dial(group, address, answer) => {
                self.pass(group, answer, |answer| GroupCommand::Dial(address, answer));
            }
            NodeCommand::KeepDraft(group, draft, answer) => {
                let kept = self.storage.keep_draft(group, draft).await;
                answer.send(kept).ok();
            }
            NodeCommand::Look(link, timeout, answer) => {
                let mdns = self.config.mdns;
                match open_invitation(&link) {
                    Ok(invitation) => {
                        tokio::spawn(async move {
                            let offer = joining::look(invitation, mdns, timeout).await;
                            answer.send(offer).ok();
                        });
                    }
                    Err(error) => drop(answer.send(Err(error))),
                }
            }
            NodeCommand::Join { link, name, timeout, answer } => {
                self.join(&link, name, timeout, answer);
            }
            NodeCommand::Joined(joined, changes, answer) => {
                let group = joined.member.group;
                let added = self.add_group(joined.member, changes).await;
                answer.send(added.map(|()| group)).ok();
            }
            NodeCommand::Panicked(group) => self.on_panicked(group),
            NodeCommand::Restart(group) => self.restart(&[group]).await,
            #[cfg(test)]
            NodeCommand::Panic(group) => {
                if let Some((commands, _)) = self.groups.get(&group) {
                    commands.send(GroupCommand::Panic).await.ok();
                }
            }
            NodeCommand::Stop(stopped) => drop(stopped.send(())),
        }
    }

    /// Whatever the task held in memory is gone, and all that it had acknowledged is durable: it starts again from
    /// there after a pause that grows while it panics again and again.
    fn on_panicked(&mut self, group: GroupId) {
        let before = self.panics.get(&group);
        let lately = before.filter(|(at, _)| at.elapsed() < RESTART_FORGOTTEN);
        let pause = lately.map_or(RESTART_FIRST, |(_, pause)| (*pause * 2).min(RESTART_LAST));
        self.panics.insert(group, (Instant::now(), pause));
        tracing::error!(?pause, "a group's task panicked; it starts again after a pause");
        let own = self.own.clone();
        tokio::spawn(async move {
            sleep(pause).await;
            if let Some(own) = own.upgrade() {
                own.send(NodeCommand::Restart(group)).await.ok();
            }
        });
    }

    async fn found(&mut self, founding: Founding) -> Result<GroupId, Error> {
        let (me, genesis) = founding.begin(now(), &mut rand::rng())?;
        let group = me.group;
        self.add_group(me, vec![Change::Op(genesis)]).await?;
        Ok(group)
    }

    fn join(&self, link: &str, name: String, timeout: Duration, answer: Answer<GroupId>) {
        let checked = open_invitation(link).and_then(|invitation| {
            let name = Text::new(name.trim())
                .filter(|name| !name.is_empty())
                .ok_or(proto::Refusal::Bad("a name in the group has 1 to 128 bytes"))?;
            self.check_new(&invitation)?;
            Ok((invitation, name))
        });
        let (invitation, name) = match checked {
            Ok(checked) => checked,
            Err(error) => return drop(answer.send(Err(error))),
        };
        let (mdns, own, candidates) = (self.config.mdns, self.own.clone(), self.candidates.clone());
        tokio::spawn(async move {
            match joining::join(invitation, name, (mdns, timeout), &candidates).await {
                Ok((joined, changes)) => {
                    let Some(own) = own.upgrade() else { return };
                    own.send(NodeCommand::Joined(Box::new(joined), changes, answer)).await.ok();
                }
                Err(error) => drop(answer.send(Err(error))),
            }
        });
    }

    /// Whether an invitation leads to a group that this profile was never in.
    fn check_new(&self, invitation: &Invitation) -> Result<(), Error> {
        let reader = self.storage.reader();
        let groups = reader.groups()?;
        let Some(me) = groups.into_iter().find(|me| invitation.is_to(&me.group)) else {
            return Ok(());
        };
        let dag = Dag::from_ops(reader.ops(&me.group)?).map_err(Error::Damaged)?;
        Err(if dag.left_at(&me.id).is_some() { Error::Left } else { Error::AlreadyMember })
    }

    async fn add_group(&mut self, me: Member, changes: Vec<Change>) -> Result<(), Error> {
        if self.groups.contains_key(&me.group) {
            return Err(Error::AlreadyMember);
        }
        self.storage.add_group(me.clone(), changes).await?;
        let listening = self.start_group(me)?;
        self.hints.hint();
        // So that what is asked next finds the group where it can be reached.
        listening.await.ok();
        Ok(())
    }

    fn start_group(&mut self, me: Member) -> Result<oneshot::Receiver<()>, Error> {
        let group = me.group;
        let remembered = self.storage.reader().remembered(&group)?;
        // A port that was named serves the first group; two groups never share one.
        let is_free = |first| first == group || !self.groups.contains_key(&first);
        let is_first = self.first.is_none_or(is_free);
        let port = self.storage.reader().port(&group)?;
        let (commands, waiting) = mpsc::channel(WAITING_MAX);
        let task = GroupTask::new(
            (me, remembered),
            (self.config.clone(), is_first, port),
            (self.storage.clone(), self.hints.clone(), self.statuses.clone()),
        )?;
        let (hints, own, statuses) = (self.hints.clone(), self.own.clone(), self.statuses.clone());
        let (started, listening) = oneshot::channel();
        let running = tokio::spawn(async move {
            match AssertUnwindSafe(task.run(waiting, started)).catch_unwind().await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(%error, "a group has stopped"),
                Err(_panic) => {
                    let stopped = Status { stopped: Some(Error::Panicked), ..Status::default() };
                    statuses.lock().unwrap_or_else(PoisonError::into_inner).insert(group, stopped);
                    if let Some(own) = own.upgrade() {
                        own.send(NodeCommand::Panicked(group)).await.ok();
                    }
                }
            }
            hints.hint();
        });
        self.groups.insert(group, (commands, running));
        if is_first {
            self.first = Some(group);
        }
        Ok(listening)
    }

    /// Starts the groups again that a full disk has stopped, from what is durable, once there is room.
    async fn go_on(&mut self) {
        let stopped: Vec<GroupId> = {
            let statuses = self.statuses.lock().unwrap_or_else(PoisonError::into_inner);
            let stopped = statuses.iter().filter(|(_, status)| is_for_want_of_room(status));
            stopped.map(|(group, _)| *group).collect()
        };
        if stopped.is_empty() || self.storage.check_room().await.is_err() {
            return;
        }
        self.restart(&stopped).await;
    }

    /// Starts groups again from what is durable.
    async fn restart(&mut self, stopped: &[GroupId]) {
        let members = self.storage.reader().groups().unwrap_or_default();
        for me in members.into_iter().filter(|me| stopped.contains(&me.group)) {
            let group = me.group;
            // Its last outputs are carried out, and its port is free.
            if let Some((_, running)) = self.groups.remove(&group) {
                running.await.ok();
            }
            let started = self.start_group(me);
            if let Err(error) = &started {
                tracing::error!(%error, "a group cannot go on");
            }
            let mut statuses = self.statuses.lock().unwrap_or_else(PoisonError::into_inner);
            statuses.entry(group).or_default().stopped = started.err();
        }
        self.hints.hint();
    }

    fn pass<T>(
        &self,
        group: GroupId,
        answer: Answer<T>,
        command: impl FnOnce(Answer<T>) -> GroupCommand,
    ) {
        let Some((commands, _)) = self.groups.get(&group) else {
            return drop(answer.send(Err(self.why_stopped(group).unwrap_or(Error::NoSuchGroup))));
        };
        // A queue that is full or closed drops the answer; so the room is looked at first.
        match commands.try_reserve() {
            Ok(room) => room.send(command(answer)),
            Err(mpsc::error::TrySendError::Full(())) => drop(answer.send(Err(Error::Busy))),
            Err(mpsc::error::TrySendError::Closed(())) => {
                drop(answer.send(Err(self.why_stopped(group).unwrap_or(Error::Stopped))));
            }
        }
    }

    fn why_stopped(&self, group: GroupId) -> Option<Error> {
        let statuses = self.statuses.lock().unwrap_or_else(PoisonError::into_inner);
        statuses.get(&group).and_then(|status| status.stopped.clone())
    }

    /// What is over by now ends.
    async fn end_days(&self) {
        match self.storage.end_days(now().unix_ms).await {
            Ok(true) => self.hints.hint(),
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "what is over has not ended yet"),
        }
    }

    async fn stop(&mut self) {
        for (commands, running) in std::mem::take(&mut self.groups).into_values() {
            drop(commands);
            running.await.ok();
        }
    }
}

fn is_for_want_of_room(status: &Status) -> bool {
    matches!(&status.stopped, Some(Error::Store(error)) if matches!(**error, store::Error::Full))
}

fn open_invitation(link: &str) -> Result<Invitation, Error> {
    let invitation = Invitation::from_text(link)?;
    if invitation.expires < now().unix_minutes() {
        return Err(JoinError::Expired.into());
    }
    Ok(invitation)
}

/// What time it is.
pub(crate) fn now() -> Now {
    use std::sync::OnceLock;
    use std::time::{Instant, SystemTime, UNIX_EPOCH};
    static START: OnceLock<Instant> = OnceLock::new();
    let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let instant = proto::Instant(millis(START.get_or_init(Instant::now).elapsed()));
    Now { instant, unix_ms: millis(unix) }
}
