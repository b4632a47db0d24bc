//! What a member does over links that are up. Each attack is a source of bytes to seal: messages or not.

use std::io;

use futures::io::{ReadHalf, WriteHalf};
use futures::{AsyncReadExt as _, AsyncWriteExt as _};
use libp2p::{Multiaddr, Stream};
use proto::{EntryId, MemberId, OpBody, OpId};
use rand_core::Rng as _;
use tokio::time::{Duration, Instant, sleep, timeout_at};

use crate::forge::{self, At};
use crate::link::{self, Until};
use crate::member::{Link, Me, message, wrapped};
use crate::net::{Connection, LINK};
use crate::{Tally, now, rng};

/// How what comes back is read.
#[derive(Clone, Copy, PartialEq)]
pub enum Reads {
    All,
    Nothing,
    /// A hundred bytes a second.
    Slowly,
}

type Tip = (MemberId, u32, EntryId);

fn random(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    rng().fill_bytes(&mut bytes);
    bytes
}

fn below(bound: usize) -> usize {
    (rng().next_u64() % bound.max(1) as u64) as usize
}

/// Everyone's newest entry has the greatest number there is, and that of people nobody heard of.
fn absurd(me: &Me, len: usize) -> Vec<Tip> {
    let known = me.dag.members().iter().copied();
    let unknown = (0..len).map(|_| MemberId(random(32).try_into().unwrap()));
    known.chain(unknown).take(len).map(|who| (who, u32::MAX, EntryId([9; 32]))).collect()
}

fn frontier(tips: &[Tip], more: bool) -> Vec<u8> {
    message(5, &(0_u8, tips, more))
}

fn have(tips: &[Tip]) -> Vec<u8> {
    message(8, &(0_u8, tips))
}

fn want(me: &Me) -> Vec<u8> {
    let ranges: Vec<_> = me.dag.members().iter().map(|who| (*who, 0_u32, u32::MAX)).collect();
    message(6, &(0_u8, ranges, Vec::<EntryId>::new()))
}

/// One valid message of each tag.
fn one_of_each(me: &Me, at: &mut At) -> Vec<Vec<u8>> {
    let heads = me.dag.heads();
    vec![
        me.hello(),
        wrapped(&forge::card(me, 1)),
        message(2, &(heads[0], [6_u8; 32], [6_u8; 32])),
        message(3, &(&heads, &heads)),
        forge::ops(&[forge::op(me, &OpBody::Merge, |_| {})]),
        frontier(&absurd(me, 20), false),
        want(me),
        forge::entries(&[forge::next(me, at, 100)]),
        have(&absurd(me, 20)),
        message(11, &u64::MAX),
        message(12, &u64::MAX),
        message(13, &()),
    ]
}

/// Changes bytes in one of the ways in which bytes go wrong.
fn mutate(bytes: &mut Vec<u8>) {
    let at = below(bytes.len());
    match below(6) {
        0 => bytes[at] ^= 1 << below(8),
        1 => bytes[at] = below(256) as u8,
        2 => bytes.truncate(at),
        3 => bytes.insert(at, below(256) as u8),
        4 => {
            let absurd = proto::encode(&(rng().next_u64() >> below(64)));
            bytes.splice(at..=at, absurd);
        }
        _ => {
            let twice = bytes[at..].to_vec();
            bytes.extend(twice.iter().take(100));
        }
    }
}

/// A source of bytes to say; none when there is nothing more to be said on this link.
pub struct Source {
    name: &'static str,
    at: At,
    nth: u64,
    kept: Vec<u8>,
}

impl Source {
    pub fn new(name: &'static str) -> Self {
        Self { name, at: At::BEGIN, nth: 0, kept: Vec::new() }
    }

    pub fn reads(&self) -> Reads {
        match self.name {
            "frontiers-unread" | "wants-unread" | "ops-wants-unread" => Reads::Nothing,
            "wants-slow" => Reads::Slowly,
            _ => Reads::All,
        }
    }

    /// How long to wait between two pieces.
    pub fn pause(&self) -> Duration {
        Duration::from_millis(match self.name {
            "ops-wants-unread" => 1000,
            "wants" | "wants-unread" | "wants-slow" => 10,
            "ops" => 500,
            "link-and-leave" => 0,
            "slow-writer" => 1000,
            _ => 0,
        })
    }

    /// Bytes to seal, and how many messages that is.
    pub fn next(&mut self, me: &Me) -> (Vec<u8>, u64) {
        self.nth += 1;
        let nth = self.nth;
        match self.name {
            "garbage" => (random(1 + below(60_000)), 1),
            "garbage-tags" => {
                let body = random(below(2000));
                (wrapped(&[&[(nth % 16) as u8][..], &body].concat()), 1)
            }
            "mutated" => {
                let all = one_of_each(me, &mut self.at);
                let mut bytes = all[below(all.len())][4..].to_vec();
                (0..=below(3)).for_each(|_| {
                    if !bytes.is_empty() {
                        mutate(&mut bytes)
                    }
                });
                (wrapped(&bytes), 1)
            }
            "huge-length" => (vec![0xff; 8], 1),
            "prunes" => (message(13, &()).repeat(13_000), 13_000),
            "pings" => (message(11, &nth).repeat(5_000), 5_000),
            "empty-entries" => (forge::entries(&[]).repeat(6_000), 6_000),
            "empty-ops" => (forge::ops(&[]).repeat(8_000), 8_000),
            "empty-haves" => (have(&[]).repeat(8_000), 8_000),
            "wants" | "wants-unread" | "wants-slow" => (want(me), 1),
            "five-wants" => (want(me).repeat(5), 5),
            "ops-wants-unread" => {
                let none = Vec::<OpId>::new();
                (message(3, &(&none, &none)).repeat(40), 40)
            }
            "cards" => {
                let some: Vec<_> =
                    (0..100).flat_map(|n| wrapped(&forge::card(me, nth * 100 + n))).collect();
                (some, 100)
            }
            "keys" => {
                let key = message(2, &(me.dag.heads()[0], [nth as u8; 32], [6_u8; 32]));
                (key.repeat(600), 600)
            }
            "slow-writer" => (Vec::new(), 0),
            _ => self.next_ops(me),
        }
    }

    fn next_ops(&mut self, me: &Me) -> (Vec<u8>, u64) {
        let nth = self.nth;
        match self.name {
            "fat-ops" => (forge::ops(&[forge::fat_op(me)]), 1),
            "orphan-ops" => {
                let some: Vec<_> = (0..100).map(|n| forge::orphan(me, nth * 100 + n)).collect();
                (forge::ops(&some), 1)
            }
            "early-ops" => {
                let op = forge::op(me, &OpBody::Merge, |header| {
                    header.wall = u32::MAX;
                    header.lamport = u64::MAX - nth;
                });
                (forge::ops(&[op]), 1)
            }
            "old-ops" => {
                if self.kept.is_empty() {
                    self.kept = forge::ops(&me.ops).repeat(10);
                }
                (self.kept.clone(), 10)
            }
            _ => self.next_claims(me),
        }
    }

    /// What is said to be held.
    fn next_claims(&mut self, me: &Me) -> (Vec<u8>, u64) {
        match self.name {
            "frontiers" | "frontiers-unread" => self.frontiers(me),
            "frontiers-partial" => (frontier(&absurd(me, 512), true), 1),
            // Other entries under numbers that are held: each is looked up.
            "frontiers-held" => {
                let author = me.dag.founder();
                let tip = |nth: u32| (author, nth % 40, EntryId(random(32).try_into().unwrap()));
                (frontier(&(0..512).map(tip).collect::<Vec<_>>(), false), 1)
            }
            "absurd" => {
                let both = [frontier(&absurd(me, 512), false), have(&absurd(me, 256))];
                (both.concat(), 2)
            }
            _ => self.next_entries(me),
        }
    }

    /// First forks, so that a frontier is long; then questions that are short.
    fn frontiers(&mut self, me: &Me) -> (Vec<u8>, u64) {
        if self.nth <= 64 {
            let at = At { seq: self.nth as u32 - 1, ..At { prev: EntryId([3; 32]), ..At::BEGIN } };
            let at = if at.seq == 0 { At { prev: EntryId::ZERO, ..at } } else { at };
            let four: Vec<_> = (0..4).map(|_| forge::entry(me, at, (10, now().unix_ms))).collect();
            return (forge::entries(&four), 1);
        }
        (frontier(&[], false).repeat(8_000), 8_000)
    }

    fn next_entries(&mut self, me: &Me) -> (Vec<u8>, u64) {
        let (nth, wall) = (self.nth, now().unix_ms);
        match self.name {
            "words" => {
                let some: Vec<_> = (0..60).map(|_| forge::next(me, &mut self.at, 700)).collect();
                (forge::entries(&some), 60)
            }
            "words-large" => (forge::entries(&[forge::next(me, &mut self.at, 65_000)]), 1),
            "same-words" => {
                if self.kept.is_empty() {
                    let some: Vec<_> =
                        (0..60).map(|_| forge::next(me, &mut self.at, 100)).collect();
                    self.kept = forge::entries(&some);
                }
                (self.kept.clone(), 60)
            }
            "same-word-alone" => {
                if self.kept.is_empty() {
                    self.kept = forge::entries(&[forge::next(me, &mut self.at, 100)]);
                }
                (self.kept.repeat(100), 100)
            }
            "forks" => {
                let at = |n: u64| {
                    let seq = ((nth * 60 + n) / 50) as u32;
                    let prev = if seq == 0 { EntryId::ZERO } else { EntryId([4; 32]) };
                    At { seq, prev, lamport: u64::from(seq) + 1 }
                };
                let some: Vec<_> = (0..60).map(|n| forge::entry(me, at(n), (100, wall))).collect();
                (forge::entries(&some), 60)
            }
            "gaps" => {
                let at = |n: u64| {
                    let seq = 1 + 2 * ((nth * 60 + n) as u32);
                    At { seq, prev: EntryId([4; 32]), lamport: u64::from(seq) }
                };
                let some: Vec<_> = (0..60).map(|n| forge::entry(me, at(n), (100, wall))).collect();
                (forge::entries(&some), 60)
            }
            "absurd-entries" => {
                let lamport = [(1 << 63) - 1, wall + 590_000, wall][below(3)];
                let wall = [u64::MAX, wall + 590_000, 0][below(3)];
                let seq = [u32::MAX, u32::MAX - 1, below(1 << 31) as u32][below(3)];
                let at = At { seq, prev: EntryId([4; 32]), lamport };
                (forge::entries(&[forge::entry(me, at, (100, wall))]), 1)
            }
            "early-entries" => {
                let at = At { lamport: (1 << 62) + nth, ..At::BEGIN };
                let some: Vec<_> =
                    (0..20).map(|_| forge::entry(me, at, (2000, wall + (1 << 40)))).collect();
                (forge::entries(&some), 20)
            }
            "stripped" => {
                let entry = forge::next(me, &mut self.at, 100);
                (forge::entries(&[proto::Entry { body: None, ..entry }]), 1)
            }
            // Many claims, and nothing is ever given.
            "withheld" => {
                let tips: Vec<_> = me
                    .dag
                    .members()
                    .iter()
                    .map(|who| (*who, 1000 + nth as u32, EntryId([nth as u8; 32])))
                    .collect();
                (frontier(&tips, false), 1)
            }
            _ => panic!("no attack of this name"),
        }
    }
}

async fn read(mut stream: ReadHalf<Stream>, how: Reads, tally: Tally) {
    let mut piece = vec![0; if how == Reads::Slowly { 100 } else { 64 * 1024 }];
    loop {
        if how == Reads::Nothing {
            sleep(Duration::from_secs(3600)).await;
        }
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => return,
            Ok(len) => tally.heard(len),
        }
        if how == Reads::Slowly {
            sleep(Duration::from_secs(1)).await;
        }
    }
}

async fn write(
    (mut stream, sealer): (WriteHalf<Stream>, &mut link::Sealer),
    (me, source): (&Me, &mut Source),
    (name, until): (&'static str, Instant),
    tally: &Tally,
) -> io::Result<()> {
    while Instant::now() < until {
        let bytes = match name {
            // No frames at all, and frames of nothing.
            "garbage-raw" => random(32 * 1024),
            "garbage-plain" => sealer.seal_plain(&random(256)),
            "slow-writer" => sealer.seal(&message(11, &0_u64))[..1].to_vec(),
            _ => {
                let (bytes, count) = source.next(me);
                tally.said(count);
                sealer.seal(&bytes)
            }
        };
        let written = async {
            stream.write_all(&bytes).await?;
            stream.flush().await
        };
        tally.sent(bytes.len());
        timeout_at(until, written).await.map_err(io::Error::other)??;
        if !source.pause().is_zero() {
            sleep(source.pause()).await;
        }
    }
    Ok(())
}

/// How long a link is kept before the next is opened.
fn lives(name: &str) -> Duration {
    match name {
        "wants-unread" | "frontiers-unread" | "ops-wants-unread" => Duration::from_secs(3),
        "link-and-leave" => Duration::ZERO,
        _ => Duration::from_secs(3600),
    }
}

/// Hints that fit, and then nothing: one stream after the other, all of them held.
async fn half_handshakes(
    me: &Me,
    (to, end): (&Multiaddr, Instant),
    tally: &Tally,
) -> io::Result<()> {
    let mut connection = Connection::new(to).await?;
    let (others, mut held) = (me.others(), Vec::new());
    while Instant::now() < end {
        tally.begun();
        let mut stream = connection.open(LINK).await?;
        let ends = connection.ends.clone();
        let opened = link::open(&mut stream, (&me.member, &others), &ends, Until::Hints);
        timeout_at(end, opened).await.map_err(io::Error::other)??;
        tally.linked();
        held.push(stream);
    }
    Ok(())
}

/// One attack over one link after the other, until the time is up.
pub async fn run(name: &'static str, me: &mut Me, (to, end): (Multiaddr, Instant), tally: Tally) {
    let mut source = Source::new(name);
    while name == "half-handshakes" && Instant::now() < end {
        if half_handshakes(me, (&to, end), &tally).await.is_err() {
            tally.closed();
            sleep(Duration::from_millis(100)).await;
        }
    }
    while Instant::now() < end {
        tally.begun();
        let Link { connection, stream, mut sealer, .. } = match me.link(&to).await {
            Ok(link) => link,
            Err(error) => {
                eprintln!("no link: {error}");
                tally.failed();
                sleep(Duration::from_millis(200)).await;
                continue;
            }
        };
        tally.linked();
        let (from, into) = stream.split();
        let mut reading = tokio::spawn(read(from, source.reads(), tally.clone()));
        let until = end.min(Instant::now() + lives(name));
        let wrote = tokio::select! {
            wrote = write((into, &mut sealer), (me, &mut source), (name, until), &tally) => wrote.is_ok(),
            _ = &mut reading => false,
        };
        if !wrote {
            tally.closed();
        }
        // Whoever reads nothing keeps the connection, so that what waits for it waits on.
        if source.reads() == Reads::All {
            reading.abort();
        } else {
            tokio::spawn(async move {
                sleep(Duration::from_secs(120)).await;
                drop((reading, connection));
            });
        }
    }
}
