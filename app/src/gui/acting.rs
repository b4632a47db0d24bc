//! What becomes of what a person did: the screen changes, or the desk is asked.

use eframe::egui::{Context, Theme};

use super::{
    Gui,
    model::{Action, Busy, Dialog, Here, Job, Place},
    screens::Join,
};
use crate::backend::{Appearance, MessageId, Trouble};

impl Gui {
    /// Leaves a job at the desk. A desk that is full is said to be busy, and no words are lost.
    pub(super) fn ask(&mut self, job: Job) {
        use std::sync::atomic::Ordering;
        let Err(job) = self.desk.ask(job) else { return };
        match *job {
            Job::Read { .. } => {
                self.reading = false;
                self.stale.store(true, Ordering::Release);
                return;
            }
            Job::Say { group, said, .. } => self.talk.drafts.on_said(group, &said, false),
            Job::Drafts(groups) => {
                self.asked_drafts.retain(|group| !groups.contains(group));
                return;
            }
            Job::Older { .. }
            | Job::Keep { .. }
            | Job::CreateProfile(_)
            | Job::Unlock(_)
            | Job::Lock
            | Job::Start(_)
            | Job::Look(_)
            | Job::Accept { .. }
            | Job::TakeBack { .. }
            | Job::Where { .. }
            | Job::Known(_)
            | Job::Compare { .. }
            | Job::Same { .. }
            | Job::Leave(_)
            | Job::Revoke { .. }
            | Job::Rephrase { .. }
            | Job::Appear(_)
            | Job::Erase
            | Job::Invite { .. } => self.model.busy = None,
        }
        let says = "Kith has a lot to do. Nothing is lost. Try again in a moment.";
        self.model.trouble = Some(Trouble::new("busy", says));
    }

    /// Asks for something that a screen waits for.
    fn wait_for(&mut self, busy: Busy, job: Job) {
        self.model.trouble = None;
        self.model.busy = Some(busy);
        self.ask(job);
    }

    /// Does what a person asked for.
    pub(super) fn on_action(&mut self, ctx: &Context, action: Action) {
        match action {
            Action::CreateProfile(secret) => {
                self.wait_for(Busy::Opening, Job::CreateProfile(secret));
            }
            Action::Unlock(secret) => self.wait_for(Busy::Opening, Job::Unlock(secret)),
            Action::Lock => {
                self.keep_drafts(true);
                self.ask(Job::Lock);
            }
            Action::Go(place) => self.go(place),
            Action::Open(group) => {
                self.model.trouble = None;
                self.model.open(group);
                self.ask(self.model.reading());
            }
            Action::Start(new) => self.wait_for(Busy::Starting, Job::Start(new)),
            Action::Look(link) => self.wait_for(Busy::Looking, Job::Look(link)),
            Action::ForgetLook => {
                self.model.look = None;
                self.model.trouble = None;
                self.join = Join::default();
                self.model.place = Place::Talk;
            }
            Action::Accept(pseudonym) => {
                if let Some((link, _)) = &self.model.look {
                    let link = link.clone();
                    self.wait_for(Busy::Joining, Job::Accept { link, pseudonym });
                }
            }
            Action::CloseInvitation => self.model.invitation = None,
            Action::Copy(text) => ctx.copy_text(text),
            Action::SwitchTheme => {
                let dark = Some(ctx.theme() == Theme::Light);
                self.appear(ctx, Appearance { dark, ..self.appearance });
            }
            Action::Zoom(by) => {
                let percent = super::zoom::step(self.appearance.percent, by);
                self.appear(ctx, Appearance { percent, ..self.appearance });
            }
            Action::SwitchDetails => self.model.details = !self.model.details,
            Action::CloseTrouble => {
                self.model.trouble = None;
                self.model.done = None;
            }
            Action::Ask(dialog) => {
                self.model.trouble = None;
                self.model.dialog = Some(dialog);
            }
            Action::CloseDialog => {
                self.model.dialog = None;
                self.model.trouble = None;
                self.forget_secrets();
            }
            Action::Rephrase(old, new) => {
                self.wait_for(Busy::Doing, Job::Rephrase { old, new });
            }
            Action::Erase => self.wait_for(Busy::Doing, Job::Erase),
            Action::Here(here) => self.on_here(ctx, here),
        }
        ctx.request_repaint();
    }

    /// Looks different from now on.
    pub(super) fn appear(&mut self, ctx: &Context, appearance: Appearance) {
        if appearance != self.appearance {
            self.appearance = appearance;
            super::show_as(ctx, appearance);
            self.ask(Job::Appear(appearance));
        }
    }

    fn go(&mut self, place: Place) {
        self.model.place = place;
        self.model.trouble = None;
        self.model.done = None;
        self.start.reopen();
        self.join.reopen();
    }

    /// Does what is about the open group.
    fn on_here(&mut self, ctx: &Context, here: Here) {
        let Some(group) = self.model.talk.as_ref().map(|talk| talk.group) else { return };
        match here {
            Here::Older => self.on_older(),
            Here::Sent => {
                self.model.trouble = None;
                self.model.done = None;
                self.talk.go_newest();
                // Kept before the next frame.
                self.see_to_drafts(ctx);
            }
            Here::Reply(id) => {
                self.talk.drafts.of(group).reply_to = Some(id);
                self.talk.focus_composer();
            }
            Here::Edit(id) => {
                let text = self.text_of(&id).unwrap_or_default();
                self.talk.drafts.of(group).begin_edit(Some(id), &text);
                self.talk.focus_composer();
            }
            Here::TakeBack(id) => self.wait_for(Busy::Doing, Job::TakeBack { group, id }),
            Here::Where(id) => {
                self.model.dialog = Some(Dialog::Where(None));
                self.wait_for(Busy::Looking, Job::Where { group, id });
            }
            Here::Known => {
                self.model.missing = None;
                self.model.dialog = Some(Dialog::Connection);
                self.wait_for(Busy::Looking, Job::Known(group));
            }
            Here::Compare(member) => {
                self.model.words = None;
                self.model.dialog = Some(Dialog::Compare(member));
                self.wait_for(Busy::Looking, Job::Compare { group, member });
            }
            Here::Same(member) => self.wait_for(Busy::Doing, Job::Same { group, member }),
            Here::Leave => self.wait_for(Busy::Doing, Job::Leave(group)),
            Here::Invite => {
                let job = Job::Invite { group, addresses: true, instead_of: None };
                self.wait_for(Busy::Inviting, job);
            }
            Here::WithoutAddresses => {
                let instead_of = self.model.invitation.as_ref().map(|made| made.invite);
                let job = Job::Invite { group, addresses: false, instead_of };
                self.wait_for(Busy::Inviting, job);
            }
            Here::Revoke(invite) => {
                self.wait_for(Busy::Doing, Job::Revoke { group, invite });
            }
        }
    }

    fn text_of(&self, id: &MessageId) -> Option<String> {
        let messages = &self.model.talk.as_ref()?.messages;
        messages.iter().find(|message| message.id == *id).map(|message| message.text.clone())
    }

    fn on_older(&mut self) {
        let Some(talk) = &mut self.model.talk else { return };
        let Some(oldest) = talk.messages.first() else { return };
        talk.loading = true;
        let job = Job::Older { group: talk.group, before: oldest.id };
        self.ask(job);
    }
}
