//! The window.
//!
//! ```text
//! Backend <── Desk (two threads) <── Job ── Gui ── Action <── views
//!                    └── Update ──> Model ──────────────────> views
//! ```
//!
//! Nothing here waits for the program below: [`desk`] asks, and what it heard changes the [`model`]
//! before the next frame. Nothing is drawn while nothing happens.
//!
//! Read next: [`model`], for what is shown and what a person can do.

mod clock;
mod colour;
mod desk;
#[cfg(test)]
mod flows;
mod fonts;
mod icons;
mod model;
mod screens;
mod talk;
#[cfg(test)]
mod testing;
mod theme;
mod widgets;
mod words;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use eframe::egui::{CentralPanel, Color32, Context, Frame, Theme, Ui, ViewportBuilder, Visuals};

use self::{
    clock::Clock,
    desk::Desk,
    model::{Action, Busy, Job, Model, Place, Update},
    screens::{Join, Passphrase, Start, first_run_ui, unlock_ui},
    talk::{TalkView, talk_ui},
    theme::Palette,
};
use crate::backend::{Backend, Profile, Trouble};

/// The window's title, whatever is open in it: other programs can read it.
const TITLE: &str = "Kith";

/// Shows the window until it is closed.
///
/// On the main thread, which belongs to the window system. The error is one line for a person.
pub(crate) fn run(backend: Arc<dyn Backend>) -> Result<(), String> {
    let viewport = ViewportBuilder::default()
        .with_title(TITLE)
        .with_app_id("kith")
        .with_inner_size([1280.0, 820.0])
        .with_min_inner_size([420.0, 360.0]);
    let options = eframe::NativeOptions { viewport, ..eframe::NativeOptions::default() };
    let create: eframe::AppCreator<'_> = Box::new(move |context| {
        set_up(&context.egui_ctx);
        let gui = Gui::new(&context.egui_ctx, &backend, Clock::system())?;
        Ok(Box::new(gui))
    });
    eframe::run_native(TITLE, options, create).map_err(|error| error.to_string())
}

/// Typefaces, styles and the first palette.
fn set_up(ctx: &Context) {
    fonts::install(ctx);
    theme::apply(ctx);
    ctx.set_theme(ctx.system_theme().unwrap_or(Theme::Light));
}

/// The window: what it shows, what is being typed, and who is asked.
struct Gui {
    model: Model,
    desk: Desk,
    /// The program below has something to read.
    stale: Arc<AtomicBool>,
    /// It is being read.
    reading: bool,
    passphrase: Passphrase,
    start: Start,
    join: Join,
    talk: TalkView,
}

impl Gui {
    /// A window over this program.
    fn new(ctx: &Context, backend: &Arc<dyn Backend>, clock: Clock) -> std::io::Result<Self> {
        let waker = ctx.clone();
        let desk = Desk::new(backend, move || waker.request_repaint())?;
        Ok(Self::at(ctx, backend, desk, clock))
    }

    /// A window with this desk.
    fn at(ctx: &Context, backend: &Arc<dyn Backend>, desk: Desk, clock: Clock) -> Self {
        let stale = Arc::new(AtomicBool::new(true));
        let (flag, waker) = (Arc::clone(&stale), ctx.clone());
        backend.watch(Box::new(move || {
            flag.store(true, Ordering::Release);
            waker.request_repaint();
        }));
        Self {
            model: Model::new(clock),
            desk,
            stale,
            reading: false,
            passphrase: Passphrase::new(),
            start: Start::new(),
            join: Join::default(),
            talk: TalkView::new(),
        }
    }

    /// Takes in what the desk heard, and asks again when something may have changed.
    fn catch_up(&mut self) {
        self.model.clock.tick();
        let updates: Vec<Update> = self.desk.updates().collect();
        for update in updates {
            self.reading &= !matches!(update, Update::Read(_));
            self.before(&update);
            if let Some(job) = self.model.apply(update) {
                self.ask(job);
            }
        }
        if let Some((group, text)) = self.model.returned.take() {
            self.talk.give_back(group, &text);
        }
        if !self.reading && self.stale.swap(false, Ordering::AcqRel) {
            self.reading = true;
            self.ask(self.model.reading());
        }
    }

    /// What was typed is forgotten once it has done its work.
    fn before(&mut self, update: &Update) {
        match update {
            Update::Opened(Ok(())) => self.passphrase.forget(),
            Update::Locked(Ok(())) => self.forget(),
            Update::Started(Ok(_)) => self.start = Start::new(),
            Update::Joined(Ok(_)) => self.join = Join::default(),
            Update::Read(reading) => {
                if reading.profile != Profile::Open && self.model.profile == Some(Profile::Open) {
                    self.forget();
                }
            }
            Update::Opened(Err(_))
            | Update::Locked(Err(_))
            | Update::Started(Err(_))
            | Update::Joined(Err(_))
            | Update::Older { .. }
            | Update::Said { .. }
            | Update::Looked { .. }
            | Update::Invited { .. } => {}
        }
    }

    /// Nothing of an open profile stays in a locked window.
    fn forget(&mut self) {
        self.passphrase.forget();
        self.start = Start::new();
        self.join = Join::default();
        self.talk = TalkView::new();
    }

    /// Leaves a job at the desk. A desk that is full is said to be busy, and no words are lost.
    fn ask(&mut self, job: Job) {
        let Err(job) = self.desk.ask(job) else { return };
        match job {
            Job::Read { .. } => {
                self.reading = false;
                self.stale.store(true, Ordering::Release);
                return;
            }
            Job::Say { group, text } => self.talk.give_back(group, &text),
            Job::Older { .. }
            | Job::CreateProfile(_)
            | Job::Unlock(_)
            | Job::Lock
            | Job::Start(_)
            | Job::Look(_)
            | Job::Accept { .. }
            | Job::Invite(_) => self.model.busy = None,
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
    fn on_action(&mut self, ctx: &Context, action: Action) {
        match action {
            Action::CreateProfile(secret) => {
                self.wait_for(Busy::Opening, Job::CreateProfile(secret));
            }
            Action::Unlock(secret) => self.wait_for(Busy::Opening, Job::Unlock(secret)),
            Action::Lock => self.ask(Job::Lock),
            Action::Go(place) => {
                self.model.place = place;
                self.model.trouble = None;
                self.start.reopen();
                self.join.reopen();
            }
            Action::Open(group) => {
                self.model.trouble = None;
                self.model.open(group);
                self.ask(self.model.reading());
            }
            Action::Older => self.on_older(),
            Action::Say(text) => {
                self.talk.go_newest();
                if let Some(group) = self.model.talk.as_ref().map(|talk| talk.group) {
                    self.model.trouble = None;
                    self.ask(Job::Say { group, text });
                }
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
            Action::Invite => {
                if let Some(group) = self.model.talk.as_ref().map(|talk| talk.group) {
                    self.wait_for(Busy::Inviting, Job::Invite(group));
                }
            }
            Action::CloseInvitation => self.model.invitation = None,
            Action::Copy(text) => ctx.copy_text(text),
            Action::SwitchTheme => ctx.set_theme(match ctx.theme() {
                Theme::Dark => Theme::Light,
                Theme::Light => Theme::Dark,
            }),
            Action::SwitchDetails => self.model.details = !self.model.details,
            Action::CloseTrouble => self.model.trouble = None,
        }
        ctx.request_repaint();
    }

    fn on_older(&mut self) {
        let Some(talk) = &mut self.model.talk else { return };
        let Some(oldest) = talk.messages.first() else { return };
        talk.loading = true;
        let job = Job::Older { group: talk.group, before: oldest.id };
        self.ask(job);
    }

    /// One frame: draws, then does what a person asked for.
    fn frame(&mut self, ui: &mut Ui) {
        if let Some(action) = self.draw(ui) {
            let ctx = ui.ctx().clone();
            self.on_action(&ctx, action);
        }
    }

    /// Draws the screen that is due.
    fn draw(&mut self, ui: &mut Ui) -> Option<Action> {
        match self.model.profile {
            None => {
                let fill = Frame::NONE.fill(Palette::of(ui.ctx()).rail);
                CentralPanel::no_frame().frame(fill).show(ui, |_| None).inner
            }
            Some(Profile::None) => first_run_ui(ui, &self.model, &mut self.passphrase),
            Some(Profile::Locked) => unlock_ui(ui, &self.model, &mut self.passphrase),
            Some(Profile::Open) => {
                let views = (&mut self.talk, &mut self.start, &mut self.join);
                talk_ui(ui, &self.model, views)
            }
        }
    }
}

impl eframe::App for Gui {
    fn logic(&mut self, _ctx: &Context, _frame: &mut eframe::Frame) {
        self.catch_up();
    }

    fn ui(&mut self, ui: &mut Ui, _frame: &mut eframe::Frame) {
        self.frame(ui);
    }

    fn clear_color(&self, visuals: &Visuals) -> [f32; 4] {
        let fill: Color32 = visuals.panel_fill;
        fill.to_normalized_gamma_f32()
    }

    fn persist_egui_memory(&self) -> bool {
        false
    }
}
