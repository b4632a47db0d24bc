//! Paints the rows of the timeline.

use std::sync::Arc;

use eframe::egui::{
    AsIdSalt, Color32, CursorIcon, Galley, Pos2, Rangef, Rect, Response, Role, Sense, Stroke,
    StrokeKind, Ui, UiBuilder, Vec2, WidgetInfo, accesskit, pos2,
    text_selection::LabelSelectionState, vec2,
};

use super::{
    leaving::who_of,
    links::links_in,
    menu::{self, Hand, Hit},
    rows::{GUTTER, HEAD, Kind, Laid, MORE, QUOTE, Row, is_mine, words_of},
};
use crate::{
    backend::MessageView,
    gui::{
        model::{Model, Talk},
        theme::{self, Palette},
        widgets::{baseline_text, focus_ring, format, one_line, pattern, seed_of},
    },
};

/// Paints one row here.
pub(super) fn paint(
    ui: &mut Ui,
    (model, talk): (&Model, &Talk),
    row: &Row,
    laid: &Laid,
    (rect, hand): (Rect, &mut Hand),
) {
    match row.kind {
        Kind::Beginning => {
            let at = rect.center_top() + vec2(-laid.text.size().x / 2.0, 24.0);
            ui.painter().galley(at, laid.text.clone(), Color32::PLACEHOLDER);
            say(ui, rect, row.key, Role::Label, laid.text.text());
        }
        Kind::Day(_) => paint_day(ui, row, laid, rect),
        Kind::Coming { nth } => {
            let at = rect.center() - laid.text.size() / 2.0;
            ui.painter().galley(at.round(), laid.text.clone(), Color32::PLACEHOLDER);
            let said = say(ui, rect, row.key, Role::Label, laid.text.text());
            let is_newest = nth.saturating_add(1) == talk.comings.len();
            if is_newest && talk.messages.last().is_none_or(|last| last.heard <= nth) {
                // As what someone says now.
                ui.ctx().accesskit_node_builder(said.id, |node| {
                    node.set_live(accesskit::Live::Polite);
                });
            }
        }
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
            let time = model.clock.time(message.sent_at_ms);
            paint_message(ui, (talk, message, &time), laid, (rect, head), hand);
        }
    }
}

/// Gives what was painted a role and words.
fn say(ui: &Ui, rect: Rect, salt: impl AsIdSalt, role: Role, words: &str) -> Response {
    let response = ui.interact(rect, ui.unique_id().with(salt), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(role, true, words));
    response
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
    (talk, message, time): (&Talk, &MessageView, &str),
    laid: &Laid,
    (rect, head): (Rect, bool),
    hand: &mut Hand,
) {
    let palette = Palette::of(ui.ctx());
    let (says, said) = words_of(message);
    let name = who_of(talk, message);
    let builder = UiBuilder::new()
        .id_salt(("message", message.id))
        .max_rect(rect)
        .accessibility_role(Role::ListItem)
        .accessibility_label(format!("{name}, {time}: {says}"));
    ui.scope_builder(builder, |ui| {
        bound(ui, rect);
        let is_newest = talk.messages.last().is_some_and(|last| last.id == message.id);
        if is_newest && said && !is_mine(talk, message) {
            // What someone else says now is told to a screen reader; what is read again is not.
            ui.ctx().accesskit_node_builder(ui.unique_id(), |node| {
                node.set_live(accesskit::Live::Polite);
            });
        }
        // Not with Tab: one would stop at every message. The arrow keys choose one.
        let row = ui.interact(rect, ui.unique_id().with("row"), Sense::click() - Sense::FOCUSABLE);
        let chosen = hand.chosen == Some(message.id);
        if chosen || hand.menu.is_some_and(|(id, _)| id == message.id) {
            let place = rect.expand2(vec2(12.0, 0.0));
            ui.painter().rect_filled(place, theme::RADIUS_ROW, palette.rail);
            if chosen {
                // The messages have the focus, and this is the one of them that is meant.
                let this = accesskit::NodeId(ui.unique_id().value());
                ui.ctx().accesskit_node_builder(super::timeline::id(), |node| {
                    node.set_active_descendant(this);
                });
                let ring = Stroke::new(2.0, palette.accent);
                ui.painter().rect_stroke(place, theme::RADIUS_ROW, ring, StrokeKind::Inside);
            }
        }
        paint_head(ui, message, (name, time), (rect, head));
        let x = rect.left() + GUTTER;
        let mut at = pos2(x, rect.top() + if head { HEAD } else { 2.0 });
        if let Some((who, what, id)) = &laid.quote {
            if paint_quote(ui, at, (who, what), rect.right() - x) {
                hand.hit = Some(Hit::Jump(*id));
            }
            at.y += QUOTE;
        }
        let words = Rect::from_min_size(at, laid.text.size());
        if !said {
            // Else it could be taken for words, or for something said of the message above.
            let place = words.expand2(vec2(8.0, 1.0));
            ui.painter().rect_filled(place, theme::RADIUS_BUTTON, palette.rail);
        }
        let response = paint_words(ui, words, (says, said), laid, hand);
        let mut below = words.bottom();
        if laid.is_folded {
            let place = Rect::from_min_size(pos2(x, below), vec2(rect.right() - x, MORE));
            let spoken = format!("Read all that {name} said at {time}");
            if link_at(ui, place, "Read on", &spoken) {
                hand.hit = Some(Hit::Unfold(message.id));
            }
            below += MORE;
        }
        if let Some((note, gap)) = &laid.note {
            let place = Rect::from_min_size(pos2(x, below + *gap), note.size());
            ui.painter().galley(place.min, note.clone(), palette.muted);
            say(ui, place, "note", Role::Label, note.text());
        }
        menu::menu_ui(ui, (talk, message), (&row, &response), hand);
    });
}

/// Who said it and when, above a first message; the time alone beside another that is looked at.
fn paint_head(
    ui: &Ui,
    message: &MessageView,
    (name, time): (&str, &str),
    (rect, head): (Rect, bool),
) {
    let palette = Palette::of(ui.ctx());
    let x = rect.left() + GUTTER;
    let ink = format(theme::SIZE_CAPTION, 400.0, palette.muted);
    if head {
        let round = Rect::from_min_size(rect.min + vec2(0.0, 13.0), Vec2::splat(36.0));
        let seed = seed_of(&message.author.0);
        pattern(ui, round, seed);
        let baseline = rect.top() + 28.0;
        let form = format(theme::SIZE_UI, 620.0, palette.author(seed));
        let galley = one_line(ui, name, form, rect.right() - x - 60.0);
        let shown = baseline_text(ui, pos2(x, baseline), galley);
        let galley = one_line(ui, time, ink, 52.0);
        baseline_text(ui, pos2(shown.right() + 8.0, baseline), galley);
    } else if ui.rect_contains_pointer(rect) {
        let galley = one_line(ui, time, ink, GUTTER);
        let at = pos2(x - 10.0 - galley.size().x, rect.top() + 18.0);
        baseline_text(ui, at, galley);
    }
}

/// The line that a message answers; true when it was pressed.
fn paint_quote(ui: &Ui, at: Pos2, (who, what): (&Arc<Galley>, &Arc<Galley>), room: f32) -> bool {
    let palette = Palette::of(ui.ctx());
    let place = Rect::from_min_size(at, vec2(room, QUOTE - 4.0));
    let response = ui.interact(place, ui.unique_id().with("quote"), Sense::click());
    let spoken = format!("Answers {}: {}", who.text(), what.text());
    response.widget_info(|| WidgetInfo::labeled(Role::Link, true, &spoken));
    let bar = Rect::from_min_size(at + vec2(0.0, 1.0), vec2(3.0, QUOTE - 6.0));
    ui.painter().rect_filled(bar, 2, palette.control_border);
    let y = place.center().y;
    let first = pos2(at.x + 11.0, y - who.size().y / 2.0);
    ui.painter().galley(first, Arc::clone(who), palette.muted);
    let second = pos2(first.x + who.size().x + 9.0, y - what.size().y / 2.0);
    ui.painter().galley(second, Arc::clone(what), palette.muted);
    focus_ring(ui, &response, place.expand2(vec2(4.0, 1.0)), 6);
    response.on_hover_cursor(CursorIcon::PointingHand).clicked()
}

/// The words, which can be selected. A link is copied when it is pressed.
fn paint_words(
    ui: &Ui,
    words: Rect,
    (says, said): (&str, bool),
    laid: &Laid,
    hand: &mut Hand,
) -> Response {
    let palette = Palette::of(ui.ctx());
    let sense = Sense::click_and_drag() - Sense::FOCUSABLE;
    let response = ui.interact(words, ui.unique_id().with("words"), sense);
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, says));
    let links = if said { links_in(says) } else { Vec::new() };
    let under = response.hover_pos().filter(|_| !links.is_empty()).and_then(|pointer| {
        let cursor = laid.text.cursor_from_pos(pointer - words.min);
        let (byte, _) = says.char_indices().nth(cursor.index.0)?;
        links.into_iter().find(|link| link.contains(&byte))
    });
    let icon = if under.is_some() { CursorIcon::PointingHand } else { CursorIcon::Text };
    let response = response.on_hover_cursor(icon);
    LabelSelectionState::label_text_selection(
        ui,
        &response,
        words.min,
        laid.text.clone(),
        palette.text,
        Stroke::NONE,
    );
    if let Some(link) = under.filter(|_| response.clicked()) {
        hand.hit = Some(Hit::Copy(says.get(link).unwrap_or_default().to_owned()));
    }
    response
}

/// Words that do something, here; true when they were pressed.
fn link_at(ui: &Ui, place: Rect, text: &str, spoken: &str) -> bool {
    let palette = Palette::of(ui.ctx());
    let galley = one_line(ui, text, format(13.5, 560.0, palette.accent), place.width());
    let at = pos2(place.left(), place.center().y - galley.size().y / 2.0);
    let place = Rect::from_min_size(place.min, vec2(galley.size().x, place.height()));
    let response = ui.interact(place, ui.unique_id().with(text), Sense::click());
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, spoken));
    ui.painter().galley(at, galley, palette.accent);
    focus_ring(ui, &response, place.expand2(vec2(4.0, 0.0)), 6);
    response.clicked()
}

/// Says where a bare `Ui` is, in points: it has no bounds of its own for a screen reader.
fn bound(ui: &Ui, rect: Rect) {
    let bounds = accesskit::Rect {
        x0: rect.left().into(),
        y0: rect.top().into(),
        x1: rect.right().into(),
        y1: rect.bottom().into(),
    };
    ui.ctx().accesskit_node_builder(ui.unique_id(), |node| node.set_bounds(bounds));
}
