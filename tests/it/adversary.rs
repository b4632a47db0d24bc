//! Strangers, and members who mean no good: what they learn, and what they can break.

use proto::{
    Candidate, Change, Command, Done, Ends, Engine, Event, Founding, Input, Instant, Invitation,
    JoinStep, LinkId, Loaded, Newcomer, Now, Output, Path, Purpose, RequestId, Role, Text,
};
use rand_chacha::ChaCha12Rng;
use rand_core::{Rng as _, SeedableRng as _};

const NOW: Now = Now { instant: Instant(1000), unix_ms: 1_795_176_000_000 };

type Member = Engine<ChaCha12Rng>;

/// What an engine did: the bytes it sent on each stream, and the streams it closed.
#[derive(Default, Debug)]
struct Did {
    sent: Vec<(LinkId, Vec<u8>)>,
    closed: Vec<LinkId>,
    done: Vec<Done>,
    linked: bool,
}

fn step(engine: &mut Member, now: Now, input: Input) -> Did {
    engine.handle(now, input);
    let mut did = Did::default();
    while let Some(output) = engine.poll_output() {
        match output {
            Output::Persist(_) => {}
            Output::Load { ticket, .. } => {
                engine.handle(now, Input::Loaded { ticket, loaded: Loaded::default() });
            }
            Output::Transmit { to, bytes } => did.sent.push((to, bytes)),
            Output::Close(link) => did.closed.push(link),
            Output::Event(Event::Done { done, .. }) => did.done.push(done),
            Output::Event(Event::LinkUp(..)) => did.linked = true,
            Output::Event(
                Event::Refused { .. } | Event::LinkDown(..) | Event::Members | Event::Held,
            ) => {}
        }
    }
    did
}

fn ends(initiator: &str, responder: &str) -> Ends {
    Ends { initiator: initiator.into(), responder: responder.into() }
}

fn open(link: u64, role: Role, purpose: Purpose, ends: Ends) -> Input {
    Input::Opened { link: LinkId(link), role, purpose, ends, path: Path::Lan }
}

fn bytes(link: u64, bytes: Vec<u8>) -> Input {
    Input::Received { link: LinkId(link), bytes }
}

/// A founder with an open invitation, and someone who came in with another.
fn two_members() -> (Member, Member, String) {
    let mut rng = ChaCha12Rng::seed_from_u64(1);
    let founding = Founding {
        name: "Tuesday".into(),
        reason: "Company.".into(),
        pseudonym: "Wren".into(),
        ..Founding::default()
    };
    let (me, genesis) = founding.begin(NOW, &mut rng).unwrap();
    let mut wren = Engine::new(me, ChaCha12Rng::seed_from_u64(2), [Change::Op(genesis)]).unwrap();
    let invite = |wren: &mut Member| {
        let command = Command::Invite { expires_secs: 3600, addrs: vec![] };
        let did = step(wren, NOW, Input::Command { request: RequestId(0), command });
        let [Done::Invited(_, link)] = &did.done[..] else { panic!("{did:?}") };
        link.clone()
    };
    let link = invite(&mut wren);
    let at = ends("alder", "wren");
    let candidate = Candidate::new(NOW, &mut rng);
    let invitation = Invitation::from_text(&link).unwrap();
    let (mut newcomer, mut send) = Newcomer::new(invitation, candidate, &at, &mut rng).unwrap();
    step(&mut wren, NOW, open(90, Role::Responder, Purpose::Join, at));
    loop {
        let did = step(&mut wren, NOW, bytes(90, std::mem::take(&mut send)));
        for (_, sent) in did.sent {
            for step in newcomer.on_bytes(&sent) {
                match step {
                    JoinStep::Send(bytes) => send.extend(bytes),
                    JoinStep::Offer(_) => {
                        send.extend(newcomer.agree(Text::new("Alder").unwrap()).unwrap());
                    }
                    JoinStep::Joined(joined) => {
                        let ops = joined.ops.into_iter().map(Change::Op);
                        let rng = ChaCha12Rng::seed_from_u64(3);
                        let alder = Engine::new(joined.member, rng, ops).unwrap();
                        let open = invite(&mut wren);
                        return (wren, alder, open);
                    }
                    JoinStep::Failed(error) => panic!("{error}"),
                }
            }
        }
    }
}

/// The first bytes of a link that Alder opens to Wren, under these PeerIds.
fn hints(alder: &mut Member, link: u64, at: Ends) -> Vec<u8> {
    let did = step(alder, NOW, open(link, Role::Initiator, Purpose::Link, at));
    let [(_, hints)] = &did.sent[..] else { panic!("{did:?}") };
    hints.clone()
}

/// What Wren answers to the first bytes of a link from this peer.
fn answer(wren: &mut Member, link: u64, peer: &str, hello: Vec<u8>) -> Did {
    step(wren, NOW, open(link, Role::Responder, Purpose::Link, ends(peer, "wren")));
    step(wren, NOW, bytes(link, hello))
}

#[test]
fn outsider_learns_nothing() {
    let (mut wren, _, _) = two_members();
    let mut rng = ChaCha12Rng::seed_from_u64(4);
    let mut answers = std::collections::BTreeSet::new();
    for link in 0..50 {
        let mut hello = vec![0; 2 + 529];
        rng.fill_bytes(&mut hello);
        hello[..3].copy_from_slice(&[0x02, 0x11, 1]);
        let did = answer(&mut wren, link, "stranger", hello);
        let [(_, sent)] = &did.sent[..] else { panic!("{did:?}") };
        assert_eq!(sent.len(), 32);
        assert_eq!(did.closed, [LinkId(link)], "and then silence");
        assert!(answers.insert(sent.clone()), "never the same bytes twice");
    }
}

#[test]
fn hint_replay_fails() {
    let (mut wren, mut alder, _) = two_members();
    let hello = hints(&mut alder, 1, ends("alder", "wren"));
    let did = answer(&mut wren, 1, "alder", hello.clone());
    assert_eq!((did.sent.len(), did.closed.len()), (1, 0), "a member is answered and not closed");
    let did = answer(&mut wren, 2, "mallory", hello);
    assert_eq!(did.sent[0].1.len(), 32, "as long as the answer to a member");
    assert_eq!(did.closed, [LinkId(2)], "recorded hints are worth nothing under another PeerId");
}

#[test]
fn hint_relay_fails() {
    let (mut wren, mut alder, _) = two_members();
    // Mallory stands between: Alder believes to speak to Mallory's peer, Wren to hear it from him.
    let hello = hints(&mut alder, 1, ends("alder", "mallory"));
    let did = answer(&mut wren, 1, "mallory", hello);
    assert_eq!(did.closed, [LinkId(1)]);
}

#[test]
fn two_members_link_and_a_bad_frame_ends_it_in_silence() {
    let (mut wren, mut alder, _) = two_members();
    let at = ends("alder", "wren");
    let mut to_wren = hints(&mut alder, 1, at.clone());
    step(&mut wren, NOW, open(1, Role::Responder, Purpose::Link, at));
    let (mut up, mut rounds) = ((false, false), 0);
    while !to_wren.is_empty() && rounds < 20 {
        let did = step(&mut wren, NOW, bytes(1, std::mem::take(&mut to_wren)));
        up.0 |= did.linked;
        let to_alder: Vec<u8> = did.sent.into_iter().flat_map(|(_, bytes)| bytes).collect();
        let did = step(&mut alder, NOW, bytes(1, to_alder));
        up.1 |= did.linked;
        to_wren = did.sent.into_iter().flat_map(|(_, bytes)| bytes).collect();
        rounds += 1;
    }
    assert_eq!(up, (true, true));
    let mut junk = vec![1, 16];
    junk.extend([7; 272]);
    let did = step(&mut wren, NOW, bytes(1, junk));
    assert_eq!((did.sent.len(), did.closed), (0, vec![LinkId(1)]));
    assert_eq!(wren.unreached().count(), 1, "and Alder is looked for again");
}

/// Whatever libp2p seals or does not seal below: the bytes of a link alone show no key, id, name or word.
#[test]
fn nothing_of_a_group_is_in_clear_in_the_bytes_of_a_link() {
    let (mut wren, mut alder, _) = two_members();
    let at = ends("alder", "wren");
    let mut to_wren = hints(&mut alder, 1, at.clone());
    step(&mut wren, NOW, open(1, Role::Responder, Purpose::Link, at));
    let (mut wire, mut said) = (Vec::new(), false);
    for _ in 0..40 {
        wire.extend_from_slice(&to_wren);
        let did = step(&mut wren, NOW, bytes(1, std::mem::take(&mut to_wren)));
        let mut to_alder: Vec<u8> = did.sent.into_iter().flat_map(|(_, bytes)| bytes).collect();
        if did.linked {
            said = true;
            let say = Command::Say { text: "words for the two of us".into(), reply_to: None };
            let did = step(&mut wren, NOW, Input::Command { request: RequestId(7), command: say });
            to_alder.extend(did.sent.into_iter().flat_map(|(_, bytes)| bytes));
        }
        wire.extend_from_slice(&to_alder);
        let did = step(&mut alder, NOW, bytes(1, to_alder));
        to_wren = did.sent.into_iter().flat_map(|(_, bytes)| bytes).collect();
    }
    assert!(said && wire.len() > 3_000, "they spoke: {} bytes", wire.len());
    let mut needles: Vec<Vec<u8>> =
        ["Tuesday", "Company", "Wren", "Alder", "words for"].map(Into::into).to_vec();
    needles.push(wren.me().group.0[..8].to_vec());
    for member in [wren.me(), alder.me()] {
        let keys = member.secrets.public();
        let keys =
            [keys.ik, keys.nk, keys.dk, keys.rk, member.secrets.first_subkey().msk, member.id.0];
        needles.extend(keys.iter().map(|key| key[..8].to_vec()));
    }
    for needle in needles {
        assert!(!wire.windows(needle.len()).any(|window| window == needle), "{needle:02x?}");
    }
}

#[test]
fn without_the_invitation_a_join_gets_no_answer_at_all() {
    let (mut wren, _, link) = two_members();
    let mut rng = ChaCha12Rng::seed_from_u64(5);
    let at = ends("stranger", "wren");
    for id in 0..10 {
        let mut guess = vec![0, 48];
        guess.resize(50, 0);
        rng.fill_bytes(&mut guess[2..]);
        step(&mut wren, NOW, open(id, Role::Responder, Purpose::Join, at.clone()));
        let did = step(&mut wren, NOW, bytes(id, guess));
        assert_eq!((did.sent.len(), did.closed), (0, vec![LinkId(id)]));
    }
    // The right key under other PeerIds is no better: what was recorded cannot be replayed.
    let candidate = Candidate::new(NOW, &mut rng);
    let invitation = Invitation::from_text(&link).unwrap();
    let (_, first) = Newcomer::new(invitation, candidate, &at, &mut rng).unwrap();
    let later = Now { instant: Instant(5000), ..NOW };
    let other = ends("mallory", "wren");
    step(&mut wren, later, open(11, Role::Responder, Purpose::Join, other));
    let did = step(&mut wren, later, bytes(11, first));
    assert_eq!((did.sent.len(), did.closed), (0, vec![LinkId(11)]));
}

#[test]
fn no_bytes_on_any_stream_break_an_engine() {
    let (mut wren, _, _) = two_members();
    let mut rng = ChaCha12Rng::seed_from_u64(6);
    for link in 0..3000_u64 {
        let purpose = if link % 3 == 0 { Purpose::Join } else { Purpose::Link };
        let role = if link % 5 == 0 { Role::Initiator } else { Role::Responder };
        let now = Now { instant: Instant(1000 + link * 700), ..NOW };
        step(&mut wren, now, open(link, role, purpose, ends("x", "y")));
        for _ in 0..=rng.next_u64() % 3 {
            let len = usize::try_from(rng.next_u64() % 700).unwrap();
            let mut junk = vec![0; len];
            rng.fill_bytes(&mut junk);
            if len > 2 && rng.next_u64() % 2 == 0 {
                junk[..2].copy_from_slice(&u16::try_from(len - 2).unwrap().to_be_bytes());
            }
            step(&mut wren, now, bytes(link, junk));
        }
        step(&mut wren, now, Input::Tick);
    }
    // It still does what it did before.
    let say = Command::Say { text: "still here".into(), reply_to: None };
    let did = step(&mut wren, NOW, Input::Command { request: RequestId(1), command: say });
    assert_eq!(did.done.len(), 1);
}

#[test]
fn strangers_who_say_nothing_do_not_lock_members_out() {
    let (mut wren, mut alder, _) = two_members();
    for link in 100..1400 {
        let peer = format!("stranger {}", link / 2);
        step(&mut wren, NOW, open(link, Role::Responder, Purpose::Link, ends(&peer, "wren")));
    }
    let hello = hints(&mut alder, 1, ends("alder", "wren"));
    let did = answer(&mut wren, 1, "alder", hello);
    assert_eq!((did.sent.len(), did.closed.len()), (1, 0), "a member is still answered");
}
