//! Membership as it is defined in docs/protocol.md, slow and obvious: sets of ids, nothing kept.
//!
//! Shares with `proto` only the types of ops. What both compute must be equal on every history.

#![expect(clippy::wildcard_enum_match_arm, reason = "each question is about one kind of op")]

use std::collections::{BTreeMap, BTreeSet};

use proto::{GroupId, MemberId, Op, OpBody, OpHeader, OpId, Standing};

type Set = BTreeSet<OpId>;
type People = BTreeSet<MemberId>;

/// A rule that can be switched off, to see that a test of it has power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Without {
    /// All rules hold.
    Nothing,
    /// Everyone has a say at once: no welcomes needed.
    Confirmation,
    /// Cancellations, forks and priorities void nothing.
    Voiding,
}

/// A set of valid ops, to ask questions of.
#[derive(Debug)]
pub struct Reference {
    ops: BTreeMap<OpId, (OpHeader, OpBody)>,
    genesis: OpId,
    founder: MemberId,
    without: Without,
    /// Voters before an op: asked for again and again, and always the same.
    voters_before: std::cell::RefCell<BTreeMap<OpId, People>>,
}

impl Reference {
    /// Takes valid ops in any order.
    #[must_use]
    pub fn new(ops: &[Op], without: Without) -> Self {
        let parsed = |op: &Op| (op.id(), op.parse().expect("valid ops"));
        let ops: BTreeMap<_, _> = ops.iter().map(parsed).collect();
        let is_genesis = |(_, (_, body)): &(_, &(_, OpBody))| matches!(body, OpBody::Genesis(_));
        let (genesis, (_, body)) = ops.iter().find(is_genesis).expect("a Genesis");
        let OpBody::Genesis(content) = body else { unreachable!("just found") };
        let (genesis, founder) = (*genesis, content.keys.member_id(&GroupId(genesis.0)));
        Self { ops, genesis, founder, without, voters_before: std::cell::RefCell::default() }
    }

    /// All ops.
    #[must_use]
    pub fn everything(&self) -> Set {
        self.ops.keys().copied().collect()
    }

    /// These ops and all before them.
    #[must_use]
    pub fn closure(&self, heads: &[OpId]) -> Set {
        let mut set = Set::new();
        let mut next = heads.to_vec();
        while let Some(id) = next.pop() {
            if set.insert(id) {
                next.extend(self.ops[&id].0.deps.iter().copied());
            }
        }
        set
    }

    /// Members and voters in a down-closed set.
    #[must_use]
    pub fn standing(&self, set: &Set) -> Standing {
        let members = self.members(set);
        let voters =
            members.iter().filter(|member| self.is_confirmed(member, set)).copied().collect();
        Standing { members, voters }
    }

    fn past(&self, op: &OpId) -> Set {
        self.closure(&self.ops[op].0.deps)
    }

    fn author(&self, op: &OpId) -> MemberId {
        if *op == self.genesis { self.founder } else { self.ops[op].0.author }
    }

    fn makes(&self, op: &OpId) -> Option<MemberId> {
        let group = GroupId(self.genesis.0);
        match &self.ops[op].1 {
            OpBody::Genesis(_) => Some(self.founder),
            OpBody::Add(add) => Some(add.keys.member_id(&group)),
            _ => None,
        }
    }

    fn invite_of(&self, add: &OpId) -> Option<OpId> {
        match &self.ops[add].1 {
            OpBody::Add(add) => Some(add.invite),
            _ => None,
        }
    }

    fn sponsors(&self, add: &OpId) -> People {
        let inviter = self.invite_of(add).map(|invite| self.author(&invite));
        inviter.into_iter().chain([self.author(add)]).collect()
    }

    /// Authors with two ops of equal seq, and the smallest such seq.
    fn equiv(&self, set: &Set) -> BTreeMap<MemberId, u32> {
        let mut forks = BTreeMap::new();
        for one in set {
            for other in
                set.iter().filter(|other| *other != one && self.author(other) == self.author(one))
            {
                let seq = self.ops[one].0.seq;
                if self.ops[other].0.seq == seq {
                    let fork = forks.entry(self.author(one)).or_insert(seq);
                    *fork = seq.min(*fork);
                }
            }
        }
        forks
    }

    fn members(&self, set: &Set) -> People {
        let forks = self.equiv(set);
        let left: People = set
            .iter()
            .filter(|op| matches!(self.ops[*op].1, OpBody::Leave(_)))
            .map(|op| self.author(op))
            .collect();
        set.iter()
            .filter(|op| !self.is_voided(op, set))
            .filter_map(|op| self.makes(op))
            .filter(|member| !forks.contains_key(member) && !left.contains(member))
            .collect()
    }

    fn is_voided(&self, add: &OpId, set: &Set) -> bool {
        if self.invite_of(add).is_none() || self.without == Without::Voiding {
            return false;
        }
        let past = self.past(add);
        let is_ghost = self.sponsors(add).into_iter().any(|sponsor| {
            sponsor != self.founder
                && past
                    .iter()
                    .filter(|op| self.makes(op) == Some(sponsor))
                    .all(|op| self.is_voided(op, set))
        });
        is_ghost || self.reasons(add, set).iter().any(|reason| !self.is_acked(add, set, reason))
    }

    /// Every reason in a set against an Add, as the ops that make it.
    fn reasons(&self, add: &OpId, set: &Set) -> Vec<Set> {
        let mut reasons = Vec::new();
        let beside =
            |op: &OpId| !self.past(op).contains(add) && !self.past(add).contains(op) && op != add;
        let (author, seq) = (self.author(add), self.ops[add].0.seq);
        if let Some(fork) = self.equiv(set).get(&author).filter(|fork| **fork <= seq) {
            let there: Vec<_> = set
                .iter()
                .filter(|op| self.author(op) == author && self.ops[*op].0.seq == *fork)
                .collect();
            for (nth, one) in there.iter().enumerate() {
                reasons.extend(there[..nth].iter().map(|other| Set::from([**one, **other])));
            }
        }
        for op in set.iter().filter(|op| beside(op)) {
            let is_reason = match &self.ops[op].1 {
                OpBody::InviteCancel(cancel) => Some(cancel.invite) == self.invite_of(add),
                OpBody::Add(_) => {
                    self.invite_of(op) == self.invite_of(add)
                        && self.makes(op) != self.makes(add)
                        && self.rank(op) < self.rank(add)
                }
                _ => false,
            };
            if is_reason {
                reasons.push(Set::from([*op]));
            }
        }
        reasons
    }

    fn rank(&self, add: &OpId) -> Option<usize> {
        match &self.ops[&self.invite_of(add)?].1 {
            OpBody::Invite(invite) => {
                invite.admitters.iter().position(|who| *who == self.author(add))
            }
            _ => None,
        }
    }

    fn electorate(&self, add: &OpId) -> People {
        let known = self.voters_before.borrow().get(add).cloned();
        let voters = known.unwrap_or_else(|| {
            let voters = self.standing(&self.past(add)).voters;
            self.voters_before.borrow_mut().insert(*add, voters.clone());
            voters
        });
        voters.difference(&self.sponsors(add)).copied().collect()
    }

    fn welcomes(&self, add: &OpId, set: &Set, of: &People, counts: impl Fn(&Set) -> bool) -> usize {
        let is_welcome = |op: &&OpId| matches!(&self.ops[*op].1, OpBody::Welcome(to) if Some(to.member) == self.makes(add));
        set.iter()
            .filter(is_welcome)
            .filter(|op| self.past(op).contains(add) && counts(&self.past(op)))
            .map(|op| self.author(op))
            .filter(|author| of.contains(author))
            .collect::<People>()
            .len()
    }

    fn is_acked(&self, add: &OpId, set: &Set, reason: &Set) -> bool {
        let forks = self.equiv(set);
        let of: People =
            self.electorate(add).into_iter().filter(|who| !forks.contains_key(who)).collect();
        let knew_not = |past: &Set| !reason.is_subset(past);
        !of.is_empty() && self.welcomes(add, set, &of, knew_not) * 2 > of.len()
    }

    fn is_confirmed(&self, member: &MemberId, set: &Set) -> bool {
        if *member == self.founder || self.without == Without::Confirmation {
            return true;
        }
        set.iter().filter(|op| self.makes(op) == Some(*member) && !self.is_voided(op, set)).any(
            |add| {
                let of = self.electorate(add);
                of.is_empty() || self.welcomes(add, set, &of, |_| true) * 2 > of.len()
            },
        )
    }
}
