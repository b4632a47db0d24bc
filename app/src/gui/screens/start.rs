//! Starting a group: its name, why it meets, how long words stay, what is agreed on line by line, and one's
//! own name in it.

use eframe::egui::{Rect, Ui, UiBuilder, Vec2, pos2};

use crate::backend::NewGroup;
use crate::gui::{
    icons,
    model::{Action, Busy, Model, Place},
    theme::{self, Palette},
    widgets::{Button, Field, card_ui, choice, entered, heading, icon_button, label, paragraph},
    words::{AGREEMENT_LEN_MAX, NAME_LEN_MAX, REASON_LEN_MAX, STARTER_AGREEMENT},
};

/// How long words may stay, in days, and how that is said; 0 days: for good.
const STAYS: [(u16, &str); 6] = [
    (1, "1 day"),
    (7, "7 days"),
    (30, "30 days"),
    (90, "90 days"),
    (365, "1 year"),
    (0, "For good"),
];

/// Most letters of one line.
const LINE_LEN_MAX: usize = 240;

/// Most lines.
const LINES_MAX: usize = 20;

/// What is being typed.
#[derive(Debug)]
pub(crate) struct Start {
    name: String,
    reason: String,
    lines: Vec<(u32, String)>,
    next: u32,
    stay: Option<u16>,
    pseudonym: String,
    began: bool,
    added: Option<u32>,
}

impl Start {
    /// Nothing typed but the starter text.
    pub(crate) fn new() -> Self {
        let lines: Vec<(u32, String)> =
            (1..).zip(STARTER_AGREEMENT.lines().map(str::to_owned)).collect();
        Self {
            name: String::new(),
            reason: String::new(),
            next: lines.last().map_or(1, |(id, _)| id.saturating_add(1)),
            lines,
            stay: None,
            pseudonym: String::new(),
            began: false,
            added: None,
        }
    }

    /// The screen opens again, with what was typed.
    pub(crate) fn reopen(&mut self) {
        self.began = false;
    }

    /// Words stay so many days; the agreement says so, unless that line was changed.
    fn set_stay(&mut self, days: u16) {
        let before = self.stay.map(stay_line);
        let line = stay_line(days);
        self.stay = Some(days);
        let old = self.lines.iter_mut().find(|(_, text)| Some(text) == before.as_ref());
        match old {
            Some((_, text)) => *text = line,
            None if before.is_none() => self.add(line),
            None => {}
        }
    }

    fn add(&mut self, line: String) {
        self.lines.push((self.next, line));
        self.next = self.next.saturating_add(1);
    }

    fn agreement(&self) -> String {
        let lines = self.lines.iter().map(|(_, line)| line.trim());
        lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
    }

    /// What is still to be said.
    fn needed(&self) -> Vec<&'static str> {
        let is_empty = |text: &str| text.trim().is_empty();
        let all = [
            (is_empty(&self.name), "what the group is called"),
            (is_empty(&self.reason), "why you meet"),
            (self.stay.is_none(), "how long words stay"),
            (is_empty(&self.pseudonym), "what people should call you"),
        ];
        all.into_iter().filter(|(lacks, _)| *lacks).map(|(_, what)| what).collect()
    }

    /// The group, when nothing is missing.
    fn group(&self) -> Option<NewGroup> {
        let [name, reason, pseudonym] =
            [&self.name, &self.reason, &self.pseudonym].map(|text| text.trim().to_owned());
        let agreement = self.agreement();
        let missing = name.is_empty() || reason.is_empty() || pseudonym.is_empty();
        let fits = agreement.chars().count() <= AGREEMENT_LEN_MAX;
        let words_stay_days = self.stay.filter(|_| !missing && fits)?;
        Some(NewGroup {
            name,
            reason,
            agreement,
            pseudonym,
            consent_hours: None,
            words_stay_days: Some(words_stay_days),
        })
    }
}

/// How the agreement says how long words stay.
fn stay_line(days: u16) -> String {
    let said = STAYS.iter().find(|(stay, _)| *stay == days).map_or("", |(_, said)| said);
    if days == 0 {
        "Our words stay until we take them back.".to_owned()
    } else {
        format!("Our words fade after {said}.")
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
        stay_ui(ui, view);
        agreement_ui(ui, view);
        let last =
            Field::new("What should people here call you?", &mut view.pseudonym, NAME_LEN_MAX)
                .help("A new name is safest. Try not to use one from anywhere else.")
                .error(model.trouble.as_ref().map_or("", |trouble| trouble.says.as_str()))
                .show(ui);
        let entered = entered(ui, &last);
        buttons(ui, model, view, entered)
    })
}

/// How long words stay. Nobody chooses it for the group.
fn stay_ui(ui: &mut Ui, view: &mut Start) {
    let palette = Palette::of(ui.ctx());
    label(ui, "How long do words stay?", theme::SIZE_PREVIEW, 560.0, palette.text);
    ui.horizontal_wrapped(|ui| {
        for (days, said) in STAYS {
            if choice(ui, said, view.stay == Some(days)).clicked() {
                view.set_stay(days);
            }
        }
    });
    let words =
        "Then every device forgets them. It is the same for everyone, and stays so for this group.";
    paragraph(ui, words, theme::SIZE_SMALL, palette.muted);
    ui.add_space(8.0);
}

/// The agreement: each line is kept, changed or dropped.
fn agreement_ui(ui: &mut Ui, view: &mut Start) {
    let palette = Palette::of(ui.ctx());
    label(ui, "Our agreement", theme::SIZE_PREVIEW, 560.0, palette.text);
    let words = "How people here look after each other. Keep, change or drop each line.";
    paragraph(ui, words, theme::SIZE_SMALL, palette.muted);
    ui.add_space(2.0);
    let mut dropped = None;
    let added = view.added.take();
    for (nth, (id, line)) in (1..).zip(&mut view.lines) {
        let top = ui.cursor().min;
        let room = ui.available_width();
        let place = Rect::from_min_size(top, Vec2::new(room - 40.0, 40.0));
        let name = format!("Line {nth}");
        let field = ui
            .scope_builder(UiBuilder::new().id_salt(("line", *id)).max_rect(place), |ui| {
                Field::new(&name, line, LINE_LEN_MAX).bare().show(ui)
            })
            .inner;
        if added == Some(*id) {
            field.request_focus();
        }
        let at = pos2(top.x + room - 16.0, field.rect.center().y);
        let place = Rect::from_center_size(at, Vec2::splat(32.0));
        let mut child = ui.new_child(UiBuilder::new().id_salt(("drop", *id)).max_rect(place));
        if icon_button(&mut child, icons::X, &format!("Drop line {nth}"), 32.0).clicked() {
            dropped = Some(*id);
        }
    }
    if let Some(id) = dropped {
        view.lines.retain(|(line, _)| *line != id);
    }
    if Button::quiet("Add a line").enabled(view.lines.len() < LINES_MAX).pressed(ui) {
        view.added = Some(view.next);
        view.add(String::new());
    }
    if view.agreement().chars().count() > AGREEMENT_LEN_MAX {
        let words = "That is more than people will read. Please make it shorter.";
        paragraph(ui, words, theme::SIZE_PREVIEW, palette.danger);
    }
    ui.add_space(12.0);
}

fn buttons(ui: &mut Ui, model: &Model, view: &Start, entered: bool) -> Option<Action> {
    let group = view.group();
    let ready = group.is_some() && model.busy.is_none();
    let words =
        if model.busy == Some(Busy::Starting) { "One moment…" } else { "Start the group" };
    let mut action = None;
    let needed = view.needed();
    if !needed.is_empty() {
        let palette = Palette::of(ui.ctx());
        let words = format!("Still needed: {}.", needed.join(", "));
        paragraph(ui, &words, theme::SIZE_PREVIEW, palette.muted);
    }
    ui.add_space(4.0);
    ui.horizontal_wrapped(|ui| {
        let pressed = Button::primary(words).tall().enabled(ready).pressed(ui);
        if ready && (pressed || entered) {
            action = group.map(Action::Start);
        }
        if Button::quiet("Not now").tall().pressed(ui) {
            action = Some(Action::Go(Place::Talk));
        }
    });
    action
}
