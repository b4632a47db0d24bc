//! How Kith looks, and the profile as a whole: another passphrase, and the end of everything.

use eframe::egui::{Align, Layout, Sense, Ui, UiBuilder, vec2};
use zeroize::{Zeroize as _, Zeroizing};

use crate::gui::{
    icons,
    model::{Action, Busy, Dialog, Model, Place, Secret},
    theme::{self, Palette},
    widgets::{Button, Field, card_ui, heading, label, paragraph, row_button, section},
    words::PASSPHRASE_LEN_MAX,
    zoom,
};

/// What one types to erase everything.
const ERASE: &str = "erase everything";

/// What is being typed in the dialogs.
pub(crate) struct Settings {
    old: String,
    new: String,
    again: String,
    shown: bool,
    erase: String,
    began: bool,
}

impl Settings {
    /// Nothing typed. Room is taken at once: a text that grows leaves copies of itself behind.
    pub(crate) fn new() -> Self {
        let room = || String::with_capacity(PASSPHRASE_LEN_MAX * 4);
        let (old, new, again) = (room(), room(), room());
        Self { old, new, again, shown: false, erase: String::new(), began: false }
    }
}

impl Drop for Settings {
    fn drop(&mut self) {
        for text in [&mut self.old, &mut self.new, &mut self.again] {
            text.zeroize();
        }
    }
}

/// The screen.
pub(crate) fn settings_ui(ui: &mut Ui, model: &Model) -> Option<Action> {
    let palette = Palette::of(ui.ctx());
    card_ui(ui, "Settings", 480.0, |ui| {
        heading(ui, "Settings", theme::SIZE_HEADING);
        ui.add_space(10.0);
        section(ui, "How it looks");
        let size = zoom::percent(ui.ctx());
        let mut action = None;
        let (row, _) = ui.allocate_exact_size(vec2(ui.available_width(), 44.0), Sense::hover());
        let place = UiBuilder::new().max_rect(row).layout(Layout::right_to_left(Align::Center));
        ui.scope_builder(place, |ui| {
            if Button::quiet("Larger").enabled(size < 250).pressed(ui) {
                action = Some(Action::Zoom(1));
            }
            if Button::quiet("Smaller").enabled(size > 100).pressed(ui) {
                action = Some(Action::Zoom(-1));
            }
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                let words = format!("Everything at {size} %");
                label(ui, &words, theme::SIZE_UI, 450.0, palette.text);
            });
        });
        let (icon, words) = if palette.dark {
            (icons::SUN, "Use the light colours")
        } else {
            (icons::MOON, "Use the dark colours")
        };
        if row_button(ui, icon, words).clicked() {
            action = Some(Action::SwitchTheme);
        }
        ui.add_space(12.0);
        section(ui, "This computer");
        if row_button(ui, icons::INFO, "Do you share this computer?").clicked() {
            action = Some(Action::Go(Place::Shared));
        }
        if row_button(ui, icons::KEY, "Change the passphrase").clicked() {
            action = Some(Action::Ask(Dialog::Passphrase));
        }
        if row_button(ui, icons::TRASH, "Erase everything here").clicked() {
            action = Some(Action::Ask(Dialog::Erase));
        }
        if let Some(done) = model.done {
            paragraph(ui, done, theme::SIZE_UI, palette.text);
        }
        ui.add_space(12.0);
        if Button::primary("Done").tall().pressed(ui) {
            action = Some(Action::Go(Place::Talk));
        }
        action
    })
}

/// What to know about a computer that others use too; then on to `next`.
pub(crate) fn shared_ui(ui: &mut Ui, next: Place) -> Option<Action> {
    let palette = Palette::of(ui.ctx());
    card_ui(ui, "Do you share this computer?", 480.0, |ui| {
        let title = "Do you share this computer, or might someone check it?";
        heading(ui, title, theme::SIZE_HEADING);
        ui.add_space(8.0);
        let lines = [
            "Kith looks plain, but it can still be found here.",
            "Spy software can see your screen, even in private apps.",
            "It may be safer to use another computer, like one at a library.",
            "You can lock Kith fast: press Ctrl and L.",
            "If deleting things in a hurry would be noticed, go slowly.",
        ];
        for line in lines {
            paragraph(ui, line, theme::SIZE_BODY, palette.text);
            ui.add_space(2.0);
        }
        ui.add_space(8.0);
        let words = "You can read this again later, under Settings.";
        if next == Place::Talk {
            paragraph(ui, words, theme::SIZE_PREVIEW, palette.muted);
            ui.add_space(4.0);
        }
        let go = Button::primary("Go on").tall().show(ui);
        if ui.memory(|memory| memory.focused().is_none()) {
            go.request_focus();
        }
        go.clicked().then_some(Action::Go(next))
    })
}

/// Another passphrase, in a dialog.
pub(crate) fn passphrase_ui(ui: &mut Ui, model: &Model, view: &mut Settings) -> Option<Action> {
    let palette = Palette::of(ui.ctx());
    let trouble = model.trouble.as_ref().map_or("", |trouble| match trouble.name {
        "wrong_passphrase" => "That is not the passphrase you have now. Nothing was changed.",
        _ => trouble.says.as_str(),
    });
    let old = Field::new("The one you have now", &mut view.old, PASSPHRASE_LEN_MAX)
        .secret(&mut view.shown)
        .error(trouble)
        .show(ui);
    if !view.began {
        old.request_focus();
        view.began = true;
    }
    Field::new("The new one", &mut view.new, PASSPHRASE_LEN_MAX)
        .secret(&mut view.shown)
        .help("A few words that you will remember. Longer is safer.")
        .show(ui);
    let differ = !view.again.is_empty() && view.new != view.again;
    Field::new("The new one again", &mut view.again, PASSPHRASE_LEN_MAX)
        .secret(&mut view.shown)
        .error(if differ { "The two are not the same yet." } else { "" })
        .show(ui);
    let words = "Nobody can reset it. Whoever had the old one and a copy of this disk can still open that copy.";
    paragraph(ui, words, theme::SIZE_PREVIEW, palette.muted);
    ui.add_space(4.0);
    let is_whole = !view.old.is_empty() && !view.new.is_empty() && view.new == view.again;
    let mut action = None;
    ui.horizontal_wrapped(|ui| {
        let busy = model.busy == Some(Busy::Doing);
        let words = if busy { "One moment…" } else { "Change it" };
        let ready = is_whole && model.busy.is_none();
        if Button::primary(words).tall().enabled(ready).pressed(ui) {
            let secret = |text: &String| Secret(Zeroizing::new(text.clone()));
            action = Some(Action::Rephrase(secret(&view.old), secret(&view.new)));
        }
        if Button::quiet("Keep the old one").tall().enabled(!busy).pressed(ui) {
            action = Some(Action::CloseDialog);
        }
    });
    action
}

/// The end of everything, in a dialog.
pub(crate) fn erase_ui(ui: &mut Ui, model: &Model, view: &mut Settings) -> Option<Action> {
    let palette = Palette::of(ui.ctx());
    let lines = [
        "All groups, words and keys on this computer go. Nobody can bring them back, you can't either.",
        "Others keep what they have. They don't see that you left.",
        "No program can promise that nothing is left on a disk. That Kith was here can still be found.",
    ];
    for line in lines {
        paragraph(ui, line, theme::SIZE_UI, palette.text);
    }
    ui.add_space(4.0);
    let trouble = model.trouble.as_ref().map_or("", |trouble| trouble.says.as_str());
    let field = Field::new("Type: erase everything", &mut view.erase, 40).error(trouble).show(ui);
    if !view.began {
        field.request_focus();
        view.began = true;
    }
    let is_meant = view.erase.trim().eq_ignore_ascii_case(ERASE);
    let mut action = None;
    ui.horizontal_wrapped(|ui| {
        let busy = model.busy.is_some();
        let words = if model.busy == Some(Busy::Doing) { "One moment…" } else { "Erase" };
        if Button::primary(words).tall().enabled(is_meant && !busy).pressed(ui) {
            action = Some(Action::Erase);
        }
        if Button::quiet("Keep everything").tall().enabled(!busy).pressed(ui) {
            action = Some(Action::CloseDialog);
        }
    });
    action
}
