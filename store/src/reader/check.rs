//! Whether everything that is stored can be read.

use proto::{Dag, GroupId};

use super::Reader;
use crate::engine::Dir;
use crate::error::Error;
use crate::group_keys::GroupKeys;
use crate::record;
use crate::rows::{EV, Filed};

/// Entries that are looked at while a commit waits.
const TOGETHER: usize = 500;
/// Problems that are named; more are not counted.
const PROBLEMS_MAX: usize = 100;

/// What a look at everything found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Checked {
    /// Entries of all groups, edits and take-backs among them.
    pub entries: u64,
    /// What cannot be read, in words that name no person, group or message; 100 at most.
    pub problems: Vec<String>,
}

impl Reader {
    /// Opens every row that an engine or a window would ask for, but notices: ops, which must make a group, what
    /// is being written, and every entry with its body. Takes time in step with what is stored; commits go on in between.
    ///
    /// # Errors
    /// [`Error::Poisoned`]; what is damaged is a problem, and no error.
    pub fn check(&self) -> Result<Checked, Error> {
        let mut checked = Checked::default();
        for member in self.groups()? {
            for found in
                [self.check_group(&member.group), self.check_entries(&member.group, &mut checked)]
            {
                match found {
                    Ok(()) => {}
                    Err(Error::Damaged(what)) => checked.note(&what),
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(checked)
    }

    fn check_group(&self, group: &GroupId) -> Result<(), Error> {
        self.remembered(group)?;
        self.draft(group)?;
        match Dag::from_ops(self.ops(group)?) {
            Ok(dag) if dag.group() == *group => Ok(()),
            Ok(_) | Err(_) => Err(Error::damaged("the ops of a group make no group")),
        }
    }

    fn check_entries(&self, group: &GroupId, checked: &mut Checked) -> Result<(), Error> {
        let mut from = Vec::new();
        loop {
            let _still = self.shared.reading();
            let group = self.shared.group(group)?;
            let start = if from.is_empty() { EV.start(&group.keys) } else { from };
            let (mut last, mut seen) = (Vec::new(), 0);
            for record in self.records(&group, EV, Dir::Up).from(start).take(TOGETHER) {
                let (key, bytes) = record?;
                self.check_entry(&group, &bytes, checked)?;
                (last, seen) = (key, seen + 1);
            }
            if seen < TOGETHER {
                return Ok(());
            }
            // The least key that is greater.
            last.push(0);
            from = last;
        }
    }

    fn check_entry(
        &self,
        group: &GroupKeys,
        bytes: &[u8],
        checked: &mut Checked,
    ) -> Result<(), Error> {
        let filed: Filed = record::decode(bytes)?;
        checked.entries = checked.entries.saturating_add(1);
        let id = filed.id;
        let entry = match self.entry(group, filed) {
            Ok(entry) => entry,
            Err(Error::Damaged(what)) => {
                checked.note(&what);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        if entry.id() != id {
            checked.note("an entry is not the one it was");
        }
        Ok(())
    }
}

impl Checked {
    fn note(&mut self, what: &str) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(what.to_owned());
        }
    }
}
