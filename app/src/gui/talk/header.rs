//! The line above what is said: the group's name, and what is known of the connection.

use eframe::egui::{
    Color32, Frame, Margin, Panel, Rect, Role, Sense, Stroke, Ui, UiBuilder, Vec2, WidgetInfo,
    pos2, vec2,
};

use crate::gui::{
    icons,
    model::{Action, Here, Model},
    theme::{self, Palette},
    widgets::{focus_ring, format, icon_button, one_line, paint_icon},
};

use super::dialogs::is_connected;

/// Its height.
const HEIGHT: f32 = 60.0;

/// Shows it; whether the details were asked for, and what else was.
pub(crate) fn header_ui(
    ui: &mut Ui,
    model: &Model,
    (wide, over): (bool, bool),
) -> (bool, Option<Action>) {
    let palette = Palette::of(ui.ctx());
    let margin = Margin { left: 24, right: 12, top: 0, bottom: 0 };
    let frame = Frame::NONE.fill(palette.bg).inner_margin(margin);
    let panel = Panel::top("header").resizable(false).show_separator_line(false).exact_size(HEIGHT);
    let shown = panel.frame(frame).show(ui, |ui| {
        let rect = ui.max_rect();
        let whole = rect.expand2(vec2(24.0, 0.0));
        ui.painter().hline(whole.x_range(), rect.bottom() - 0.5, Stroke::new(1.0, palette.border));
        let name = model.open_group().map_or("", |group| &*group.name);
        let icon = if is_connected(model) { icons::LINK } else { icons::UNLINK };
        let known = known(model);
        let room = rect.width() - 50.0;
        let ink = format(theme::SIZE_TITLE, 640.0, palette.text);
        let title = one_line(ui, name, ink, room);
        let words = Rect::from_min_size(rect.min, vec2(room, 32.0));
        let response = ui.interact(words, ui.unique_id().with("name"), Sense::hover());
        response.widget_info(|| WidgetInfo::labeled(Role::Heading, true, name));
        let line =
            one_line(ui, known, format(theme::SIZE_SMALL, 400.0, palette.muted), room - 20.0);
        let size = vec2(line.size().x + 19.0, 20.0);
        let below = Rect::from_min_size(rect.min + vec2(0.0, 33.0), size);
        let response = ui.interact(below, ui.unique_id().with("known"), Sense::click());
        response.widget_info(|| WidgetInfo::labeled(Role::Button, true, known));
        focus_ring(ui, &response, below.expand2(vec2(5.0, 1.0)), 7);
        if response.hovered() {
            ui.painter().rect_filled(below.expand2(vec2(5.0, 1.0)), 7, palette.hover);
        }
        paint_icon(ui, below.left_center() + vec2(6.5, 0.0), icon, 12.5, palette.muted);
        let asked = response.clicked().then_some(Action::Here(Here::Known));
        let at = pos2(below.left() + 19.0, below.center().y - line.size().y / 2.0);
        ui.painter().galley(at, line, Color32::PLACEHOLDER);
        ui.painter().galley(rect.min + vec2(0.0, 10.0), title, Color32::PLACEHOLDER);
        let at = pos2(rect.right() - 21.0, rect.center().y);
        let place = Rect::from_center_size(at, Vec2::splat(34.0));
        let mut child = ui.new_child(UiBuilder::new().id_salt("about").max_rect(place));
        let what = match (wide, model.details) {
            (true, true) => "Hide what is known about this group",
            (false, _) if over => "Back to the talk",
            (true, false) | (false, _) => "About this group",
        };
        (icon_button(&mut child, icons::PANEL_RIGHT, what, 34.0).clicked(), asked)
    });
    shown.inner
}

/// One line on the connection, and on whether all is here. Without a connection nobody can know that it is.
fn known(model: &Model) -> &'static str {
    match (is_connected(model), model.is_missing(), model.missing) {
        (true, true, _) => "Connected. Something is still missing",
        (true, false, Some(false)) => "Connected. Nothing known is missing",
        (true, false, _) => "Connected to this group",
        (false, true, _) => "Not connected. Something is still missing",
        (false, false, _) => "Not connected at the moment",
    }
}
