//! No group yet: two ways to one, neither before the other.

use eframe::egui::{
    CornerRadius, Rect, Response, Role, ScrollArea, Sense, Stroke, StrokeKind, Ui, UiBuilder, Vec2,
    WidgetInfo, pos2, vec2,
};

use crate::gui::{
    icons::{self, Icon},
    model::{Action, Model, Place},
    theme::{self, Palette},
    widgets::{focus_ring, format, format_lines, heading, paint_icon, paragraph, reveal, wrapped},
};

/// The two ways.
pub(crate) fn welcome_ui(ui: &mut Ui, model: &Model) -> Option<Action> {
    let palette = Palette::of(ui.ctx());
    let screen = ui.available_rect_before_wrap();
    let mut action = None;
    ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
        let width = (screen.width() - 48.0).min(620.0);
        let beside = width >= 460.0;
        let high = if beside { 150.0 } else { 96.0 };
        let height = if beside { 250.0 } else { 316.0 };
        let above = ((screen.height() - height) / 2.0).round().max(20.0);
        let left = (screen.center().x - width / 2.0).round();
        let place =
            Rect::from_min_size(pos2(left, ui.max_rect().top() + above), vec2(width, height));
        let mut child = ui.new_child(UiBuilder::new().max_rect(place));
        heading(&mut child, "You are not in a group", theme::SIZE_HEADING);
        let words = "Kith is for small groups who look after each other. There is no hurry.";
        paragraph(&mut child, words, theme::SIZE_UI, palette.muted);
        if let Some(trouble) = &model.trouble {
            paragraph(&mut child, &trouble.says, theme::SIZE_UI, palette.danger);
        }
        child.add_space(20.0);
        let tile = if beside { (width - 16.0) / 2.0 } else { width };
        let ways = [
            (
                icons::SPROUT,
                "Start a group",
                "Say why you meet, agree on how, then invite people one by one.",
                Place::Start,
            ),
            (
                icons::MAIL_OPEN,
                "Join with an invitation",
                "See why they meet and what they agreed on, before you decide.",
                Place::Join,
            ),
        ];
        let mut at = child.cursor().min;
        for (icon, title, words, place) in ways {
            let rect = Rect::from_min_size(at, vec2(tile, high));
            if way(&mut child, (rect, beside), icon, (title, words)).clicked() {
                action = Some(Action::Go(place));
            }
            at += if beside { vec2(tile + 16.0, 0.0) } else { vec2(0.0, high + 12.0) };
        }
        ui.allocate_rect(place, Sense::hover());
    });
    action
}

/// One of them: its words below the icon when it is tall, and beside it otherwise.
fn way(
    ui: &mut Ui,
    (rect, tall): (Rect, bool),
    icon: Icon,
    (title, words): (&str, &str),
) -> Response {
    let palette = Palette::of(ui.ctx());
    let response = ui.allocate_rect(rect, Sense::click());
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, title));
    let fill = if response.is_pointer_button_down_on() {
        palette.pressed
    } else if response.hovered() {
        palette.hover
    } else {
        palette.surface
    };
    let edge = Stroke::new(1.0, palette.control_border);
    ui.painter().rect(
        rect,
        CornerRadius::same(theme::RADIUS_COMPOSER),
        fill,
        edge,
        StrokeKind::Inside,
    );
    focus_ring(ui, &response, rect, theme::RADIUS_COMPOSER);
    reveal(&response);
    let square = Rect::from_min_size(rect.min + vec2(20.0, 20.0), Vec2::splat(36.0));
    ui.painter().rect_filled(square, CornerRadius::same(theme::RADIUS_ROW), palette.accent_soft);
    paint_icon(ui, square.center(), icon, 19.0, palette.on_accent_soft);
    let at = rect.min + if tall { vec2(20.0, 68.0) } else { vec2(72.0, 16.0) };
    let room = rect.right() - 20.0 - at.x;
    let name = wrapped(ui, title, format(theme::SIZE_BODY, 620.0, palette.text), room);
    ui.painter().galley(at, name, palette.text);
    let ink = format_lines(format(theme::SIZE_PREVIEW, 400.0, palette.muted), 19.0);
    let line = wrapped(ui, words, ink, room);
    ui.painter().galley(at + vec2(0.0, 24.0), line, palette.muted);
    response
}
