//! One group's task: an engine, a swarm, and the streams between them. Step and drain; the only
//! `select!` of a group.
//!
//! Outputs are carried out in order: a commit is durable before the bytes behind it leave. Read next:
//! `carrying.rs`, for how, and `seeking.rs`, for who is dialled when, and when all is over.

mod carrying;
mod seeking;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::PoisonError;
use std::time::Duration;

use futures::StreamExt as _;
use libp2p::core::ConnectedPoint;
use libp2p::core::transport::ListenerId;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Stream, Swarm, mdns};
use libp2p_stream::Control;
use proto::{
    Addr, Change, Command, Done, Ends, Engine, Event, GroupId, Input, LinkId, Member, MemberId,
    Path, Purpose, Refusal, RequestId, Role,
};
use rand::rngs::StdRng;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};

use crate::address;
use crate::behaviour::{self, Behaviour, BehaviourEvent, JOIN, LINK};
use crate::config::Config;
use crate::error::Error;
use crate::handle::{Hints, LinkStatus, Status, Statuses, invitation_addrs};
use crate::node::{Answer, now};
use crate::storage::Storage;
use crate::streams::{Incoming, Pumps};
use seeking::Seeking;

/// Pieces of bytes that may wait for the engine, over all streams.
const INCOMING_MAX: usize = 64;
/// How long the system may take to say where we listen.
const LISTENING_MAX: Duration = Duration::from_secs(1);
/// How long a stream may take to open.
const OPENING_MAX: Duration = Duration::from_secs(15);
/// A peer that mDNS names and that is no member is left alone for so long.
const STRANGER_PAUSE: Duration = Duration::from_secs(3600);
/// Strangers that are remembered; beyond, they are forgotten and tried again.
const STRANGERS_MAX: usize = 1024;

/// Streams of others that may wait to be taken in; of more, some are dropped, and tried again.
const ACCEPTED_MAX: usize = 128;

/// A stream that someone else opened.
type Accepted = (PeerId, Stream, Purpose);

/// What the node wants of one group.
pub(crate) enum GroupCommand {
    Engine(Command, Answer<Done>),
    Invite(u64, bool, Answer<Done>),
    Dial(Multiaddr, Answer<()>),
    #[cfg(test)]
    Panic,
}

/// A stream, as it is run here.
struct Open {
    pumps: Pumps,
    peer: PeerId,
    role: Role,
    /// Where it was dialled; none if it was accepted.
    dialled: Option<Multiaddr>,
}

/// A stream of ours that was opened, or not.
type Opened = (PeerId, Multiaddr, Option<Stream>);

/// One group on this device.
pub(crate) struct GroupTask {
    group: GroupId,
    engine: Engine<StdRng>,
    swarm: Swarm<Behaviour>,
    control: Control,
    storage: Storage,
    hints: Hints,
    statuses: Statuses,
    on_loopback: bool,
    keeps_port: bool,
    listeners: HashSet<ListenerId>,
    streams: BTreeMap<LinkId, Open>,
    next_link: u64,
    next_request: u64,
    answers: BTreeMap<RequestId, Answer<Done>>,
    dials: BTreeMap<ConnectionId, Answer<()>>,
    /// Peers to whom a stream of ours is open or opening.
    opening: BTreeSet<PeerId>,
    seeking: Seeking,
    strangers: BTreeMap<PeerId, Instant>,
    /// How those who connected to us did.
    paths: BTreeMap<PeerId, Path>,
    reachable: Vec<Addr>,
    links: BTreeMap<LinkId, (MemberId, Path)>,
    incoming: (mpsc::Sender<Incoming>, mpsc::Receiver<Incoming>),
    opened: (mpsc::Sender<Opened>, mpsc::Receiver<Opened>),
    /// How many streams the engine has rejected.
    rejects: u64,
}

impl GroupTask {
    /// Starts listening; nothing is dialled before [`Self::run`].
    ///
    /// # Errors
    /// [`Refusal::NotAMember`] where this device left, and need not tell anyone any more.
    pub(crate) fn new(
        (me, remembered): (Member, Vec<Change>),
        (config, is_first, port): (Config, bool, Option<u16>),
        (storage, hints, statuses): (Storage, Hints, Statuses),
    ) -> Result<Self, Error> {
        let group = me.group;
        let engine = Engine::new(me, rand::make_rng(), remembered).map_err(Error::Damaged)?;
        if engine.is_over(now()) {
            return Err(Refusal::NotAMember.into());
        }
        let mut swarm = behaviour::swarm(config.mdns)?;
        let on_loopback = config.listen.iter().any(address::is_loopback);
        let (listeners, keeps_port) = listen(&mut swarm, &config, is_first, port)?;
        let control = swarm.behaviour().streams.new_control();
        Ok(Self {
            group,
            engine,
            swarm,
            control,
            storage,
            hints,
            statuses,
            on_loopback,
            keeps_port,
            listeners,
            streams: BTreeMap::new(),
            next_link: 0,
            next_request: 0,
            answers: BTreeMap::new(),
            dials: BTreeMap::new(),
            opening: BTreeSet::new(),
            seeking: Seeking::default(),
            strangers: BTreeMap::new(),
            paths: BTreeMap::new(),
            reachable: Vec::new(),
            links: BTreeMap::new(),
            incoming: mpsc::channel(INCOMING_MAX),
            opened: mpsc::channel(INCOMING_MAX),
            rejects: 0,
        })
    }

    /// Runs until the last sender of commands is gone, the store fails, or this device has left and
    /// nobody is left to tell. Whoever asked for something hears what stopped it.
    pub(crate) async fn run(
        mut self,
        mut commands: mpsc::Receiver<GroupCommand>,
        listening: oneshot::Sender<()>,
    ) -> Result<(), Error> {
        let done = self.serve(&mut commands, listening).await;
        if let Err(error) = &done {
            self.tell_stopped(error);
            for answer in std::mem::take(&mut self.answers).into_values() {
                answer.send(Err(error.clone())).ok();
            }
            refuse(&mut commands, error).await;
        }
        done
    }

    async fn serve(
        &mut self,
        commands: &mut mpsc::Receiver<GroupCommand>,
        listening: oneshot::Sender<()>,
    ) -> Result<(), Error> {
        // libp2p drops a stream that nobody is waiting for at the moment when it comes.
        let (accepted, mut arrived) = mpsc::channel(ACCEPTED_MAX);
        self.accept(LINK, Purpose::Link, &accepted)?;
        self.accept(JOIN, Purpose::Join, &accepted)?;
        self.begin_listening().await?;
        // Whoever waited may have given up.
        listening.send(()).ok();
        loop {
            if self.is_over() {
                return self.part(commands).await;
            }
            let wake = self.next_wake();
            tokio::select! {
                command = commands.recv() => match command {
                    Some(command) => self.on_commands(command, commands).await?,
                    None => return self.end().await,
                },
                event = self.swarm.select_next_some() => self.on_swarm(event).await?,
                Some((peer, stream, purpose)) = arrived.recv() => {
                    self.on_stream((peer, stream), purpose, None).await?;
                }
                Some(incoming) = self.incoming.1.recv() => self.on_incoming(incoming).await?,
                Some((peer, address, stream)) = self.opened.1.recv() => {
                    self.on_opened(peer, address, stream).await?;
                }
                () = sleep_until(wake) => {
                    self.input(Input::Tick).await?;
                    self.redial();
                }
            }
        }
    }

    /// Takes streams of one sort while the swarm lives, also while this task waits for the disk.
    fn accept(
        &mut self,
        protocol: libp2p::StreamProtocol,
        purpose: Purpose,
        accepted: &mpsc::Sender<Accepted>,
    ) -> Result<(), Error> {
        let streams = self.control.accept(protocol);
        let mut streams = streams.map_err(|error| Error::Runtime(error.to_string()))?;
        let accepted = accepted.clone();
        tokio::spawn(async move {
            while let Some((peer, stream)) = streams.next().await {
                if accepted.send((peer, stream, purpose)).await.is_err() {
                    return;
                }
            }
        });
        Ok(())
    }

    /// Waits until the system said where we listen, so that a first invitation names it.
    async fn begin_listening(&mut self) -> Result<(), Error> {
        let end = Instant::now() + LISTENING_MAX;
        let mut silent = self.listeners.clone();
        while !silent.is_empty() {
            tokio::select! {
                event = self.swarm.select_next_some() => {
                    if let SwarmEvent::NewListenAddr { listener_id, .. }
                        | SwarmEvent::ListenerClosed { listener_id, .. } = &event
                    {
                        silent.remove(listener_id);
                    }
                    self.on_swarm(event).await?;
                }
                () = sleep_until(end) => break,
            }
        }
        Ok(())
    }

    /// Closes what is open, in the open: the other ends learn at once that we are gone.
    async fn end(&mut self) -> Result<(), Error> {
        self.close().await?;
        self.statuses.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.group);
        Ok(())
    }

    /// Ends for good: what is still asked is answered, and so is what is asked from now on.
    async fn part(&mut self, commands: &mut mpsc::Receiver<GroupCommand>) -> Result<(), Error> {
        let left = Error::from(Refusal::NotAMember);
        self.tell_stopped(&left);
        refuse(commands, &left).await;
        self.close().await
    }

    fn tell_stopped(&self, error: &Error) {
        let stopped = Status { stopped: Some(error.clone()), ..Status::default() };
        let mut statuses = self.statuses.lock().unwrap_or_else(PoisonError::into_inner);
        statuses.insert(self.group, stopped);
    }

    async fn close(&mut self) -> Result<(), Error> {
        let links: Vec<_> = self.streams.keys().copied().collect();
        for link in links {
            self.streams.remove(&link);
            self.input(Input::Closed { link }).await?;
        }
        Ok(())
    }

    /// Hands a command on; what comes of it is to be carried out then.
    fn on_command(&mut self, command: GroupCommand) {
        match command {
            GroupCommand::Engine(command, answer) => self.command(command, Some(answer)),
            GroupCommand::Invite(expires_secs, addresses, answer) => {
                let linked: BTreeSet<_> = self.links.values().map(|(member, _)| *member).collect();
                let others = self.engine.addresses_of(&linked);
                let addrs =
                    if addresses { invitation_addrs(&self.reachable, others) } else { Vec::new() };
                self.command(Command::Invite { expires_secs, addrs }, Some(answer));
            }
            #[cfg(test)]
            GroupCommand::Panic => panic!("as a test wanted"),
            GroupCommand::Dial(address, answer) => {
                let dial = DialOpts::from(address);
                let connection = dial.connection_id();
                match self.swarm.dial(dial) {
                    Ok(()) => drop(self.dials.insert(connection, answer)),
                    Err(_cannot) => drop(answer.send(Err(Error::Unreachable))),
                }
            }
        }
    }

    fn command(&mut self, command: Command, answer: Option<Answer<Done>>) {
        let request = RequestId(self.next_request);
        self.next_request += 1;
        if let Some(answer) = answer {
            self.answers.insert(request, answer);
        }
        self.engine.handle(now(), Input::Command { request, command });
    }

    async fn on_swarm(&mut self, event: SwarmEvent<BehaviourEvent>) -> Result<(), Error> {
        #[expect(clippy::wildcard_enum_match_arm, reason = "libp2p's event is non-exhaustive")]
        match event {
            SwarmEvent::NewListenAddr { .. } | SwarmEvent::ExpiredListenAddr { .. } => {
                self.on_listening().await
            }
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                if let Some(answer) = self.dials.remove(&connection_id) {
                    answer.send(Ok(())).ok();
                }
                match endpoint {
                    ConnectedPoint::Dialer { address, .. } => self.open_stream(peer_id, address),
                    ConnectedPoint::Listener { send_back_addr, .. } => {
                        self.paths.insert(peer_id, address::path(&send_back_addr));
                    }
                }
                Ok(())
            }
            SwarmEvent::ConnectionClosed { peer_id, num_established: 0, .. } => {
                self.paths.remove(&peer_id);
                Ok(())
            }
            SwarmEvent::OutgoingConnectionError { connection_id, .. } => {
                if let Some(answer) = self.dials.remove(&connection_id) {
                    answer.send(Err(Error::Unreachable)).ok();
                }
                Ok(())
            }
            SwarmEvent::Behaviour(BehaviourEvent::Mdns(mdns::Event::Discovered(found))) => {
                let mut peers: BTreeMap<_, Vec<_>> = BTreeMap::new();
                for (peer, address) in found {
                    peers.entry(peer).or_default().push(address);
                }
                for (peer, addresses) in peers {
                    self.on_discovered(peer, addresses);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Someone runs libp2p on the local network. The smaller PeerId dials; whoever was asked and is no
    /// member is left alone for an hour.
    fn on_discovered(&mut self, peer: PeerId, addresses: Vec<Multiaddr>) {
        let now = Instant::now();
        if self.strangers.len() >= STRANGERS_MAX {
            self.strangers.clear();
        }
        let is_due = self.strangers.get(&peer).is_none_or(|next| *next <= now);
        if *self.swarm.local_peer_id() < peer && is_due && !self.opening.contains(&peer) {
            let dial = DialOpts::peer_id(peer)
                .addresses(addresses)
                .condition(PeerCondition::DisconnectedAndNotDialing);
            // What cannot be dialled now is announced again.
            self.swarm.dial(dial.build()).ok();
        }
    }

    /// We connected to someone: ask whether they are a member, unless that is under way.
    fn open_stream(&mut self, peer: PeerId, address: Multiaddr) {
        if !self.opening.insert(peer) {
            return;
        }
        self.strangers.insert(peer, Instant::now() + STRANGER_PAUSE);
        let (mut control, opened) = (self.control.clone(), self.opened.0.clone());
        tokio::spawn(async move {
            let stream = timeout(OPENING_MAX, control.open_stream(peer, LINK)).await;
            let stream = stream.ok().and_then(Result::ok);
            opened.send((peer, address, stream)).await.ok();
        });
    }

    async fn on_opened(
        &mut self,
        peer: PeerId,
        address: Multiaddr,
        stream: Option<Stream>,
    ) -> Result<(), Error> {
        let Some(stream) = stream else {
            self.opening.remove(&peer);
            return Ok(());
        };
        self.on_stream((peer, stream), Purpose::Link, Some(address)).await
    }

    async fn on_stream(
        &mut self,
        (peer, stream): (PeerId, Stream),
        purpose: Purpose,
        dialled: Option<Multiaddr>,
    ) -> Result<(), Error> {
        let role = if dialled.is_some() { Role::Initiator } else { Role::Responder };
        let link = LinkId(self.next_link);
        self.next_link += 1;
        let pumps = Pumps::start(link, stream, self.incoming.0.clone());
        let (ours, theirs) = (self.swarm.local_peer_id().to_bytes(), peer.to_bytes());
        let ends = match role {
            Role::Initiator => Ends { initiator: ours, responder: theirs },
            Role::Responder => Ends { initiator: theirs, responder: ours },
        };
        let accepted = self.paths.get(&peer).copied().unwrap_or(Path::Direct);
        let path = dialled.as_ref().map_or(accepted, address::path);
        self.streams.insert(link, Open { pumps, peer, role, dialled });
        self.input(Input::Opened { link, role, purpose, ends, path }).await
    }

    fn drop_stream(&mut self, link: LinkId) {
        if let Some(open) = self.streams.remove(&link)
            && open.role == Role::Initiator
        {
            self.opening.remove(&open.peer);
        }
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Done { request, done } => {
                if let Some(answer) = self.answers.remove(&request) {
                    answer.send(Ok(done)).ok();
                }
            }
            Event::Refused { request, refusal } => {
                if let Some(answer) = self.answers.remove(&request) {
                    answer.send(Err(refusal.into())).ok();
                }
            }
            Event::LinkUp(link, member, path) => {
                self.links.insert(link, (member, path));
                self.seeking.on_link_up(link, member);
                let met = self.streams.get(&link).and_then(|open| open.dialled.as_ref());
                if let Some(met) = met.and_then(address::from_multiaddr) {
                    let request = RequestId(self.next_request);
                    self.next_request += 1;
                    let command = Command::Met(member, met);
                    self.engine.handle(now(), Input::Command { request, command });
                }
                self.tell_links();
            }
            Event::LinkDown(link, member) => {
                self.links.remove(&link);
                self.seeking.on_link_down(link, member);
                self.tell_links();
            }
            // What is behind them was told with its commit.
            Event::Members | Event::Held => {}
        }
    }

    fn tell_links(&self) {
        let group = self.group;
        let of =
            |(member, path): &(MemberId, Path)| LinkStatus { group, member: *member, path: *path };
        let mut statuses = self.statuses.lock().unwrap_or_else(PoisonError::into_inner);
        statuses.entry(group).or_default().links = self.links.values().map(of).collect();
        drop(statuses);
        self.hints.hint();
    }

    /// Where we can be reached has changed: members hear of it, and the port is kept for next time.
    async fn on_listening(&mut self) -> Result<(), Error> {
        self.seeking.begin_again();
        let peer = *self.swarm.local_peer_id();
        let listening: Vec<_> = self.swarm.listeners().cloned().collect();
        {
            let mut statuses = self.statuses.lock().unwrap_or_else(PoisonError::into_inner);
            let status = statuses.entry(self.group).or_default();
            status.listen = listening
                .iter()
                .filter_map(|address| address.clone().with_p2p(peer).ok())
                .collect();
        }
        let on_loopback = self.on_loopback;
        self.reachable = listening
            .iter()
            .filter(|address| address::is_tellable(address, on_loopback))
            .filter_map(address::from_multiaddr)
            .collect();
        // Invitations and cards have room for few: first one way to every interface, then the other.
        self.reachable.sort_by_key(|addr| matches!(addr, Addr::Quic4(..) | Addr::Quic6(..)));
        if self.keeps_port
            && let Some(port) = listening.iter().find_map(address::port_of)
        {
            self.storage.set_port(self.group, port).await?;
        }
        self.command(Command::Reachable(self.reachable.clone()), None);
        self.carry_out().await
    }
}

/// Answers what is still asked, and takes nothing more.
async fn refuse(commands: &mut mpsc::Receiver<GroupCommand>, error: &Error) {
    commands.close();
    while let Some(command) = commands.recv().await {
        match command {
            GroupCommand::Engine(_, answer) | GroupCommand::Invite(.., answer) => {
                answer.send(Err(error.clone())).ok();
            }
            GroupCommand::Dial(_, answer) => drop(answer.send(Err(error.clone()))),
            #[cfg(test)]
            GroupCommand::Panic => {}
        }
    }
}

/// Listens where the person said, or everywhere. Says whether the port is the system's choice, to be
/// kept and tried first the next time.
fn listen(
    swarm: &mut Swarm<Behaviour>,
    config: &Config,
    is_first: bool,
    port: Option<u16>,
) -> Result<(HashSet<ListenerId>, bool), Error> {
    let everywhere = [
        "/ip4/0.0.0.0/tcp/0",
        "/ip6/::/tcp/0",
        "/ip4/0.0.0.0/udp/0/quic-v1",
        "/ip6/::/udp/0/quic-v1",
    ];
    let everywhere = everywhere.iter().filter_map(|address| address.parse().ok());
    let wanted: Vec<Multiaddr> =
        if config.listen.is_empty() { everywhere.collect() } else { config.listen.clone() };
    // One number for all ways in, so that it is enough to remember one.
    let kept = port.filter(|port| address::is_free(*port)).unwrap_or_else(address::any_free);
    let mut keeps_port = false;
    let mut failed = None;
    let mut listeners = HashSet::new();
    for address in wanted {
        let named = address::port_of(&address).unwrap_or(0);
        let tries = if is_first && named != 0 {
            vec![named, 0]
        } else {
            keeps_port = true;
            vec![kept, 0]
        };
        for port in tries {
            match swarm.listen_on(address::with_port(&address, port)) {
                Ok(listener) => {
                    listeners.insert(listener);
                    break;
                }
                Err(error) => {
                    tracing::warn!(port, %error, "cannot listen");
                    failed = Some(error.to_string());
                }
            }
        }
    }
    // IPv6 may be missing; nothing at all may not.
    match failed {
        Some(error) if listeners.is_empty() => Err(Error::Runtime(error)),
        Some(_) | None => Ok((listeners, keeps_port)),
    }
}
