//! Someone with a link that was not meant for them: between a newcomer and the group, or in a newcomer's place.

use std::collections::BTreeMap;

use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng as _;

use crate::change::{Change, Path};
use crate::control::OpBody;
use crate::encoding::Text;
use crate::engine::{Done, Input, Output, Purpose};
use crate::hostile::{Peer, Room, add, at};
use crate::ids::LinkId;
use crate::join::{
    Candidate, Commit, Invitation, JoinMsg, JoinStep, Newcomer, commitment, prologue, sas,
};
use crate::keys::{MemberSecrets, keys_digest};
use crate::limits::PSEUDONYM_MAX;
use crate::link::Ends;
use crate::link::frame::{self, Deframer, Reassembly};
use crate::noise::{Handshake, Role, Session};

/// What an engine did with bytes on the stream of a join.
struct Did {
    sent: Vec<u8>,
    closed: bool,
    changes: Vec<Change>,
}

fn step(peer: &mut Peer, input: Input) -> Did {
    peer.handle(at(0), input);
    let mut did = Did { sent: Vec::new(), closed: false, changes: Vec::new() };
    while let Some(output) = peer.poll_output() {
        match output {
            Output::Transmit { bytes, .. } => did.sent.extend(bytes),
            Output::Close(_) => did.closed = true,
            Output::Persist(changes) => did.changes.extend(changes),
            Output::Load { .. } | Output::Event(_) => {}
        }
    }
    did
}

fn ends(initiator: &str, responder: &str) -> Ends {
    Ends { initiator: initiator.into(), responder: responder.into() }
}

fn open(peer: &mut Peer, link: u64, ends: Ends) {
    let (role, purpose, path) = (Role::Responder, Purpose::Join, Path::Lan);
    step(peer, Input::Opened { link: LinkId(link), role, purpose, ends, path });
}

fn receive(peer: &mut Peer, link: u64, bytes: Vec<u8>) -> Did {
    step(peer, Input::Received { link: LinkId(link), bytes })
}

/// A founder with an open invitation.
fn founder() -> (Peer, Invitation, String) {
    let mut founder = Room::new(1).peers.remove(0);
    let Ok(Done::Invited(_, link)) = founder.invite(at(0), 3600, &[]) else { panic!() };
    while founder.poll_output().is_some() {}
    (founder, Invitation::from_text(&link).unwrap(), link)
}

/// One end of a channel that Mallory, who has the link, holds with somebody.
struct End {
    session: Session,
    deframer: Deframer,
    reassembly: Reassembly,
}

impl End {
    fn new(session: Session) -> Self {
        Self { session, deframer: Deframer::default(), reassembly: Reassembly::default() }
    }

    fn seal(&mut self, message: &JoinMsg) -> Vec<u8> {
        frame::seal(&mut self.session, &message.encode()).unwrap()
    }

    fn open(&mut self, bytes: &[u8]) -> Vec<JoinMsg> {
        self.deframer.push(bytes);
        let mut messages = Vec::new();
        while let Some(frame) = self.deframer.next() {
            self.reassembly.push(&mut self.session, &frame).unwrap();
            while let Some(message) = self.reassembly.next().unwrap() {
                messages.push(JoinMsg::decode(&message).unwrap());
            }
        }
        messages
    }
}

/// Mallory's channel with whoever admits, as the newcomer they pretend to be.
fn as_newcomer(admitter: &mut Peer, invitation: &Invitation, link: u64) -> End {
    let at = ends("mallory", "wren");
    open(admitter, link, at.clone());
    let (role, seed) = (Role::Initiator, [7; 32]);
    let mut hand = Handshake::invited(role, &invitation.join_psk(), &prologue(&at), seed).unwrap();
    let did = receive(admitter, link, frame::framed(&hand.write().unwrap()).unwrap());
    hand.read(&did.sent[2..]).unwrap();
    End::new(hand.finish().unwrap())
}

/// A newcomer who speaks to Mallory, and Mallory's channel with them; they have said what they commit to.
fn as_admitter(invitation: &Invitation) -> (Newcomer, End, JoinMsg) {
    let mut rng = ChaCha12Rng::seed_from_u64(8);
    let with = ends("alder", "mallory");
    let candidate = Candidate::new(at(0), &mut rng);
    let (mut newcomer, first) =
        Newcomer::new(invitation.clone(), candidate, &with, &mut rng).unwrap();
    let (role, seed) = (Role::Responder, [9; 32]);
    let mut hand =
        Handshake::invited(role, &invitation.join_psk(), &prologue(&with), seed).unwrap();
    hand.read(&first[2..]).unwrap();
    let answer = frame::framed(&hand.write().unwrap()).unwrap();
    let mut end = End::new(hand.finish().unwrap());
    let [JoinStep::Send(commit)] = &newcomer.on_bytes(&answer)[..] else { panic!() };
    let commit = end.open(commit).remove(0);
    (newcomer, end, commit)
}

/// Attack 30. Whoever stands between with a leaked link can pass everything on word for word. The newcomer
/// then has other words to compare than whoever admitted them, and believes nothing of what comes back.
#[test]
fn join_mitm() {
    let (mut wren, invitation, _) = founder();
    let mut to_wren = as_newcomer(&mut wren, &invitation, 1);
    let (mut alder, mut to_alder, commit) = as_admitter(&invitation);

    let did = receive(&mut wren, 1, to_wren.seal(&commit));
    let [JoinMsg::Offer(offer)] = &to_wren.open(&did.sent)[..] else { panic!("an offer") };
    let passed_on = to_alder.seal(&JoinMsg::Offer(offer.clone()));
    let [JoinStep::Offer(_)] = &alder.on_bytes(&passed_on)[..] else { panic!("an offer") };
    let agreed = alder.agree(Text::<PSEUDONYM_MAX>::new("Alder").unwrap()).unwrap();
    let [JoinMsg::Keys(keys)] = &to_alder.open(&agreed)[..] else { panic!("keys") };

    let did = receive(&mut wren, 1, to_wren.seal(&JoinMsg::Keys(keys.clone())));
    let of_wren = did.changes.iter().find_map(|change| {
        if let Change::Compared(compared) = change { compared.joined_with } else { None }
    });
    let of_alder = sas(to_alder.session.hash(), &offer.nonce, keys);
    assert!(of_wren.is_some_and(|words| words != of_alder), "the words differ");

    let rest: Vec<u8> =
        to_wren.open(&did.sent).iter().flat_map(|message| to_alder.seal(message)).collect();
    let steps = alder.on_bytes(&rest);
    assert!(matches!(&steps[..], [JoinStep::Failed(_)]), "what was signed was another channel");
}

/// Attack 30. The newcomer's nonce and keys are fixed before they see the other's nonce: nobody can try
/// one after the other until the words come out as they like.
#[test]
fn sas_grinding_blocked() {
    let (mut wren, invitation, link) = founder();
    let secrets = MemberSecrets::generate(&mut ChaCha12Rng::seed_from_u64(5));
    let invite = wren.dag.except(&Default::default()).map(|(_, op)| op.id()).last().unwrap();
    let add = add(&wren, &secrets, invite, &link);
    let digest = keys_digest(&add.keys, &add.prekey, &add.subkey);
    let keys_with = |nonce| crate::join::Keys {
        nonce,
        keys: add.keys.clone(),
        prekey: add.prekey.clone(),
        subkey: add.subkey.clone(),
        join_sig: add.join_sig,
        self_sig: add.self_sig,
    };
    for (link, nonce, is_let_in) in [(1, [2; 32], false), (2, [1; 32], true)] {
        let mut to_wren = as_newcomer(&mut wren, &invitation, link);
        let commit = Commit { commitment: commitment(&[1; 32], &digest), again: None };
        let did = receive(&mut wren, link, to_wren.seal(&JoinMsg::Commit(commit)));
        assert!(matches!(&to_wren.open(&did.sent)[..], [JoinMsg::Offer(_)]));
        let keys = JoinMsg::Keys(Box::new(keys_with(nonce)));
        let did = receive(&mut wren, link, to_wren.seal(&keys));
        assert_eq!((did.closed, did.sent.is_empty()), (!is_let_in, !is_let_in), "{nonce:?}");
        assert_eq!(wren.dag.members().len(), if is_let_in { 2 } else { 1 });
    }
}

/// Attack 31. Whoever admits cannot let a newcomer in under other keys than theirs, not under one of them.
#[test]
fn uks_rejected() {
    let (wren, invitation, link) = founder();
    let mut rng = ChaCha12Rng::seed_from_u64(6);
    let [theirs, mallorys] = core::array::from_fn(|_| MemberSecrets::generate(&mut rng));
    let invite = wren.dag.except(&Default::default()).map(|(_, op)| op.id()).last().unwrap();
    let honest = add(&wren, &theirs, invite, &link);
    let group = wren.me.group;
    assert_eq!(honest.verify(&group, &invitation.public()), Ok(()));
    let (keys, prekey, subkey) =
        (mallorys.public(), mallorys.first_prekey(0), mallorys.first_subkey());
    let mut swapped = BTreeMap::new();
    for (name, swap) in [("ik", 0), ("nk", 1), ("dk", 2), ("rk", 3), ("prekey", 4), ("subkey", 5)] {
        let mut add = honest.clone();
        match swap {
            0 => add.keys.ik = keys.ik,
            1 => add.keys.nk = keys.nk,
            2 => add.keys.dk = keys.dk,
            3 => add.keys.rk = keys.rk,
            4 => add.prekey = prekey.clone(),
            _ => add.subkey = subkey.clone(),
        }
        swapped.insert(name, add.clone());
        // With what the newcomer signed; and signed anew by whoever has the link, as far as they can.
        assert!(add.verify(&group, &invitation.public()).is_err(), "{name}");
        let digest = keys_digest(&add.keys, &add.prekey, &add.subkey);
        let parts: [&[u8]; 3] = [&group.0, &invite.0, &digest];
        add.join_sig = invitation.sign(&parts);
        assert!(add.verify(&group, &invitation.public()).is_err(), "{name}, under the link's key");
        let mut wren = Room::new(1).peers.remove(0);
        let sign = wren.sign_op(at(0), &OpBody::Add(Box::new(add)));
        assert!(sign.is_err(), "{name}: nobody takes such an op");
    }
    assert_eq!(swapped.len(), 6);
    // Nor is an Add of one invitation or group one of another.
    let other = Room::named("Wednesday", 1).peers.remove(0).me.group;
    assert!(honest.verify(&other, &invitation.public()).is_err());
}
