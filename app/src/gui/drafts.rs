//! What is being written in each group, and what leaves in a moment.
//!
//! ```text
//! typed ──> kept (a second later) ── sent ──> leaving (10 s, kept) ──> said ──> kept as gone
//!                                       └── called back ──> typed
//! ```
//!
//! All of it is kept below as it changes, so that a crash loses nothing. What was leaving when the program
//! ended leaves when the profile is opened again and its time is over.

use std::collections::BTreeMap;

use proto::GroupId;
use zeroize::Zeroize as _;

use crate::backend::{Drafts, Leaving, MessageId};

/// How long words can be called back, in milliseconds.
const CALL_BACK_MS: u64 = 10_000;

/// So long after the last letter what was typed is kept, in milliseconds.
const PAUSE_MS: u64 = 1_000;

/// So long after it could not be kept it is tried again, in milliseconds.
const AGAIN_MS: u64 = 10_000;

/// Most messages that leave in a moment; before one more comes, the first of them goes.
const LEAVING_MAX: usize = 4;

/// Most bytes of what leaves in a moment: with what is typed it fits what is kept.
const LEAVING_BYTES_MAX: usize = 48 * 1024;

/// What is being written in one group.
#[derive(Debug, Default)]
pub(crate) struct Writing {
    /// What stands in the field.
    pub(crate) text: String,
    /// What it answers.
    pub(crate) reply_to: Option<MessageId>,
    /// The own message that it is to replace.
    pub(crate) edit: Option<MessageId>,
    /// What stood in the field before that.
    aside: Option<(String, Option<MessageId>)>,
    leaving: Vec<Leaving>,
    /// How many of `leaving`, from the first on, are being said right now.
    asked: usize,
    /// The words in the field are others than were typed there: one goes on at their end.
    pub(crate) is_replaced: bool,
    /// How many of them, from the first on, were leaving when the program last ended.
    old: usize,
    /// What is kept below; none while that is not known.
    kept: Option<Drafts>,
    /// It could not be kept: `kept` says what should be.
    is_unkept: bool,
    /// When what is here was first seen to differ from that, in milliseconds since 1970.
    differs_since_ms: Option<u64>,
    /// What it was then.
    seen: Drafts,
}

impl Writing {
    /// What can still be called back, the oldest first.
    pub(crate) fn leaving(&self) -> &[Leaving] {
        self.leaving.get(self.asked..).unwrap_or_default()
    }

    /// Sends what stands in the field: it leaves in ten seconds. Nothing when it is empty.
    pub(crate) fn send(&mut self, now_ms: u64) {
        let text = self.text.trim().to_owned();
        if text.is_empty() {
            return;
        }
        let (edit, reply_to) = (self.edit.take(), self.reply_to.take());
        self.text.zeroize();
        self.is_replaced = true;
        if let Some((text, reply_to)) = self.aside.take() {
            (self.text, self.reply_to) = (text, reply_to);
        }
        let due_ms = now_ms.saturating_add(CALL_BACK_MS);
        let bytes = |leaving: &[Leaving]| leaving.iter().map(|said| said.text.len()).sum::<usize>();
        self.leaving.push(Leaving { text, reply_to, edit, due_ms });
        let is_much = self.leaving.len() > LEAVING_MAX || bytes(&self.leaving) > LEAVING_BYTES_MAX;
        let earlier = self.leaving.len().saturating_sub(1);
        for said in self.leaving.iter_mut().take(if is_much { earlier } else { 0 }) {
            said.due_ms = now_ms;
        }
    }

    /// Calls the newest back into the field, in front of what stands there.
    pub(crate) fn call_back(&mut self) {
        if self.leaving().is_empty() {
            return;
        }
        let Some(said) = self.leaving.pop() else { return };
        self.old = self.old.min(self.leaving.len());
        if said.edit.is_some() {
            self.begin_edit(said.edit, &said.text);
            return;
        }
        self.reply_to = said.reply_to.or(self.reply_to);
        self.give_back(&said.text);
    }

    /// Begins to write an own message anew.
    pub(crate) fn begin_edit(&mut self, message: Option<MessageId>, text: &str) {
        if self.edit.is_none() {
            self.aside = Some((core::mem::take(&mut self.text), self.reply_to.take()));
        }
        self.edit = message;
        self.is_replaced = true;
        text.clone_into(&mut self.text);
    }

    /// Answers nothing, or leaves the message as it is.
    pub(crate) fn drop_about(&mut self) {
        if self.edit.is_some() {
            self.edit = None;
            self.is_replaced = true;
            (self.text, self.reply_to) = self.aside.take().unwrap_or_default();
        } else {
            self.reply_to = None;
        }
    }

    /// Puts words back in front of what was written since.
    pub(crate) fn give_back(&mut self, text: &str) {
        self.is_replaced = true;
        let gap = if self.text.is_empty() { "" } else { "\n" };
        self.text = format!("{text}{gap}{}", self.text);
    }

    /// What is to be kept. While a message is written anew, what stood there before is the draft.
    fn drafts(&self) -> Drafts {
        let (text, reply_to) = match &self.aside {
            Some((text, reply_to)) => (text.clone(), *reply_to),
            None => (self.text.clone(), self.reply_to),
        };
        Drafts { text, reply_to, leaving: self.leaving.clone() }
    }
}

/// What is being written in all groups.
#[derive(Debug, Default)]
pub(crate) struct AllDrafts(BTreeMap<GroupId, Writing>);

impl AllDrafts {
    /// What is being written there.
    pub(crate) fn of(&mut self, group: GroupId) -> &mut Writing {
        self.0.entry(group).or_default()
    }

    /// What was kept there. Words typed meanwhile stand behind it.
    pub(crate) fn on_kept(&mut self, group: GroupId, kept: Drafts) {
        let writing = self.of(group);
        if writing.kept.is_some() {
            return;
        }
        writing.leaving.splice(0..0, kept.leaving.iter().cloned());
        writing.old = kept.leaving.len();
        if !kept.text.is_empty() {
            writing.give_back(&kept.text);
        }
        writing.reply_to = writing.reply_to.or(kept.reply_to);
        writing.kept = Some(kept);
    }

    /// What is to be said now, and whether it was leaving when the program last ended: then it may have
    /// been said. Each is given once; [`Self::on_said`] ends it.
    pub(crate) fn due(&mut self, now_ms: u64) -> Vec<(GroupId, Leaving, bool)> {
        let mut due = Vec::new();
        for (group, writing) in &mut self.0 {
            let next = |writing: &Writing| writing.leaving.get(writing.asked).cloned();
            while let Some(said) = next(writing).filter(|said| said.due_ms <= now_ms) {
                due.push((*group, said, writing.asked < writing.old));
                writing.asked = writing.asked.saturating_add(1);
            }
        }
        due
    }

    /// It was said, or it was not and stands in the field again.
    pub(crate) fn on_said(&mut self, group: GroupId, said: &Leaving, is_done: bool) {
        let writing = self.of(group);
        if let Some(nth) = writing.leaving.iter().take(writing.asked).position(|one| one == said) {
            writing.leaving.remove(nth);
            writing.asked = writing.asked.saturating_sub(1);
            writing.old = writing.old.saturating_sub(1);
        }
        if is_done {
            return;
        }
        if said.edit.is_some() {
            writing.begin_edit(said.edit, &said.text);
        } else {
            writing.reply_to = writing.reply_to.or(said.reply_to);
            writing.give_back(&said.text);
        }
    }

    /// What was to be kept could not be: it is tried again in a while.
    pub(crate) fn on_unkept(&mut self, group: GroupId, now_ms: u64) {
        let writing = self.of(group);
        writing.is_unkept = true;
        writing.seen = writing.drafts();
        writing.differs_since_ms = Some(now_ms.saturating_add(AGAIN_MS - PAUSE_MS));
    }

    /// What is to be kept now: what was sent or called back at once, letters after a pause; everything
    /// when it is `all`.
    pub(crate) fn take_changed(&mut self, now_ms: u64, all: bool) -> Vec<(GroupId, Drafts)> {
        let mut keep = Vec::new();
        for (group, writing) in &mut self.0 {
            let drafts = writing.drafts();
            let Some(kept) = &writing.kept else { continue };
            if *kept == drafts && !writing.is_unkept {
                writing.differs_since_ms = None;
                continue;
            }
            if writing.differs_since_ms.is_none() || writing.seen != drafts {
                writing.differs_since_ms = Some(now_ms);
                writing.seen = drafts.clone();
            }
            let since = writing.differs_since_ms.unwrap_or(now_ms);
            let is_due = all || kept.leaving != drafts.leaving;
            if is_due || now_ms >= since.saturating_add(PAUSE_MS) {
                writing.kept = Some(drafts.clone());
                writing.is_unkept = false;
                writing.differs_since_ms = None;
                keep.push((*group, drafts));
            }
        }
        keep
    }

    /// How long nothing is to be done, in milliseconds; none when nothing waits.
    pub(crate) fn wait_ms(&self, now_ms: u64) -> Option<u64> {
        let leaving = self.0.values().filter_map(|writing| Some(writing.leaving().first()?.due_ms));
        let typed = self.0.values().filter_map(|writing| writing.differs_since_ms);
        let typed = typed.map(|since| since.saturating_add(PAUSE_MS));
        leaving.chain(typed).min().map(|at| at.saturating_sub(now_ms))
    }
}

impl Drop for AllDrafts {
    fn drop(&mut self) {
        self.0.values_mut().for_each(|writing| writing.text.zeroize());
    }
}
