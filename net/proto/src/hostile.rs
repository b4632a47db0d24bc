//! Members who mean no good: what one of them sends over an honest link, and what it must not break.
//!
//! The hostile one is an engine too, made to say what none would say.

use std::collections::BTreeMap;

use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng as _;

use crate::change::{Change, InviteSecret, Loaded, Path, Wanted};
use crate::control::{Add, Leave, OpBody};
use crate::encoding::{List, Text};
use crate::engine::{Command, Done, Engine, Event, Input, Output, Purpose};
use crate::founding::Founding;
use crate::ids::{LinkId, OpId, RequestId};
use crate::join::{Invitation, No};
use crate::kdf::Label;
use crate::keys::{Member, MemberSecrets, SubkeyBody, draw, ed25519_public, keys_digest};
use crate::link::{Ends, Entries, Frontier, LinkMsg, Space};
use crate::log::Entry;
use crate::noise::Role;
use crate::timers::{Instant, Now};

pub(crate) type Peer = Engine<ChaCha12Rng>;

pub(crate) fn at(ms: u64) -> Now {
    Now { instant: Instant(ms), unix_ms: 1_795_176_000_000 + ms }
}

/// A group in one room: engines that reach each other at once, and all that they made durable.
pub(crate) struct Room {
    pub(crate) peers: Vec<Peer>,
    /// Each end of a link: whose it is, and the end opposite.
    pub(crate) links: BTreeMap<(usize, LinkId), (usize, LinkId)>,
    pub(crate) entries: Vec<Vec<Entry>>,
    pub(crate) up: Vec<usize>,
    pub(crate) ms: u64,
    pub(crate) next_link: u64,
}

impl Room {
    pub(crate) fn new(people: usize) -> Self {
        Self::named("Tuesday", people)
    }

    /// With the same keys and random bytes as under any other name.
    pub(crate) fn named(name: &str, people: usize) -> Self {
        let mut rng = ChaCha12Rng::seed_from_u64(1);
        let founding = Founding {
            name: name.into(),
            reason: "Company.".into(),
            pseudonym: "0".into(),
            ..Founding::default()
        };
        let (me, genesis) = founding.begin(at(0), &mut rng).unwrap();
        let rng_of = |n| ChaCha12Rng::seed_from_u64(10 + n);
        let mut founder = Engine::new(me, rng_of(0), [Change::Op(genesis)]).unwrap();
        let secrets: Vec<_> = (1..people).map(|_| MemberSecrets::generate(&mut rng)).collect();
        for secrets in &secrets {
            bring(&mut founder, secrets);
        }
        let ops: Vec<_> =
            founder.dag.except(&Default::default()).map(|(_, op)| op.clone()).collect();
        while founder.poll_output().is_some() {}
        let group = founder.me.group;
        let mut peers = vec![founder];
        for (n, secrets) in secrets.into_iter().enumerate() {
            let id = secrets.public().member_id(&group);
            let me = Member { group, id, secrets, name: Text::new("x").unwrap() };
            let ops = ops.iter().cloned().map(Change::Op);
            peers.push(Engine::new(me, rng_of(n as u64 + 1), ops).unwrap());
        }
        let entries = vec![Vec::new(); people];
        Self { peers, links: BTreeMap::new(), entries, up: vec![0; people], ms: 1000, next_link: 0 }
    }

    /// Opens a link from one to another, and lets all be said that follows.
    pub(crate) fn link(&mut self, a: usize, b: usize) -> (LinkId, LinkId) {
        self.link_over(a, b, Path::Lan)
    }

    pub(crate) fn link_over(&mut self, a: usize, b: usize, path: Path) -> (LinkId, LinkId) {
        let (ours, theirs) = (LinkId(self.next_link), LinkId(self.next_link + 1));
        self.next_link += 2;
        self.links.insert((a, ours), (b, theirs));
        self.links.insert((b, theirs), (a, ours));
        let ends = Ends { initiator: vec![a as u8], responder: vec![b as u8] };
        for (who, link, role) in [(b, theirs, Role::Responder), (a, ours, Role::Initiator)] {
            let (purpose, ends) = (Purpose::Link, ends.clone());
            self.input(who, Input::Opened { link, role, purpose, ends, path });
        }
        (ours, theirs)
    }

    pub(crate) fn input(&mut self, who: usize, input: Input) -> Vec<Done> {
        let mut done = Vec::new();
        let mut inputs = std::collections::VecDeque::from([(who, input)]);
        while let Some((who, input)) = inputs.pop_front() {
            self.peers[who].handle(at(self.ms), input);
            while let Some(output) = self.peers[who].poll_output() {
                match output {
                    Output::Persist(changes) => {
                        for change in changes {
                            if let Change::Entry(accepted) = change {
                                self.entries[who].push(accepted.entry);
                            }
                        }
                    }
                    Output::Load { ticket, what } => {
                        let loaded = self.load(who, &what);
                        inputs.push_back((who, Input::Loaded { ticket, loaded }));
                    }
                    Output::Transmit { to, bytes } => {
                        if let Some((peer, link)) = self.links.get(&(who, to)).copied() {
                            inputs.push_back((peer, Input::Received { link, bytes }));
                        }
                    }
                    Output::Close(link) => {
                        if let Some((peer, link)) = self.links.remove(&(who, link)) {
                            self.links.remove(&(peer, link));
                            inputs.push_back((peer, Input::Closed { link }));
                        }
                    }
                    Output::Event(Event::LinkUp(..)) => self.up[who] += 1,
                    Output::Event(Event::Done { done: what, .. }) => done.push(what),
                    Output::Event(_) => {}
                }
            }
        }
        done
    }

    fn load(&self, who: usize, what: &Wanted) -> Loaded {
        let all = self.entries[who].iter().cloned();
        match what {
            Wanted::Entries { ranges, ids, .. } => {
                let is_wanted = |entry: &Entry| {
                    let header = entry.read_header().unwrap();
                    ids.contains(&entry.id())
                        || ranges.iter().any(|(author, from, to)| {
                            *author == header.author && (*from..=*to).contains(&header.seq)
                        })
                };
                Loaded {
                    entries: all.filter(is_wanted).collect::<Vec<_>>().into_iter().rev().collect(),
                    ..Loaded::default()
                }
            }
            Wanted::Held(ids) => {
                let held = all.map(|entry| entry.id()).filter(|id| ids.contains(id)).collect();
                Loaded { held, ..Loaded::default() }
            }
            Wanted::Versions(id) => Loaded {
                entries: all.filter(|entry| entry.id() == *id).collect(),
                ..Loaded::default()
            },
        }
    }

    /// Makes someone send this over a link, whatever their engine thinks of it.
    pub(crate) fn force(&mut self, who: usize, link: LinkId, message: &LinkMsg) {
        self.peers[who].send(link, message);
        self.input(who, Input::Tick);
    }

    pub(crate) fn say(&mut self, who: usize, text: &str) -> Vec<Done> {
        let command = Command::Say { text: text.into(), reply_to: None };
        self.input(who, Input::Command { request: RequestId(0), command })
    }

    pub(crate) fn wait(&mut self, ms: u64) {
        let end = self.ms + ms;
        while self.ms < end {
            self.ms += 100;
            (0..self.peers.len()).for_each(|who| drop(self.input(who, Input::Tick)));
        }
    }
}

/// The founder invites and lets in; gives the invitation's op.
pub(crate) fn bring(founder: &mut Peer, secrets: &MemberSecrets) -> OpId {
    let Ok(Done::Invited(invite, link)) = founder.invite(at(0), 3600, &[]) else { panic!() };
    let add = add(founder, secrets, invite, &link);
    founder.sign_op(at(0), &OpBody::Add(Box::new(add))).unwrap();
    invite
}

pub(crate) fn add(founder: &Peer, secrets: &MemberSecrets, invite: OpId, link: &str) -> Add {
    let keys = secrets.public();
    let (prekey, subkey) = (secrets.first_prekey(0), secrets.first_subkey());
    let digest = keys_digest(&keys, &prekey, &subkey);
    let parts: [&[u8]; 3] = [&founder.me.group.0, &invite.0, &digest];
    let join_sig = Invitation::from_text(link).unwrap().sign(&parts);
    let self_sig = secrets.sign_as_member(Label::AddSig, &parts);
    Add { invite, keys, prekey, subkey, join_sig, self_sig }
}

#[test]
fn a_members_new_subkey_does_not_part_the_others() {
    let mut room = Room::new(3);
    for (a, b) in [(0, 1), (0, 2), (1, 2)] {
        room.link(a, b);
    }
    let subkey = SubkeyBody { idx: 1, msk: ed25519_public(&[7; 32]) };
    let now = at(room.ms);
    room.peers[2].sign_op(now, &OpBody::Subkey(subkey)).unwrap();
    room.input(2, Input::Tick);
    // Both hold the old card of the third; they meet again, and stay together.
    let before = room.up.clone();
    let (ours, _) = room.link(0, 1);
    assert_eq!((room.up[0], room.up[1]), (before[0] + 1, before[1] + 1));
    assert!(room.links.contains_key(&(0, ours)));
}

#[test]
fn a_member_who_claims_much_and_gives_nothing_keeps_nobody_from_catching_up() {
    let mut room = Room::new(3);
    room.say(1, "before anyone came");
    let (_, theirs) = room.link(2, 0);
    let tips = List::first([(room.peers[1].me.id, u32::MAX, crate::ids::EntryId([9; 32]))]);
    // The third answers no question: what it is asked never reaches it.
    room.links.remove(&(0, theirs));
    let claim = LinkMsg::Frontier(Frontier { space: Space::Group, tips, more: false });
    let ours = LinkId(theirs.0 - 1);
    room.force(2, ours, &claim);
    room.link(0, 1);
    room.say(1, "now that you are here");
    room.wait(30_000);
    assert_eq!(room.entries[0].len(), 2, "all that the second holds");
    assert!(matches!(&room.say(0, "and I can speak")[..], [Done::Said(_)]));
    assert!(room.peers[0].up(theirs).is_none(), "who gives no answer is let go");
}

#[test]
fn a_stripped_body_does_not_take_the_place_of_the_words() {
    let mut room = Room::new(2);
    let (ours, _) = room.link(0, 1);
    room.say(1, "first");
    let mut unheard = Room::new(2);
    unheard.link(0, 1);
    unheard.say(1, "first");
    unheard.links.clear();
    unheard.say(1, "second");
    // The same keys from the same seeds: what was said there is valid here.
    let entry = unheard.entries[1].last().unwrap().clone();
    let send = |entry: Entry| {
        LinkMsg::Entries(Entries {
            space: Space::Group,
            entries: List::first([entry]),
            gone: List::default(),
            more: false,
        })
    };
    let theirs = LinkId(ours.0 + 1);
    let held = room.entries[0].len();
    room.force(1, theirs, &send(Entry { body: None, ..entry.clone() }));
    assert_eq!(room.entries[0].len(), held);
    room.force(1, theirs, &send(entry.clone()));
    assert_eq!(room.entries[0].last(), Some(&entry), "the words are taken in when they come");
}

#[test]
fn only_who_made_an_invitation_hands_out_its_key() {
    let mut room = Room::new(3);
    let (ours, _) = room.link(0, 1);
    let (_, third) = room.link(1, 2);
    let command = Command::Invite { expires_secs: 3600, addrs: vec![] };
    let done = room.input(0, Input::Command { request: RequestId(0), command });
    let [Done::Invited(invite, _)] = done[..] else { panic!("{done:?}") };
    let real = room.peers[0].invites[&invite].clone();
    assert_eq!(room.peers[1].invites.get(&invite), Some(&real), "who may admit gets it");
    let junk = InviteSecret { invite, join_psk: [6; 32], disc: [6; 32] };
    room.force(2, third, &LinkMsg::InviteKey(junk.clone()));
    room.force(1, LinkId(ours.0 + 1), &LinkMsg::InviteKey(junk));
    for peer in [0, 1] {
        assert_eq!(room.peers[peer].invites.get(&invite), Some(&real), "person {peer}");
    }
}

#[test]
fn a_used_invitation_gives_nothing_to_who_left() {
    let mut room = Room::new(2);
    let founder = &mut room.peers[0];
    let secrets = MemberSecrets::generate(&mut ChaCha12Rng::seed_from_u64(77));
    let Ok(Done::Invited(invite, link)) = founder.invite(at(0), 3600, &[]) else { panic!() };
    let signed = add(founder, &secrets, invite, &link);
    founder.sign_op(at(0), &OpBody::Add(Box::new(signed))).unwrap();
    let member = secrets.public().member_id(&founder.me.group);
    let is_offered = |founder: &mut Peer| {
        !matches!(founder.offer(at(0), &invite, Some(member)), crate::join::JoinMsg::No(_))
    };
    assert!(is_offered(founder), "whose stream broke comes in at the next try");
    // They leave: from now on the link is dead for them too.
    let ops: Vec<_> = founder.dag.except(&Default::default()).map(|(_, op)| op.clone()).collect();
    let (group, name) = (founder.me.group, Text::new("x").unwrap());
    let me = Member { group, id: member, secrets, name };
    let rng = ChaCha12Rng::seed_from_u64(draw::<1>(&mut ChaCha12Rng::seed_from_u64(1))[0].into());
    let mut leaver = Engine::new(me, rng, ops.into_iter().map(Change::Op)).unwrap();
    let left = leaver.sign_op(at(0), &OpBody::Leave(Leave { last: None })).unwrap();
    let op = leaver.dag.except(&Default::default()).last().unwrap().1.clone();
    assert_eq!(op.id(), left);
    let founder = &mut room.peers[0];
    founder.take_ops(at(0), vec![op], None).unwrap();
    let answer = founder.offer(at(0), &invite, Some(member));
    assert_eq!(answer, crate::join::JoinMsg::No(No::Used));
}
