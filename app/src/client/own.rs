//! What becomes of one's own words: edited, taken back, held by others; and leaving.

use std::collections::BTreeSet;

use net::Error;
use proto::{Command, EntryId, GroupId, LocalId, Refusal, Wanted, Which};
use store::Row;

use super::{Client, Open};
use crate::backend::{Held, MessageId, Trouble};
use crate::trouble::{from_net, from_store};

impl Client {
    /// Says something else in place of an own message; durable here when it returns.
    ///
    /// # Errors
    /// `not_yours`, `no_such_message`, `not_a_member`, `too_large`; `unreachable` before the first catch-up
    /// has ended, `too_late` when people have come since who may not read it.
    pub(crate) fn edit(&self, group: &GroupId, id: &MessageId, text: &str) -> Result<(), Trouble> {
        self.rewrite(group, id, |message| Command::Edit { message, text: text.to_owned() })
    }

    /// Takes an own message back; durable here when it returns.
    ///
    /// # Errors
    /// `not_yours`, `no_such_message`, `not_a_member`.
    pub(crate) fn take_back(&self, group: &GroupId, id: &MessageId) -> Result<(), Trouble> {
        self.rewrite(group, id, Command::TakeBack)
    }

    /// Leaves a group for good. What was said in it can still be read here.
    ///
    /// # Errors
    /// `not_a_member`, `busy`.
    pub(crate) fn leave(&self, group: GroupId) -> Result<(), Trouble> {
        self.open()?.handle.command(group, Command::Leave).map(drop).map_err(from_net)
    }

    /// On how many devices a message is known to be, as it reads now: evidence, never a guess.
    ///
    /// # Errors
    /// `no_such_message`, `no_such_group`.
    pub(crate) fn held(&self, group: &GroupId, id: &MessageId) -> Result<Held, Trouble> {
        let open = self.open()?;
        let row = open.row(group, id)?;
        let me = open.member(group)?.id;
        let people = &open.room(group)?.people;
        let others: BTreeSet<_> =
            people.iter().map(|person| person.member).filter(|member| *member != me).collect();
        let by = if row.author == me {
            open.held_of_own(group, &row)?.intersection(&others).count()
        } else {
            usize::from(!is_gone(&row) && others.contains(&row.author))
        };
        Ok(Held { by, of: others.len() })
    }

    fn rewrite(
        &self,
        group: &GroupId,
        id: &MessageId,
        command: impl Fn(Which) -> Command,
    ) -> Result<(), Trouble> {
        let open = self.open()?;
        let ask = || {
            let which = which(&open.row(group, id)?);
            Ok((which, open.handle.command(*group, command(which))))
        };
        let (which, mut done) = ask()?;
        if matches!(which, Which::Written(_))
            && matches!(done, Err(Error::Refused(Refusal::NoSuchMessage)))
        {
            // It was signed in between, and goes by its entry's id now.
            (_, done) = ask()?;
        }
        done.map(drop).map_err(from_net)
    }
}

impl Open {
    fn row(&self, group: &GroupId, id: &MessageId) -> Result<Row, Trouble> {
        let row = self.reader().message(group, id).map_err(from_store)?;
        row.ok_or_else(|| from_store(store::Error::NoSuchMessage))
    }

    /// Who said that they hold an own message, of those who may read it.
    fn held_of_own(
        &self,
        group: &GroupId,
        row: &Row,
    ) -> Result<BTreeSet<proto::MemberId>, Trouble> {
        if !row.signed || is_gone(row) {
            return Ok(BTreeSet::new());
        }
        let reader = self.reader();
        let versions = Wanted::Versions(EntryId(row.id));
        let versions = reader.load(group, &versions).map_err(from_store)?.entries;
        let is_edit_signed = row.edit.is_none() || versions.len() > 1;
        let Some(newest) = versions.last().filter(|_| is_edit_signed) else {
            return Ok(BTreeSet::new());
        };
        let damaged = |reject| {
            Trouble::new("store_damaged", format!("What was stored is no message: {reject}."))
        };
        let header = newest.parse(group).map_err(damaged)?;
        let held = reader.held(group).map_err(from_store)?;
        Ok(self.room(group)?.holders((&header.ops, header.seq), held))
    }
}

fn which(row: &Row) -> Which {
    if row.signed { Which::Entry(EntryId(row.id)) } else { Which::Written(LocalId(row.id)) }
}

const fn is_gone(row: &Row) -> bool {
    row.payload.is_none() && row.edit.is_none()
}
