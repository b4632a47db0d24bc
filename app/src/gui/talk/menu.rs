//! What can be done with one message: from the button that stands beside it when it is looked at, with the
//! other mouse button, or with Enter when the arrow keys chose it.

use eframe::egui::{Popup, Rect, Response, SetOpenCommand, Ui, UiBuilder, Vec2, pos2, vec2};

use super::{
    leaving::who_of,
    links::links_in,
    rows::{is_mine, words_of},
};
use crate::{
    backend::{MessageId, MessageView},
    gui::{
        icons,
        model::{Action, Dialog, Here, Talk},
        theme::{self, Palette},
        widgets::{icon_button, menu_item},
    },
};

/// What was pressed in a message.
#[derive(Debug)]
pub(super) enum Hit {
    /// The line that it answers.
    Jump(MessageId),
    /// The rest of it.
    Unfold(MessageId),
    /// A link in it.
    Copy(String),
    /// A line of its menu.
    Do(Action),
}

/// Where the keyboard and the menu are, and what was pressed.
#[derive(Debug, Default)]
pub(super) struct Hand {
    /// The message that the arrow keys chose.
    pub(super) chosen: Option<MessageId>,
    /// The message whose menu is open, and whether it is where the pointer was.
    pub(super) menu: Option<(MessageId, bool)>,
    /// Its menu is to open now.
    pub(super) opens: bool,
    /// What was pressed.
    pub(super) hit: Option<Hit>,
}

/// The button and the menu of one message.
pub(super) fn menu_ui(
    ui: &mut Ui,
    (talk, message): (&Talk, &MessageView),
    (row, words): (&Response, &Response),
    hand: &mut Hand,
) {
    let (_, said) = words_of(message);
    if !said {
        return;
    }
    let is_here = hand.menu.is_some_and(|(id, _)| id == message.id);
    let pointed = ui.rect_contains_pointer(row.rect) && !ui.ctx().any_popup_open();
    let mut opens = hand.opens && is_here;
    if row.secondary_clicked() || words.secondary_clicked() {
        hand.menu = Some((message.id, true));
        opens = true;
    }
    if pointed || is_here {
        let at = pos2(row.rect.right() - 17.0, row.rect.top() + 18.0);
        let place = Rect::from_center_size(at, Vec2::splat(32.0));
        let mut child = ui.new_child(UiBuilder::new().id_salt("more").max_rect(place));
        let palette = Palette::of(child.ctx());
        child.painter().rect_filled(place, theme::RADIUS_BUTTON, palette.surface);
        let name = format!("What to do with what {} said", who_of(talk, message));
        if icon_button(&mut child, icons::ELLIPSIS, &name, 32.0).clicked() {
            hand.menu = Some((message.id, false));
            opens = true;
        }
    }
    let Some((_, at_pointer)) = hand.menu.filter(|(id, _)| *id == message.id) else { return };
    let popup = Popup::menu(row).open_memory(opens.then_some(SetOpenCommand::Bool(true)));
    let popup = if at_pointer {
        popup.at_pointer_fixed()
    } else {
        popup.at_position(row.rect.right_top() + vec2(-240.0, 38.0))
    };
    let shown = popup.show(|ui| {
        ui.set_width(236.0);
        ui.spacing_mut().item_spacing.y = 2.0;
        items_ui(ui, (talk, message), opens)
    });
    match shown {
        Some(shown) => {
            if let Some(action) = shown.inner {
                hand.hit = Some(Hit::Do(action));
                hand.menu = None;
            }
        }
        None => hand.menu = None,
    }
}

/// The lines of the menu; the first gets the focus when it opens.
fn items_ui(ui: &mut Ui, (talk, message): (&Talk, &MessageView), opens: bool) -> Option<Action> {
    let mut action = None;
    let copy = menu_item(ui, icons::COPY, "Copy text");
    if opens {
        copy.request_focus();
    }
    if copy.clicked() {
        action = Some(Action::Copy(message.text.clone()));
    }
    if let Some(link) = links_in(&message.text).into_iter().next()
        && menu_item(ui, icons::LINK, "Copy link").clicked()
    {
        action = Some(Action::Copy(message.text.get(link).unwrap_or_default().to_owned()));
    }
    if !message.waiting && menu_item(ui, icons::REPLY, "Answer").clicked() {
        action = Some(Action::Here(Here::Reply(message.id)));
    }
    if !is_mine(talk, message) {
        return action;
    }
    ui.separator();
    if menu_item(ui, icons::PENCIL, "Change").clicked() {
        action = Some(Action::Here(Here::Edit(message.id)));
    }
    if menu_item(ui, icons::UNDO, "Take back").clicked() {
        action = Some(Action::Ask(Dialog::TakeBack(message.id)));
    }
    if menu_item(ui, icons::INFO, "Where is it?").clicked() {
        action = Some(Action::Here(Here::Where(message.id)));
    }
    action
}
