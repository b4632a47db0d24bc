//! The line above what is said: the group's name, and why it meets.

use eframe::egui::{
    Color32, Frame, Margin, Panel, Rect, Role, Sense, Stroke, Ui, UiBuilder, Vec2, WidgetInfo,
    pos2, vec2,
};

use crate::gui::{
    icons,
    model::Model,
    theme::{self, Palette},
    widgets::{format, icon_button, one_line},
};

/// Its height.
const HEIGHT: f32 = 60.0;

/// Shows it; true when the details were asked for.
pub(crate) fn header_ui(ui: &mut Ui, model: &Model, wide: bool) -> bool {
    let palette = Palette::of(ui.ctx());
    let margin = Margin { left: 24, right: 12, top: 0, bottom: 0 };
    let frame = Frame::NONE.fill(palette.bg).inner_margin(margin);
    let panel = Panel::top("header").resizable(false).show_separator_line(false).exact_size(HEIGHT);
    let shown = panel.frame(frame).show(ui, |ui| {
        let rect = ui.max_rect();
        let whole = rect.expand2(vec2(24.0, 0.0));
        ui.painter().hline(whole.x_range(), rect.bottom() - 0.5, Stroke::new(1.0, palette.border));
        let (name, reason) =
            model.open_group().map_or(("", ""), |group| (&*group.name, &*group.reason));
        let room = rect.width() - 50.0;
        let ink = format(theme::SIZE_TITLE, 640.0, palette.text);
        let title = one_line(ui, name, ink, room);
        let line = one_line(ui, reason, format(theme::SIZE_SMALL, 400.0, palette.muted), room);
        let words = Rect::from_min_size(rect.min, vec2(room, 32.0));
        let response = ui.interact(words, ui.unique_id().with("name"), Sense::hover());
        response.widget_info(|| WidgetInfo::labeled(Role::Heading, true, name));
        let below = Rect::from_min_size(rect.min + vec2(0.0, 32.0), vec2(room, 18.0));
        let response = ui.interact(below, ui.unique_id().with("reason"), Sense::hover());
        response.widget_info(|| WidgetInfo::labeled(Role::Label, true, reason));
        ui.painter().galley(rect.min + vec2(0.0, 10.0), title, Color32::PLACEHOLDER);
        ui.painter().galley(rect.min + vec2(0.0, 32.0), line, Color32::PLACEHOLDER);
        let at = pos2(rect.right() - 21.0, rect.center().y);
        let place = Rect::from_center_size(at, Vec2::splat(34.0));
        let mut child = ui.new_child(UiBuilder::new().id_salt("about").max_rect(place));
        let what = match (wide, model.details) {
            (true, true) => "Hide what is known about this group",
            (true, false) | (false, _) => "About this group",
        };
        icon_button(&mut child, icons::PANEL_RIGHT, what, 34.0).clicked()
    });
    shown.inner
}
