//! Above the composer: what leaves in a moment and can be called back, and what one writes about.

use eframe::egui::{
    Align, Color32, Frame, Layout, Margin, Rect, Role, Sense, Ui, UiBuilder, Vec2, WidgetInfo,
    accesskit::Live, pos2, vec2,
};

use crate::{
    backend::MessageView,
    gui::{
        drafts::Writing,
        icons,
        model::{Model, Talk},
        theme::{self, Palette},
        widgets::{Button, format, icon_button, one_line, seed_of},
        words::name_or_nameless,
    },
};

use super::rows::{is_mine, words_of};

/// Height of a line above the composer.
const LINE: f32 = 40.0;

/// What was sent and has not left. Nothing counts down.
pub(super) fn leaving_ui(ui: &mut Ui, writing: &mut Writing) {
    let palette = Palette::of(ui.ctx());
    let count = writing.leaving().len();
    let Some(newest) = writing.leaving().last() else { return };
    let what = if newest.edit.is_some() { "Your change leaves soon" } else { "Leaves soon" };
    let (says, text) = match count {
        1 => (what.to_owned(), newest.text.clone()),
        _ => (format!("{what}, with those before it"), newest.text.clone()),
    };
    let mut back = false;
    let margin = Margin { left: 14, right: 4, top: 0, bottom: 0 };
    let frame = Frame::NONE.fill(palette.rail).corner_radius(theme::RADIUS_ROW);
    frame.inner_margin(margin).show(ui, |ui| {
        let (row, _) = ui.allocate_exact_size(vec2(ui.available_width(), LINE), Sense::hover());
        let place = UiBuilder::new()
            .id_salt("undo")
            .max_rect(row)
            .layout(Layout::right_to_left(Align::Center));
        let mut child = ui.new_child(place);
        let button = Button::quiet("Undo").height(32.0).show(&mut child);
        back = button.clicked();
        let muted = format(theme::SIZE_SMALL, 560.0, palette.accent);
        let first = one_line(ui, &says, muted, row.width() * 0.5);
        let room = button.rect.left() - row.left() - first.size().x - 24.0;
        let quote = one_line(ui, &text, format(theme::SIZE_PREVIEW, 400.0, palette.muted), room);
        let y = row.center().y;
        let at = pos2(row.left(), y - first.size().y / 2.0);
        let second = pos2(at.x + first.size().x + 12.0, y - quote.size().y / 2.0);
        let words = Rect::from_min_max(row.min, pos2(button.rect.left() - 8.0, row.bottom()));
        let response = ui.interact(words, ui.unique_id().with("leaves"), Sense::hover());
        let spoken = format!("{says}: {text}");
        response.widget_info(|| WidgetInfo::labeled(Role::Label, true, &spoken));
        ui.ctx().accesskit_node_builder(response.id, |node| node.set_live(Live::Polite));
        ui.painter().galley(at, first, Color32::PLACEHOLDER);
        ui.painter().galley(second, quote, Color32::PLACEHOLDER);
    });
    ui.add_space(8.0);
    if back {
        writing.call_back();
    }
}

/// The message that one answers, or writes anew.
pub(super) fn about_ui(ui: &mut Ui, model: &Model, writing: &mut Writing) {
    let palette = Palette::of(ui.ctx());
    let Some(talk) = &model.talk else { return };
    let (says, close, quoted) = match (writing.edit, writing.reply_to) {
        (Some(_), _) => ("Changing what you said".to_owned(), "Leave it as it is", String::new()),
        (None, Some(id)) => {
            let (who, text) = quote_of(talk, &id);
            (format!("Answering {who}"), "Answer nobody", text)
        }
        (None, None) => return,
    };
    let mut gone = false;
    let (row, _) = ui.allocate_exact_size(vec2(ui.available_width(), 34.0), Sense::hover());
    let row = row.shrink2(vec2(4.0, 0.0));
    let place = Rect::from_center_size(pos2(row.right() - 16.0, row.center().y), Vec2::splat(32.0));
    let mut child = ui.new_child(UiBuilder::new().id_salt("about").max_rect(place));
    gone |= icon_button(&mut child, icons::X, close, 32.0).clicked();
    let first =
        one_line(ui, &says, format(theme::SIZE_SMALL, 560.0, palette.text), row.width() * 0.5);
    let room = (place.left() - row.left() - first.size().x - 28.0).max(0.0);
    let second = one_line(ui, &quoted, format(theme::SIZE_PREVIEW, 400.0, palette.muted), room);
    let bar = Rect::from_min_size(pos2(row.left(), row.center().y - 9.0), vec2(3.0, 18.0));
    ui.painter().rect_filled(bar, 2, palette.accent);
    let x = bar.right() + 10.0;
    let words = Rect::from_min_max(row.min, pos2(place.left(), row.bottom()));
    let response = ui.interact(words, ui.unique_id().with("answers"), Sense::hover());
    let spoken = format!("{says} {quoted}");
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, spoken.trim()));
    let second_at = pos2(x + first.size().x + 10.0, row.center().y - second.size().y / 2.0);
    ui.painter().galley(pos2(x, row.center().y - first.size().y / 2.0), first, palette.text);
    ui.painter().galley(second_at, second, palette.muted);
    if gone {
        writing.drop_about();
    }
}

/// Who said a message and what, on one line; also when it is not loaded.
pub(super) fn quote_of(talk: &Talk, id: &[u8; 32]) -> (String, String) {
    let Some(message) = talk.messages.iter().find(|message| message.id == *id) else {
        return ("something said earlier".to_owned(), String::new());
    };
    (who_of(talk, message).to_owned(), words_of(message).0.to_owned())
}

/// What its author is called here.
pub(super) fn who_of<'a>(talk: &Talk, message: &'a MessageView) -> &'a str {
    if is_mine(talk, message) { "You" } else { name_or_nameless(&message.pseudonym) }
}

/// The colour of an author's name.
pub(super) fn ink_of(palette: &Palette, message: &MessageView) -> Color32 {
    palette.author(seed_of(&message.author.0))
}
