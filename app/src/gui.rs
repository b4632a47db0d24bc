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

mod acting;
mod asks;
mod clock;
mod colour;
mod desk;
mod drafts;
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
mod zoom;

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use eframe::egui::{
    CentralPanel, Color32, Context, Frame, Key, Modifiers, Theme, Ui, ViewportBuilder, Visuals,
};
use proto::GroupId;

use self::{
    clock::Clock,
    desk::Desk,
    model::{Action, Did, Job, Model, Place, Update},
    screens::{Join, Passphrase, Settings, Start, first_run_ui, shared_ui, unlock_ui},
    talk::{TalkView, talk_ui},
    theme::Palette,
};
use crate::backend::{Appearance, Backend, Drafts, Profile, Trouble};

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
    ctx.options_mut(|options| options.zoom_with_keyboard = false);
    ctx.set_theme(ctx.system_theme().unwrap_or(Theme::Light));
}

/// Sizes and colours as they were chosen.
fn show_as(ctx: &Context, appearance: Appearance) {
    zoom::set(ctx, appearance.percent);
    if let Some(dark) = appearance.dark {
        ctx.set_theme(if dark { Theme::Dark } else { Theme::Light });
    }
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
    settings: Settings,
    talk: TalkView,
    appearance: Appearance,
    /// The groups whose drafts were asked for.
    asked_drafts: BTreeSet<GroupId>,
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
        let appearance = backend.appearance();
        show_as(ctx, appearance);
        Self {
            model: Model::new(clock),
            desk,
            stale,
            reading: false,
            passphrase: Passphrase::new(),
            start: Start::new(),
            join: Join::default(),
            settings: Settings::new(),
            talk: TalkView::new(),
            appearance,
            asked_drafts: BTreeSet::new(),
        }
    }

    /// Takes in what the desk heard, and asks again when something may have changed.
    fn catch_up(&mut self, ctx: &Context) {
        self.model.clock.tick();
        let updates: Vec<Update> = self.desk.updates().collect();
        for update in updates {
            self.reading &= !matches!(update, Update::Read(_));
            self.before(&update);
            if let Some(job) = self.model.apply(update) {
                self.ask(job);
            }
        }
        if !self.reading && self.stale.swap(false, Ordering::AcqRel) {
            self.reading = true;
            self.ask(self.model.reading());
        }
        if let Some(wait_ms) = self.model.missing_wait_ms() {
            ctx.request_repaint_after(Duration::from_millis(wait_ms));
        }
        self.see_to_drafts(ctx);
    }

    /// Reads what was being written, keeps what is, and lets go what has waited long enough.
    fn see_to_drafts(&mut self, ctx: &Context) {
        if self.model.profile != Some(Profile::Open) {
            return;
        }
        let groups = self.model.groups.iter().map(|group| group.group);
        let unknown: Vec<GroupId> =
            groups.filter(|group| self.asked_drafts.insert(*group)).collect();
        if !unknown.is_empty() {
            self.ask(Job::Drafts(unknown));
        }
        let now_ms = self.model.clock.now_ms();
        for (group, said, again) in self.talk.drafts.due(now_ms) {
            self.ask(Job::Say { group, said, again });
        }
        self.keep_drafts(false);
        if let Some(wait_ms) = self.talk.drafts.wait_ms(now_ms) {
            ctx.request_repaint_after(Duration::from_millis(wait_ms.max(1)));
        }
    }

    /// Keeps what is being written: what is due, or all of it.
    fn keep_drafts(&mut self, all: bool) {
        for (group, drafts) in self.talk.drafts.take_changed(self.model.clock.now_ms(), all) {
            self.ask(Job::Keep { group, drafts });
        }
    }

    /// What was typed is forgotten once it has done its work.
    fn before(&mut self, update: &Update) {
        match update {
            Update::Opened(Ok(())) | Update::Did(Did::Rephrased, Ok(())) => self.forget_secrets(),
            Update::Locked(Ok(())) | Update::Did(Did::Erased, Ok(())) => self.forget(),
            Update::Started(Ok(_)) => self.start = Start::new(),
            Update::Joined(Ok(_)) => self.join = Join::default(),
            Update::Read(reading) => {
                if reading.profile != Profile::Open && self.model.profile == Some(Profile::Open) {
                    self.forget();
                }
            }
            Update::Said { group, said, done } => {
                self.talk.drafts.on_said(*group, said, done.is_ok());
            }
            Update::Drafts(all) => {
                for (group, drafts) in all {
                    let kept = drafts.clone().unwrap_or_else(|trouble| {
                        let says = "What you were writing could not be read back.";
                        let says = format!("{says} {}", trouble.says);
                        self.model.trouble = Some(Trouble::new(trouble.name, says));
                        Drafts::default()
                    });
                    self.talk.drafts.on_kept(*group, kept);
                }
            }
            Update::Kept { group: Some(group), done: Err(_) } => {
                self.talk.drafts.on_unkept(*group, self.model.clock.now_ms());
            }
            Update::Opened(Err(_))
            | Update::Locked(Err(_))
            | Update::Started(Err(_))
            | Update::Joined(Err(_))
            | Update::Did(..)
            | Update::Kept { .. }
            | Update::Where(_)
            | Update::Known(_)
            | Update::Words(_)
            | Update::Older { .. }
            | Update::Looked { .. }
            | Update::Invited { .. } => {}
        }
    }

    /// What was typed of passphrases goes.
    fn forget_secrets(&mut self) {
        self.passphrase.forget();
        self.settings = Settings::new();
    }

    /// Nothing of an open profile stays in a locked window.
    fn forget(&mut self) {
        self.forget_secrets();
        self.asked_drafts.clear();
        self.start = Start::new();
        self.join = Join::default();
        self.talk = TalkView::new();
    }

    /// One frame: draws, then does what a person asked for.
    fn frame(&mut self, ui: &mut Ui) {
        let ctx = ui.ctx().clone();
        let by = zoom::keys(&ctx);
        if by != 0 {
            self.on_action(&ctx, Action::Zoom(by));
        }
        let is_open = self.model.profile == Some(Profile::Open);
        let lock = ctx.input_mut(|input| input.consume_key(Modifiers::COMMAND, Key::L));
        let drawn = self.draw(ui);
        self.model.at_newest = self.talk.is_at_newest();
        let action = drawn.or_else(|| (is_open && lock).then_some(Action::Lock));
        if let Some(action) = action {
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
            Some(Profile::None) if self.model.place == Place::Shared => shared_ui(ui, Place::Talk),
            Some(Profile::None) => first_run_ui(ui, &self.model, &mut self.passphrase),
            Some(Profile::Locked) => unlock_ui(ui, &self.model, &mut self.passphrase),
            Some(Profile::Open) => {
                let views = (&mut self.talk, &mut self.start, &mut self.join, &mut self.settings);
                talk_ui(ui, &self.model, views)
            }
        }
    }
}

impl eframe::App for Gui {
    fn logic(&mut self, ctx: &Context, _frame: &mut eframe::Frame) {
        self.catch_up(ctx);
    }

    fn ui(&mut self, ui: &mut Ui, _frame: &mut eframe::Frame) {
        self.frame(ui);
    }

    fn clear_color(&self, visuals: &Visuals) -> [f32; 4] {
        let fill: Color32 = visuals.panel_fill;
        fill.to_normalized_gamma_f32()
    }

    fn on_exit(&mut self, _gl: Option<&eframe::glow::Context>) {
        self.keep_drafts(true);
        self.desk.finish();
    }

    fn persist_egui_memory(&self) -> bool {
        false
    }
}
