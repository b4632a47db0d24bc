//! Questions and answers that lie over everything else: what follows is said before it is done.

use eframe::egui::{Id, Key, Margin, Modal, Ui, vec2};

use proto::MemberId;

use crate::{
    backend::{Held, MemberView},
    gui::{
        model::{Action, Busy, Dialog, Here, Model},
        screens::{Settings, erase_ui, passphrase_ui},
        theme::{self, Palette},
        widgets::{Button, dialog_body, dialog_frame, dialog_scroll, heading, paragraph},
        words::name_or_nameless,
    },
};

/// Shows the open one.
pub(super) fn dialog_ui(ui: &Ui, model: &Model, settings: &mut Settings) -> Option<Action> {
    let dialog = model.dialog?;
    let ctx = ui.ctx().clone();
    let palette = Palette::of(&ctx);
    let screen = ctx.content_rect();
    let frame = dialog_frame(palette).inner_margin(Margin::same(24));
    let modal = Modal::new(Id::unique("dialog")).frame(frame).backdrop_color(palette.scrim);
    let shown = modal.show(&ctx, |ui| {
        ui.set_width((screen.width() - 96.0).min(420.0));
        dialog_scroll(ui, "dialog")
            .show(ui, |ui| {
                ui.spacing_mut().item_spacing = vec2(8.0, 8.0);
                let title = title_of(model, dialog);
                dialog_body(ui, &title, |ui| content_ui(ui, (model, &title), dialog, settings))
            })
            .inner
    });
    // It is put in the middle by the height it had: when that changed, it is drawn once more.
    let key = Id::unique("dialog height");
    let height = shown.response.rect.height();
    let known: Option<f32> = ctx.data(|data| data.get_temp(key));
    if known.is_none_or(|known| (known - height).abs() > 0.5) {
        ctx.data_mut(|data| data.insert_temp(key, height));
        ctx.request_repaint();
    }
    if shown.should_close() && model.busy != Some(Busy::Doing) {
        return Some(Action::CloseDialog);
    }
    shown.inner
}

/// What stands above it.
fn title_of(model: &Model, dialog: Dialog) -> String {
    match dialog {
        Dialog::TakeBack(_) => "Take these words back?".to_owned(),
        Dialog::Leave => {
            format!("Leave {}?", model.open_group().map_or("", |group| group.name.as_str()))
        }
        Dialog::Where(_) => "Where these words are".to_owned(),
        Dialog::Connection => "How this group is connected".to_owned(),
        Dialog::Compare(member) => {
            let person = person_of(model, member).map_or("", |person| person.pseudonym.as_str());
            format!("Is this {}?", name_or_nameless(person))
        }
        Dialog::Passphrase => "Change the passphrase".to_owned(),
        Dialog::Erase => "Erase everything here?".to_owned(),
    }
}

fn person_of(model: &Model, member: MemberId) -> Option<&MemberView> {
    let mut people = model.talk.iter().flat_map(|talk| &talk.members);
    people.find(|person| person.member == member)
}

fn content_ui(
    ui: &mut Ui,
    (model, title): (&Model, &str),
    dialog: Dialog,
    settings: &mut Settings,
) -> Option<Action> {
    heading(ui, title, theme::SIZE_DIALOG);
    match dialog {
        Dialog::TakeBack(id) => {
            let says = [
                "Every device that hears of it forgets the words, and shows that something was taken back.",
                "Someone may have read or copied them before.",
            ];
            let ask = Ask { says: &says, yes: "Take back" };
            ask.show(ui, model, "Let them stand", || Action::Here(Here::TakeBack(id)))
        }
        Dialog::Leave => {
            let says = [
                "Nobody has to agree. The others see that you left.",
                "You hear nothing more from this group, and it goes from your list. What was said stays locked on this computer until it fades.",
                "You can't come back from this computer, not even with a new invitation.",
            ];
            let ask = Ask { says: &says, yes: "Leave the group" };
            ask.show(ui, model, "Stay", || Action::Here(Here::Leave))
        }
        Dialog::Where(held) => {
            let said = held.map_or_else(|| "One moment…".to_owned(), where_it_is);
            tell(ui, &[said])
        }
        Dialog::Connection => tell(ui, &connection(model)),
        Dialog::Compare(member) => compare_ui(ui, model, member),
        Dialog::Passphrase => passphrase_ui(ui, model, settings),
        Dialog::Erase => erase_ui(ui, model, settings),
    }
}

/// What is known of where a message is, and what that does not mean.
fn where_it_is(held: Held) -> String {
    let end = "It can be on more. It doesn't mean that anyone has read it.";
    match (held.by, held.of) {
        (_, 0) => "Nobody else is in this group yet. These words are on this computer.".to_owned(),
        (0, _) => {
            "Nobody has said yet that these words arrived. They are safe on this computer.".to_owned()
        }
        (by, of) if by == of && of > 1 => {
            format!("All {of} others said that these words are on their devices. It doesn't mean that anyone has read them.")
        }
        (by, 1) if by > 0 => {
            "The other one said that these words are on their device. It doesn't mean that they have read them.".to_owned()
        }
        (by, of) => format!("{by} of the {of} others said that these words are on their devices. {end}"),
    }
}

/// Whether there is a way to anyone in the open group.
pub(super) fn is_connected(model: &Model) -> bool {
    model.talk.iter().flat_map(|talk| &talk.members).any(|member| member.linked)
}

fn connection(model: &Model) -> Vec<String> {
    let now = if is_connected(model) {
        "At the moment there is a way to the others. What they hold and you may read comes by itself."
    } else {
        "At the moment there is no way to any of them. What you write is kept here, and leaves by itself when there is one."
    };
    let missing = match model.missing {
        Some(true) => {
            "Something is known to be missing. It comes when someone who has it can be reached."
        }
        Some(false) | None => {
            "Nothing is known to be missing. Someone may still have written while they could reach no one."
        }
    };
    let server =
        "Kith talks straight to the computers of the others. There is no server between you.";
    [server, now, missing].map(str::to_owned).to_vec()
}

/// Words to say to each other, to be sure who is at the other end.
fn compare_ui(ui: &mut Ui, model: &Model, member: MemberId) -> Option<Action> {
    let palette = Palette::of(ui.ctx());
    let person = person_of(model, member)?;
    let says = "Call each other, or meet. One reads the first half aloud, the other the second. On both screens they are the same, if nobody stands between you. If they differ, write nothing more to this name, and tell the others.";
    paragraph(ui, says, theme::SIZE_UI, palette.text);
    ui.add_space(4.0);
    let words = model.words.as_ref().map(|safety| safety.words.as_slice()).unwrap_or_default();
    for row in words.chunks(4) {
        paragraph(ui, &row.join("   "), theme::SIZE_TITLE, palette.text);
    }
    if words.is_empty() {
        let says = model.trouble.as_ref().map_or("One moment…", |trouble| trouble.says.as_str());
        paragraph(ui, says, theme::SIZE_UI, palette.muted);
    }
    let says = if person.verified {
        "You compared these words before. Nobody else can see that."
    } else {
        "Kith remembers on this computer alone that you compared them."
    };
    paragraph(ui, says, theme::SIZE_PREVIEW, palette.muted);
    ui.add_space(4.0);
    let mut action = None;
    ui.horizontal_wrapped(|ui| {
        let ready = !words.is_empty() && model.busy.is_none();
        if !person.verified
            && Button::primary("They are the same").tall().enabled(ready).pressed(ui)
        {
            action = Some(Action::Here(Here::Same(member)));
        }
        if Button::quiet("Close").tall().pressed(ui) {
            action = Some(Action::CloseDialog);
        }
    });
    action
}

/// Something to read, and a way back.
fn tell(ui: &mut Ui, says: &[String]) -> Option<Action> {
    let palette = Palette::of(ui.ctx());
    for line in says {
        paragraph(ui, line, theme::SIZE_UI, palette.text);
    }
    ui.add_space(8.0);
    let done = Button::primary("Done").show(ui);
    if ui.memory(|memory| memory.focused().is_none()) {
        done.request_focus();
    }
    done.clicked().then_some(Action::CloseDialog)
}

/// A question: what follows, and the word that does it.
struct Ask<'a> {
    says: &'a [&'a str],
    yes: &'a str,
}

impl Ask<'_> {
    /// Shows it. Enter alone does nothing: the way back has the focus.
    fn show(
        &self,
        ui: &mut Ui,
        model: &Model,
        no: &str,
        action: impl FnOnce() -> Action,
    ) -> Option<Action> {
        let palette = Palette::of(ui.ctx());
        for line in self.says {
            paragraph(ui, line, theme::SIZE_UI, palette.text);
        }
        if let Some(trouble) = &model.trouble {
            paragraph(ui, &trouble.says, theme::SIZE_PREVIEW, palette.danger);
        }
        ui.add_space(8.0);
        let mut done = None;
        ui.horizontal_wrapped(|ui| {
            let busy = model.busy.is_some();
            let words = if model.busy == Some(Busy::Doing) { "One moment…" } else { self.yes };
            let yes = Button::primary(words).tall().enabled(!busy).pressed(ui);
            let back = Button::quiet(no).tall().show(ui);
            if ui.memory(|memory| memory.focused().is_none()) {
                back.request_focus();
            }
            if yes {
                done = Some(action());
            } else if back.clicked() || ui.input(|input| input.key_pressed(Key::Escape)) {
                done = Some(Action::CloseDialog);
            }
        });
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_said_about_a_message_that_is_not_known() {
        let says = |by, of| where_it_is(Held { by, of });
        assert!(says(0, 0).starts_with("Nobody else"));
        assert!(says(0, 3).starts_with("Nobody has said yet"));
        assert!(says(2, 3).starts_with("2 of the 3 others said"));
        for (by, of) in [(1, 1), (2, 3), (3, 3)] {
            assert!(says(by, of).contains("doesn't mean"), "{by} of {of}");
        }
    }
}
