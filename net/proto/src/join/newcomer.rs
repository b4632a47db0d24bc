//! The newcomer's side of a join: holds nothing until everything was checked, from Genesis on.

use rand_core::CryptoRng;

use super::{Commit, Invitation, JoinMsg, Keys, No, Offer, commitment, prologue, sas};
use crate::change::{Arriving, Change, Compared};
use crate::control::{Dag, Op};
use crate::encoding::Text;
use crate::error::{JoinError, Reject};
use crate::ids::MemberId;
use crate::kdf::Label;
use crate::keys::{Member, MemberSecrets, PrekeyBody, Sig, draw, keys_digest};
use crate::limits::{JOIN_BYTES_MAX, PSEUDONYM_MAX};
use crate::link::Ends;
use crate::link::frame::{self, Deframer, Reassembly};
use crate::noise::{Handshake, Role, Session};
use crate::timers::Now;

/// Prekeys are renewed weekly; the first one is good for two.
pub(crate) const PREKEY_MINUTES: u32 = 14 * 24 * 60;

/// Who someone would be in a group. Made once for an invitation and kept over all attempts: if a
/// stream breaks after their keys were taken, they come in as the same member at the next.
#[derive(Debug, Clone)]
pub struct Candidate {
    secrets: MemberSecrets,
    prekey: PrekeyBody,
    /// The member they asked to become, once they did.
    asked: Option<MemberId>,
}

impl Candidate {
    /// Draws fresh keys.
    pub fn new(now: Now, rng: &mut impl CryptoRng) -> Self {
        let secrets = MemberSecrets::generate(rng);
        let prekey = secrets.first_prekey(now.minutes().saturating_add(PREKEY_MINUTES));
        Self { secrets, prekey, asked: None }
    }
}

/// What a newcomer's client does next.
#[derive(Debug)]
pub enum JoinStep {
    /// Send these bytes.
    Send(Vec<u8>),
    /// Show this to the person; [`Newcomer::agree`] goes on.
    Offer(Box<Offer>),
    /// They are in: make this durable, then start an engine on it.
    Joined(Box<Joined>),
    /// It did not come about.
    Failed(JoinError),
}

/// A membership that was checked from Genesis on.
#[derive(Debug)]
pub struct Joined {
    /// Who this device is now.
    pub member: Member,
    /// All ops, in an order in which they can be taken in.
    pub ops: Vec<Op>,
    /// Who let them in.
    pub admitter: MemberId,
    /// What else is to be remembered with the ops, of the admitter and of the inviter.
    pub changes: Vec<Change>,
}

enum State {
    Shaking(Box<Handshake>),
    AwaitOffer,
    AwaitPerson(Box<Offer>),
    AwaitAdmitted(Box<Offer>),
    AwaitOps { offer: Box<Offer>, admitter: MemberId, sig: Sig, ops: Vec<Op> },
    Over,
}

/// Someone with an invitation, on one stream to someone who may let them in.
pub struct Newcomer {
    invitation: Invitation,
    candidate: Candidate,
    keys: Keys,
    name: Text<PSEUDONYM_MAX>,
    state: State,
    session: Option<Box<Session>>,
    deframer: Deframer,
    reassembly: Reassembly,
}

impl core::fmt::Debug for Newcomer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Newcomer(..)")
    }
}

impl Newcomer {
    /// Begins a join on a fresh stream that we opened; gives what to send first.
    ///
    /// # Errors
    /// [`Reject::Handshake`] when the invitation's key is declined, which it never is.
    pub fn new(
        invitation: Invitation,
        candidate: Candidate,
        ends: &Ends,
        rng: &mut impl CryptoRng,
    ) -> Result<(Self, Vec<u8>), Reject> {
        let mut handshake = Handshake::invited(
            Role::Initiator,
            &invitation.join_psk(),
            &prologue(ends),
            draw(rng),
        )?;
        let send = frame::framed(&handshake.write()?)?;
        let unsigned = Sig::sign(&draw(rng), Label::AddSig, &[]);
        let keys = Keys {
            nonce: draw(rng),
            keys: candidate.secrets.public(),
            prekey: candidate.prekey.clone(),
            subkey: candidate.secrets.first_subkey(),
            join_sig: unsigned,
            self_sig: unsigned,
        };
        let newcomer = Self {
            invitation,
            candidate,
            keys,
            name: Text::default(),
            state: State::Shaking(Box::new(handshake)),
            session: None,
            deframer: Deframer::default(),
            reassembly: Reassembly::default(),
        };
        Ok((newcomer, send))
    }

    /// Bytes came; the other end, who may not be who they should be, controls them.
    pub fn on_bytes(&mut self, bytes: &[u8]) -> Vec<JoinStep> {
        let mut steps = Vec::new();
        self.deframer.push(bytes);
        while let Some(frame) = self.deframer.next() {
            if let Err(_reject) = self.on_frame(&frame, &mut steps) {
                self.state = State::Over;
                steps.push(JoinStep::Failed(JoinError::Broken));
                break;
            }
        }
        steps
    }

    /// The person agreed and chose a name: what to send. Nothing before an offer.
    ///
    /// # Errors
    /// [`Reject::OutOfTurn`] when there is no offer to agree to.
    pub fn agree(&mut self, name: Text<PSEUDONYM_MAX>) -> Result<Vec<u8>, Reject> {
        let State::AwaitPerson(offer) = core::mem::replace(&mut self.state, State::Over) else {
            return Err(Reject::OutOfTurn);
        };
        let digest = self.digest();
        let parts: [&[u8]; 3] = [&offer.group.0, &offer.invite.0, &digest];
        self.keys.join_sig = self.invitation.sign(&parts);
        self.keys.self_sig = self.candidate.secrets.sign_as_member(Label::AddSig, &parts);
        self.name = name;
        self.candidate.asked = Some(self.keys.keys.member_id(&offer.group));
        self.state = State::AwaitAdmitted(offer);
        let keys = JoinMsg::Keys(Box::new(self.keys.clone()));
        self.seal(&keys)
    }

    /// Ends this attempt; the candidate may try again on another stream.
    #[must_use]
    pub fn into_candidate(self) -> Candidate {
        self.candidate
    }

    fn digest(&self) -> [u8; 32] {
        keys_digest(&self.keys.keys, &self.keys.prekey, &self.keys.subkey)
    }

    fn seal(&mut self, message: &JoinMsg) -> Result<Vec<u8>, Reject> {
        let session = self.session.as_mut().ok_or(Reject::OutOfTurn)?;
        frame::seal(session, &message.encode())
    }

    fn on_frame(&mut self, frame: &[u8], steps: &mut Vec<JoinStep>) -> Result<(), Reject> {
        if let State::Shaking(handshake) = &mut self.state {
            handshake.read(frame)?;
            let State::Shaking(handshake) = core::mem::replace(&mut self.state, State::AwaitOffer)
            else {
                return Err(Reject::OutOfTurn);
            };
            self.session = Some(Box::new(handshake.finish()?));
            let commit = Commit {
                commitment: commitment(&self.keys.nonce, &self.digest()),
                again: self.candidate.asked,
            };
            steps.push(JoinStep::Send(self.seal(&JoinMsg::Commit(commit))?));
            return Ok(());
        }
        let session = self.session.as_mut().ok_or(Reject::OutOfTurn)?;
        self.reassembly.push(session, frame)?;
        while let Some(bytes) = self.reassembly.next()? {
            let message = JoinMsg::decode(&bytes)?;
            self.on_message(message, steps)?;
        }
        Ok(())
    }

    fn on_message(&mut self, message: JoinMsg, steps: &mut Vec<JoinStep>) -> Result<(), Reject> {
        match (core::mem::replace(&mut self.state, State::Over), message) {
            (State::AwaitOffer | State::AwaitAdmitted(_), JoinMsg::No(no)) => {
                steps.push(JoinStep::Failed(no.into()));
                Ok(())
            }
            (State::AwaitOffer, JoinMsg::Offer(offer)) => {
                if !self.invitation.is_to(&offer.group) {
                    return Err(Reject::Foreign);
                }
                steps.push(JoinStep::Offer(offer.clone()));
                self.state = State::AwaitPerson(offer);
                Ok(())
            }
            (State::AwaitAdmitted(offer), JoinMsg::Admitted(admitted)) => {
                let (admitter, sig) = (admitted.admitter, admitted.sig);
                self.state = State::AwaitOps { offer, admitter, sig, ops: Vec::new() };
                Ok(())
            }
            (State::AwaitOps { offer, admitter, sig, mut ops }, JoinMsg::Ops(batch)) => {
                ops.extend(batch.ops.into_vec());
                let bytes: usize = ops.iter().map(Op::size).sum();
                if bytes > JOIN_BYTES_MAX {
                    return Err(Reject::Budget);
                }
                if batch.more {
                    self.state = State::AwaitOps { offer, admitter, sig, ops };
                    return Ok(());
                }
                let joined = self.check(&offer, admitter, &sig, ops)?;
                steps.push(JoinStep::Joined(Box::new(joined)));
                Ok(())
            }
            (State::Over, _) => Ok(()),
            _ => Err(Reject::OutOfTurn),
        }
    }

    /// Checks everything from Genesis: the group is the one offered, we are in it, and whoever let us
    /// in is too and meant this session.
    fn check(
        &self,
        offer: &Offer,
        admitter: MemberId,
        sig: &Sig,
        ops: Vec<Op>,
    ) -> Result<Joined, Reject> {
        let dag = Dag::from_ops(ops.iter().cloned())?;
        let agreement = dag.agreement();
        if dag.group() != offer.group
            || agreement.reason != offer.reason
            || agreement.text != offer.agreement
            || dag.genesis().params.ttl_default_secs != offer.ttl_secs
        {
            return Err(Reject::Foreign);
        }
        let members = dag.members();
        let id = self.keys.keys.member_id(&offer.group);
        if !members.contains(&id) || !members.contains(&admitter) {
            return Err(Reject::Op("not let in after all"));
        }
        let keys = dag.keys(&admitter).ok_or(Reject::Op("the admitter has no keys"))?;
        let session = self.session.as_ref().ok_or(Reject::OutOfTurn)?;
        sig.verify(&keys.ik, Label::JoinSig, &[session.hash(), &self.digest()])?;
        let member = Member {
            group: offer.group,
            id,
            secrets: self.candidate.secrets.clone(),
            name: self.name.clone(),
        };
        let (inviter, invite) =
            dag.invite(&offer.invite).ok_or(Reject::Op("no such invitation"))?;
        let is_ours = invite.inv_pk == self.invitation.public();
        let inviter_ik = dag.keys(&inviter).map(|keys| keys.ik);
        if !is_ours || !inviter_ik.is_some_and(|ik| self.invitation.is_by(&ik)) {
            return Err(Reject::Foreign);
        }
        let joined_with = Some(sas(session.hash(), &offer.nonce, &self.keys));
        let changes = vec![
            Change::Compared(Compared { member: admitter, joined_with, is_verified: false }),
            Change::Arriving(Arriving { inviter, admitter, met: None, is_over: false }),
        ];
        Ok(Joined { member, ops, admitter, changes })
    }
}

impl From<No> for JoinError {
    fn from(no: No) -> Self {
        match no {
            No::Used => Self::Used,
            No::Expired => Self::Expired,
            No::Cancelled => Self::Cancelled,
            No::Busy => Self::Busy,
            No::AskFirst => Self::AskFirst,
        }
    }
}
