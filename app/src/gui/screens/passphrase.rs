//! Choosing a passphrase on the first run, and giving it on every other.

use eframe::egui::{
    Align, Frame, Margin, Response, Role, Sense, Ui, Vec2, WidgetInfo, text::LayoutJob, vec2,
};
use zeroize::{Zeroize as _, Zeroizing};

use crate::gui::{
    icons,
    model::{Action, Busy, Model, Secret},
    theme::{self, Palette},
    widgets::{Button, Field, card_ui, entered, format, format_lines, paint_icon, wrapped},
    words::PASSPHRASE_LEN_MAX,
};

/// What is being typed.
pub(crate) struct Passphrase {
    first: String,
    second: String,
    shown: bool,
    began: bool,
    differ: bool,
}

impl Passphrase {
    /// Nothing typed. Room is taken at once: a text that grows leaves copies of itself behind.
    pub(crate) fn new() -> Self {
        let room = || String::with_capacity(PASSPHRASE_LEN_MAX * 4);
        Self { first: room(), second: room(), shown: false, began: false, differ: false }
    }

    /// Forgets what was typed.
    pub(crate) fn forget(&mut self) {
        self.first.zeroize();
        self.second.zeroize();
        self.shown = false;
        self.began = false;
        self.differ = false;
    }

    fn secret(&self) -> Secret {
        Secret(Zeroizing::new(self.first.clone()))
    }
}

impl Drop for Passphrase {
    fn drop(&mut self) {
        self.forget();
    }
}

/// The first run: a passphrase is chosen.
pub(crate) fn first_run_ui(ui: &mut Ui, model: &Model, view: &mut Passphrase) -> Option<Action> {
    card_ui(ui, "Choose a passphrase", 440.0, |ui| {
        crest(ui, "Welcome to Kith", "A passphrase locks what Kith keeps here.");
        let first = Field::new("Passphrase", &mut view.first, PASSPHRASE_LEN_MAX)
            .secret(&mut view.shown)
            .help("A few words that you will remember. Longer is safer.")
            .show(ui);
        begin(&first, &mut view.began);
        let differ = "The two are not the same yet.";
        let trouble = model.trouble.as_ref().map_or("", |trouble| trouble.says.as_str());
        let error = if view.differ && view.first != view.second { differ } else { trouble };
        let second = Field::new("The same again", &mut view.second, PASSPHRASE_LEN_MAX)
            .secret(&mut view.shown)
            .error(error)
            .show(ui);
        note(ui);
        let ready = !view.first.is_empty() && !view.second.is_empty() && model.busy.is_none();
        let words =
            if model.busy == Some(Busy::Opening) { "One moment…" } else { "Set passphrase" };
        let pressed = Button::primary(words).full().enabled(ready).pressed(ui);
        let entered_second = entered(ui, &second);
        if entered(ui, &first) {
            second.request_focus();
        }
        if !(ready && (pressed || entered_second)) {
            return None;
        }
        view.differ = view.first != view.second;
        if view.differ {
            second.request_focus();
            return None;
        }
        Some(Action::CreateProfile(view.secret()))
    })
}

/// Every other run: it is given.
pub(crate) fn unlock_ui(ui: &mut Ui, model: &Model, view: &mut Passphrase) -> Option<Action> {
    card_ui(ui, "Unlock", 420.0, |ui| {
        crest(ui, "Welcome back", "Your messages are locked on this computer.");
        let error = model.trouble.as_ref().map_or("", |trouble| match trouble.name {
            "wrong_passphrase" => "That did not open it. Check capital letters and try again.",
            _ => trouble.says.as_str(),
        });
        let field = Field::new("Passphrase", &mut view.first, PASSPHRASE_LEN_MAX)
            .secret(&mut view.shown)
            .error(error)
            .show(ui);
        begin(&field, &mut view.began);
        let ready = !view.first.is_empty() && model.busy.is_none();
        let words = if model.busy == Some(Busy::Opening) { "One moment…" } else { "Unlock" };
        let pressed = Button::primary(words).full().enabled(ready).pressed(ui);
        let entered = entered(ui, &field);
        (ready && (pressed || entered)).then(|| Action::Unlock(view.secret()))
    })
}

/// A lock, a greeting and a sentence, in the middle.
fn crest(ui: &mut Ui, title: &str, sentence: &str) {
    let palette = Palette::of(ui.ctx());
    // In a low window what one needs comes first.
    let high = ui.ctx().content_rect().height() >= 460.0;
    ui.scope(|ui| {
        if !high {
            return;
        }
        ui.vertical_centered(|ui| {
            let (rect, _) = ui.allocate_exact_size(Vec2::splat(56.0), Sense::hover());
            ui.painter().rect_filled(rect, 16, palette.accent_soft);
            paint_icon(ui, rect.center(), icons::LOCK, 28.0, palette.on_accent_soft);
        });
        ui.add_space(8.0);
    });
    centred(ui, title, theme::SIZE_HEADING, 640.0, true);
    centred(ui, sentence, theme::SIZE_UI, 400.0, false);
    ui.add_space(14.0);
}

fn centred(ui: &mut Ui, text: &str, size: f32, weight: f32, title: bool) {
    let palette = Palette::of(ui.ctx());
    let ink = if title { palette.text } else { palette.muted };
    let mut form = format(size, weight, ink);
    form.line_height = Some((size * 1.4).round());
    let mut job = LayoutJob::single_section(text.to_owned(), form);
    job.wrap.max_width = ui.available_width();
    job.halign = Align::Center;
    let galley = ui.painter().layout_job(job);
    let size = vec2(ui.available_width(), galley.size().y);
    let (rect, response) = ui.allocate_exact_size(size, Sense::hover());
    let role = if title { Role::Heading } else { Role::Label };
    response.widget_info(|| WidgetInfo::labeled(role, true, text));
    ui.painter().galley(rect.center_top(), galley, ink);
}

/// What nobody can do for one.
fn note(ui: &mut Ui) {
    let palette = Palette::of(ui.ctx());
    let words = "Nobody can reset it, and nobody else has it. Without it, what Kith keeps here cannot be read again. You may want to write it down and keep it safe.";
    Frame::NONE
        .fill(palette.accent_soft)
        .corner_radius(theme::RADIUS_ROW)
        .inner_margin(Margin::symmetric(14, 12))
        .show(ui, |ui| {
            let ink = format(theme::SIZE_PREVIEW, 450.0, palette.on_accent_soft);
            let ink = format_lines(ink, 19.0);
            let galley = wrapped(ui, words, ink, ui.available_width());
            let size = vec2(ui.available_width(), galley.size().y);
            let (rect, response) = ui.allocate_exact_size(size, Sense::hover());
            response.widget_info(|| WidgetInfo::labeled(Role::Label, true, words));
            ui.painter().galley(rect.min, galley, palette.on_accent_soft);
        });
    ui.add_space(10.0);
}

/// Gives the first field the focus when the screen opens.
fn begin(field: &Response, began: &mut bool) {
    if !*began {
        field.request_focus();
        *began = true;
    }
}
