//! Looking at an invitation and joining with it, over a swarm of its own that lives no longer.
//!
//! Everyone who might let us in is tried, again and again until the time is up: the addresses in the
//! link, and whoever mDNS names. A first attempt is short, so that silent devices cannot use the time up; each
//! after that with the same one takes twice as long. The same candidate goes through all attempts, so a stream that breaks
//! after our keys were taken costs nothing.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::{AsyncReadExt as _, AsyncWriteExt as _, StreamExt as _};
use libp2p::swarm::SwarmEvent;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::{Multiaddr, PeerId, Stream, Swarm, mdns};
use libp2p_stream::Control;
use proto::limits::PSEUDONYM_MAX;
use proto::{
    Addr, Candidate, Change, Ends, Invitation, JoinError, JoinStep, Joined, Newcomer, Offer, Text,
};
use rand::rngs::StdRng;
use tokio::time::{Instant, interval, sleep_until, timeout};

use crate::address;
use crate::behaviour::{self, Behaviour, BehaviourEvent, JOIN};
use crate::error::Error;
use crate::node::now;

/// How often everyone is tried again.
const AGAIN: Duration = Duration::from_secs(2);
/// How long the first attempt with someone may take, and any.
const ATTEMPT_FIRST: Duration = Duration::from_secs(4);
const ATTEMPT: Duration = Duration::from_secs(20);
/// Devices that mDNS names; more than a local network has.
const FOUND_MAX: usize = 1024;
/// Events that are kept while an attempt runs.
const MISSED_MAX: usize = 256;
/// Invitations for which a candidate is kept.
const CANDIDATES_MAX: usize = 64;
/// Bytes read at once.
const PIECE: usize = 32 * 1024;

/// How an attempt ended.
enum Outcome {
    Offer(Box<Offer>),
    Joined(Box<Joined>),
    /// They said why not: nobody else will say otherwise.
    Refused(JoinError),
}

/// Who someone would be, by invitation, while the program runs: whoever asks again after a join that
/// broke off comes in as the same member.
#[derive(Clone, Default)]
pub(crate) struct Candidates(Arc<Mutex<BTreeMap<[u8; 32], Candidate>>>);

impl Candidates {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<[u8; 32], Candidate>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, invitation: &Invitation) {
        let mut kept = self.lock();
        if kept.len() >= CANDIDATES_MAX {
            kept.clear();
        }
        kept.entry(invitation.join_psk())
            .or_insert_with(|| Candidate::new(now(), &mut rand::rng()));
    }

    fn take(&self, invitation: &Invitation) -> Candidate {
        let kept = self.lock().get(&invitation.join_psk()).cloned();
        kept.unwrap_or_else(|| Candidate::new(now(), &mut rand::rng()))
    }

    fn keep(&self, invitation: &Invitation, candidate: Candidate) {
        self.lock().insert(invitation.join_psk(), candidate);
    }

    /// They are in: nobody asks again.
    fn forget(&self, invitation: &Invitation) {
        self.lock().remove(&invitation.join_psk());
    }
}

/// Asks what the group is for. Makes nothing pending anywhere.
pub(crate) async fn look(
    invitation: Invitation,
    with_mdns: bool,
    within: Duration,
) -> Result<Offer, Error> {
    match attempts(invitation, None, (with_mdns, within), &Candidates::default()).await? {
        (Outcome::Offer(offer), _) => Ok(*offer),
        (Outcome::Refused(refused), _) => Err(refused.into()),
        (Outcome::Joined(_), _) => Err(Error::Unreachable),
    }
}

/// Joins; gives what is to be remembered, with where the admitter was met.
pub(crate) async fn join(
    invitation: Invitation,
    name: Text<PSEUDONYM_MAX>,
    how: (bool, Duration),
    candidates: &Candidates,
) -> Result<(Joined, Vec<Change>), Error> {
    match attempts(invitation.clone(), Some(name), how, candidates).await? {
        (Outcome::Joined(joined), met) => {
            candidates.forget(&invitation);
            let mut changes: Vec<_> = joined.ops.iter().cloned().map(Change::Op).collect();
            changes.extend(joined.changes.iter().cloned());
            changes.extend(met.map(|addr| Change::Met(joined.admitter, addr)));
            Ok((*joined, changes))
        }
        (Outcome::Refused(refused), _) => Err(refused.into()),
        (Outcome::Offer(_), _) => Err(Error::Unreachable),
    }
}

async fn attempts(
    invitation: Invitation,
    name: Option<Text<PSEUDONYM_MAX>>,
    (with_mdns, within): (bool, Duration),
    candidates: &Candidates,
) -> Result<(Outcome, Option<Addr>), Error> {
    let end = Instant::now() + within;
    let mut swarm = behaviour::swarm(with_mdns)?;
    if with_mdns {
        // mDNS speaks only on interfaces where something listens.
        let anywhere = "/ip4/0.0.0.0/tcp/0".parse().map_err(|_never| Error::BadAddress)?;
        swarm.listen_on(anywhere).ok();
    }
    let control = swarm.behaviour().streams.new_control();
    let mut missed = VecDeque::new();
    candidates.begin(&invitation);
    let mut found: BTreeMap<PeerId, Multiaddr> = BTreeMap::new();
    let mut turns: BTreeMap<PeerId, u32> = BTreeMap::new();
    let mut again = interval(AGAIN);
    loop {
        tokio::select! {
            () = sleep_until(end) => return Err(Error::Unreachable),
            _ = again.tick() => dial_all(&mut swarm, &invitation, &found),
            event = next_event(&mut missed, &mut swarm) => {
                #[expect(clippy::wildcard_enum_match_arm, reason = "libp2p's event is non-exhaustive")]
                match event {
                    SwarmEvent::Behaviour(BehaviourEvent::Mdns(mdns::Event::Discovered(peers))) => {
                        let room = FOUND_MAX.saturating_sub(found.len());
                        found.extend(peers.into_iter().take(room));
                        dial_all(&mut swarm, &invitation, &found);
                    }
                    SwarmEvent::ConnectionEstablished { peer_id, endpoint, .. } if endpoint.is_dialer() => {
                        let ends = Ends {
                            initiator: swarm.local_peer_id().to_bytes(),
                            responder: peer_id.to_bytes(),
                        };
                        let (mut newcomer, send) = Newcomer::new(
                            invitation.clone(),
                            candidates.take(&invitation),
                            &ends,
                            &mut rand::make_rng::<StdRng>(),
                        )
                        .map_err(|_declined| JoinError::Broken)?;
                        let attempt =
                            converse(control.clone(), peer_id, (&mut newcomer, send), name.as_ref());
                        // The swarm must be driven while the streams on it are used.
                        let turn = turns.get(&peer_id).copied().unwrap_or(0);
                        let long = ATTEMPT_FIRST.saturating_mul(1 << turn.min(3)).min(ATTEMPT);
                        let outcome = drive(&mut swarm, &mut missed, long, attempt).await;
                        if turns.len() < FOUND_MAX {
                            turns.insert(peer_id, turn.saturating_add(1));
                        }
                        candidates.keep(&invitation, newcomer.into_candidate());
                        if let Some(Ok(outcome)) = outcome {
                            let met = address::from_multiaddr(endpoint.get_remote_address());
                            return Ok((outcome, met));
                        }
                        // Nobody, or someone else, may be there: the next one may do better.
                        swarm.disconnect_peer_id(peer_id).ok();
                    }
                    _ => {}
                }
            }
        }
    }
}

/// Runs an attempt to its end beside the swarm that carries it.
///
/// What happens meanwhile is kept: someone else on the local network is announced only once.
async fn drive<T>(
    swarm: &mut Swarm<Behaviour>,
    missed: &mut VecDeque<SwarmEvent<BehaviourEvent>>,
    long: Duration,
    attempt: impl Future<Output = T>,
) -> Option<T> {
    let attempt = timeout(long, attempt);
    tokio::pin!(attempt);
    loop {
        tokio::select! {
            ended = &mut attempt => return ended.ok(),
            event = swarm.select_next_some() => {
                missed.push_back(event);
                missed.truncate(MISSED_MAX);
            }
        }
    }
}

async fn next_event(
    missed: &mut VecDeque<SwarmEvent<BehaviourEvent>>,
    swarm: &mut Swarm<Behaviour>,
) -> SwarmEvent<BehaviourEvent> {
    match missed.pop_front() {
        Some(event) => event,
        None => swarm.select_next_some().await,
    }
}

fn dial_all(
    swarm: &mut Swarm<Behaviour>,
    invitation: &Invitation,
    found: &BTreeMap<PeerId, Multiaddr>,
) {
    let named = invitation.addrs.iter().filter_map(address::to_multiaddr);
    let dials = named.map(|address| DialOpts::unknown_peer_id().address(address).build());
    let near = found.iter().map(|(peer, address)| {
        DialOpts::peer_id(*peer)
            .addresses(vec![address.clone()])
            .condition(PeerCondition::DisconnectedAndNotDialing)
            .build()
    });
    for dial in dials.chain(near) {
        // What cannot be dialled now is tried again.
        swarm.dial(dial).ok();
    }
}

/// One attempt. Without a name it ends with the offer.
async fn converse(
    mut control: Control,
    peer: PeerId,
    (newcomer, send): (&mut Newcomer, Vec<u8>),
    name: Option<&Text<PSEUDONYM_MAX>>,
) -> io::Result<Outcome> {
    let mut stream = control.open_stream(peer, JOIN).await.map_err(io::Error::other)?;
    let outcome = speak(&mut stream, newcomer, send, name).await;
    stream.close().await.ok();
    outcome
}

async fn speak(
    stream: &mut Stream,
    newcomer: &mut Newcomer,
    send: Vec<u8>,
    name: Option<&Text<PSEUDONYM_MAX>>,
) -> io::Result<Outcome> {
    stream.write_all(&send).await?;
    stream.flush().await?;
    let mut piece = vec![0; PIECE];
    loop {
        let len = stream.read(&mut piece).await?;
        if len == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        for step in newcomer.on_bytes(piece.get(..len).unwrap_or_default()) {
            let send = match step {
                JoinStep::Send(bytes) => bytes,
                JoinStep::Offer(offer) => match name {
                    None => return Ok(Outcome::Offer(offer)),
                    Some(name) => newcomer.agree(name.clone()).map_err(io::Error::other)?,
                },
                JoinStep::Joined(joined) => return Ok(Outcome::Joined(joined)),
                JoinStep::Failed(error @ (JoinError::Broken | JoinError::Busy)) => {
                    return Err(io::Error::other(error));
                }
                JoinStep::Failed(refused) => return Ok(Outcome::Refused(refused)),
            };
            stream.write_all(&send).await?;
            stream.flush().await?;
        }
    }
}
