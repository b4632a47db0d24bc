//! The admitter's side of a join, in the engine; and making invitations.

use std::collections::BTreeMap;

use rand_core::CryptoRng;

use super::{Admitted, Commit, Invitation, JoinMsg, JoinOps, Keys, No, Offer, prologue, sas};
use crate::address::Addr;
use crate::change::{Change, Compared, InviteSecret};
use crate::control::{Add, Invite, InviteCancel, OpBody};
use crate::encoding::List;
use crate::engine::{Channel, Done, Engine};
use crate::error::{Refusal, Reject};
use crate::ids::{LinkId, MemberId, OpId};
use crate::kdf::{Label, same};
use crate::keys::{draw, keys_digest};
use crate::limits::{
    ADMITTERS_MAX, BATCH_BYTES, BATCH_OPS_MAX, HANDSHAKE_MS, JOIN_READING_MS, JOINS_MAX,
    JOINS_PER_PEER, JOINS_PER_SECOND, OPENINGS_PER_PEER,
};
use crate::link::frame::{self, Deframer, Reassembly};
use crate::link::{Ends, LinkMsg};
use crate::noise::{Handshake, Role, Session};
use crate::timers::{Instant, Now};

/// An invitation holds at most so long.
const EXPIRES_SECS_MAX: u64 = 366 * 24 * 3600;
/// Whoever comes with an ended invitation is told so for so long, in minutes; then the key goes.
const ENDED_KEPT_MINUTES: u32 = 30 * 24 * 60;

/// A newcomer on one stream, as far as they have come.
#[derive(Debug)]
pub(crate) struct Admission {
    state: State,
    /// Whose stream it is.
    peer: Vec<u8>,
    due: Instant,
    reassembly: Reassembly,
}

#[derive(Debug)]
enum State {
    /// Their handshake message is due; only someone with an invitation can make it.
    Shaking { prologue: Vec<u8> },
    /// J1 is due.
    Commit { session: Box<Session>, invite: OpId },
    /// The offer is sent and a person is reading it; J3 is due.
    Reading { session: Box<Session>, invite: OpId, commit: Commit, nonce: [u8; 32] },
    /// All is said.
    Over,
}

impl Admission {
    pub(crate) const fn due(&self) -> Instant {
        self.due
    }

    /// Whether they may be anyone: no invitation was shown yet.
    const fn is_stranger(&self) -> bool {
        matches!(self.state, State::Shaking { .. })
    }
}

/// Joins for which invitations were tried in the second that began then, in all and by peer.
#[derive(Debug, Default)]
pub(crate) struct Tried {
    second: Instant,
    count: u32,
    by_peer: BTreeMap<Vec<u8>, u32>,
}

impl Tried {
    /// Whether one more of this peer may be tried; it counts.
    fn may(&mut self, now: Instant, peer: &[u8]) -> bool {
        if self.second.after_ms(1000) <= now {
            *self = Self { second: now, ..Self::default() };
        }
        let of_peer = self.by_peer.get(peer).copied().unwrap_or(0);
        if self.count >= JOINS_PER_SECOND || of_peer >= JOINS_PER_PEER {
            return false;
        }
        self.count = self.count.saturating_add(1);
        self.by_peer.insert(peer.to_vec(), of_peer.saturating_add(1));
        true
    }
}

impl<R: CryptoRng> Engine<R> {
    /// Makes an invitation: its op, and the secret that lets this device admit with it.
    pub(crate) fn invite(
        &mut self,
        now: Now,
        expires_secs: u64,
        addrs: &[Addr],
    ) -> Result<Done, Refusal> {
        if expires_secs == 0 || expires_secs > EXPIRES_SECS_MAX {
            return Err(Refusal::Bad("an invitation holds for a second to a year"));
        }
        let ends_ms = now.unix_ms.saturating_add(expires_secs.saturating_mul(1000));
        let expires = u32::try_from(ends_ms / 60_000).unwrap_or(u32::MAX);
        let ik = self.me.secrets.public().ik;
        let invitation = Invitation::new(&self.me.group, &ik, expires, addrs, &mut self.rng);
        let others = self.dag.members();
        let others = others.iter().filter(|member| **member != self.me.id).copied();
        let admitters = core::iter::once(self.me.id).chain(others).take(ADMITTERS_MAX);
        let body = OpBody::Invite(Invite {
            inv_pk: invitation.public(),
            admitters: List::first(admitters),
            expires,
        });
        let invite = self.sign_op(now, &body).map_err(|reject| {
            self.refusal(now, reject, Refusal::Bad("not while the group is as it is"))
        })?;
        let secret =
            InviteSecret { invite, join_psk: invitation.join_psk(), disc: invitation.disc() };
        self.keep_invite(secret);
        for link in self.greeted() {
            self.send_invite_keys(now, link);
        }
        Ok(Done::Invited(invite, invitation.to_text()))
    }

    /// Takes an invitation back: nobody comes in with it any more, whoever is asked. Twice is once.
    pub(crate) fn cancel_invite(&mut self, now: Now, invite: OpId) -> Result<Done, Refusal> {
        let (author, _) = self.dag.invite(&invite).ok_or(Refusal::NoSuchInvite)?;
        if author != self.me.id {
            return Err(Refusal::NotYours);
        }
        if self.dag.user_of(&invite).is_some() {
            return Err(Refusal::InviteUsed);
        }
        if !self.dag.is_cancelled(&invite) {
            let body = OpBody::InviteCancel(InviteCancel { invite });
            self.sign_op(now, &body).map_err(|reject| {
                self.refusal(now, reject, Refusal::Bad("not while the group is as it is"))
            })?;
        }
        Ok(Done::Nothing)
    }

    fn keep_invite(&mut self, secret: InviteSecret) {
        if self.invites.get(&secret.invite) != Some(&secret) {
            self.invites.insert(secret.invite, secret.clone());
            self.persist(vec![Change::Invite(secret)]);
        }
    }

    /// Whoever may admit with our open invitations gets their keys, over the link alone.
    pub(crate) fn send_invite_keys(&mut self, now: Now, link: LinkId) {
        let Some(member) = self.up(link).map(|up| up.member) else { return };
        let keys: Vec<_> = self
            .invites
            .values()
            .filter(|secret| {
                self.dag.invite(&secret.invite).is_some_and(|(author, invite)| {
                    author == self.me.id
                        && invite.admitters.contains(&member)
                        && invite.expires >= now.unix_minutes()
                        && self.dag.user_of(&secret.invite).is_none()
                        && !self.dag.is_cancelled(&secret.invite)
                })
            })
            .cloned()
            .collect();
        for key in keys {
            self.send(link, &LinkMsg::InviteKey(key));
        }
    }

    /// Only the author of an invitation hands out its key, to those who may admit with it.
    pub(crate) fn on_invite_key(&mut self, link: LinkId, secret: InviteSecret) {
        let Some(from) = self.up(link).map(|up| up.member) else { return };
        let is_for_us = self.dag.invite(&secret.invite).is_some_and(|(author, invite)| {
            author == from && invite.admitters.contains(&self.me.id)
        });
        // The first one stays: nobody has a reason to give another.
        if is_for_us && !self.invites.contains_key(&secret.invite) {
            self.keep_invite(secret);
        }
    }

    pub(crate) fn on_join_opened(&mut self, now: Now, link: LinkId, ends: &Ends) {
        if !self.make_room_for_join(&ends.initiator) {
            return self.close(link);
        }
        let admission = Admission {
            state: State::Shaking { prologue: prologue(ends) },
            peer: ends.initiator.clone(),
            due: now.instant.after_ms(HANDSHAKE_MS),
            reassembly: Reassembly::default(),
        };
        self.channels.insert(link, Channel::Joining(Box::new(admission), Deframer::default()));
    }

    /// Of those who have shown no invitation, the oldest of that peer, or of all, gives way: whoever says nothing
    /// keeps nobody out.
    fn make_room_for_join(&mut self, peer: &[u8]) -> bool {
        let joins = self.channels.iter().filter_map(|(link, channel)| match channel {
            Channel::Joining(admission, _) => Some((*link, &**admission)),
            Channel::Opening { .. } | Channel::Up(..) => None,
        });
        let under_way = joins.clone().count();
        let mut strangers = joins.filter(|(_, admission)| admission.is_stranger());
        let of_peer = strangers.clone().filter(|(_, admission)| admission.peer == peer);
        let oldest = if of_peer.clone().count() >= OPENINGS_PER_PEER {
            of_peer.map(|(link, _)| link).next()
        } else if under_way >= JOINS_MAX {
            let Some((oldest, _)) = strangers.next() else { return false };
            Some(oldest)
        } else {
            None
        };
        if let Some(oldest) = oldest {
            self.close(oldest);
        }
        true
    }

    pub(crate) fn on_join_frame(
        &mut self,
        now: Now,
        link: LinkId,
        (mut admission, deframer): (Admission, Deframer),
        frame: &[u8],
    ) -> Result<(), Reject> {
        match admission.state {
            State::Shaking { prologue } => {
                if !self.tried.may(now.instant, &admission.peer) {
                    return Err(Reject::Budget);
                }
                let (invite, mut handshake) = self.invited(now, &prologue, frame)?;
                let send = frame::framed(&handshake.write()?)?;
                self.transmit(link, send);
                admission.state = State::Commit { session: Box::new(handshake.finish()?), invite };
            }
            State::Commit { mut session, invite } => {
                admission.reassembly.push(&mut session, frame)?;
                let Some(bytes) = admission.reassembly.next()? else {
                    return Err(Reject::Encoding);
                };
                let JoinMsg::Commit(commit) = JoinMsg::decode(&bytes)? else {
                    return Err(Reject::OutOfTurn);
                };
                let answer = self.offer(now, &invite, commit.again);
                let nonce =
                    if let JoinMsg::Offer(offer) = &answer { Some(offer.nonce) } else { None };
                let send = frame::seal(&mut session, &answer.encode())?;
                self.transmit(link, send);
                let patience = if nonce.is_some() { JOIN_READING_MS } else { HANDSHAKE_MS };
                admission.due = now.instant.after_ms(patience);
                admission.state = nonce.map_or(State::Over, |nonce| State::Reading {
                    session,
                    invite,
                    commit,
                    nonce,
                });
            }
            State::Reading { mut session, invite, commit, nonce } => {
                admission.reassembly.push(&mut session, frame)?;
                let Some(bytes) = admission.reassembly.next()? else {
                    admission.state = State::Reading { session, invite, commit, nonce };
                    self.channels.insert(link, Channel::Joining(Box::new(admission), deframer));
                    return Ok(());
                };
                let JoinMsg::Keys(keys) = JoinMsg::decode(&bytes)? else {
                    return Err(Reject::OutOfTurn);
                };
                if !same(&keys.commitment(), &commit.commitment) {
                    return Err(Reject::Handshake);
                }
                self.admit(now, link, &mut session, (invite, nonce, *keys))?;
                admission.due = now.instant.after_ms(HANDSHAKE_MS);
                admission.state = State::Over;
            }
            State::Over => return Err(Reject::OutOfTurn),
        }
        self.channels.insert(link, Channel::Joining(Box::new(admission), deframer));
        Ok(())
    }

    /// Finds the invitation under whose key a first message was made.
    fn invited(
        &mut self,
        now: Now,
        prologue: &[u8],
        frame: &[u8],
    ) -> Result<(OpId, Handshake), Reject> {
        let secrets: Vec<_> = self.invites.values().cloned().collect();
        for secret in secrets {
            let Some((_, invite)) = self.dag.invite(&secret.invite) else { continue };
            let is_forgotten =
                invite.expires.saturating_add(ENDED_KEPT_MINUTES) < now.unix_minutes();
            if is_forgotten || !invite.admitters.contains(&self.me.id) {
                continue;
            }
            let seed = draw(&mut self.rng);
            let mut handshake =
                Handshake::invited(Role::Responder, &secret.join_psk, prologue, seed)?;
            if handshake.read(frame).is_ok() {
                return Ok((secret.invite, handshake));
            }
        }
        Err(Reject::Handshake)
    }

    /// J2: why not, or what the group is for. Whoever used the invitation and lost the stream before
    /// they heard of it is not refused.
    pub(crate) fn offer(&mut self, now: Now, invite: &OpId, again: Option<MemberId>) -> JoinMsg {
        let Some((inviter, body)) = self.dag.invite(invite) else {
            return JoinMsg::No(No::Cancelled);
        };
        let user = self.dag.user_of(invite);
        let members = self.dag.members();
        // Who left lets nobody in; others still may.
        if !members.contains(&self.me.id) {
            return JoinMsg::No(No::Busy);
        }
        let is_gone = user.is_some_and(|user| !members.contains(&user));
        if user.is_some() && (user != again || is_gone) {
            return JoinMsg::No(No::Used);
        }
        if self.dag.is_cancelled(invite) || !members.contains(&inviter) {
            return JoinMsg::No(No::Cancelled);
        }
        if user.is_none() && body.expires < now.unix_minutes() {
            return JoinMsg::No(No::Expired);
        }
        let params = &self.dag.genesis().params;
        if user.is_none() && params.ask_first {
            return JoinMsg::No(No::AskFirst);
        }
        let agreement = self.dag.agreement();
        JoinMsg::Offer(Box::new(Offer {
            nonce: draw(&mut self.rng),
            group: self.me.group,
            invite: *invite,
            reason: agreement.reason.clone(),
            agreement: agreement.text.clone(),
            ttl_secs: params.ttl_default_secs,
        }))
    }

    /// J4: the Add is durable first; then the newcomer gets everything, the Add last.
    fn admit(
        &mut self,
        now: Now,
        link: LinkId,
        session: &mut Session,
        (invite, nonce, keys): (OpId, [u8; 32], Keys),
    ) -> Result<(), Reject> {
        // Someone else may have come in with it while this person was reading.
        let member = keys.keys.member_id(&self.me.group);
        if let JoinMsg::No(no) = self.offer(now, &invite, Some(member)) {
            let send = frame::seal(session, &JoinMsg::No(no).encode())?;
            self.transmit(link, send);
            return Ok(());
        }
        let digest = keys_digest(&keys.keys, &keys.prekey, &keys.subkey);
        let joined_with = Some(sas(session.hash(), &nonce, &keys));
        let add = Add {
            invite,
            keys: keys.keys,
            prekey: keys.prekey,
            subkey: keys.subkey,
            join_sig: keys.join_sig,
            self_sig: keys.self_sig,
        };
        let inv_pk = self.dag.invite(&invite).map(|(_, invite)| invite.inv_pk);
        add.verify(&self.me.group, &inv_pk.ok_or(Reject::Handshake)?)?;
        if self.dag.user_of(&invite) != Some(member) {
            self.sign_op(now, &OpBody::Add(Box::new(add)))?;
        }
        let is_verified = self.compared.get(&member).is_some_and(|before| before.is_verified);
        self.keep_compared(Compared { member, joined_with, is_verified });
        let sig = self.me.secrets.sign_as_member(Label::JoinSig, &[session.hash(), &digest]);
        let admitted = JoinMsg::Admitted(Admitted { admitter: self.me.id, sig });
        let mut send = frame::seal(session, &admitted.encode())?;
        for message in self.all_ops() {
            send.extend(frame::seal(session, &message.encode())?);
        }
        self.transmit(link, send);
        Ok(())
    }

    fn all_ops(&self) -> Vec<JoinMsg> {
        let mut batches = vec![Vec::new()];
        let mut bytes = 0_usize;
        for (_, op) in self.dag.except(&fixedbitset::FixedBitSet::new()) {
            let size = op.size();
            let is_full = batches.last().is_some_and(|batch: &Vec<_>| {
                !batch.is_empty()
                    && (batch.len() >= BATCH_OPS_MAX || bytes.saturating_add(size) > BATCH_BYTES)
            });
            if is_full {
                batches.push(Vec::new());
                bytes = 0;
            }
            bytes = bytes.saturating_add(size);
            if let Some(batch) = batches.last_mut() {
                batch.push(op.clone());
            }
        }
        let last = batches.len().saturating_sub(1);
        let ops = |(at, batch)| JoinMsg::Ops(JoinOps { ops: List::first(batch), more: at < last });
        batches.into_iter().enumerate().map(ops).collect()
    }
}

#[cfg(test)]
mod tests;
