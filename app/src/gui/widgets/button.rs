//! Buttons, painted by hand so that the fill, the ring and the words are ours.

use eframe::egui::{
    Align2, Color32, CornerRadius, FontId, Pos2, Response, Role, Sense, Stroke, StrokeKind, Ui,
    Vec2, WidgetInfo, vec2,
};

use super::{
    field::{focus_ring, reveal},
    format, one_line, place_text,
};
use crate::gui::{
    fonts,
    icons::Icon,
    theme::{self, Palette},
};

/// How much a button asks to be pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weight {
    Primary,
    Quiet,
}

/// A button with words.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Button<'a> {
    text: &'a str,
    weight: Weight,
    height: f32,
    full: bool,
    enabled: bool,
}

impl<'a> Button<'a> {
    /// The one thing to do on this screen.
    pub(crate) const fn primary(text: &'a str) -> Self {
        Self { text, weight: Weight::Primary, height: 34.0, full: false, enabled: true }
    }

    /// Something else to do.
    pub(crate) const fn quiet(text: &'a str) -> Self {
        Self { text, weight: Weight::Quiet, height: 34.0, full: false, enabled: true }
    }

    /// As wide as there is room, and taller.
    pub(crate) const fn full(self) -> Self {
        Self { height: 42.0, full: true, ..self }
    }

    /// Taller, as in a form.
    pub(crate) const fn tall(self) -> Self {
        Self { height: 42.0, ..self }
    }

    /// As high as this.
    pub(crate) const fn height(self, height: f32) -> Self {
        Self { height, ..self }
    }

    /// Whether it can be pressed now.
    pub(crate) const fn enabled(self, enabled: bool) -> Self {
        Self { enabled, ..self }
    }

    /// Shows it; true when it was pressed.
    pub(crate) fn pressed(self, ui: &mut Ui) -> bool {
        self.show(ui).clicked()
    }

    /// Shows it.
    pub(crate) fn show(self, ui: &mut Ui) -> Response {
        let palette = Palette::of(ui.ctx());
        let room = ui.available_width();
        let size = if self.full { theme::SIZE_BODY } else { theme::SIZE_UI };
        let probe = one_line(ui, self.text, format(size, 580.0, palette.text), room - 24.0);
        let width = if self.full { room } else { probe.size().x + 28.0 };
        let sense = if self.enabled { Sense::click() } else { Sense::hover() };
        let (rect, response) = ui.allocate_exact_size(vec2(width, self.height), sense);
        let enabled = self.enabled && ui.is_enabled();
        response.widget_info(|| WidgetInfo::labeled(Role::Button, enabled, self.text));
        let held = response.is_pointer_button_down_on();
        let (fill, ink) = match self.weight {
            _ if !self.enabled => (palette.hover, palette.muted),
            Weight::Primary if held || response.hovered() => {
                (palette.accent_hover, palette.on_accent)
            }
            Weight::Primary => (palette.accent, palette.on_accent),
            Weight::Quiet if held || response.hovered() => {
                (palette.pressed.lerp_to_gamma(palette.text, 0.08), palette.text)
            }
            Weight::Quiet => (palette.pressed, palette.text),
        };
        ui.painter().rect_filled(rect, CornerRadius::same(theme::RADIUS_ROW), fill);
        let galley = one_line(ui, self.text, format(size, 580.0, ink), room - 24.0);
        ui.painter().galley(rect.center() - galley.size() / 2.0, galley, ink);
        focus_ring(ui, &response, rect.expand(3.0), theme::RADIUS_ROW + 3);
        reveal(&response);
        response
    }
}

/// One of several that exclude each other.
pub(crate) fn choice(ui: &mut Ui, text: &str, chosen: bool) -> Response {
    let palette = Palette::of(ui.ctx());
    let (fill, ink, edge) = if chosen {
        (palette.accent_soft, palette.on_accent_soft, palette.accent)
    } else {
        (palette.surface, palette.text, palette.control_border)
    };
    let words = one_line(ui, text, format(theme::SIZE_UI, 500.0, ink), f32::INFINITY);
    let (rect, response) =
        ui.allocate_exact_size(vec2(words.size().x + 26.0, 34.0), Sense::click());
    response.widget_info(|| WidgetInfo::selected(Role::RadioButton, true, chosen, text));
    let fill = if response.hovered() && !chosen { palette.hover } else { fill };
    let line = Stroke::new(if chosen { 1.5 } else { 1.0 }, edge);
    ui.painter().rect(rect, 17, fill, line, StrokeKind::Inside);
    ui.painter().galley(rect.center() - words.size() / 2.0, words, ink);
    focus_ring(ui, &response, rect.expand(3.0), 20);
    reveal(&response);
    response
}

/// An icon alone: named for who cannot see it, and when the pointer rests on it.
pub(crate) fn icon_button(ui: &mut Ui, icon: Icon, name: &str, size: f32) -> Response {
    let palette = Palette::of(ui.ctx());
    let (rect, response) = ui.allocate_exact_size(Vec2::splat(size), Sense::click());
    response.widget_info(|| WidgetInfo::labeled(Role::Button, ui.is_enabled(), name));
    ui.painter().rect_filled(
        rect,
        CornerRadius::same(theme::RADIUS_BUTTON),
        under(&response, palette),
    );
    focus_ring(ui, &response, rect, theme::RADIUS_BUTTON);
    let near = response.hovered() || response.has_focus();
    let ink = if near { palette.text } else { palette.muted };
    paint_icon(ui, rect.center(), icon, (size * 0.55).round(), ink);
    response.on_hover_text(name)
}

/// As wide as there is room, an icon first.
pub(crate) fn row_button(ui: &mut Ui, icon: Icon, text: &str) -> Response {
    let palette = Palette::of(ui.ctx());
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 40.0), Sense::click());
    response.widget_info(|| WidgetInfo::labeled(Role::Button, ui.is_enabled(), text));
    let fill = match under(&response, palette) {
        Color32::TRANSPARENT => palette.surface,
        fill => fill,
    };
    let edge = Stroke::new(1.0, palette.control_border.gamma_multiply(0.55));
    ui.painter().rect(rect, theme::RADIUS_ROW, fill, edge, StrokeKind::Inside);
    paint_icon(ui, rect.left_center() + vec2(20.0, 0.0), icon, 17.0, palette.muted);
    let words =
        one_line(ui, text, format(theme::SIZE_UI, 480.0, palette.text), rect.width() - 50.0);
    let at = rect.left_center() + vec2(38.0, -words.size().y / 2.0);
    ui.painter().galley(at, words, palette.text);
    focus_ring(ui, &response, rect, theme::RADIUS_ROW);
    response
}

/// A line of a menu; when it is chosen, the menu closes.
pub(crate) fn menu_item(ui: &mut Ui, icon: Icon, text: &str) -> Response {
    let palette = Palette::of(ui.ctx());
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 36.0), Sense::click());
    response.widget_info(|| WidgetInfo::labeled(Role::MenuItem, ui.is_enabled(), text));
    let radius = CornerRadius::same(theme::RADIUS_BUTTON);
    ui.painter().rect_filled(rect, radius, under(&response, palette));
    focus_ring(ui, &response, rect, theme::RADIUS_BUTTON);
    paint_icon(ui, rect.left_center() + vec2(20.0, 0.0), icon, 16.0, palette.muted);
    let ink = format(theme::SIZE_UI, 450.0, palette.text);
    place_text(ui, rect.left_center() + vec2(40.0, 0.0), Align2::LEFT_CENTER, text, ink);
    if response.clicked() {
        ui.close();
    }
    response
}

/// Paints an icon around its ink.
pub(crate) fn paint_icon(ui: &Ui, center: Pos2, icon: Icon, size: f32, ink: Color32) {
    let font = FontId::new(size, fonts::icon_family());
    let galley = ui.painter().layout_no_wrap(icon.0.to_string(), font, ink);
    let at = center - galley.mesh_bounds.center().to_vec2();
    ui.painter().galley(at, galley, ink);
}

/// What is under a control that has no fill of its own.
fn under(response: &Response, palette: &Palette) -> Color32 {
    if response.is_pointer_button_down_on() {
        palette.pressed
    } else if response.hovered() {
        palette.hover
    } else {
        Color32::TRANSPARENT
    }
}
