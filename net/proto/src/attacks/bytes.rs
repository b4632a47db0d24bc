//! Bytes that are not what they seem: a second form of one value, lengths that nothing has.

use rand_chacha::ChaCha12Rng;
use rand_core::{Rng as _, SeedableRng as _};

use super::{Format, Talk, formats};
use crate::address::Addr;
use crate::control::{Op, OpBody, OpHeader};
use crate::encoding::{Bytes, Text, decode, encode, tagged};
use crate::error::Reject;
use crate::hostile::Room;
use crate::ids::{EntryId, GroupId, MemberId, OpId};
use crate::join::Invitation;
use crate::kdf::{Label, first, kdf};
use crate::limits::LINK_MSG_MAX;
use crate::link::LinkMsg;
use crate::log::{Entry, EntryHeader};

/// `bytes` with the one at `at` replaced by these.
fn splice(bytes: &[u8], at: usize, new: &[u8]) -> Vec<u8> {
    [&bytes[..at], new, &bytes[at + 1..]].concat()
}

/// Every second form in which postcard would read these bytes as the same value: a varint of one byte
/// written as two, a byte more at the end.
fn second_forms(format: &Format) -> Vec<Vec<u8>> {
    let valid = &format.valid;
    let longer = (0..valid.len())
        .filter(|at| valid[*at] < 0x80)
        .map(|at| splice(valid, at, &[valid[at] | 0x80, 0x00]));
    let widest = (0..valid.len()).filter(|at| valid[*at] < 0x80).map(|at| {
        let low = valid[at] | 0x80;
        splice(valid, at, &[low, 0x80, 0x80, 0x00])
    });
    let trailing = [0, 1, 0x80].map(|byte| [&valid[..], &[byte]].concat());
    longer
        .chain(widest)
        .chain(trailing)
        .filter(|bytes| (format.lenient)(bytes).as_ref() == Some(valid))
        .collect()
}

#[test]
fn noncanonical_rejected() {
    let mut tried = 0;
    for format in formats() {
        // Whatever a later build says in its op is bytes to this one, and the hash covers them.
        if format.name == "an op of a later build" {
            continue;
        }
        let forms = second_forms(&format);
        assert!(forms.len() >= 2, "{}: postcard itself takes other forms", format.name);
        for form in forms {
            let read = (format.strict)(&form);
            assert_eq!(read, Err(Reject::Encoding), "{}: {form:02x?}", format.name);
            tried += 1;
        }
    }
    assert!(tried > 200, "{tried} forms");
    assert_eq!(OpBody::decode(&[12, 0x81, 0x00]), Err(Reject::Encoding));
    // No tag has a second form either.
    for tag in 0..=16 {
        assert!(LinkMsg::decode(&[tag | 0x80, 0x00]).is_err(), "tag {tag}");
        assert!(OpBody::decode(&[tag | 0x80, 0x00]).is_err(), "tag {tag}");
    }
}

/// The author of an op or entry signs a second form of its header, or commits to one of its body.
#[test]
fn noncanonical_rejected_also_when_signed() {
    let talk = Talk::new();
    let op = &talk.ops[2];
    let header: OpHeader = decode(&op.header, LINK_MSG_MAX).unwrap();
    let sign = |header: &[u8], body: &[u8]| {
        let id = kdf(Label::OpId, &[header]);
        Op {
            header: Bytes::new(header.to_vec()).unwrap(),
            sig: talk.secrets.sign_as_member(Label::OpSig, &[&id]),
            body: Bytes::new(body.to_vec()).unwrap(),
        }
    };
    assert_eq!(sign(&op.header, &op.body), *op);
    for form in second_forms(&super::plain("op header", &header)) {
        let second = sign(&form, &op.body);
        assert_eq!((second.id() == op.id(), second.parse()), (false, Err(Reject::Encoding)));
    }
    let OpBody::Add(add) = talk.body(2) else { panic!() };
    for form in second_forms(&super::body("Add", &talk.body(2), &*add)) {
        let header = OpHeader { body_hash: kdf(Label::OpBody, &[&form]), ..header.clone() };
        assert_eq!(sign(&encode(&header), &form).parse(), Err(Reject::Encoding));
    }
    let entry = &talk.entry;
    let header: EntryHeader = decode(&entry.header, LINK_MSG_MAX).unwrap();
    for form in second_forms(&super::plain("entry header", &header)) {
        let sig = talk.secrets.sign_message(Label::EntrySig, &[&kdf(Label::EntryId, &[&form])]);
        let second = Entry { header: Bytes::new(form).unwrap(), sig, body: entry.body.clone() };
        assert_eq!(second.parse(&talk.group), Err(Reject::Encoding));
        assert_eq!(second.verify(&talk.secrets.first_subkey().msk), Ok(()), "it is really signed");
    }
}

/// What is read must be what was sent, byte for byte, or nothing.
fn check(format: &Format, bytes: &[u8], seed: &str) {
    if let Ok(again) = (format.strict)(bytes) {
        assert_eq!(again, bytes, "{}, {seed}", format.name);
    }
}

/// The most that this process ever held, and ever asked for, in KiB.
#[cfg(target_os = "linux")]
fn memory_peaks() -> [u64; 2] {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    ["VmHWM:", "VmPeak:"].map(|name| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    })
}

#[cfg(not(target_os = "linux"))]
fn memory_peaks() -> [u64; 2] {
    [0; 2]
}

/// Lengths that no message has.
const LENGTHS: [u64; 8] =
    [1 << 16, 1 << 20, 1 << 28, (1 << 31) - 1, 1 << 32, 1 << 40, 1 << 63, u64::MAX];

#[test]
fn length_bombs_allocate_nothing() {
    let before = memory_peaks();
    let formats = formats();
    for format in &formats {
        for at in 0..format.valid.len().min(700) {
            for length in LENGTHS {
                let bomb = splice(&format.valid, at, &encode(&length));
                check(format, &bomb, "a length");
                // And with nothing at all behind the length.
                check(format, &bomb[..at + encode(&length).len()], "a length, and the end");
            }
        }
    }
    for (at, length) in (0..70).flat_map(|at| LENGTHS.map(|length| (at, length))) {
        let bytes = splice(&invitation_bytes(), at, &encode(&length));
        assert!(read_invitation(&bytes).is_none_or(|again| again == bytes));
    }
    let after = memory_peaks();
    let grown: Vec<_> = after.iter().zip(before).map(|(after, before)| after - before).collect();
    assert!(grown[0] < 64 * 1024, "{} KiB were held", grown[0]);
    assert!(grown[1] < 1024 * 1024, "{} KiB were asked for", grown[1]);
}

#[test]
fn one_more_than_a_list_may_hold_is_refused() {
    let member = |n: usize| MemberId([n as u8; 32]);
    let tips = |n: usize| (0..n).map(|n| (member(n), 1_u32, EntryId([1; 32]))).collect::<Vec<_>>();
    let ids = |n: usize| (0..n).map(|n| OpId([n as u8; 32])).collect::<Vec<_>>();
    let ranges = |n: usize| (0..n).map(|n| (member(n), 1_u32, 2_u32)).collect::<Vec<_>>();
    let link = |fits: Vec<u8>, over: Vec<u8>| {
        (LinkMsg::decode(&fits).is_ok(), LinkMsg::decode(&over).is_ok())
    };
    let frontier = |n| tagged(5, &(0_u8, tips(n), false));
    let wants = |n| tagged(3, &(ids(n), ids(0)));
    let range = |n| tagged(6, &(0_u8, ranges(n), ids(0)));
    let single = |n| tagged(6, &(0_u8, ranges(0), ids(n)));
    let have = |n| tagged(8, &(0_u8, tips(n)));
    assert_eq!(link(frontier(512), frontier(513)), (true, false));
    assert_eq!(link(wants(64), wants(65)), (true, false));
    assert_eq!(link(range(64), range(65)), (true, false));
    assert_eq!(link(single(256), single(257)), (true, false));
    assert_eq!(link(have(256), have(257)), (true, false));
    let admitters = |n: usize| {
        let invite = tagged(1, &([1_u8; 32], (0..n).map(member).collect::<Vec<_>>(), 5_u32));
        OpBody::decode(&invite).is_ok()
    };
    assert_eq!((admitters(32), admitters(33)), (true, false));
    let deps = |n| {
        let (v, suite, group, author) = (1_u8, 1_u8, GroupId([1; 32]), member(1));
        let rest = (1_u64, 5_u32, [0_u8; 32]);
        let header = encode(&(v, suite, group, author, 3_u32, OpId([1; 32]), ids(n), rest));
        decode::<OpHeader>(&header, LINK_MSG_MAX).is_ok()
    };
    assert_eq!((deps(16), deps(17)), (true, false));
    let kem = |n| {
        let prekey = (0_u32, [9_u8; 32], vec![vec![7_u8; n]], 0_u32, 1_u8, 1_u8, 5_u32);
        OpBody::decode(&tagged(11, &prekey)).is_ok()
    };
    assert_eq!((kem(900), kem(1185)), (true, false));
}

/// An invitation's bytes without their check.
fn invitation_bytes() -> Vec<u8> {
    let addrs = [
        Addr::Tcp4([127, 0, 0, 1], 4001),
        Addr::Quic6([7; 16], 9),
        Addr::Dns(Text::new("kith.example").unwrap(), 443),
    ];
    let mut rng = ChaCha12Rng::seed_from_u64(3);
    let invitation = Invitation::new(&GroupId([1; 32]), &[2; 32], 30_000_000, &addrs, &mut rng);
    let mut bytes = unchecked(&invitation);
    bytes.truncate(bytes.len() - 4);
    bytes
}

fn unchecked(invitation: &Invitation) -> Vec<u8> {
    base32().decode(&invitation.to_text().as_bytes()["kith:".len()..]).unwrap()
}

/// Reads these bytes as an invitation, with a check that fits; gives what it would be written as.
fn read_invitation(bytes: &[u8]) -> Option<Vec<u8>> {
    let check = first::<4>(&kdf(Label::LinkCheck, &[bytes]));
    let text = format!("kith:{}", base32().encode(&[bytes, &check].concat()));
    let mut again = unchecked(&Invitation::from_text(&text).ok()?);
    again.truncate(again.len() - 4);
    Some(again)
}

fn base32() -> data_encoding::Encoding {
    let mut spec = data_encoding::Specification::new();
    spec.symbols.push_str("0123456789abcdefghjkmnpqrstvwxyz");
    spec.encoding().unwrap()
}

/// Changes valid bytes in one of the ways in which bytes go wrong.
fn mutate(rng: &mut ChaCha12Rng, bytes: &mut Vec<u8>, others: &[Format]) {
    let below =
        |rng: &mut ChaCha12Rng, bound: usize| (rng.next_u64() % bound.max(1) as u64) as usize;
    let at = below(rng, bytes.len());
    let random = rng.next_u64();
    match (below(rng, 7), bytes.get(at).copied()) {
        (0, Some(byte)) => bytes[at] = byte ^ (1 << (random % 8)),
        (1, Some(_)) => bytes[at] = random as u8,
        (2, _) => bytes.truncate(at),
        (3, _) => bytes.insert(at, random as u8),
        (4, Some(_)) => *bytes = splice(bytes, at, &encode(&(random >> (random % 64)))),
        (5, _) => {
            let other = &others[below(rng, others.len())].valid;
            let from = below(rng, other.len());
            bytes.truncate(at);
            bytes.extend_from_slice(&other[from..]);
        }
        _ => {
            let twice = bytes[at..].to_vec();
            bytes.extend_from_slice(&twice[..twice.len().min(100)]);
        }
    }
}

#[test]
fn whatever_was_changed_is_read_as_it_stands_or_not_at_all() {
    let formats = formats();
    for (nth, format) in formats.iter().enumerate() {
        let mut taken = 0;
        for seed in 0..3000 {
            let mut rng = ChaCha12Rng::seed_from_u64(nth as u64 * 1_000_000 + seed);
            let mut bytes = format.valid.clone();
            for _ in 0..=rng.next_u64() % 4 {
                mutate(&mut rng, &mut bytes, &formats);
            }
            check(format, &bytes, &format!("seed {seed}"));
            taken += usize::from((format.strict)(&bytes).is_ok());
        }
        assert!(taken > 0, "{}: some changes make another value", format.name);
    }
    let valid = invitation_bytes();
    for seed in 0..3000 {
        let mut rng = ChaCha12Rng::seed_from_u64(seed);
        let mut bytes = valid.clone();
        mutate(&mut rng, &mut bytes, &formats);
        assert!(read_invitation(&bytes).is_none_or(|again| again == bytes), "seed {seed}");
    }
}

/// A member says what chance makes of messages: links are closed, and nothing else happens.
#[test]
fn no_message_of_a_member_breaks_an_engine() {
    let (links, all) = (Talk::new().links(), formats());
    let mut room = Room::new(2);
    let (mut ours, _) = room.link(0, 1);
    let (mut said, mut closed) = (0, 0);
    for seed in 0..2000_u64 {
        let mut rng = ChaCha12Rng::seed_from_u64(seed);
        let mut bytes = links[seed as usize % links.len()].valid.clone();
        for _ in 0..rng.next_u64() % 3 {
            mutate(&mut rng, &mut bytes, &all);
        }
        let Ok(message) = LinkMsg::decode(&bytes) else { continue };
        room.ms += 50;
        room.force(0, ours, &message);
        said += 1;
        if !room.links.contains_key(&(0, ours)) {
            closed += 1;
            (ours, _) = room.link(0, 1);
        }
    }
    assert!(said > 500 && closed > 50, "{said} said, {closed} closed");
    room.say(0, "still here");
    assert!(room.entries[1].iter().any(|entry| room.entries[0].contains(entry)));
    assert_eq!(room.peers[1].dag.members(), room.peers[0].dag.members());
}
