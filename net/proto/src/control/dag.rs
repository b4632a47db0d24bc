//! The control DAG: the valid ops that this device holds, and what follows from any part of them.
//!
//! Ops are kept in the order in which they came, ancestors first. A *view* is a set of heads; its
//! closure, a down-closed set of ops, decides who the members are: the same for whoever holds the same
//! ops, in whatever order they came.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fixedbitset::FixedBitSet;

use super::membership::Standing;
use super::{Agreement, Genesis, Invite, Op, OpBody, OpHeader};
use crate::error::Reject;
use crate::ids::{GroupId, MemberId, OpId};
use crate::keys::{MemberKeys, SubkeyBody};
use crate::limits::OP_DEPS_MAX;

/// How an op fared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// Valid, and now part of the DAG.
    New,
    /// Held already.
    Known,
    /// These ops must come first.
    Missing(Vec<OpId>),
}

/// An op with what was computed of it once.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) id: OpId,
    pub(super) op: Op,
    pub(super) header: OpHeader,
    pub(super) body: OpBody,
    /// Its author; the founder for Genesis.
    pub(super) author: MemberId,
    /// Every op before it, by index.
    pub(super) past: FixedBitSet,
    /// Whom it makes a member.
    pub(super) makes: Option<MemberId>,
    /// Who stood how before it; kept for an Add, whose electorate it is.
    pub(super) before: Option<Arc<Standing>>,
}

/// The valid ops held here.
#[derive(Debug)]
pub struct Dag {
    group: GroupId,
    founder: MemberId,
    genesis: Box<Genesis>,
    pub(super) nodes: Vec<Node>,
    index: BTreeMap<OpId, usize>,
    heads: BTreeSet<OpId>,
    /// Every place in an author's chain that is taken: a second op there is a fork.
    places: BTreeSet<(MemberId, u32)>,
    standing: Arc<Standing>,
    /// By view: pure, so computed once.
    views: BTreeMap<Vec<OpId>, Arc<Standing>>,
    /// How many members these have, all together.
    viewed: usize,
}

/// Views whose members are remembered, and members in all of them; beyond, one gives way to another. Whoever writes
/// entries chooses the views that they name.
const VIEWS_MAX: usize = 4096;
pub(crate) const VIEWED_MAX: usize = 65_536;

impl Dag {
    /// A DAG that holds only its root.
    ///
    /// # Errors
    /// What is wrong with the op, if it is no valid Genesis; a remote may control it.
    pub fn new(genesis: Op) -> Result<Self, Reject> {
        let (header, body) = genesis.parse()?;
        let OpBody::Genesis(content) = body.clone() else {
            return Err(Reject::Op("the first op is not Genesis"));
        };
        let id = genesis.id();
        let group = GroupId(id.0);
        super::validity::genesis(&content)?;
        genesis.verify(&content.keys.ik)?;
        let founder = content.keys.member_id(&group);
        let past = FixedBitSet::new();
        let makes = Some(founder);
        let node =
            Node { id, op: genesis, header, body, author: founder, past, makes, before: None };
        let only = BTreeSet::from([founder]);
        let standing = Standing { members: only.clone(), voters: only };
        Ok(Self {
            group,
            founder,
            genesis: content,
            nodes: vec![node],
            index: BTreeMap::from([(id, 0)]),
            heads: BTreeSet::from([id]),
            places: BTreeSet::from([(founder, 0)]),
            standing: Arc::new(standing),
            views: BTreeMap::new(),
            viewed: 0,
        })
    }

    /// Builds a DAG from ops, ancestors first, of which all must be valid.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn from_ops(ops: impl IntoIterator<Item = Op>) -> Result<Self, Reject> {
        let mut ops = ops.into_iter();
        let mut dag = Self::new(ops.next().ok_or(Reject::Op("no ops at all"))?)?;
        for op in ops {
            match dag.take(op)? {
                Taken::New | Taken::Known => {}
                Taken::Missing(_) => return Err(Reject::Op("ops out of order")),
            }
        }
        Ok(dag)
    }

    /// Takes in an op, if it is valid in its past.
    ///
    /// # Errors
    /// What is wrong with it; a remote controls all of it. Nothing has changed then.
    pub fn take(&mut self, op: Op) -> Result<Taken, Reject> {
        let id = op.id();
        if self.index.contains_key(&id) {
            return Ok(Taken::Known);
        }
        let (header, body) = op.parse()?;
        if header.group != self.group {
            return Err(Reject::Foreign);
        }
        let missing: Vec<_> =
            header.deps.iter().filter(|dep| !self.index.contains_key(dep)).copied().collect();
        if !missing.is_empty() {
            return Ok(Taken::Missing(missing));
        }
        super::validity::signature(self, &op, &header)?;
        let past = self.closure(&header.deps);
        // On top of everything, which is the rule, nothing need be computed again.
        let before = if self.heads.iter().eq(header.deps.iter()) {
            Arc::clone(&self.standing)
        } else {
            Arc::new(self.standing_of(&past))
        };
        super::validity::check(self, &op, (&header, &body), &past, &before.members)?;
        let makes = body.newcomer().map(|(keys, _)| keys.member_id(&self.group));
        for dep in header.deps.iter() {
            self.heads.remove(dep);
        }
        self.heads.insert(id);
        self.index.insert(id, self.nodes.len());
        let author = header.author;
        let is_fork = !self.places.insert((author, header.seq));
        let is_telling = is_fork || body.bears_on_membership();
        let before = makes.map(|_| before);
        self.nodes.push(Node { id, op, header, body, author, past, makes, before });
        if is_telling {
            self.standing = Arc::new(self.standing_of(&self.everything()));
        }
        Ok(Taken::New)
    }

    /// The group.
    #[must_use]
    pub const fn group(&self) -> GroupId {
        self.group
    }

    /// Who began it. Has no right that others lack.
    #[must_use]
    pub const fn founder(&self) -> MemberId {
        self.founder
    }

    /// The group's numbers and its first agreement.
    #[must_use]
    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// The agreement in force.
    #[must_use]
    pub fn agreement(&self) -> &Agreement {
        &self.genesis.agreement
    }

    /// Who is in the group, as far as this device knows.
    #[must_use]
    pub fn members(&self) -> &BTreeSet<MemberId> {
        &self.standing.members
    }

    /// Who is in the group, and whose say counts.
    #[must_use]
    pub fn standing(&self) -> Arc<Standing> {
        Arc::clone(&self.standing)
    }

    /// The ops that no other op names, ascending.
    #[must_use]
    pub fn heads(&self) -> Vec<OpId> {
        self.heads.iter().copied().collect()
    }

    /// How many ops there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Never: a group has its Genesis.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Whether an op is held.
    #[must_use]
    pub fn contains(&self, id: &OpId) -> bool {
        self.index.contains_key(id)
    }

    /// An op and what it says.
    #[must_use]
    pub fn get(&self, id: &OpId) -> Option<(&OpHeader, &OpBody)> {
        self.node(id).map(|node| (&node.header, &node.body))
    }

    /// The ops that are held and not in `known`, ancestors first, with their index.
    pub fn except<'a>(&'a self, known: &'a FixedBitSet) -> impl Iterator<Item = (usize, &'a Op)> {
        self.nodes
            .iter()
            .enumerate()
            .filter(|(at, _)| !known.contains(*at))
            .map(|(at, node)| (at, &node.op))
    }

    /// An op's index in the order of arrival.
    #[must_use]
    pub fn index_of(&self, id: &OpId) -> Option<usize> {
        self.index.get(id).copied()
    }

    /// These ops and all before them; those not held are left out.
    #[must_use]
    pub fn closure(&self, heads: &[OpId]) -> FixedBitSet {
        let mut set = FixedBitSet::with_capacity(self.nodes.len());
        for head in heads {
            if let Some((at, node)) =
                self.index_of(head).and_then(|at| Some((at, self.nodes.get(at)?)))
            {
                set.union_with(&node.past);
                set.insert(at);
            }
        }
        set
    }

    /// The members in a view: who may read what names it. None if an op of the view is not held.
    pub fn readers(&mut self, view: &[OpId]) -> Option<Arc<Standing>> {
        if self.heads.iter().eq(view) {
            return Some(self.standing());
        }
        if let Some(readers) = self.views.get(view) {
            return Some(Arc::clone(readers));
        }
        let readers = Arc::new(self.standing_in(view)?);
        self.viewed = self.viewed.saturating_add(readers.members.len());
        while self.viewed > VIEWED_MAX || self.views.len() >= VIEWS_MAX {
            let Some((_, other)) = self.views.pop_first() else { break };
            self.viewed = self.viewed.saturating_sub(other.members.len());
        }
        self.views.insert(view.to_vec(), Arc::clone(&readers));
        Some(readers)
    }

    /// How many members the remembered views have, all together.
    #[cfg(test)]
    pub(crate) fn viewed(&self) -> usize {
        let all = self.views.values().map(|standing| standing.members.len()).sum();
        assert_eq!(self.viewed, all);
        all
    }

    /// The same, computed anew.
    #[must_use]
    pub fn standing_in(&self, view: &[OpId]) -> Option<Standing> {
        let is_held = view.iter().all(|head| self.contains(head));
        is_held.then(|| self.standing_of(&self.closure(view)))
    }

    /// A member's keys, if an op held here makes them one.
    #[must_use]
    pub fn keys(&self, member: &MemberId) -> Option<&MemberKeys> {
        let node = self.nodes.iter().find(|node| node.makes == Some(*member))?;
        node.body.newcomer().map(|(keys, _)| keys)
    }

    /// The message-signing keys with this index that a member certified in a view. One, unless a
    /// newcomer was let in twice at once with different ones.
    #[must_use]
    pub fn subkeys_in(&self, member: &MemberId, idx: u16, view: &[OpId]) -> Vec<[u8; 32]> {
        let set = self.closure(view);
        self.subkeys(member)
            .filter(|(at, subkey)| set.contains(*at) && subkey.idx == idx)
            .map(|(_, subkey)| subkey.msk)
            .collect()
    }

    /// Every message-signing key that a member certified.
    pub fn all_subkeys(&self, member: &MemberId) -> impl Iterator<Item = [u8; 32]> {
        self.subkeys(member).map(|(_, subkey)| subkey.msk)
    }

    /// Since when someone is a member, in minutes since 2020.
    #[must_use]
    pub fn since(&self, member: &MemberId) -> Option<u32> {
        self.nodes.iter().find(|node| node.makes == Some(*member)).map(|node| node.header.wall)
    }

    /// The invitation with this id.
    #[must_use]
    pub fn invite(&self, id: &OpId) -> Option<(MemberId, &Invite)> {
        match self.node(id) {
            Some(Node { author, body: OpBody::Invite(invite), .. }) => Some((*author, invite)),
            Some(_) | None => None,
        }
    }

    /// The invitation that an op uses up, and whom it makes a member by it.
    #[must_use]
    pub fn used_by(&self, op: &OpId) -> Option<(OpId, MemberId)> {
        let node = self.node(op)?;
        Some((node.uses()?, node.makes?))
    }

    /// The ids of all ops, in the order in which they came.
    pub fn ids(&self) -> impl Iterator<Item = OpId> {
        self.nodes.iter().map(|node| node.id)
    }

    /// Whether an invitation was taken back.
    #[must_use]
    pub fn is_cancelled(&self, invite: &OpId) -> bool {
        let cancels = |body: &OpBody| matches!(body, OpBody::InviteCancel(cancel) if cancel.invite == *invite);
        self.nodes.iter().any(|node| cancels(&node.body))
    }

    /// Who came in with an invitation, if someone did.
    #[must_use]
    pub fn user_of(&self, invite: &OpId) -> Option<MemberId> {
        self.nodes.iter().find(|node| node.uses() == Some(*invite))?.makes
    }

    /// The newest op of an author: its id, sequence number and time. Genesis is the founder's first.
    #[must_use]
    pub fn newest_of(&self, author: &MemberId) -> Option<(OpId, u32, u32)> {
        self.nodes
            .iter()
            .rev()
            .find(|node| node.author == *author)
            .map(|node| (node.id, node.header.seq, node.header.wall))
    }

    /// The header of the author's next op: on top of all heads.
    #[must_use]
    pub fn next_header(&self, author: &MemberId, wall: u32) -> OpHeader {
        let newest = self.newest_of(author);
        // With more heads than an op may name, the author's own past comes first. What does not reach
        // is refused when the op is taken in.
        let own: Vec<_> = newest.iter().map(|(id, ..)| *id).chain(self.coming_of(author)).collect();
        let heads = self.view_with(&own).unwrap_or_default();
        let lamport =
            heads.iter().filter_map(|id| self.node(id)).map(|node| node.header.lamport).max();
        OpHeader {
            v: crate::limits::VERSION,
            suite: crate::limits::SUITE,
            group: self.group,
            author: *author,
            seq: newest.map_or(0, |(_, seq, _)| seq.saturating_add(1)),
            prev: newest.map_or(OpId::ZERO, |(id, _, _)| id),
            deps: crate::encoding::List::first(heads),
            lamport: lamport.unwrap_or(0).saturating_add(1),
            wall: newest.map_or(wall, |(_, _, before)| before.max(wall)),
            body_hash: [0; 32],
        }
    }

    /// The op that first made someone a member.
    #[must_use]
    pub fn coming_of(&self, member: &MemberId) -> Option<OpId> {
        self.nodes.iter().find(|node| node.makes == Some(*member)).map(|node| node.id)
    }

    /// A view of at most sixteen heads, ascending, that has all of `must` in its closure: all heads,
    /// unless there are more. None when sixteen do not reach.
    #[must_use]
    pub fn view_with(&self, must: &[OpId]) -> Option<Vec<OpId>> {
        let heads = self.heads();
        if heads.len() <= OP_DEPS_MAX {
            return Some(heads);
        }
        let mut lacking: BTreeSet<_> = must.iter().filter_map(|id| self.index_of(id)).collect();
        let (mut view, mut rest) = (Vec::new(), Vec::new());
        for head in heads {
            let past = self.closure(&[head]);
            let before = lacking.len();
            lacking.retain(|at| !past.contains(*at));
            if lacking.len() < before { view.push(head) } else { rest.push(head) }
        }
        view.extend(rest);
        view.truncate(OP_DEPS_MAX);
        let past = self.closure(&view);
        let reaches = must.iter().filter_map(|id| self.index_of(id)).all(|at| past.contains(at));
        view.sort_unstable();
        reaches.then_some(view)
    }

    /// [`Self::view_with`] as it would have been when only the first so many ops had come, and those that `must`
    /// needs: all heads of these. As it is now, if they are more than sixteen.
    pub(crate) fn view_then(&self, first: usize, must: &[OpId]) -> Option<Vec<OpId>> {
        let mut then = self.closure(must);
        then.grow(self.nodes.len());
        then.insert_range(..first.min(self.nodes.len()));
        let named =
            |(_, node): (usize, &Node)| node.header.deps.iter().copied().collect::<Vec<_>>();
        let named: BTreeSet<_> = self.nodes_in(&then).flat_map(named).collect();
        let heads = self.nodes_in(&then).map(|(_, node)| node.id).filter(|id| !named.contains(id));
        let mut heads: Vec<_> = heads.collect();
        heads.sort_unstable();
        if heads.len() > OP_DEPS_MAX { self.view_with(must) } else { Some(heads) }
    }

    /// All ops, as a set.
    #[must_use]
    pub fn everything(&self) -> FixedBitSet {
        let mut set = FixedBitSet::with_capacity(self.nodes.len());
        set.insert_range(..);
        set
    }

    pub(super) fn node(&self, id: &OpId) -> Option<&Node> {
        self.nodes.get(self.index_of(id)?)
    }

    fn subkeys(&self, member: &MemberId) -> impl Iterator<Item = (usize, &SubkeyBody)> {
        let nodes = self.nodes.iter().enumerate();
        nodes.filter_map(move |(at, node)| Some((at, node.certifies(member)?)))
    }
}

impl Node {
    /// The invitation that this op uses up.
    pub(super) fn uses(&self) -> Option<OpId> {
        self.body.uses()
    }

    /// The subkey that this op certifies for `member`.
    pub(super) fn certifies(&self, member: &MemberId) -> Option<&SubkeyBody> {
        let first = self.body.newcomer().filter(|_| self.makes == Some(*member));
        let later = if let OpBody::Subkey(subkey) = &self.body { Some(subkey) } else { None };
        first.map(|(_, subkey)| subkey).or_else(|| later.filter(|_| self.author == *member))
    }
}
