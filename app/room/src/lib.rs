//! What a group's ops, cards and entries mean to people: a pure fold, behind the window and
//! `kith rpc` alike.

mod said;

pub use said::{Said, said};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proto::{Card, Dag, MemberId, Op, OpId, Reject, Unheard, minutes_to_unix_ms};

/// Someone in the group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Their id.
    pub member: MemberId,
    /// The name they bear here; empty until it has arrived.
    pub name: String,
    /// When they came, in milliseconds since 1970.
    pub since_ms: u64,
}

/// Someone came, or left, as whoever was there is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coming {
    /// Who.
    pub member: MemberId,
    /// Their name; empty until it has arrived.
    pub name: String,
    /// When, by the clock of who says so, in milliseconds since 1970, to the minute. Nobody vouches for it.
    pub at_ms: u64,
    /// What they did.
    pub how: How,
}

/// What someone did who came or left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum How {
    /// They came.
    Came,
    /// They left.
    Left,
    /// They left in their first week: nothing else is said of them, neither that they came nor their name.
    Passed,
}

/// Whoever leaves so soon came only to look.
const LOOKED_MS: u64 = 7 * 24 * 3600 * 1000;

/// A group as one of its members sees it.
#[derive(Debug, Clone, Default)]
pub struct Room {
    /// What it is called.
    pub name: String,
    /// Why it meets.
    pub reason: String,
    /// What was agreed on; may be empty.
    pub agreement: String,
    /// Who is in it, in the order in which they came.
    pub people: Vec<Person>,
    /// Who came and who left since this device's member came; what was known comes before what was not.
    pub comings: Vec<Coming>,
    /// How long words stay, in seconds; 0: for good.
    pub words_stay_secs: u32,
    /// This device left it.
    pub has_left: bool,
    coming_ops: Vec<OpId>,
    names: BTreeMap<MemberId, String>,
    dag: Option<Arc<Dag>>,
}

impl Room {
    /// Folds ops, in the order in which they came, and the cards held here.
    ///
    /// # Errors
    /// [`Reject`] when the ops make no group: what was stored is damaged.
    pub fn fold(
        ops: impl IntoIterator<Item = Op>,
        cards: impl IntoIterator<Item = Card>,
        me: (MemberId, &str),
    ) -> Result<Self, Reject> {
        let dag = Dag::from_ops(ops)?;
        let mut names: BTreeMap<_, _> =
            cards.into_iter().map(|card| (card.member, card.name.into_string())).collect();
        names.insert(me.0, me.1.to_owned());
        let agreement = dag.agreement();
        let mut people: Vec<_> = dag
            .members()
            .iter()
            .map(|member| Person {
                member: *member,
                name: names.get(member).cloned().unwrap_or_default(),
                since_ms: minutes_to_unix_ms(dag.since(member).unwrap_or_default()),
            })
            .collect();
        people.sort_by_key(|person| (person.since_ms, person.member));
        let (coming_ops, comings) = comings_of(&dag, &names, &me.0).into_iter().unzip();
        Ok(Self {
            name: agreement.name.to_string(),
            reason: agreement.reason.to_string(),
            agreement: agreement.text.to_string(),
            people,
            comings,
            coming_ops,
            words_stay_secs: dag.genesis().params.ttl_default_secs,
            has_left: dag.left_at(&me.0).is_some(),
            names,
            dag: Some(Arc::new(dag)),
        })
    }

    /// Whose coming or going the author of a message had not heard of, though it was earlier: by the view
    /// the message names and when it says it was written, in milliseconds since 1970. Nobody's, while it
    /// is not signed.
    #[must_use]
    pub fn unheard(&self, view: &[OpId], wall_ms: u64) -> Vec<Unheard> {
        let dag = self.dag.as_ref().filter(|_| !view.is_empty());
        dag.map(|dag| dag.unheard(view, wall_ms)).unwrap_or_default()
    }

    /// How many of [`Self::comings`] the author of a message had heard of, by the view it names. All, while it
    /// is not signed.
    #[must_use]
    pub fn heard(&self, view: &[OpId]) -> usize {
        match self.dag.as_ref().filter(|_| !view.is_empty()) {
            Some(dag) => dag.count_in(view, &self.coming_ops),
            None => self.comings.len(),
        }
    }

    /// Who is known to hold an own entry: those of the others who may read it, and who said that they hold
    /// the chain up to its number at least. `held` is what each said.
    #[must_use]
    pub fn holders(
        &self,
        (view, seq): (&[OpId], u32),
        held: impl IntoIterator<Item = (MemberId, u32)>,
    ) -> BTreeSet<MemberId> {
        let standing = self.dag.as_ref().and_then(|dag| dag.standing_in(view));
        let readers = standing.map(|standing| standing.members).unwrap_or_default();
        let held =
            held.into_iter().filter(|(member, up_to)| *up_to >= seq && readers.contains(member));
        held.map(|(member, _)| member).collect()
    }

    /// Invitations of someone that still let a person in, and until when, in milliseconds since 1970; the
    /// one that ends first comes first.
    #[must_use]
    pub fn open_invitations(&self, of: &MemberId, now_ms: u64) -> Vec<(OpId, u64)> {
        let unused = self.dag.iter().flat_map(|dag| dag.unused_invites(of));
        // With the last second of its last minute.
        let until = |minute: u32| u64::from(minute).saturating_add(1) * 60_000 - 1;
        let all = unused.map(|(invite, expires)| (invite, until(expires)));
        let mut open: Vec<_> = all.filter(|(_, until_ms)| *until_ms >= now_ms).collect();
        open.sort_by_key(|(invite, until_ms)| (*until_ms, *invite));
        open
    }

    /// The name someone bears, also if they are here no more; empty until it has arrived.
    #[must_use]
    pub fn name_of(&self, member: &MemberId) -> &str {
        self.names.get(member).map_or("", String::as_str)
    }
}

/// Each with the op that says so.
fn comings_of(dag: &Dag, names: &BTreeMap<MemberId, String>, me: &MemberId) -> Vec<(OpId, Coming)> {
    let has_passed = |member: &MemberId| {
        let since_ms = dag.since(member).map_or(0, minutes_to_unix_ms);
        dag.left_at(member)
            .map(minutes_to_unix_ms)
            .is_some_and(|left| (since_ms..since_ms.saturating_add(LOOKED_MS)).contains(&left))
    };
    let told = dag.comings_after(me).into_iter().filter_map(|coming| {
        let how = match (coming.has_left, has_passed(&coming.member)) {
            (false, true) => return None,
            (false, false) => How::Came,
            (true, true) => How::Passed,
            (true, false) => How::Left,
        };
        let name = names.get(&coming.member).cloned().unwrap_or_default();
        let at_ms = minutes_to_unix_ms(coming.wall);
        Some((coming.op, Coming { member: coming.member, name, at_ms, how }))
    });
    told.collect()
}
