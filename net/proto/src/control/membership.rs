//! Membership: a pure function of a down-closed set of valid ops.
//!
//! ```text
//! equiv(S)       authors with two ops of equal seq in S; fork(m): the smallest such seq
//! removed(m,S)   S holds a Leave by m, or m in equiv(S)
//! E0(A,S)        Voters before A, without A's sponsors (its author, its inviter) and without equiv(S)
//! acked(A,S,r)   E0 is not empty, and more than half of it welcomed A's member in S, with A in the past
//!                of the Welcome and r not known there
//! voided(A,S)    a sponsor who is not the founder has only voided Adds before A; or some reason r in S
//!                is not acked: a fork of A's author at or before A; a cancellation of the invitation
//!                beside A; a use of the same invitation that makes another member, beside A, by an
//!                admitter who stands earlier
//! Members(S)     those with an Add in S that is not voided, and who are not removed
//! Voters(S)      those of them who began the group, or whose E0 (with equiv) was empty, or whom more
//!                than half of it welcomed
//! ```
//!
//! Removal by the others comes with a later stage; its reasons will stand beside these.
//! Pasts are bit sets over the order of arrival, and what came before an Add is computed once; the
//! obvious version to compare with is in `tests/src/reference.rs`.

use std::collections::{BTreeMap, BTreeSet};

use fixedbitset::FixedBitSet;

use super::OpBody;
use super::dag::{Dag, Node};
use crate::ids::{EntryId, MemberId, OpId};
use crate::timers::minutes_to_unix_ms;

/// Who is in the group, and whose say counts, as a set of ops has it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Standing {
    /// Who is in the group.
    pub members: BTreeSet<MemberId>,
    /// Those of them who began the group, who came when nobody else had a say, or whom more than half of
    /// those who had one counted in.
    pub voters: BTreeSet<MemberId>,
}

/// An op by which someone came or left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ComingOp {
    /// Who.
    pub member: MemberId,
    /// The Add, or their Leave.
    pub op: OpId,
    /// When it was signed, by its author's clock, in minutes since 2020. Nobody vouches for it.
    pub wall: u32,
    /// They left; else they came.
    pub has_left: bool,
}

/// Something about who is in the group that the author of an entry had not heard of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unheard {
    /// It was written before this member came, for the author: they cannot read it.
    Came(MemberId),
    /// It was written before this one left, for the author: they might have read it.
    Left(MemberId),
}

/// Authors who said two things at once: the first such seq, and the ops that stand there.
type Forks = BTreeMap<MemberId, (u32, Vec<usize>)>;

impl Dag {
    /// Members and voters in a down-closed set of ops.
    pub(super) fn standing_of(&self, set: &FixedBitSet) -> Standing {
        let forks = self.forks(set);
        let mut adds: Vec<_> =
            self.nodes_in(set).filter(|(_, node)| node.makes.is_some()).collect();
        adds.sort_by_key(|(_, node)| (node.header.lamport, node.id));
        let mut voided = FixedBitSet::with_capacity(self.nodes.len());
        for (at, add) in &adds {
            if self.is_voided((*at, add), set, &forks, &voided) {
                voided.insert(*at);
            }
        }
        let left: BTreeSet<_> = self
            .nodes_in(set)
            .filter(|(_, node)| matches!(node.body, OpBody::Leave(_)))
            .map(|(_, node)| node.author)
            .collect();
        let mut standing = Standing::default();
        for (at, add) in adds.into_iter().filter(|(at, _)| !voided.contains(*at)) {
            let Some(member) = add.makes else { continue };
            if forks.contains_key(&member) || left.contains(&member) {
                continue;
            }
            standing.members.insert(member);
            if self.is_confirmed((at, add), set) {
                standing.voters.insert(member);
            }
        }
        standing
    }

    fn is_voided(
        &self,
        (at, add): (usize, &Node),
        set: &FixedBitSet,
        forks: &Forks,
        voided: &FixedBitSet,
    ) -> bool {
        let Some((inviter, invite)) = add.uses().and_then(|invite| self.invite(&invite)) else {
            return false; // Genesis
        };
        let has_only_voided_adds = |sponsor: MemberId| {
            sponsor != self.founder()
                && self
                    .nodes_in(&add.past)
                    .filter(|(_, node)| node.makes == Some(sponsor))
                    .all(|(at, _)| voided.contains(at))
        };
        if has_only_voided_adds(add.author) || has_only_voided_adds(inviter) {
            return true;
        }
        let is_acked = |reason: &[usize]| self.is_acked((at, add), set, forks, reason);
        if let Some((fork, ops)) = forks.get(&add.author)
            && *fork <= add.header.seq
        {
            let unlike = self.unlike(add, ops, set);
            let mut pairs = unlike
                .iter()
                .enumerate()
                .flat_map(|(nth, one)| unlike.iter().take(nth).map(|other| [*one, *other]));
            if pairs.any(|pair| !is_acked(&pair)) {
                return true;
            }
        }
        let rank = |member: &MemberId| invite.admitters.iter().position(|other| other == member);
        self.nodes_in(set).any(|(beside, other)| {
            let is_cancelled = matches!(
                &other.body,
                OpBody::InviteCancel(cancel) if Some(cancel.invite) == add.uses()
            );
            // Who let in the same person with the same keys did nothing to them: the newcomer signed both.
            let is_earlier = other.uses() == add.uses()
                && other.makes != add.makes
                && rank(&other.author) < rank(&add.author);
            let is_reason = is_cancelled || is_earlier;
            let is_beside = !other.past.contains(at) && !add.past.contains(beside);
            is_reason && other.id != add.id && is_beside && !is_acked(&[beside])
        })
    }

    /// Of the branches of a fork, two for each set of welcomes of an Add that know of them: whoever knows
    /// any pair knows one of these, and a forker's branches do not cost the square of their number.
    fn unlike(&self, add: &Node, ops: &[usize], set: &FixedBitSet) -> Vec<usize> {
        let is_welcome = |body: &OpBody| matches!(body, OpBody::Welcome(welcome) if Some(welcome.member) == add.makes);
        let welcomes: Vec<_> = self
            .nodes_in(set)
            .filter(|(_, node)| is_welcome(&node.body))
            .map(|(_, node)| &node.past)
            .collect();
        let mut alike: BTreeMap<Vec<bool>, Vec<usize>> = BTreeMap::new();
        for op in ops {
            let known = welcomes.iter().map(|past| past.contains(*op)).collect();
            let some = alike.entry(known).or_default();
            if some.len() < 2 {
                some.push(*op);
            }
        }
        alike.into_values().flatten().collect()
    }

    /// Whether more than half of those who had a say welcomed an Add without knowing of a reason
    /// against it; a reason is known where all ops that make it are.
    fn is_acked(
        &self,
        add: (usize, &Node),
        set: &FixedBitSet,
        forks: &Forks,
        reason: &[usize],
    ) -> bool {
        let electorate: BTreeSet<_> = self
            .electorate(add.1)
            .into_iter()
            .filter(|member| !forks.contains_key(member))
            .collect();
        let knows = |past: &FixedBitSet| reason.iter().all(|at| past.contains(*at));
        !electorate.is_empty()
            && is_majority(self.welcomes(add, set, &electorate, |past| !knows(past)), &electorate)
    }

    fn is_confirmed(&self, add: (usize, &Node), set: &FixedBitSet) -> bool {
        let electorate = self.electorate(add.1);
        add.1.makes == Some(self.founder())
            || electorate.is_empty()
            || is_majority(self.welcomes(add, set, &electorate, |_| true), &electorate)
    }

    /// Whose welcomes count for an Add: the voters before it who had no part in it.
    fn electorate(&self, add: &Node) -> BTreeSet<MemberId> {
        let inviter = add.uses().and_then(|invite| self.invite(&invite)).map(|(author, _)| author);
        add.before
            .as_ref()
            .map(|before| &before.voters)
            .into_iter()
            .flatten()
            .filter(|member| **member != add.author && Some(**member) != inviter)
            .copied()
            .collect()
    }

    /// How many of an electorate welcomed an Add's member, knowing the Add.
    fn welcomes(
        &self,
        (at, add): (usize, &Node),
        set: &FixedBitSet,
        electorate: &BTreeSet<MemberId>,
        counts: impl Fn(&FixedBitSet) -> bool,
    ) -> usize {
        self.nodes_in(set)
            .filter(|(_, node)| {
                matches!(&node.body, OpBody::Welcome(welcome) if Some(welcome.member) == add.makes)
            })
            .filter(|(_, node)| electorate.contains(&node.author) && node.past.contains(at))
            .filter(|(_, node)| counts(&node.past))
            .map(|(_, node)| node.author)
            .collect::<BTreeSet<_>>()
            .len()
    }

    fn forks(&self, set: &FixedBitSet) -> Forks {
        let mut seen: BTreeMap<(MemberId, u32), Vec<usize>> = BTreeMap::new();
        for (at, node) in self.nodes_in(set) {
            seen.entry((node.author, node.header.seq)).or_default().push(at);
        }
        let mut forks = Forks::new();
        for ((author, seq), ops) in seen.into_iter().filter(|(_, ops)| ops.len() > 1) {
            // Ascending: the first is the smallest.
            forks.entry(author).or_insert((seq, ops));
        }
        forks
    }

    pub(super) fn nodes_in<'a>(
        &'a self,
        set: &'a FixedBitSet,
    ) -> impl Iterator<Item = (usize, &'a Node)> {
        set.ones().filter_map(|at| Some((at, self.nodes.get(at)?)))
    }

    /// Whose coming or going the author of an entry had not heard of, though it was earlier by the clocks
    /// of those who said so: such words are marked where they are shown. `wall_ms` is the entry's clock, in
    /// milliseconds since 1970; the view's own ops are as late as it can be, whatever it says.
    #[must_use]
    pub fn unheard(&self, view: &[OpId], wall_ms: u64) -> Vec<Unheard> {
        let heard = self.closure(view);
        let newest =
            self.nodes_in(&heard).map(|(_, node)| minutes_to_unix_ms(node.header.wall)).max();
        let written = newest.unwrap_or(0).max(wall_ms);
        let unheard = self.nodes.iter().enumerate().filter(|(at, node)| {
            // A whole minute later: that is as well as the clock of an op knows it.
            let since = minutes_to_unix_ms(node.header.wall).saturating_add(60_000);
            !heard.contains(*at) && since <= written
        });
        let readers = self.standing_of(&heard).members;
        let mut unheard: Vec<_> = unheard
            .filter_map(|(_, node)| match (&node.body, node.makes) {
                (OpBody::Leave(_), _) => {
                    readers.contains(&node.author).then_some(Unheard::Left(node.author))
                }
                (_, Some(member)) => {
                    let is_late = self.members().contains(&member) && !readers.contains(&member);
                    is_late.then_some(Unheard::Came(member))
                }
                (_, None) => None,
            })
            .collect();
        unheard.sort_unstable();
        unheard.dedup();
        unheard
    }

    /// Who let someone in, and with whose invitation: of every Add of theirs.
    pub(crate) fn sponsors_of(&self, member: &MemberId) -> BTreeSet<MemberId> {
        let adds = self.nodes.iter().filter(|node| node.makes == Some(*member));
        adds.flat_map(|add| add.sponsors(self)).flatten().collect()
    }

    /// Whom someone counted in, and when, in minutes since 2020.
    pub(crate) fn welcomed_by(&self, author: &MemberId) -> impl Iterator<Item = (u32, MemberId)> {
        self.nodes.iter().filter(move |node| node.author == *author).filter_map(|node| {
            let OpBody::Welcome(welcome) = &node.body else { return None };
            Some((node.header.wall, welcome.member))
        })
    }

    pub(crate) fn has_welcomed(&self, author: &MemberId, member: &MemberId) -> bool {
        self.welcomed_by(author).any(|(_, welcomed)| welcomed == *member)
    }

    /// Whether someone is in, not counted in by `author`, and `author` has a say in it.
    pub(crate) fn awaits_welcome_by(&self, author: &MemberId, member: &MemberId) -> bool {
        let mut adds = self.nodes.iter().filter(|node| node.makes == Some(*member));
        self.members().contains(member)
            && !self.has_welcomed(author, member)
            && adds.any(|add| self.electorate(add).contains(author))
    }

    /// When someone left, in minutes since 2020; none for those who did not, out of the group or not.
    #[must_use]
    pub fn left_at(&self, member: &MemberId) -> Option<u32> {
        self.leave_of(member).map(|node| node.header.wall)
    }

    /// Who came and who left after someone came: what the op that let them in does not know of, in an order that
    /// is the same for everyone who holds the same ops, and in which what was known comes before what was not.
    #[must_use]
    pub fn comings_after(&self, member: &MemberId) -> Vec<ComingOp> {
        let known = self.coming_of(member).map(|coming| self.closure(&[coming]));
        let is_after = |at: usize| known.as_ref().is_some_and(|known| !known.contains(at));
        let everyone: BTreeSet<MemberId> =
            self.nodes.iter().filter_map(|node| node.makes).filter(|of| of != member).collect();
        // Whoever is out for two ops in one place was a member, too.
        let forks = self.forks(&self.everything());
        let mut comings = Vec::new();
        for of in everyone {
            let came = self.nodes.iter().position(|node| node.makes == Some(of));
            let left = self.left_by(&of).and_then(|leave| self.index_of(&leave));
            let is_or_was =
                left.is_some() || self.members().contains(&of) || forks.contains_key(&of);
            let came = came.filter(|_| is_or_was).map(|at| (at, false));
            for (at, has_left) in came.into_iter().chain(left.map(|at| (at, true))) {
                let Some(node) = self.nodes.get(at).filter(|_| is_after(at)) else { continue };
                let (op, wall) = (node.id, node.header.wall);
                comings.push((node.header.lamport, ComingOp { member: of, op, wall, has_left }));
            }
        }
        comings.sort_by_key(|(lamport, coming)| (*lamport, coming.op));
        comings.into_iter().map(|(_, coming)| coming).collect()
    }

    /// How many of these ops are in a view.
    #[must_use]
    pub fn count_in(&self, view: &[OpId], ops: &[OpId]) -> usize {
        let set = self.closure(view);
        let is_in = |op: &&OpId| self.index_of(op).is_some_and(|at| set.contains(at));
        ops.iter().filter(is_in).count()
    }

    /// The invitations of someone that nobody used and that were not taken back, and when each ends, in
    /// minutes since 1970; also if that is over.
    pub fn unused_invites(&self, author: &MemberId) -> impl Iterator<Item = (OpId, u32)> {
        let own = self.nodes.iter().filter(|node| node.author == *author);
        let invites = own.filter_map(|node| {
            let OpBody::Invite(invite) = &node.body else { return None };
            Some((node.id, invite.expires))
        });
        invites.filter(|(id, _)| self.user_of(id).is_none() && !self.is_cancelled(id))
    }

    /// The op by which someone left.
    pub(crate) fn left_by(&self, member: &MemberId) -> Option<OpId> {
        self.leave_of(member).map(|node| node.op.id())
    }

    fn leave_of(&self, member: &MemberId) -> Option<&Node> {
        let mut ops = self.nodes.iter().filter(|node| node.author == *member);
        ops.find(|node| matches!(node.body, OpBody::Leave(_)))
    }

    /// Up to where the entries of someone who is out are still taken in: the pin of the first op that
    /// ended their membership. None without a pin; of a member, there is no such end.
    #[must_use]
    pub fn cut(&self, member: &MemberId) -> Option<(u32, EntryId)> {
        self.nodes
            .iter()
            .filter(|node| node.author == *member)
            .filter_map(|node| {
                let OpBody::Leave(leave) = &node.body else { return None };
                Some(((node.header.lamport, node.id), leave.last))
            })
            .min_by_key(|(place, _): &((u64, OpId), _)| *place)
            .and_then(|(_, last)| last)
    }
}

fn is_majority(count: usize, of: &BTreeSet<MemberId>) -> bool {
    count > of.len() / 2
}
