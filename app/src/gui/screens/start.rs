//! Starting a group: its name, why it meets, what is agreed on, and one's own name in it.

use eframe::egui::Ui;

use crate::backend::NewGroup;
use crate::gui::{
    model::{Action, Busy, Model, Place},
    theme::{self, Palette},
    widgets::{Button, Field, card_ui, heading, paragraph},
    words::{AGREEMENT_LEN_MAX, NAME_LEN_MAX, REASON_LEN_MAX, STARTER_AGREEMENT},
};

/// What is being typed.
#[derive(Debug)]
pub(crate) struct Start {
    name: String,
    reason: String,
    agreement: String,
    pseudonym: String,
    began: bool,
}

impl Start {
    /// Nothing typed but the starter text.
    pub(crate) fn new() -> Self {
        Self {
            name: String::new(),
            reason: String::new(),
            agreement: STARTER_AGREEMENT.to_owned(),
            pseudonym: String::new(),
            began: false,
        }
    }

    /// The screen opens again, with what was typed.
    pub(crate) fn reopen(&mut self) {
        self.began = false;
    }

    /// The group, when nothing is missing.
    fn group(&self) -> Option<NewGroup> {
        let [name, reason, agreement, pseudonym] =
            [&self.name, &self.reason, &self.agreement, &self.pseudonym]
                .map(|text| text.trim().to_owned());
        let missing = name.is_empty() || reason.is_empty() || pseudonym.is_empty();
        (!missing).then_some(NewGroup {
            name,
            reason,
            agreement,
            pseudonym,
            consent_hours: None,
            words_stay_days: None,
        })
    }
}

/// Starts a group.
pub(crate) fn start_ui(ui: &mut Ui, model: &Model, view: &mut Start) -> Option<Action> {
    let palette = Palette::of(ui.ctx());
    card_ui(ui, "Start a group", 560.0, |ui| {
        heading(ui, "Start a group", theme::SIZE_HEADING);
        let words = "Everyone in a group is equal. No one is in charge.";
        paragraph(ui, words, theme::SIZE_UI, palette.muted);
        ui.add_space(12.0);
        let first = Field::new("What is the group called?", &mut view.name, NAME_LEN_MAX)
            .hint("Tuesday")
            .help("A plain name is safest. It shows on the screens of everyone in it.")
            .show(ui);
        if !view.began {
            first.request_focus();
            view.began = true;
        }
        Field::new("Why we meet", &mut view.reason, REASON_LEN_MAX)
            .hint("We meet because…")
            .help("People read this before they join.")
            .rows(2)
            .show(ui);
        Field::new("Our agreement", &mut view.agreement, AGREEMENT_LEN_MAX)
            .help("How people here look after each other. Keep, change or drop each line.")
            .rows(8)
            .show(ui);
        Field::new("What should people here call you?", &mut view.pseudonym, NAME_LEN_MAX)
            .help("A new name is safest. Try not to use one from anywhere else.")
            .error(model.trouble.as_ref().map_or("", |trouble| trouble.says.as_str()))
            .show(ui);
        buttons(ui, model, view)
    })
}

fn buttons(ui: &mut Ui, model: &Model, view: &Start) -> Option<Action> {
    let group = view.group();
    let ready = group.is_some() && model.busy.is_none();
    let words =
        if model.busy == Some(Busy::Starting) { "One moment…" } else { "Start the group" };
    let mut action = None;
    ui.add_space(4.0);
    ui.horizontal_wrapped(|ui| {
        if Button::primary(words).tall().enabled(ready).pressed(ui) {
            action = group.map(Action::Start);
        }
        if Button::quiet("Not now").tall().pressed(ui) {
            action = Some(Action::Go(Place::Talk));
        }
    });
    action
}
