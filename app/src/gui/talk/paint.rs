//! Paints the rows of the timeline.

use eframe::egui::{
    AsIdSalt, Color32, CursorIcon, Rangef, Rect, Role, Sense, Stroke, Ui, UiBuilder, Vec2,
    WidgetInfo, accesskit, pos2, text_selection::LabelSelectionState, vec2,
};

use super::rows::{GUTTER, HEAD, Kind, Laid, Row, is_mine, words_of};
use crate::{
    backend::MessageView,
    gui::{
        model::{Model, Talk},
        theme::{self, Palette},
        widgets::{baseline_text, format, one_line, pattern, seed_of},
        words::name_or_nameless,
    },
};

/// Paints one row here.
pub(super) fn paint(
    ui: &mut Ui,
    (model, talk): (&Model, &Talk),
    row: &Row,
    laid: &Laid,
    rect: Rect,
) {
    match row.kind {
        Kind::Beginning => {
            let at = rect.center_top() + vec2(-laid.text.size().x / 2.0, 24.0);
            ui.painter().galley(at, laid.text.clone(), Color32::PLACEHOLDER);
            say(ui, rect, row.key, Role::Label, laid.text.text());
        }
        Kind::Day(_) => paint_day(ui, row, laid, rect),
        Kind::New => {
            let y = (rect.center().y + 4.0).round();
            let size = laid.text.size();
            let at = pos2(rect.right() - size.x, y - size.y / 2.0);
            ui.painter().galley(at, laid.text.clone(), Color32::PLACEHOLDER);
            let line = Stroke::new(1.0, Palette::of(ui.ctx()).accent.gamma_multiply(0.55));
            ui.painter().hline(rect.left()..=at.x - 10.0, y + 0.5, line);
            say(ui, rect, row.key, Role::Label, "What follows is new");
        }
        Kind::Message { nth, head } => {
            let Some(message) = talk.messages.get(nth) else { return };
            let name =
                if is_mine(talk, message) { "You" } else { name_or_nameless(&message.pseudonym) };
            let time = model.clock.time(message.sent_at_ms);
            paint_message(ui, message, (name, &time), laid, (rect, head));
        }
    }
}

/// Gives what was painted a role and words.
fn say(ui: &Ui, rect: Rect, salt: impl AsIdSalt, role: Role, words: &str) {
    let response = ui.interact(rect, ui.unique_id().with(salt), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(role, true, words));
}

fn paint_day(ui: &Ui, row: &Row, laid: &Laid, rect: Rect) {
    let palette = Palette::of(ui.ctx());
    let center = rect.center() + vec2(0.0, 4.0);
    let gap = laid.text.size().x / 2.0 + 14.0;
    let line = Stroke::new(1.0, palette.border);
    let y = center.y.round() + 0.5;
    ui.painter().hline(Rangef::new(rect.left(), center.x - gap), y, line);
    ui.painter().hline(Rangef::new(center.x + gap, rect.right()), y, line);
    ui.painter().galley(center - laid.text.size() / 2.0, laid.text.clone(), palette.muted);
    say(ui, rect, row.key, Role::Heading, laid.text.text());
}

fn paint_message(
    ui: &mut Ui,
    message: &MessageView,
    (name, time): (&str, &str),
    laid: &Laid,
    (rect, head): (Rect, bool),
) {
    let palette = Palette::of(ui.ctx());
    let (says, said) = words_of(message);
    let builder = UiBuilder::new()
        .id_salt(("message", message.id))
        .max_rect(rect)
        .accessibility_role(Role::ListItem)
        .accessibility_label(format!("{name}, {time}: {says}"));
    ui.scope_builder(builder, |ui| {
        bound(ui, rect);
        let x = rect.left() + GUTTER;
        if head {
            let round = Rect::from_min_size(rect.min + vec2(0.0, 13.0), Vec2::splat(36.0));
            let seed = seed_of(&message.author.0);
            pattern(ui, round, seed);
            let baseline = rect.top() + 28.0;
            let ink = format(theme::SIZE_UI, 620.0, palette.author(seed));
            let galley = one_line(ui, name, ink, rect.right() - x - 60.0);
            let shown = baseline_text(ui, pos2(x, baseline), galley);
            let ink = format(theme::SIZE_CAPTION, 400.0, palette.muted);
            let galley = one_line(ui, time, ink, 52.0);
            baseline_text(ui, pos2(shown.right() + 8.0, baseline), galley);
        } else if ui.rect_contains_pointer(rect) {
            let ink = format(theme::SIZE_CAPTION, 400.0, palette.muted);
            let galley = one_line(ui, time, ink, GUTTER);
            let at = pos2(x - 10.0 - galley.size().x, rect.top() + 18.0);
            baseline_text(ui, at, galley);
        }
        let at = pos2(x, rect.top() + if head { HEAD } else { 2.0 });
        let words = Rect::from_min_size(at, laid.text.size());
        if !said {
            // Else it could be taken for words, or for something said of the message above.
            let place = words.expand2(vec2(8.0, 1.0));
            ui.painter().rect_filled(place, theme::RADIUS_BUTTON, palette.rail);
        }
        // Selected with the pointer; with Tab one would stop at every message.
        let sense = Sense::click_and_drag() - Sense::FOCUSABLE;
        let response = ui.interact(words, ui.unique_id().with("words"), sense);
        response.widget_info(|| WidgetInfo::labeled(Role::Label, true, says));
        let response = response.on_hover_cursor(CursorIcon::Text);
        LabelSelectionState::label_text_selection(
            ui,
            &response,
            at,
            laid.text.clone(),
            palette.text,
            Stroke::NONE,
        );
        if let Some((note, gap)) = &laid.note {
            let place = Rect::from_min_size(words.left_bottom() + vec2(0.0, *gap), note.size());
            ui.painter().galley(place.min, note.clone(), palette.muted);
            say(ui, place, "note", Role::Label, note.text());
        }
    });
}

/// Says where a bare `Ui` is: it has no bounds of its own for a screen reader.
fn bound(ui: &Ui, rect: Rect) {
    let rect = rect * ui.ctx().pixels_per_point();
    let bounds = accesskit::Rect {
        x0: rect.left().into(),
        y0: rect.top().into(),
        x1: rect.right().into(),
        y1: rect.bottom().into(),
    };
    ui.ctx().accesskit_node_builder(ui.unique_id(), |node| node.set_bounds(bounds));
}
