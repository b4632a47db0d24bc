//! A member who was let in honestly, and what follows from holding all ops: a link that is taken for linked.

use std::{fs, io};

use futures::{AsyncReadExt as _, AsyncWriteExt as _};
use libp2p::{Multiaddr, Stream};
use proto::{
    Candidate, Card, Dag, Invitation, JoinStep, Member, MemberId, MemberKeys, Newcomer, Op, OpId,
    Text, decode, encode,
};

use crate::link::{self, Sealer, Until};
use crate::net::{Connection, JOIN, LINK};
use crate::{now, rng};

/// A message that is encoded: tag, and fields as a tuple.
pub fn message(tag: u8, fields: &impl serde::Serialize) -> Vec<u8> {
    let mut bytes = vec![tag];
    bytes.extend(encode(fields));
    wrapped(&bytes)
}

/// A message's bytes behind their length.
pub fn wrapped(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

/// Who cheats.
pub struct Me {
    pub member: Member,
    pub dag: Dag,
    pub ops: Vec<Op>,
}

/// A link that is up, from the side of whoever cheats.
pub struct Link {
    pub connection: Connection,
    pub stream: Stream,
    pub sealer: Sealer,
    bytes: Vec<u8>,
    plain: Vec<u8>,
}

impl Me {
    /// Comes in with an invitation, as anyone would.
    pub async fn join(text: &str, to: &Multiaddr) -> io::Result<Self> {
        let invitation = Invitation::from_text(text).map_err(io::Error::other)?;
        let mut connection = Connection::new(to).await?;
        let mut stream = connection.open(JOIN).await?;
        let candidate = Candidate::new(now(), &mut rng());
        let (mut newcomer, send) =
            Newcomer::new(invitation, candidate, &connection.ends, &mut rng())
                .map_err(io::Error::other)?;
        stream.write_all(&send).await?;
        stream.flush().await?;
        let mut piece = vec![0; 32 * 1024];
        loop {
            let len = stream.read(&mut piece).await?;
            if len == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            for step in newcomer.on_bytes(&piece[..len]) {
                let send = match step {
                    JoinStep::Send(bytes) => bytes,
                    JoinStep::Offer(_) => {
                        newcomer.agree(Text::new("Cheat").unwrap()).map_err(io::Error::other)?
                    }
                    JoinStep::Joined(joined) => {
                        stream.close().await.ok();
                        let dag = Dag::from_ops(joined.ops.clone()).map_err(io::Error::other)?;
                        return Ok(Self { member: joined.member, dag, ops: joined.ops });
                    }
                    JoinStep::Failed(error) => return Err(io::Error::other(error)),
                };
                stream.write_all(&send).await?;
                stream.flush().await?;
            }
        }
    }

    pub fn save(&self, path: &str) {
        fs::write(path, encode(&(&self.member, &self.ops))).unwrap();
    }

    pub fn load(path: &str) -> Self {
        let (member, ops): (Member, Vec<Op>) = decode(&fs::read(path).unwrap(), 1 << 26).unwrap();
        Self { member, dag: Dag::from_ops(ops.clone()).unwrap(), ops }
    }

    pub fn others(&self) -> Vec<(MemberId, MemberKeys)> {
        let members = self.dag.members().iter().filter(|member| **member != self.member.id);
        members.map(|member| (*member, self.dag.keys(member).unwrap().clone())).collect()
    }

    pub fn hello(&self) -> Vec<u8> {
        let card = Card::new(&self.member, &[], now());
        message(0, &(1_u8, now().minutes(), 0_u32, card, self.dag.heads(), [7_u8; 32], [0_u8; 32]))
    }

    pub fn take(&mut self, op: Op) {
        if self.dag.take(op.clone()).is_ok() && self.dag.contains(&op.id()) {
            self.ops.push(op);
        }
    }

    /// Opens a link and says and hears what it takes to be linked.
    pub async fn link(&mut self, to: &Multiaddr) -> io::Result<Link> {
        let mut connection = Connection::new(to).await?;
        let mut stream = connection.open(LINK).await?;
        let others = self.others();
        let ends = connection.ends.clone();
        let opened = link::open(&mut stream, (&self.member, &others), &ends, Until::Up).await?;
        let (_, sealer) = opened.unwrap();
        let mut link = Link { connection, stream, sealer, bytes: Vec::new(), plain: Vec::new() };
        link.say(&self.hello()).await?;
        loop {
            let heard = link.hear().await?;
            let (tag, rest) = (heard[0], &heard[1..]);
            match tag {
                0 => {
                    type Hello = (u8, u32, u32, Card, Vec<OpId>, [u8; 32], [u8; 32]);
                    let hello: Hello = decode(rest, 1 << 20).map_err(io::Error::other)?;
                    let unknown: Vec<_> =
                        hello.4.into_iter().filter(|id| !self.dag.contains(id)).collect();
                    if unknown.is_empty() {
                        return Ok(link);
                    }
                    link.say(&message(3, &(self.dag.heads(), unknown))).await?;
                }
                4 => {
                    let (ops, _): (Vec<Op>, bool) =
                        decode(rest, 1 << 20).map_err(io::Error::other)?;
                    ops.into_iter().for_each(|op| self.take(op));
                    return Ok(link);
                }
                _ => {}
            }
        }
    }
}

impl Link {
    /// Seals and sends these bytes: messages behind their lengths, or what is to be taken for them.
    pub async fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        let sealed = self.sealer.seal(bytes);
        self.stream.write_all(&sealed).await?;
        self.stream.flush().await
    }

    /// The next message: tag and fields.
    pub async fn hear(&mut self) -> io::Result<Vec<u8>> {
        let mut piece = vec![0; 64 * 1024];
        loop {
            if let Some((len, rest)) = self.plain.split_first_chunk::<4>() {
                let len = u32::from_be_bytes(*len) as usize;
                if let Some(message) = rest.get(..len) {
                    let message = message.to_vec();
                    self.plain.drain(..len + 4);
                    return Ok(message);
                }
            }
            while let Some((len, rest)) = self.bytes.split_first_chunk::<2>() {
                let len = usize::from(u16::from_be_bytes(*len));
                let Some(frame) = rest.get(..len).map(<[u8]>::to_vec) else { break };
                self.bytes.drain(..len + 2);
                self.plain.extend(self.sealer.open(&frame)?);
            }
            if self
                .plain
                .first_chunk::<4>()
                .is_some_and(|len| self.plain.len() >= 4 + u32::from_be_bytes(*len) as usize)
            {
                continue;
            }
            let len = self.stream.read(&mut piece).await?;
            if len == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.bytes.extend_from_slice(&piece[..len]);
        }
    }
}
