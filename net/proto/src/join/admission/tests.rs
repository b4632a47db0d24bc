//! Who is let in, until when, and who gets the keys for it.

use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng as _;

use super::*;
use crate::engine::{Command, Input, Output};
use crate::founding::Founding;
use crate::hostile::{Room, at};
use crate::ids::RequestId;
use crate::keys::{MemberSecrets, Sig};

/// What a newcomer with these secrets shows; the signatures are as given.
fn keys(secrets: &MemberSecrets, join_sig: Sig, self_sig: Sig) -> Keys {
    let (prekey, subkey) = (secrets.first_prekey(0), secrets.first_subkey());
    Keys { nonce: [1; 32], keys: secrets.public(), prekey, subkey, join_sig, self_sig }
}

#[test]
fn an_invitation_holds_for_a_second_to_a_year() {
    let mut room = Room::new(1);
    let year = 366 * 24 * 3600;
    for (secs, holds) in [(0, false), (1, true), (year, true), (year + 1, false)] {
        let made = room.peers[0].invite(at(0), secs, &[]);
        assert_eq!(matches!(made, Ok(Done::Invited(..))), holds, "{secs}");
    }
}

#[test]
fn an_invitation_that_has_ended_lets_nobody_in_and_is_known_for_a_month() {
    let mut room = Room::new(2);
    let founder = &mut room.peers[0];
    let Ok(Done::Invited(invite, _)) = founder.invite(at(0), 600, &[]) else { panic!() };
    let ends = founder.dag.invite(&invite).unwrap().1.expires;
    let minute = |minutes: u32| Now { unix_ms: u64::from(minutes) * 60_000, ..at(0) };
    assert_eq!(ends, at(600_000).unix_minutes());
    assert!(matches!(founder.offer(minute(ends), &invite, None), JoinMsg::Offer(_)));
    assert_eq!(founder.offer(minute(ends + 1), &invite, None), JoinMsg::No(No::Expired));
    let secret = founder.invites[&invite].clone();
    let mut knows = |minutes| {
        let psk = &secret.join_psk;
        let mut theirs = Handshake::invited(Role::Initiator, psk, b"", [3; 32]).unwrap();
        let frame = theirs.write().unwrap();
        founder.invited(minute(minutes), b"", &frame).is_ok()
    };
    let month = 30 * 24 * 60;
    assert!(knows(ends + month), "who comes late is told why");
    assert!(!knows(ends + month + 1));
}

#[test]
fn the_key_of_an_invitation_goes_to_those_who_may_admit_while_it_holds() {
    for (secs, is_given) in [(600, true), (60, false)] {
        let mut room = Room::new(2);
        let now = at(room.ms);
        let Ok(Done::Invited(invite, _)) = room.peers[0].invite(now, secs, &[]) else { panic!() };
        room.ms += 300_000;
        room.link(0, 1);
        assert_eq!(room.peers[1].invites.contains_key(&invite), is_given, "{secs}");
        // It was ended by hand: whoever comes now needs no key.
        room.peers[0].cancel_invite(at(room.ms), invite).unwrap();
        room.peers[1].invites.clear();
        room.link(0, 1);
        assert!(!room.peers[1].invites.contains_key(&invite), "{secs}");
    }
}

#[test]
fn nobody_gets_the_key_of_an_invitation_but_from_its_author_to_admit_with() {
    let mut room = Room::new(3);
    let now = at(room.ms);
    let (to_second, _) = room.link(0, 1);
    let (to_third, _) = room.link(1, 2);
    let command = Command::Invite { expires_secs: 3600, addrs: vec![] };
    let done = room.input(0, Input::Command { request: RequestId(0), command });
    let [Done::Invited(invite, _)] = done[..] else { panic!("{done:?}") };
    let mut gives = |who: usize, link| {
        let peer = &mut room.peers[who];
        peer.send_invite_keys(now, link);
        std::iter::from_fn(|| peer.poll_output()).count()
    };
    assert_eq!(gives(0, to_second), 1);
    assert_eq!(gives(1, to_third), 0, "whoever only holds it gives it to nobody");
    // One that the second may not admit with.
    let founder = &mut room.peers[0];
    let alone = List::first([founder.me.id]);
    let inv_pk = founder.me.secrets.public().ik;
    let body = OpBody::Invite(Invite { inv_pk, admitters: alone, expires: u32::MAX });
    let own = founder.sign_op(now, &body).unwrap();
    founder.invites.remove(&invite);
    founder.keep_invite(InviteSecret { invite: own, join_psk: [1; 32], disc: [2; 32] });
    while founder.poll_output().is_some() {}
    founder.send_invite_keys(now, to_second);
    assert!(founder.poll_output().is_none());
}

#[test]
fn a_newcomer_gets_all_ops_in_as_few_messages_as_hold_them() {
    let mut room = Room::new(3);
    let founder = &mut room.peers[0];
    let batches = |founder: &crate::hostile::Peer| {
        let messages = founder.all_ops().into_iter().map(|message| {
            let JoinMsg::Ops(JoinOps { ops, more }) = message else { panic!("{message:?}") };
            (ops.len(), more)
        });
        messages.collect::<Vec<_>>()
    };
    assert_eq!(batches(founder), [(founder.dag.len(), false)]);
    for day in 0..6 {
        let now = at(day * 24 * 3600 * 1000);
        for _ in 0..50 {
            founder.sign_op(now, &OpBody::Merge).unwrap();
        }
    }
    let all = founder.dag.len();
    assert_eq!(batches(founder), [(BATCH_OPS_MAX, true), (all - BATCH_OPS_MAX, false)]);
}

#[test]
fn so_many_join_at_once_and_whoever_says_nothing_gives_way() {
    let mut room = Room::new(1);
    let (peer, mut nth) = (&mut room.peers[0], 0);
    let mut open = |peer: &mut crate::hostile::Peer, from: u8| {
        nth += 1;
        let ends = Ends { initiator: vec![from], responder: vec![0] };
        peer.on_join_opened(at(5_000), LinkId(nth), &ends);
        peer.tally().channels
    };
    for nth in 1..=OPENINGS_PER_PEER {
        assert_eq!(open(peer, 1), nth);
    }
    assert_eq!(open(peer, 1), OPENINGS_PER_PEER, "of one peer");
    assert!(!peer.channels.contains_key(&LinkId(1)), "the oldest gave way");
    for from in 2..200 {
        open(peer, from);
    }
    assert_eq!(peer.tally().channels, JOINS_MAX);
    let newest = u64::try_from(OPENINGS_PER_PEER).unwrap() + 1 + 198;
    assert!(peer.channels.contains_key(&LinkId(newest)), "whoever comes last is heard");
}

#[test]
fn so_many_invitations_are_tried_in_a_second_and_so_many_by_one_peer() {
    let mut tried = Tried::default();
    let mut may = |ms, peer: u32| tried.may(Instant(ms), &peer.to_be_bytes());
    for _ in 0..JOINS_PER_PEER {
        assert!(may(5_000, 0));
    }
    assert!(!may(5_999, 0), "one peer, in this second");
    for peer in JOINS_PER_PEER..JOINS_PER_SECOND {
        assert!(may(5_999, peer));
    }
    assert!(!may(5_999, 999), "all, in this second");
    assert!(may(6_000, 999) && may(6_000, 0), "the next second");
}

#[test]
fn ops_go_to_nobody_who_cannot_sign_also_when_the_invitation_was_used_with_these_keys() {
    let mut rng = ChaCha12Rng::seed_from_u64(1);
    let founding = Founding {
        name: "Tuesday".into(),
        reason: "Company.".into(),
        pseudonym: "Wren".into(),
        ..Founding::default()
    };
    let now = Now { unix_ms: 1_795_176_000_000, ..Now::default() };
    let (me, genesis) = founding.begin(now, &mut rng).unwrap();
    let rng_of_wren = ChaCha12Rng::seed_from_u64(2);
    let mut wren = Engine::new(me, rng_of_wren, [Change::Op(genesis)]).unwrap();
    let Ok(Done::Invited(invite, link)) = wren.invite(now, 3600, &[]) else { panic!() };
    let secrets = MemberSecrets::generate(&mut rng);
    let unsigned = keys(
        &secrets,
        Sig::sign(&[9; 32], Label::AddSig, &[]),
        Sig::sign(&[9; 32], Label::AddSig, &[]),
    );
    let digest = keys_digest(&unsigned.keys, &unsigned.prekey, &unsigned.subkey);
    let parts: [&[u8]; 3] = [&wren.me.group.0, &invite.0, &digest];
    let join_sig = Invitation::from_text(&link).unwrap().sign(&parts);
    let self_sig = secrets.sign_as_member(Label::AddSig, &parts);
    let sends = |wren: &mut Engine<ChaCha12Rng>, keys: Keys| {
        while wren.poll_output().is_some() {}
        let hand = |role, seed| Handshake::invited(role, &[1; 32], b"", [seed; 32]).unwrap();
        let (mut i, mut r) = (hand(Role::Initiator, 1), hand(Role::Responder, 2));
        r.read(&i.write().unwrap()).unwrap();
        i.read(&r.write().unwrap()).unwrap();
        let mut session = r.finish().unwrap();
        let admitted = wren.admit(now, LinkId(1), &mut session, (invite, [0; 32], keys));
        let sent = std::iter::from_fn(|| wren.poll_output())
            .any(|output| matches!(output, Output::Transmit { .. }));
        (admitted.is_ok(), sent)
    };
    // Before it was used, after it was used with these very keys, and signed for real.
    assert_eq!(sends(&mut wren, unsigned.clone()), (false, false));
    assert_eq!(wren.dag.members().len(), 1);
    assert_eq!(sends(&mut wren, keys(&secrets, join_sig, self_sig)), (true, true));
    assert_eq!(wren.dag.members().len(), 2);
    assert_eq!(sends(&mut wren, unsigned), (false, false));
    assert_eq!(sends(&mut wren, keys(&secrets, self_sig, self_sig)), (false, false));
    assert_eq!(sends(&mut wren, keys(&secrets, join_sig, self_sig)), (true, true));
    assert_eq!(wren.dag.members().len(), 2, "the same member, once");
}
