//! Joining: the link, a look at why they meet and what was agreed on, then a name and yes.

use eframe::egui::{Frame, Margin, Rect, Role, Sense, Ui, WidgetInfo};

use crate::backend::Look;
use crate::gui::{
    model::{Action, Busy, Model, Place},
    theme::{self, Palette},
    widgets::{Button, Field, card_ui, entered, focus_ring, heading, paragraph, reveal, section},
    words::{LINK_LEN_MAX, NAME_LEN_MAX},
};

/// What is being typed.
#[derive(Debug, Default)]
pub(crate) struct Join {
    link: String,
    pseudonym: String,
    began: bool,
    looked: bool,
}

impl Join {
    /// The screen opens again, with what was typed.
    pub(crate) fn reopen(&mut self) {
        self.began = false;
        self.looked = false;
    }
}

/// Joins a group.
pub(crate) fn join_ui(ui: &mut Ui, model: &Model, view: &mut Join) -> Option<Action> {
    card_ui(ui, "Join a group", 520.0, |ui| match &model.look {
        None => link_ui(ui, model, view),
        Some((_, look)) => agree_ui(ui, model, view, look),
    })
}

/// The link.
fn link_ui(ui: &mut Ui, model: &Model, view: &mut Join) -> Option<Action> {
    let palette = Palette::of(ui.ctx());
    view.looked = false;
    heading(ui, "Join with an invitation", theme::SIZE_HEADING);
    let words =
        "Paste the link that someone gave you. You will see why they meet before you decide.";
    paragraph(ui, words, theme::SIZE_UI, palette.muted);
    ui.add_space(12.0);
    let field = Field::new("Invitation link", &mut view.link, LINK_LEN_MAX)
        .hint("kith:…")
        .error(model.trouble.as_ref().map_or("", |trouble| trouble.says.as_str()))
        .show(ui);
    if !view.began {
        field.request_focus();
        view.began = true;
    }
    let entered = entered(ui, &field);
    let busy = model.busy == Some(Busy::Looking);
    let ready = !view.link.trim().is_empty() && model.busy.is_none();
    let mut action = None;
    ui.horizontal_wrapped(|ui| {
        let words = if busy { "Asking…" } else { "Have a look" };
        let pressed = Button::primary(words).tall().enabled(ready).pressed(ui);
        if ready && (pressed || entered) {
            action = Some(Action::Look(link_in(&view.link)));
        }
        if Button::quiet("Not now").tall().pressed(ui) {
            action = Some(Action::Go(Place::Talk));
        }
    });
    if busy {
        ui.add_space(6.0);
        let words = "Looking for someone who can show it to you. This can take a moment.";
        paragraph(ui, words, theme::SIZE_PREVIEW, palette.muted);
    }
    action
}

/// What they meet for, and the yes.
fn agree_ui(ui: &mut Ui, model: &Model, view: &mut Join, look: &Look) -> Option<Action> {
    let palette = Palette::of(ui.ctx());
    heading(ui, "You've been invited", theme::SIZE_HEADING);
    let words = "Have a look before you decide. This is how people here look after each other.";
    paragraph(ui, words, theme::SIZE_UI, palette.muted);
    ui.add_space(12.0);
    let shown = Frame::NONE
        .fill(palette.rail)
        .corner_radius(theme::RADIUS_ROW)
        .inner_margin(Margin { left: 16, right: 16, top: 14, bottom: 14 })
        .show(ui, |ui| {
            ui.set_width(ui.available_width());
            section(ui, "Why we meet");
            paragraph(ui, &look.reason, theme::SIZE_BODY, palette.text);
            if !look.agreement.trim().is_empty() {
                ui.add_space(10.0);
                section(ui, "Our agreement");
                for line in look.agreement.lines().filter(|line| !line.trim().is_empty()) {
                    paragraph(ui, line, theme::SIZE_UI, palette.text);
                }
            }
        });
    read_first(ui, shown.response.rect, view, look);
    ui.add_space(10.0);
    let words = "You won't see what was said before you came. It was said to the people who were here then. There's no need to introduce yourself. Reading is joining in.";
    paragraph(ui, words, theme::SIZE_PREVIEW, palette.muted);
    ui.add_space(10.0);
    let field = Field::new("What should people here call you?", &mut view.pseudonym, NAME_LEN_MAX)
        .help("A new name is safest. Try not to use one from anywhere else.")
        .error(model.trouble.as_ref().map_or("", |trouble| trouble.says.as_str()))
        .show(ui);
    let busy = model.busy == Some(Busy::Joining);
    let ready = !view.pseudonym.trim().is_empty() && model.busy.is_none();
    let entered = entered(ui, &field);
    let mut action = None;
    ui.horizontal_wrapped(|ui| {
        let words = if busy { "Waiting…" } else { "Agree and join" };
        let pressed = Button::primary(words).tall().enabled(ready).pressed(ui);
        if ready && (pressed || entered) {
            action = Some(Action::Accept(view.pseudonym.trim().to_owned()));
        }
        if Button::quiet("Not for me").tall().enabled(!busy).pressed(ui) {
            action = Some(Action::ForgetLook);
        }
    });
    if busy {
        ui.add_space(6.0);
        let words = "Waiting for someone who can let you in. This can take a minute.";
        paragraph(ui, words, theme::SIZE_PREVIEW, palette.muted);
    }
    action
}

/// Why they meet and what was agreed on has the focus at first: whoever hears the screen begins with it, and whoever
/// needs large letters sees it.
fn read_first(ui: &Ui, rect: Rect, view: &mut Join, look: &Look) {
    let sense = Sense::focusable_noninteractive();
    let response = ui.interact(rect, ui.unique_id().with("read first"), sense);
    let words = match look.agreement.trim() {
        "" => format!("Why we meet: {}", look.reason),
        agreement => format!("Why we meet: {} Our agreement: {agreement}", look.reason),
    };
    response.widget_info(|| WidgetInfo::labeled(Role::Article, true, &words));
    focus_ring(ui, &response, rect, theme::RADIUS_ROW);
    reveal(&response);
    if !view.looked {
        response.request_focus();
        view.looked = true;
    }
}

/// The invitation in what was pasted, which may be a whole letter, without blanks; all of it where there is none.
///
/// A link may be broken over lines, so only trying shows where it ends.
fn link_in(text: &str) -> String {
    let text = text.trim();
    let from =
        text.to_ascii_lowercase().find("kith:").and_then(|at| text.get(at..)).unwrap_or(text);
    let gaps = from.char_indices().filter(|(_, letter)| letter.is_whitespace());
    let ends = core::iter::once(from.len()).chain(gaps.map(|(at, _)| at).rev());
    ends.filter_map(|end| Some(from.get(..end)?.split_whitespace().collect::<String>()))
        .find(|link| proto::Invitation::from_text(link).is_ok())
        .unwrap_or_else(|| from.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::{Backend as _, NewGroup};
    use crate::client::Client;

    #[test]
    fn a_link_is_found_in_a_letter_also_when_it_is_broken_over_lines() {
        let home = tempfile::tempdir().unwrap();
        let config = net::Config { listen: Vec::new(), mdns: false };
        let client = Client::new(home.path(), config).unwrap();
        client.create_profile("three old trees").unwrap();
        let new = NewGroup {
            name: "Tuesday".to_owned(),
            reason: "Company.".to_owned(),
            agreement: String::new(),
            pseudonym: "Wren".to_owned(),
            consent_hours: None,
            words_stay_days: None,
        };
        let group = client.create_group(&new).unwrap();
        let link = client.invite(&group, 3600, false).unwrap().link;
        let (one, two) = link.split_at(30);
        for broken in [link.clone(), format!("{one}\n  {two}"), link.to_uppercase()] {
            for letter in [
                broken.clone(),
                format!("Hi dear, here it is: {broken} see you there"),
                format!("  {broken}\n\nKisses, W."),
            ] {
                let packed: String = broken.split_whitespace().collect();
                assert_eq!(link_in(&letter), packed, "{letter}");
            }
        }
        assert_eq!(link_in(" hello "), "hello");
        assert_eq!(link_in("it is kith:1nonsense and so on"), "kith:1nonsense and so on");
        client.lock().unwrap();
    }
}
