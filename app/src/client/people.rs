//! What one device knows of people: words compared, whom it met, and what is known to be missing.

use proto::{Command, Done, GroupId, MemberId, Missing};

use super::{Client, Open};
use crate::backend::{SafetyWords, Trouble};
use crate::compare;
use crate::trouble::{from_net, from_store};

/// What is known to be missing of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Completeness {
    /// Parts of what people said, by author, oldest first.
    pub(crate) missing: Vec<Missing>,
    /// What came and cannot be shown yet, for something before it is missing.
    pub(crate) waiting: usize,
}

impl Client {
    /// What is known to be missing: gaps, and what members who are linked now said that they hold.
    ///
    /// # Errors
    /// `no_such_group`, `not_a_member`.
    pub(crate) fn completeness(&self, group: GroupId) -> Result<Completeness, Trouble> {
        let asked = self.open()?.handle.command(group, Command::Completeness);
        match asked.map_err(from_net)? {
            Done::Completeness { missing, waiting } => Ok(Completeness { missing, waiting }),
            Done::Said(_) | Done::Written(_) | Done::Invited(..) | Done::Nothing => {
                Err(from_net(net::Error::Stopped))
            }
        }
    }

    pub(super) fn words_of(
        &self,
        group: &GroupId,
        member: MemberId,
    ) -> Result<SafetyWords, Trouble> {
        let open = self.open()?;
        let me = open.member(group)?.id;
        let is_there = open.room(group)?.people.iter().any(|person| person.member == member);
        if member == me || !is_there {
            return Err(Trouble::new("no_such_member", "There is no such person in the group."));
        }
        let compared = open.reader().compared(group).map_err(from_store)?;
        let compared = compared.into_iter().find(|compared| compared.member == member);
        let joined_with = compared.and_then(|compared| compared.joined_with);
        Ok(SafetyWords {
            words: compare::of_pair(group, me, member),
            joined_with: joined_with.as_ref().map(compare::of_join),
        })
    }
}

impl Open {
    /// With whom the person here compared words.
    pub(super) fn verified(&self, group: &GroupId) -> Result<Vec<MemberId>, Trouble> {
        let compared = self.reader().compared(group).map_err(from_store)?;
        let verified = compared.into_iter().filter(|compared| compared.is_verified);
        Ok(verified.map(|compared| compared.member).collect())
    }

    /// Who let this device in, while it has met too few others to know whom by; their name may be empty.
    pub(super) fn let_in_by(&self, group: &GroupId) -> Result<Option<String>, Trouble> {
        let arriving = self.reader().arriving(group).map_err(from_store)?;
        match arriving.filter(|arriving| !arriving.is_over) {
            Some(arriving) => Ok(Some(self.room(group)?.name_of(&arriving.admitter).to_owned())),
            None => Ok(None),
        }
    }
}
