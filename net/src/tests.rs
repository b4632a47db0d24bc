//! Real nodes on loopback, with real stores: what strangers learn of them, and what becomes of those who left.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use futures::{AsyncReadExt as _, AsyncWriteExt as _, StreamExt as _};
use libp2p::swarm::SwarmEvent;
use libp2p::{Multiaddr, PeerId, Stream, Swarm, identify};
use proto::{Command, Done, Founding, GroupId, GroupParams};
use rand::Rng as _;
use store::Home;
use tempfile::TempDir;
use tokio::time::timeout;

use crate::behaviour::{self, Behaviour, BehaviourEvent, JOIN, LINK};
use crate::{Config, Error, Events, Handle, spawn};

const PASSPHRASE: &str = "a passphrase nobody guesses";
/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);
/// What a first message of a link looks like from outside: its length, a version, random bytes.
const HINTS_LEN: usize = 529;

/// One person's program.
struct Node {
    handle: Handle,
    _events: Events,
    folder: TempDir,
}

impl Node {
    fn new() -> Self {
        Self::with(config())
    }

    fn with(config: Config) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Home::open(folder.path()).unwrap().create_at_floor(PASSPHRASE).unwrap();
        let (handle, events) = spawn(config, store).unwrap();
        Self { handle, _events: events, folder }
    }

    /// Starts again with what is in a folder.
    fn on(folder: TempDir) -> Self {
        let store = Home::open(folder.path()).unwrap().unlock(PASSPHRASE).unwrap();
        let (handle, events) = spawn(config(), store).unwrap();
        Self { handle, _events: events, folder }
    }

    /// The program ends; what is left is its folder.
    fn stop(self) -> TempDir {
        self.handle.shut_down();
        self.folder
    }

    fn found(&self, name: &str) -> GroupId {
        let founding = Founding {
            name: name.into(),
            reason: "Company.".into(),
            agreement: String::new(),
            pseudonym: "Wren".into(),
            params: GroupParams::default(),
        };
        self.handle.found(founding).unwrap()
    }

    fn address(&self, group: &GroupId, how: &str) -> Multiaddr {
        let status = self.handle.status();
        let listen = &status[group].listen;
        listen.iter().find(|address| address.to_string().contains(how)).unwrap().clone()
    }

    fn peer(&self, group: &GroupId) -> PeerId {
        let address = self.address(group, "/tcp/").to_string();
        address.rsplit('/').next().unwrap().parse().unwrap()
    }

    fn links(&self, group: &GroupId) -> usize {
        self.handle.status().get(group).map_or(0, |status| status.links.len())
    }

    fn say(&self, group: GroupId, text: &str) -> Result<Done, Error> {
        self.handle.command(group, Command::Say { text: text.into(), reply_to: None })
    }

    fn shows(&self, group: &GroupId) -> usize {
        self.handle.reader().timeline(group, None, 100).unwrap().rows.len()
    }
}

fn config() -> Config {
    let listen = ["/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"];
    Config { listen: listen.iter().map(|address| address.parse().unwrap()).collect(), mdns: false }
}

/// Two people in a group, linked.
fn two() -> (Node, Node, GroupId) {
    let (wren, alder) = (Node::new(), Node::new());
    let group = wren.found("Tuesday");
    let (_, link) = wren.handle.invite(group, 3600, true).unwrap();
    assert_eq!(alder.handle.join(&link, "Alder", PATIENCE).unwrap(), group);
    until("both are linked", || wren.links(&group) == 1 && alder.links(&group) == 1);
    (wren, alder, group)
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { timeout(PATIENCE * 2, future).await.expect("in time") })
}

/// Someone who runs libp2p, knows Kith's code, and belongs to no group.
struct Stranger {
    swarm: Swarm<Behaviour>,
}

impl Stranger {
    fn new() -> Self {
        Self { swarm: behaviour::swarm(false).unwrap() }
    }

    /// Connects; gives the PeerId at the other end and what it says of itself.
    async fn meet(&mut self, address: Multiaddr) -> (PeerId, identify::Info) {
        self.swarm.dial(address).unwrap();
        loop {
            if let SwarmEvent::Behaviour(BehaviourEvent::Identify(identify::Event::Received {
                peer_id,
                info,
                ..
            })) = self.swarm.select_next_some().await
            {
                return (peer_id, info);
            }
        }
    }

    /// Drives the swarm beside whatever else is done.
    async fn beside<T>(&mut self, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                _ = self.swarm.select_next_some() => {}
            }
        }
    }

    /// Opens a stream, says something, and gives all that comes back until the other end closes it.
    async fn ask(&mut self, peer: PeerId, what: libp2p::StreamProtocol, say: &[u8]) -> Vec<u8> {
        let mut control = self.swarm.behaviour().streams.new_control();
        self.beside(async move {
            let mut stream = control.open_stream(peer, what).await.unwrap();
            stream.write_all(say).await.unwrap();
            stream.flush().await.unwrap();
            let mut came = Vec::new();
            // A reset is an end too.
            drop(stream.read_to_end(&mut came).await);
            came
        })
        .await
    }
}

/// What looks like the beginning of a link, and is none.
fn hints() -> Vec<u8> {
    let mut hints = vec![0; 2 + HINTS_LEN];
    rand::rng().fill_bytes(&mut hints);
    hints.splice(..3, [0x02, 0x11, 1]);
    hints
}

#[test]
fn outsider_learns_nothing() {
    let (wren, alder, group) = two();
    run(async {
        let mut stranger = Stranger::new();
        let (peer, _) = stranger.meet(wren.address(&group, "/tcp/")).await;
        let came = stranger.ask(peer, LINK, &hints()).await;
        assert_eq!(came.len(), 32, "and then nothing, while people talk");
        // Whoever stays connected and waits hears nothing either: nobody opens a stream to them.
        let mut incoming = stranger.swarm.behaviour().streams.new_control().accept(LINK).unwrap();
        let handle = &wren.handle;
        std::thread::scope(|scope| {
            let say = Command::Say { text: "not for strangers".into(), reply_to: None };
            scope.spawn(move || handle.command(group, say).unwrap());
        });
        let waited = timeout(Duration::from_secs(2), incoming.next());
        assert!(stranger.beside(waited).await.is_err(), "nobody speaks to them");
    });
    until("the others do hear it", || alder.shows(&group) == 1);
}

#[test]
fn probe_is_uninformative() {
    let (wren, _alder, group) = two();
    run(async {
        let mut stranger = Stranger::new();
        let (peer, info) = stranger.meet(wren.address(&group, "/tcp/")).await;
        // What anyone may know: that it is this program, under a key that lives for one run.
        assert_eq!((info.agent_version.as_str(), info.listen_addrs.len()), ("", 0));
        let mut names: Vec<_> = info.protocols.iter().map(ToString::to_string).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            ["/ipfs/id/1.0.0", "/ipfs/id/push/1.0.0", "/kith/join/1", "/kith/link/1"]
        );
        let mut answers = Vec::new();
        for _ in 0..20 {
            answers.push(stranger.ask(peer, LINK, &hints()).await);
        }
        assert!(answers.iter().all(|answer| answer.len() == 32));
        let ones: u32 = answers.iter().flatten().map(|byte| byte.count_ones()).sum();
        // 5,120 fair coins: five standard deviations either way.
        assert!((2_560 - 179..2_560 + 179).contains(&ones), "{ones} of 5,120 bits are set");
        answers.sort_unstable();
        answers.dedup();
        assert_eq!(answers.len(), 20, "never the same twice");
        // Without an invitation a join is not answered, and nonsense nowhere.
        assert_eq!(stranger.ask(peer, JOIN, &[&[0, 48][..], &[7; 48]].concat()).await, []);
        assert_eq!(stranger.ask(peer, LINK, b"GET / HTTP/1.1\r\n\r\n").await, []);
    });
}

/// Copies bytes one way until either end is gone; gives how many.
async fn pass_on(
    mut from: impl futures::AsyncRead + Unpin,
    mut to: impl futures::AsyncWrite + Unpin,
) -> usize {
    let (mut passed, mut piece) = (0, [0; 4096]);
    while let Ok(len @ 1..) = from.read(&mut piece).await {
        if to.write_all(&piece[..len]).await.is_err() || to.flush().await.is_err() {
            break;
        }
        passed += len;
    }
    to.close().await.ok();
    passed
}

#[test]
fn hint_relay_fails() {
    let (wren, alder, group) = two();
    let wrens = wren.address(&group, "/tcp/");
    // Alder's program starts again, and finds Mallory at the address where it looks for Wren.
    let folder = alder.stop();
    until("Wren noticed", || wren.links(&group) == 0);
    run(async {
        let (mut front, mut back) = (Stranger::new(), Stranger::new());
        let (peer, _) = back.meet(wrens).await;
        front.swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse().unwrap()).unwrap();
        let mut caught = front.swarm.behaviour().streams.new_control().accept(LINK).unwrap();
        let address = loop {
            if let SwarmEvent::NewListenAddr { address, .. } = front.swarm.select_next_some().await
            {
                break address;
            }
        };
        let alder = Node::on(folder);
        let dialled = tokio::task::spawn_blocking(move || {
            alder.handle.dial(group, address).unwrap();
            alder
        });
        let (from_alder, alder): (Stream, Node) =
            front.beside(async { (caught.next().await.unwrap().1, dialled.await.unwrap()) }).await;
        let mut control = back.swarm.behaviour().streams.new_control();
        let to_wren = back.beside(async { control.open_stream(peer, LINK).await.unwrap() }).await;
        let (alder_says, alder_hears) = from_alder.split();
        let (wren_says, wren_hears) = to_wren.split();
        let both = async {
            tokio::join!(pass_on(alder_says, wren_hears), pass_on(wren_says, alder_hears))
        };
        // Hints that fit nobody, an answer that fits nobody, and silence: no key was ever shown.
        assert_eq!(front.beside(back.beside(both)).await, (2 + HINTS_LEN, 32));
        tokio::task::spawn_blocking(move || drop(alder)).await.unwrap();
    });
}

#[test]
fn removed_refused() {
    let (wren, alder, group) = two();
    let folder = alder.stop();
    // A device that knows nothing of it: a copy from before its person left.
    let stale = tempfile::tempdir().unwrap();
    copy(folder.path(), stale.path());
    let alder = Node::on(folder);
    until("linked again", || wren.links(&group) == 1);
    alder.handle.command(group, Command::Leave).unwrap();
    until("Wren knows", || wren.handle.reader().ops(&group).unwrap().len() == 4);
    drop(alder);
    wren.say(group, "after they left").unwrap();

    let stale = Node::on(stale);
    stale.handle.dial(group, wren.address(&group, "/tcp/")).unwrap();
    stale.handle.dial(group, wren.address(&group, "/udp/")).unwrap();
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!((stale.links(&group), wren.links(&group)), (0, 0));
    assert_eq!(stale.shows(&group), 0, "nothing of what was said since");
    assert_eq!(stale.handle.reader().ops(&group).unwrap().len(), 3, "not even why");
}

#[test]
fn peerid_changes_each_session() {
    let node = Node::new();
    let group = node.found("Tuesday");
    let mut peers = vec![node.peer(&group)];
    let port = crate::address::port_of(&node.address(&group, "/tcp/")).unwrap();
    let mut folder = node.stop();
    for _ in 0..3 {
        let node = Node::on(folder);
        until("it listens", || {
            node.handle.status().get(&group).is_some_and(|status| status.listen.len() == 2)
        });
        peers.push(node.peer(&group));
        // Where it listens stays, so that others find it; as whom does not.
        assert_eq!(crate::address::port_of(&node.address(&group, "/tcp/")), Some(port));
        assert_eq!(crate::address::port_of(&node.address(&group, "/udp/")), Some(port));
        folder = node.stop();
    }
    let count = peers.len();
    peers.sort_unstable();
    peers.dedup();
    assert_eq!(peers.len(), count, "a new one for every run");
}

#[test]
fn two_groups_no_common_identifier() {
    let node = Node::new();
    let groups = [node.found("One"), node.found("Two")];
    run(async {
        let mut seen = Vec::new();
        for group in &groups {
            let mut stranger = Stranger::new();
            let (peer, info) = stranger.meet(node.address(group, "/tcp/")).await;
            let ports: Vec<_> = ["/tcp/", "/udp/"]
                .map(|how| crate::address::port_of(&node.address(group, how)).unwrap())
                .to_vec();
            seen.push((peer, info.public_key, ports));
            assert_eq!(info.listen_addrs.len(), 0);
            assert!(info.signed_peer_record.is_none());
        }
        let [one, two] = &seen[..] else { panic!() };
        assert!(one.0 != two.0 && one.1 != two.1);
        assert!(one.2.iter().all(|port| !two.2.contains(port)), "{seen:?}");
    });
}

#[test]
fn two_link_over_quic_alone_and_over_whichever_way_is_left() {
    let (wren, alder) = (Node::new(), Node::new());
    let group = wren.found("Tuesday");
    let (_, link) = wren.handle.invite(group, 3600, true).unwrap();
    let invitation = proto::Invitation::from_text(&link).unwrap();
    let kinds = |addr: &proto::Addr| matches!(addr, proto::Addr::Quic4(..));
    assert_eq!(
        invitation.addrs.iter().filter(|addr| kinds(addr)).count(),
        1,
        "one way of each sort"
    );
    assert_eq!(invitation.addrs.len(), 2);
    let only_quic: Vec<_> = invitation.addrs.iter().filter(|addr| kinds(addr)).cloned().collect();
    let (_, link) = {
        let command = Command::Invite { expires_secs: 3600, addrs: only_quic };
        let done = wren.handle.command(group, command).unwrap();
        let Done::Invited(invite, link) = done else { panic!("{done:?}") };
        (invite, link)
    };
    assert_eq!(alder.handle.join(&link, "Alder", PATIENCE).unwrap(), group);
    until("linked", || wren.links(&group) == 1 && alder.links(&group) == 1);
    wren.say(group, "over UDP").unwrap();
    until("it came", || alder.shows(&group) == 1);
}

/// Connects with whoever comes, and says nothing, for as long as the test runs.
fn silent_device() -> Multiaddr {
    let (told, hear) = std::sync::mpsc::sync_channel(4);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut stranger = Stranger::new();
            let mut joins = stranger.swarm.behaviour().streams.new_control().accept(JOIN).unwrap();
            stranger.swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse().unwrap()).unwrap();
            let mut held = Vec::new();
            loop {
                tokio::select! {
                    join = joins.next() => held.push(join),
                    event = stranger.swarm.select_next_some() => {
                        if let SwarmEvent::NewListenAddr { address, .. } = event {
                            told.send(address).unwrap();
                        }
                    }
                }
            }
        });
    });
    hear.recv().unwrap()
}

#[test]
fn silent_devices_at_the_addresses_of_an_invitation_use_nobodys_time_up() {
    let (wren, alder) = (Node::new(), Node::new());
    let group = wren.found("Tuesday");
    let mut addrs: Vec<_> = (0..3).map(|_| silent_device()).collect();
    addrs.push(wren.address(&group, "/tcp/"));
    let addrs = addrs.iter().filter_map(crate::address::from_multiaddr).collect();
    let done = wren.handle.command(group, Command::Invite { expires_secs: 3600, addrs }).unwrap();
    let Done::Invited(_, link) = done else { panic!("{done:?}") };
    assert_eq!(alder.handle.join(&link, "Alder", Duration::from_secs(19)).unwrap(), group);
}

#[test]
fn a_group_that_panicked_starts_again_from_what_is_durable() {
    let (wren, alder, group) = two();
    wren.say(group, "before").unwrap();
    until("it came", || alder.shows(&group) == 1);
    wren.handle.panic(group);
    until("it is told", || {
        wren.handle.status().get(&group).is_some_and(|status| status.stopped.is_some())
    });
    assert!(wren.say(group, "meanwhile").is_err(), "nothing is acknowledged that may be lost");
    until("it runs again", || wren.say(group, "after").is_ok());
    until("and is linked", || alder.shows(&group) == 2 && wren.links(&group) == 1);
    assert_eq!(wren.shows(&group), 2);
    // Again and again: the program lives on, and the other group never noticed.
    let other = wren.found("Another");
    wren.handle.panic(group);
    wren.say(other, "undisturbed").unwrap();
    until("it runs again", || wren.say(group, "once more").is_ok());
}

#[test]
fn a_group_that_starts_again_beside_others_keeps_the_port_that_was_named() {
    let port = crate::address::any_free();
    let listen = vec![format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap()];
    let wren = Node::with(Config { listen, mdns: false });
    let (first, other) = (wren.found("Tuesday"), wren.found("Another"));
    let is_at = |group: &GroupId| {
        let status = wren.handle.status();
        let listen = status.get(group).map(|status| status.listen.clone()).unwrap_or_default();
        listen.iter().any(|address| crate::address::port_of(address) == Some(port))
    };
    until("the first has it", || is_at(&first));
    assert!(!is_at(&other));
    wren.handle.panic(first);
    until("it is told", || wren.handle.status()[&first].stopped.is_some());
    until("it runs again", || wren.say(first, "after").is_ok());
    until("where it was", || is_at(&first));
}

/// Two streams' ends, and what drives them.
async fn two_ends() -> (Stranger, Stranger, Stream, Stream) {
    let (mut one, mut other) = (Stranger::new(), Stranger::new());
    one.swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse().unwrap()).unwrap();
    let mut caught = one.swarm.behaviour().streams.new_control().accept(LINK).unwrap();
    let address = loop {
        if let SwarmEvent::NewListenAddr { address, .. } = one.swarm.select_next_some().await {
            break address;
        }
    };
    let (peer, _) = one.beside(other.meet(address)).await;
    let mut control = other.swarm.behaviour().streams.new_control();
    let opened = async { control.open_stream(peer, LINK).await.unwrap() };
    let both = async { tokio::join!(caught.next(), other.beside(opened)) };
    let (ours, theirs) = one.beside(both).await;
    (one, other, ours.unwrap().1, theirs)
}

/// Whoever read nothing kept sixteen megabytes waiting, for half a minute after the stream was closed, and came again
/// at once.
#[test]
fn who_does_not_read_keeps_little_waiting_and_nothing_once_the_stream_is_closed() {
    run(async {
        let (mut one, mut other, ours, mut theirs) = two_ends().await;
        let (incoming, _kept) = tokio::sync::mpsc::channel(1);
        let pumps = crate::streams::Pumps::start(proto::LinkId(1), ours, incoming);
        let piece = vec![7; 128 * 1024];
        let mut taken = 0;
        let filled = async {
            while pumps.send(piece.clone()) {
                taken += piece.len();
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        one.beside(other.beside(filled)).await;
        assert!(taken > 4 * 1024 * 1024, "{taken} bytes: whoever is slow may be slow");
        assert!(taken < 6 * 1024 * 1024, "{taken} bytes wait");
        drop(pumps);
        let pause = tokio::time::sleep(Duration::from_secs(12));
        one.beside(other.beside(pause)).await;
        let mut came = Vec::new();
        let rest = async { drop(theirs.read_to_end(&mut came).await) };
        one.beside(other.beside(rest)).await;
        assert!(came.len() < taken - 3 * 1024 * 1024, "{} of {taken} bytes were kept", came.len());
    });
}
