//! Public keys that are none: too short, too long, of low order.

use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng as _;
use x25519_dalek::{PublicKey, StaticSecret};

use super::{Talk, formats};
use crate::control::{Add, Dag, Genesis, Op, OpBody, Taken};
use crate::engine::Done;
use crate::error::Reject;
use crate::hostile::{Peer, Room, at};
use crate::ids::OpId;
use crate::join::Invitation;
use crate::kdf::Label;
use crate::keys::{MemberKeys, MemberSecrets, PrekeyBody, contributory, keys_digest};
use crate::noise::{HANDSHAKE_LEN, Handshake, PairKeys, Role};

/// Every public key in someone's keys.
fn keys_in(keys: &MemberKeys, prekey: &PrekeyBody, msk: [u8; 32]) -> [[u8; 32]; 6] {
    [keys.ik, keys.nk, keys.dk, keys.rk, prekey.x25519, msk]
}

#[test]
fn a_public_key_is_32_bytes_wherever_it_stands() {
    let talk = Talk::new();
    let [OpBody::Genesis(genesis), OpBody::Invite(invite), OpBody::Add(add)] =
        [0, 1, 2].map(|at| talk.body(at))
    else {
        panic!()
    };
    let mut keys = vec![invite.inv_pk];
    keys.extend(keys_in(&genesis.keys, &genesis.prekey, genesis.subkey.msk));
    keys.extend(keys_in(&add.keys, &add.prekey, add.subkey.msk));
    let mut stand = std::collections::BTreeMap::new();
    for format in formats() {
        for key in &keys {
            let found = format.valid.windows(32).position(|window| window == key);
            let Some(at) = found else { continue };
            *stand.entry(format.name).or_insert(0) += 1;
            for len in [0, 1, 10, 31, 33, 80, 127] {
                let short = vec![9_u8; len];
                let counted = [&[len as u8], &short[..]].concat();
                for new in [short, counted] {
                    if new.len() == 32 {
                        continue; // A key of 31 bytes behind a length is a key.
                    }
                    let bytes = [&format.valid[..at], &new, &format.valid[at + 32..]].concat();
                    let read = (format.strict)(&bytes);
                    // With a byte less or more, what follows may take its place: other keys, each whole.
                    let is_other = len.abs_diff(32) == 1 && read.as_ref() == Ok(&bytes);
                    assert!(read.is_err() || is_other, "{}: a key of {len} bytes", format.name);
                }
            }
        }
    }
    let places = [
        ("Add", 6),
        ("Genesis", 6),
        ("Invite", 1),
        ("Keys", 6),
        ("Ops", 13),
        ("Prekey", 1),
        ("Subkey", 1),
        ("join Ops", 13),
        ("op", 6),
    ];
    assert_eq!(stand, places.into());
}

const ORDER_8: [[u8; 32]; 2] = [
    [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4,
        0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49,
        0xb8, 0x00,
    ],
    [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef,
        0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f,
        0x11, 0x57,
    ],
];

/// Little-endian: a low byte, 0xff throughout, a high byte. 2^255 - 19 is `near(0xed, 0x7f)`.
fn near(low: u8, high: u8) -> [u8; 32] {
    let mut bytes = [0xff; 32];
    (bytes[0], bytes[31]) = (low, high);
    bytes
}

fn small(n: u8) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[0] = n;
    bytes
}

/// Every encoding of a point of low order as RFC 7748 reads it, which ignores the highest bit: the
/// seven below 2^255, and each with that bit set.
fn low_order() -> Vec<[u8; 32]> {
    let [p_minus_one, p, p_plus_one] = [0xec, 0xed, 0xee].map(|low| near(low, 0x7f));
    let seven = [small(0), small(1), ORDER_8[0], ORDER_8[1], p_minus_one, p, p_plus_one];
    let set = seven.map(|mut bytes| {
        bytes[31] |= 0x80;
        bytes
    });
    [seven, set].concat()
}

/// The twelve of <https://cr.yp.to/ecdh.html#validate>: seven are of low order for everyone; the rest,
/// 2p - 1, 2p, 2p + 1 and p with those of order 8, only for who reads the highest bit. We do not.
fn listed() -> Vec<[u8; 32]> {
    let [p_minus_one, p, p_plus_one] = [0xec, 0xed, 0xee].map(|low| near(low, 0x7f));
    let twice = [0xd9, 0xda, 0xdb].map(|low| near(low, 0xff));
    // p + x = 2^255 + x - 19.
    let beside = ORDER_8.map(|mut x| {
        x[0] -= 19;
        x[31] |= 0x80;
        x
    });
    let mut listed = vec![small(0), small(1), p_minus_one, p, p_plus_one];
    listed.extend(ORDER_8.iter().chain(&beside).chain(&twice));
    listed
}

#[test]
fn a_key_that_is_taken_makes_no_secret_that_everyone_knows() {
    let shared = |secret: u8, key: [u8; 32]| {
        StaticSecret::from([secret; 32]).diffie_hellman(&PublicKey::from(key)).to_bytes()
    };
    for key in low_order() {
        assert_eq!(shared(1, key), [0; 32], "{key:02x?} is of low order");
        assert_eq!(contributory(&key), Err(Reject::LowOrder), "{key:02x?}");
    }
    let refused = listed().into_iter().filter(|key| contributory(key).is_err()).count();
    assert_eq!((listed().len(), refused), (12, 7));
    for key in listed().into_iter().filter(|key| contributory(key).is_ok()) {
        assert_ne!(shared(1, key), shared(2, key), "{key:02x?}");
    }
}

/// Puts a key where one stands.
type Put = fn(&mut MemberKeys, &mut PrekeyBody, [u8; 32]);

const PLACES: [(&str, Put); 3] = [
    ("nk", |keys, _, low| keys.nk = low),
    ("dk", |keys, _, low| keys.dk = low),
    ("prekey", |_, prekey, low| prekey.x25519 = low),
];

fn begin_with(talk: &Talk, put: impl Fn(&mut MemberKeys, &mut PrekeyBody)) -> Result<(), Reject> {
    let (header, OpBody::Genesis(content)) = talk.ops[0].parse()? else { panic!() };
    let Genesis { mut keys, mut prekey, subkey, .. } = (*content).clone();
    put(&mut keys, &mut prekey);
    let digest = keys_digest(&keys, &prekey, &subkey);
    let self_sig = talk.secrets.sign_as_member(Label::GenesisSig, &[&digest]);
    let body = OpBody::Genesis(Box::new(Genesis { keys, prekey, self_sig, ..*content }));
    let sign = |label, parts: &[&[u8]]| talk.secrets.sign_as_member(label, parts);
    Dag::new(Op::sign(header, &body, sign)?).map(drop)
}

fn admit_with(
    founder: &mut Peer,
    (invite, invitation): (OpId, &Invitation),
    put: impl Fn(&mut MemberKeys, &mut PrekeyBody),
) -> Result<Taken, Reject> {
    let secrets = MemberSecrets::generate(&mut ChaCha12Rng::seed_from_u64(9));
    let (mut keys, mut prekey) = (secrets.public(), secrets.first_prekey(0));
    let subkey = secrets.first_subkey();
    put(&mut keys, &mut prekey);
    let digest = keys_digest(&keys, &prekey, &subkey);
    let parts: [&[u8]; 3] = [&founder.me.group.0, &invite.0, &digest];
    let join_sig = invitation.sign(&parts);
    let self_sig = secrets.sign_as_member(Label::AddSig, &parts);
    let add = Add { invite, keys, prekey, subkey, join_sig, self_sig };
    take(founder, &OpBody::Add(Box::new(add)))
}

fn take(founder: &mut Peer, body: &OpBody) -> Result<Taken, Reject> {
    let header = founder.dag.next_header(&founder.me.id, at(0).minutes());
    let secrets = founder.me.secrets.clone();
    let op = Op::sign(header, body, |label, parts| secrets.sign_as_member(label, parts))?;
    founder.dag.take(op)
}

#[test]
fn a_key_of_low_order_is_refused_wherever_it_stands_in_an_op() {
    let talk = Talk::new();
    let mut room = Room::new(1);
    let founder = &mut room.peers[0];
    let Ok(Done::Invited(invite, link)) = founder.invite(at(0), 3600, &[]) else { panic!() };
    let invitation = Invitation::from_text(&link).unwrap();
    for (low, (place, put)) in
        low_order().into_iter().flat_map(|low| PLACES.map(|place| (low, place)))
    {
        let put = |keys: &mut MemberKeys, prekey: &mut PrekeyBody| put(keys, prekey, low);
        assert_eq!(begin_with(&talk, put), Err(Reject::LowOrder), "Genesis, {place} {low:02x?}");
        let added = admit_with(founder, (invite, &invitation), put);
        assert_eq!(added, Err(Reject::LowOrder), "Add, {place} {low:02x?}");
        let prekey = PrekeyBody { x25519: low, ..founder.me.secrets.first_prekey(0) };
        assert_eq!(take(founder, &OpBody::Prekey(prekey)), Err(Reject::LowOrder), "{low:02x?}");
    }
    // The very same ops with the keys as they were drawn.
    assert_eq!(begin_with(&talk, |_, _| ()), Ok(()));
    assert_eq!(admit_with(founder, (invite, &invitation), |_, _| ()), Ok(Taken::New));
    let prekey = founder.me.secrets.first_prekey(0);
    assert_eq!(take(founder, &OpBody::Prekey(prekey)), Ok(Taken::New));
}

/// Both ends of a handshake: of two members, or under an invitation.
fn shaking(of_members: bool) -> [Handshake; 2] {
    let mut rng = ChaCha12Rng::seed_from_u64(7);
    let people: [_; 2] = std::array::from_fn(|_| MemberSecrets::generate(&mut rng));
    [(Role::Initiator, 0), (Role::Responder, 1)].map(|(role, at): (_, usize)| {
        let (psk, seed) = ([9; 32], [at as u8; 32]);
        let theirs = &people[1 - at].public().nk;
        let keys = PairKeys { ours: people[at].noise_static(), theirs, psk: &psk };
        if of_members {
            Handshake::members(role, &keys, b"", seed).unwrap()
        } else {
            Handshake::invited(role, &psk, b"", seed).unwrap()
        }
    })
}

#[test]
fn a_key_of_low_order_is_refused_in_every_handshake_message() {
    let with = |mut message: Vec<u8>, low: [u8; 32]| {
        message[..32].copy_from_slice(&low);
        assert_eq!(message.len(), HANDSHAKE_LEN);
        message
    };
    for (of_members, low) in [true, false]
        .into_iter()
        .flat_map(|kind| low_order().into_iter().map(move |low| (kind, low)))
    {
        let [mut i, mut r] = shaking(of_members);
        assert_eq!(r.read(&with(i.write().unwrap(), low)), Err(Reject::LowOrder), "{low:02x?}");
        let [mut i, mut r] = shaking(of_members);
        r.read(&i.write().unwrap()).unwrap();
        assert_eq!(i.read(&with(r.write().unwrap(), low)), Err(Reject::LowOrder), "{low:02x?}");
        let ours = *StaticSecret::from([3; 32]).as_bytes();
        let keys = PairKeys { ours: &ours, theirs: &low, psk: &[9; 32] };
        let static_key = Handshake::members(Role::Initiator, &keys, b"", [1; 32]);
        assert_eq!(static_key.err(), Some(Reject::LowOrder), "{low:02x?}");
    }
    let [mut i, mut r] = shaking(true);
    for len in [0, 10, 32, 42, 47, 49, 80, 96, 65_535] {
        assert_eq!(r.read(&vec![9; len]), Err(Reject::Handshake), "a message of {len} bytes");
    }
    r.read(&i.write().unwrap()).unwrap();
    i.read(&r.write().unwrap()).unwrap();
    assert!(i.finish().is_ok() && r.finish().is_ok(), "nothing of this is broken in itself");
}
