//! Validity of an op: a function of its past alone, so it is found once and never changes.

use std::collections::BTreeSet;

use fixedbitset::FixedBitSet;

use super::dag::Dag;
use super::{Add, Genesis, Op, OpBody, OpHeader};
use crate::error::Reject;
use crate::ids::{MemberId, OpId};
use crate::kdf::Label;
use crate::keys::{contributory, keys_digest};
use crate::limits::{
    ADDS_PER_WEEK_MAX, KEY_OPS_PER_DAY_MAX, OP_BYTES_PER_DAY_MAX, OPS_PER_DAY_MAX, SUITE, VERSION,
};
use crate::timers::minutes_to_unix_ms;

const WEEK_MINUTES: u32 = 7 * 24 * 60;

/// Checks the content of a Genesis: keys, their signature, numbers that this build can live with.
pub(super) fn genesis(genesis: &Genesis) -> Result<(), Reject> {
    let params = &genesis.params;
    if params.suite != SUITE || params.ver_min > VERSION {
        return Err(Reject::Version);
    }
    if params.max_adds_per_week == 0 || params.max_adds_per_week > ADDS_PER_WEEK_MAX {
        return Err(Reject::Op("max_adds_per_week out of bounds"));
    }
    if params.ttl_default_secs != 0 && params.ttl_default_secs < 3600 {
        return Err(Reject::Op("words must stay for an hour at least"));
    }
    // What a removal needs is fixed for good: nobody may found a group in which one alone decides, or in
    // which someone who was quiet for a few days counts as gone.
    if !(1..=3).contains(&params.remove_floor_den) || params.min_yes < 2 {
        return Err(Reject::Op("too few would decide about others"));
    }
    if params.horizon_days < 7 || params.dormant_days <= params.horizon_days {
        return Err(Reject::Op(
            "dormant_days must be greater than horizon_days, and that at least 7",
        ));
    }
    genesis.keys.check()?;
    contributory(&genesis.prekey.x25519)?;
    contributory_ed25519(&genesis.subkey.msk)?;
    let digest = keys_digest(&genesis.keys, &genesis.prekey, &genesis.subkey);
    genesis.self_sig.verify(&genesis.keys.ik, Label::GenesisSig, &[&digest])
}

/// Checks the signature: first of all, so that a stranger's op costs no more than this.
pub(super) fn signature(dag: &Dag, op: &Op, header: &OpHeader) -> Result<(), Reject> {
    let keys = dag.keys(&header.author).ok_or(Reject::Op("its author has no keys"))?;
    op.verify(&keys.ik)
}

/// Checks an op whose deps are all held and whose signature is good. `past` is the closure of its deps.
pub(super) fn check(
    dag: &Dag,
    op: &Op,
    (header, body): (&OpHeader, &OpBody),
    past: &FixedBitSet,
    members: &BTreeSet<MemberId>,
) -> Result<(), Reject> {
    if !members.contains(&header.author) {
        return Err(Reject::Op("its author is no member in its past"));
    }
    chain(dag, header, past)?;
    budget(dag, op, (header, body), past)?;
    match body {
        OpBody::Genesis(_) => Err(Reject::Op("a second Genesis")),
        OpBody::Invite(invite) => {
            contributory_ed25519(&invite.inv_pk)?;
            let mut admitters = invite.admitters.to_vec();
            admitters.sort_unstable();
            admitters.dedup();
            if invite.admitters.first() != Some(&header.author)
                || admitters.len() != invite.admitters.len()
                || !admitters.iter().all(|admitter| members.contains(admitter))
            {
                return Err(Reject::Op("admitters are the author first, then members, each once"));
            }
            Ok(())
        }
        OpBody::InviteCancel(cancel) => match invite_in(dag, &cancel.invite, past) {
            Some((author, _)) if author == header.author => Ok(()),
            Some(_) | None => Err(Reject::Op("only who made an invitation takes it back")),
        },
        OpBody::Add(body) => add(dag, header, body, (past, members)),
        OpBody::Welcome(welcome) => {
            let is_newcomer = members.contains(&welcome.member) && welcome.member != dag.founder();
            let had_a_part = dag
                .nodes_in(past)
                .filter(|(_, node)| node.makes == Some(welcome.member))
                .any(|(_, node)| node.sponsors(dag).contains(&Some(header.author)));
            if !is_newcomer || had_a_part || welcome.member == header.author {
                return Err(Reject::Op("a welcome is for someone whom others let in"));
            }
            Ok(())
        }
        OpBody::Prekey(prekey) => contributory(&prekey.x25519),
        OpBody::Subkey(subkey) => {
            contributory_ed25519(&subkey.msk)?;
            let certified =
                dag.nodes_in(past).filter_map(|(_, node)| node.certifies(&header.author));
            let newest = certified.map(|subkey| subkey.idx).max();
            if newest.is_none_or(|newest| subkey.idx <= newest) {
                return Err(Reject::Op("a subkey that is not newer"));
            }
            Ok(())
        }
        OpBody::Leave(_) | OpBody::Merge | OpBody::Unknown(_) => Ok(()),
    }
}

/// The author's chain and the clocks: `seq`, `prev`, `lamport`, `wall`; a view never shrinks.
fn chain(dag: &Dag, header: &OpHeader, past: &FixedBitSet) -> Result<(), Reject> {
    let lamport = dag.nodes_in(past).map(|(_, node)| node.header.lamport).max().unwrap_or(0);
    if lamport.checked_add(1) != Some(header.lamport) {
        return Err(Reject::Op("lamport is not one more than that of its past"));
    }
    if header.seq == 0 {
        return if header.author == dag.founder() {
            Err(Reject::Op("the founder's first op is Genesis"))
        } else {
            Ok(())
        };
    }
    let (at, prev) = dag
        .index_of(&header.prev)
        .filter(|at| past.contains(*at))
        .and_then(|at| Some((at, dag.node(&header.prev)?)))
        .ok_or(Reject::Op("prev is not in its past"))?;
    if prev.author != header.author || prev.header.seq.checked_add(1) != Some(header.seq) {
        return Err(Reject::Op("prev is not the author's op before this one"));
    }
    if header.wall < prev.header.wall {
        return Err(Reject::Op("the author's clock went back"));
    }
    debug_assert!(prev.past.is_subset(past) && past.contains(at), "past is down-closed");
    Ok(())
}

/// What one author may do in a day, by the clock of their own chain: 60 ops, 4 keys, 64 KiB. Whoever wants
/// to leave always may: nothing of theirs follows.
fn budget(
    dag: &Dag,
    op: &Op,
    (header, body): (&OpHeader, &OpBody),
    past: &FixedBitSet,
) -> Result<(), Reject> {
    const DAY_MINUTES: u32 = 24 * 60;
    if matches!(body, OpBody::Leave(_)) {
        return Ok(());
    }
    let (mut ops, mut keys, mut bytes) = (0_usize, 0_usize, op.body.len());
    let today = dag.nodes_in(past).map(|(_, node)| node).filter(|node| {
        node.author == header.author
            && node.header.wall > header.wall.saturating_sub(DAY_MINUTES)
            && !matches!(node.body, OpBody::Genesis(_))
    });
    for node in today {
        ops = ops.saturating_add(1);
        keys = keys.saturating_add(usize::from(node.body.is_key()));
        bytes = bytes.saturating_add(node.op.body.len());
    }
    if ops >= OPS_PER_DAY_MAX || bytes > OP_BYTES_PER_DAY_MAX {
        return Err(Reject::Budget);
    }
    if body.is_key() && keys >= KEY_OPS_PER_DAY_MAX {
        return Err(Reject::Budget);
    }
    Ok(())
}

fn invite_in<'a>(
    dag: &'a Dag,
    invite: &OpId,
    past: &FixedBitSet,
) -> Option<(MemberId, &'a super::Invite)> {
    dag.index_of(invite).filter(|at| past.contains(*at)).and_then(|_| dag.invite(invite))
}

fn add(
    dag: &Dag,
    header: &OpHeader,
    add: &Add,
    (past, members): (&FixedBitSet, &BTreeSet<MemberId>),
) -> Result<(), Reject> {
    let (inviter, invite) =
        invite_in(dag, &add.invite, past).ok_or(Reject::Op("its invitation is not in its past"))?;
    if !members.contains(&inviter) {
        return Err(Reject::Op("the inviter is no member any more"));
    }
    if !invite.admitters.contains(&header.author) {
        return Err(Reject::Op("its author may not admit with this invitation"));
    }
    if minutes_to_unix_ms(header.wall) / 60_000 > u64::from(invite.expires) {
        return Err(Reject::Op("the invitation had ended"));
    }
    if dag.nodes_in(past).any(|(_, node)| node.uses() == Some(add.invite)) {
        return Err(Reject::Op("the invitation was used before"));
    }
    let is_cancelled =
        |body: &OpBody| matches!(body, OpBody::InviteCancel(cancel) if cancel.invite == add.invite);
    if dag.nodes_in(past).any(|(_, node)| is_cancelled(&node.body)) {
        return Err(Reject::Op("the invitation was taken back"));
    }
    if dag.genesis().params.vouches > 0 {
        return Err(Reject::Op("vouches are missing"));
    }
    let member = add.keys.member_id(&dag.group());
    if people(dag, past).any(|(other, keys)| other == member || keys.shares_a_key_with(&add.keys)) {
        return Err(Reject::Op("a key that someone has already"));
    }
    let quota = usize::from(dag.genesis().params.max_adds_per_week);
    let adds_in_week = dag
        .nodes_in(past)
        .filter(|(_, node)| node.author == header.author && matches!(node.body, OpBody::Add(_)))
        .filter(|(_, node)| node.header.wall > header.wall.saturating_sub(WEEK_MINUTES))
        .count();
    if adds_in_week >= quota {
        return Err(Reject::Op("too many were let in this week"));
    }
    contributory(&add.prekey.x25519)?;
    contributory_ed25519(&add.subkey.msk)?;
    add.verify(&dag.group(), &invite.inv_pk)
}

fn people<'a>(
    dag: &'a Dag,
    past: &'a FixedBitSet,
) -> impl Iterator<Item = (MemberId, &'a crate::keys::MemberKeys)> {
    dag.nodes_in(past)
        .filter_map(|(_, node)| node.makes)
        .filter_map(|member| Some((member, dag.keys(&member)?)))
}

fn contributory_ed25519(public: &[u8; 32]) -> Result<(), Reject> {
    let key =
        ed25519_dalek::VerifyingKey::from_bytes(public).map_err(|_no_point| Reject::Signature)?;
    if key.is_weak() { Err(Reject::LowOrder) } else { Ok(()) }
}

impl super::dag::Node {
    /// Who had a part in an Add: its author, and whose invitation it used.
    pub(super) fn sponsors(&self, dag: &Dag) -> [Option<MemberId>; 2] {
        let inviter = self.uses().and_then(|invite| dag.invite(&invite)).map(|(author, _)| author);
        [Some(self.author), inviter]
    }
}

impl OpBody {
    const fn is_key(&self) -> bool {
        matches!(self, Self::Prekey(_) | Self::Subkey(_))
    }
}
