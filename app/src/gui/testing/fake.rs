//! The program below, pretended.

use std::sync::{Mutex, MutexGuard};

use proto::{GroupId, MemberId, OpId};
use room::Coming;

use super::NOW_MS;
use crate::backend::{
    Appearance, Backend, Drafts, GroupView, Held as Holders, Invitation, Look, MemberView,
    MessageId, MessageView, NewGroup, OpenInvitation, Page, Profile, SafetyWords, Trouble,
};

/// This device's member.
pub(in crate::gui) const ME: MemberId = MemberId([1; 32]);
/// Someone else.
pub(in crate::gui) const ALDER: MemberId = MemberId([2; 32]);
/// The group one is in.
const GROUP: GroupId = GroupId([7; 32]);
/// The one that an invitation leads to.
const OTHER: GroupId = GroupId([8; 32]);

/// What someone is called who has said something.
fn name_of(member: MemberId) -> &'static str {
    if member == ME { "Wren" } else { "Alder" }
}

/// A message, said so many minutes ago; the number is its id.
pub(in crate::gui) fn message(nth: u16, author: MemberId, text: &str, minutes: u64) -> MessageView {
    let mut id = [0; 32];
    id[..2].copy_from_slice(&nth.to_be_bytes());
    MessageView {
        id,
        author,
        pseudonym: name_of(author).to_owned(),
        text: text.to_owned(),
        sent_at_ms: NOW_MS - minutes * 60_000,
        reply_to: None,
        known: true,
        edited: false,
        gone: false,
        faded: false,
        forked: false,
        unheard: Vec::new(),
        heard: 0,
        waiting: false,
    }
}

/// What it holds.
pub(in crate::gui) struct Held {
    pub(in crate::gui) profile: Profile,
    pub(in crate::gui) passphrase: String,
    pub(in crate::gui) groups: Vec<GroupView>,
    pub(in crate::gui) messages: Vec<MessageView>,
    pub(in crate::gui) comings: Vec<Coming>,
    pub(in crate::gui) invitations: Vec<OpenInvitation>,
    pub(in crate::gui) linked: bool,
    pub(in crate::gui) missing: bool,
    pub(in crate::gui) verified: bool,
    pub(in crate::gui) drafts: Drafts,
    /// They cannot be read.
    pub(in crate::gui) drafts_lost: bool,
    /// What was asked for, in words.
    pub(in crate::gui) asked: Vec<String>,
    /// What the next question that changes something is answered.
    pub(in crate::gui) trouble: Option<Trouble>,
    /// Nothing can be kept.
    pub(in crate::gui) is_full: bool,
    appearance: Appearance,
    hint: Option<Box<dyn Fn() + Send + Sync>>,
}

/// A program that holds what a test gave it.
pub(in crate::gui) struct Fake(Mutex<Held>);

impl Fake {
    /// Nothing is here yet.
    pub(in crate::gui) fn empty() -> Self {
        Self(Mutex::new(Held {
            profile: Profile::None,
            passphrase: "three old trees".to_owned(),
            groups: Vec::new(),
            messages: Vec::new(),
            comings: Vec::new(),
            invitations: Vec::new(),
            linked: true,
            missing: false,
            verified: false,
            drafts: Drafts::default(),
            drafts_lost: false,
            is_full: false,
            asked: Vec::new(),
            trouble: None,
            appearance: Appearance::default(),
            hint: None,
        }))
    }

    /// A profile that is locked.
    pub(in crate::gui) fn locked() -> Self {
        let fake = Self::talking();
        fake.state().profile = Profile::Locked;
        fake
    }

    /// A profile that is open, without a group.
    pub(in crate::gui) fn alone() -> Self {
        let fake = Self::empty();
        fake.state().profile = Profile::Open;
        fake
    }

    /// One group, in which two people talk.
    pub(in crate::gui) fn talking() -> Self {
        let fake = Self::alone();
        fake.state().groups.push(GroupView {
            arriving: None,
            group: GROUP,
            name: "Tuesday".to_owned(),
            reason: "To be heard without being fixed.".to_owned(),
            agreement: "We listen first.\nWe ask.\nIt is fine to pass.\nThis stays here."
                .to_owned(),
            words_stay_secs: 30 * 24 * 3600,
            me: ME,
            members: 2,
            last_activity_ms: NOW_MS,
        });
        fake.state().messages = vec![
            message(1, ALDER, "Hello. I am not sure what to say yet.", 60 * 24),
            message(2, ME, "You do not have to say anything.", 9),
            message(3, ALDER, "Thank you. Look at https://example.org/tea some time.", 2),
        ];
        fake
    }

    /// What it holds.
    pub(in crate::gui) fn state(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap()
    }

    /// What was asked for, in words.
    pub(in crate::gui) fn asked(&self) -> Vec<String> {
        self.state().asked.clone()
    }

    /// Says that something changed.
    pub(in crate::gui) fn hint(&self) {
        if let Some(hint) = &self.state().hint {
            hint();
        }
    }

    /// Notes a question, and answers with the trouble that was set for it.
    fn ask(&self, question: String) -> Result<(), Trouble> {
        let mut held = self.state();
        held.asked.push(question);
        held.trouble.take().map_or(Ok(()), Err)
    }
}

impl Backend for Fake {
    fn profile(&self) -> Profile {
        self.state().profile
    }

    fn create_profile(&self, passphrase: &str) -> Result<(), Trouble> {
        self.ask("create profile".to_owned())?;
        let mut held = self.state();
        passphrase.clone_into(&mut held.passphrase);
        held.profile = Profile::Open;
        Ok(())
    }

    fn unlock(&self, passphrase: &str) -> Result<(), Trouble> {
        self.ask("unlock".to_owned())?;
        let mut held = self.state();
        if held.passphrase != passphrase {
            return Err(Trouble::new("wrong_passphrase", "That is not the passphrase."));
        }
        held.profile = Profile::Open;
        Ok(())
    }

    fn lock(&self) -> Result<(), Trouble> {
        self.ask("lock".to_owned())?;
        self.state().profile = Profile::Locked;
        Ok(())
    }

    fn groups(&self) -> Result<Vec<GroupView>, Trouble> {
        Ok(self.state().groups.clone())
    }

    fn create_group(&self, new: &NewGroup) -> Result<GroupId, Trouble> {
        let NewGroup { name, reason, agreement, pseudonym, words_stay_days, .. } = new;
        let days = words_stay_days.map_or_else(|| "default".to_owned(), |days| days.to_string());
        self.ask(format!("start {name} | {reason} | {agreement} | {pseudonym} | {days}"))?;
        let mut held = self.state();
        held.groups.push(GroupView {
            arriving: None,
            group: GROUP,
            name: name.clone(),
            reason: reason.clone(),
            agreement: agreement.clone(),
            words_stay_secs: 0,
            me: ME,
            members: 1,
            last_activity_ms: NOW_MS,
        });
        Ok(GROUP)
    }

    fn invite(&self, _: &GroupId, _: u64, has_addresses: bool) -> Result<Invitation, Trouble> {
        self.ask("invite".to_owned())?;
        let expires_ms = NOW_MS + 7 * 24 * 3_600_000;
        let link = if has_addresses { "kith:1abc" } else { "kith:1xyz" }.to_owned();
        let invite = OpId([if has_addresses { 5 } else { 6 }; 32]);
        self.state().invitations.push(OpenInvitation { invite, expires_ms });
        Ok(Invitation { invite, link, has_addresses, expires_ms })
    }

    fn look(&self, link: &str) -> Result<Look, Trouble> {
        self.ask(format!("look at {link}"))?;
        Ok(Look {
            reason: "To walk early.".to_owned(),
            agreement: "We are on time.\nWe do not race.".to_owned(),
            expires_ms: NOW_MS + 3_600_000,
        })
    }

    fn accept(&self, link: &str, pseudonym: &str, _: u64) -> Result<GroupId, Trouble> {
        self.ask(format!("join {link} as {pseudonym}"))?;
        self.state().groups.push(GroupView {
            arriving: None,
            group: OTHER,
            name: "Early walkers".to_owned(),
            reason: "To walk early.".to_owned(),
            agreement: String::new(),
            words_stay_secs: 0,
            me: ME,
            members: 2,
            last_activity_ms: NOW_MS,
        });
        Ok(OTHER)
    }

    fn members(&self, _: &GroupId) -> Result<Vec<MemberView>, Trouble> {
        let (linked, verified) = {
            let state = self.state();
            (state.linked, state.verified)
        };
        let member = |member, me| MemberView {
            member,
            pseudonym: name_of(member).to_owned(),
            me,
            since_ms: 0,
            verified: !me && verified,
            linked: linked && !me,
        };
        Ok(vec![member(ME, true), member(ALDER, false)])
    }

    fn comings(&self, _: &GroupId) -> Result<Vec<Coming>, Trouble> {
        Ok(self.state().comings.clone())
    }

    fn open_invitations(&self, _: &GroupId) -> Result<Vec<OpenInvitation>, Trouble> {
        Ok(self.state().invitations.clone())
    }

    fn safety_words(&self, _: &GroupId, _: MemberId) -> Result<SafetyWords, Trouble> {
        let words = |names: [&str; 4]| names.map(str::to_owned).to_vec();
        let joined = words(["amber", "brook", "cedar", "dune"]);
        let more = ["elm", "fern", "gorse", "hazel", "iris", "jade", "kelp", "lark"];
        let words = joined.iter().cloned().chain(more.map(str::to_owned)).collect();
        Ok(SafetyWords { words, joined_with: Some(joined) })
    }

    fn verify(&self, _: &GroupId, _: MemberId) -> Result<(), Trouble> {
        self.ask("verify".to_owned())?;
        self.state().verified = true;
        Ok(())
    }

    fn send(
        &self,
        _: &GroupId,
        text: &str,
        reply_to: Option<MessageId>,
    ) -> Result<MessageId, Trouble> {
        let answers = if reply_to.is_some() { " as an answer" } else { "" };
        self.ask(format!("say {text}{answers}"))?;
        let mut held = self.state();
        let nth = u16::try_from(held.messages.len() + 100).unwrap_or(u16::MAX);
        let said = MessageView { reply_to, ..message(nth, ME, text, 0) };
        let id = said.id;
        held.messages.push(said);
        Ok(id)
    }

    fn edit(&self, _: &GroupId, id: &MessageId, text: &str) -> Result<(), Trouble> {
        self.ask(format!("edit to {text}"))?;
        let mut held = self.state();
        let message = held.messages.iter_mut().find(|message| message.id == *id).unwrap();
        text.clone_into(&mut message.text);
        message.edited = true;
        Ok(())
    }

    fn take_back(&self, _: &GroupId, id: &MessageId) -> Result<(), Trouble> {
        self.ask("take back".to_owned())?;
        let mut held = self.state();
        let message = held.messages.iter_mut().find(|message| message.id == *id).unwrap();
        message.gone = true;
        message.text.clear();
        Ok(())
    }

    fn held(&self, _: &GroupId, _: &MessageId) -> Result<Holders, Trouble> {
        self.ask("where is it".to_owned())?;
        Ok(Holders { by: 1, of: 2 })
    }

    fn drafts(&self, _: &GroupId) -> Result<Drafts, Trouble> {
        if self.state().drafts_lost {
            return Err(Trouble::new("store_damaged", "The stored data cannot be used."));
        }
        Ok(self.state().drafts.clone())
    }

    fn keep_drafts(&self, _: &GroupId, drafts: &Drafts) -> Result<(), Trouble> {
        let mut held = self.state();
        if held.is_full {
            return Err(Trouble::new("disk_full", "There is no room left."));
        }
        held.drafts = drafts.clone();
        Ok(())
    }

    fn is_missing(&self, _: &GroupId) -> Result<bool, Trouble> {
        Ok(self.state().missing)
    }

    fn leave(&self, group: &GroupId) -> Result<(), Trouble> {
        self.ask("leave".to_owned())?;
        self.state().groups.retain(|left| left.group != *group);
        Ok(())
    }

    fn revoke(&self, _: &GroupId, invite: &OpId) -> Result<(), Trouble> {
        self.ask("revoke".to_owned())?;
        self.state().invitations.retain(|open| open.invite != *invite);
        Ok(())
    }

    fn change_passphrase(&self, old: &str, new: &str) -> Result<(), Trouble> {
        self.ask("change passphrase".to_owned())?;
        let mut held = self.state();
        if held.passphrase != old {
            return Err(Trouble::new("wrong_passphrase", "That is not the passphrase."));
        }
        new.clone_into(&mut held.passphrase);
        Ok(())
    }

    fn erase(&self) -> Result<(), Trouble> {
        self.ask("erase".to_owned())?;
        let mut held = self.state();
        held.profile = Profile::None;
        held.groups.clear();
        Ok(())
    }

    fn messages(
        &self,
        group: &GroupId,
        before: Option<MessageId>,
        limit: usize,
    ) -> Result<Page, Trouble> {
        if *group != GROUP {
            return Ok(Page::default());
        }
        let held = self.state();
        let all = &held.messages;
        let end = before.and_then(|id| all.iter().position(|message| message.id == id));
        let end = end.unwrap_or(all.len());
        let from = end.saturating_sub(limit);
        Ok(Page { messages: all[from..end].to_vec(), more: from > 0 })
    }

    fn appearance(&self) -> Appearance {
        self.state().appearance
    }

    fn keep_appearance(&self, appearance: Appearance) -> Result<(), Trouble> {
        self.state().appearance = appearance;
        Ok(())
    }

    fn watch(&self, hint: Box<dyn Fn() + Send + Sync>) {
        self.state().hint = Some(hint);
    }
}
