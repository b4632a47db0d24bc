//! Words, measured and placed.

use std::sync::Arc;

use eframe::egui::{
    Align2, Color32, FontFamily, FontId, Galley, Label, Pos2, Rect, Response, RichText, Role,
    Sense, TextFormat, Ui, WidgetInfo,
    text::{LayoutJob, TextWrapping},
    vec2,
};

use crate::gui::theme::{self, Palette};

/// Letters of this size, weight and colour.
pub(crate) fn format(size: f32, weight: f32, color: Color32) -> TextFormat {
    let font_id = FontId::new(size, FontFamily::Proportional);
    let mut format = TextFormat { font_id, color, ..TextFormat::default() };
    format.coords.push(b"wght", weight);
    format
}

/// Letters on lines of this height.
pub(crate) fn format_lines(format: TextFormat, line: f32) -> TextFormat {
    TextFormat { line_height: Some(line), ..format }
}

/// Text laid out on as many lines as it takes.
pub(crate) fn wrapped(ui: &Ui, text: &str, format: TextFormat, width: f32) -> Arc<Galley> {
    let mut job = LayoutJob::single_section(text.to_owned(), format);
    job.wrap.max_width = width;
    ui.painter().layout_job(job)
}

/// Text laid out on one line, with an ellipsis where it does not fit.
pub(crate) fn one_line(ui: &Ui, text: &str, format: TextFormat, width: f32) -> Arc<Galley> {
    let flat: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let mut job = LayoutJob::single_section(flat, format);
    job.wrap = TextWrapping {
        max_width: width.max(0.0),
        max_rows: 1,
        break_anywhere: true,
        overflow_character: Some('…'),
    };
    ui.painter().layout_job(job)
}

/// Paints one line of text; returns where it is.
pub(crate) fn place_text(ui: &Ui, at: Pos2, align: Align2, text: &str, format: TextFormat) -> Rect {
    let color = format.color;
    let galley = ui.painter().layout_job(LayoutJob::single_section(text.to_owned(), format));
    let rect = align.anchor_size(at, galley.size());
    ui.painter().galley(rect.min, galley, color);
    rect
}

/// Paints a line so that its letters stand on `at.y`; returns where it is.
pub(crate) fn baseline_text(ui: &Ui, at: Pos2, galley: Arc<Galley>) -> Rect {
    let glyph = galley.rows.first().and_then(|row| row.glyphs.first());
    let ascent = glyph.map_or_else(|| galley.size().y * 0.8, |glyph| glyph.pos.y);
    let rect = Rect::from_min_size(at - vec2(0.0, ascent), galley.size());
    ui.painter().galley(rect.min, galley, Color32::PLACEHOLDER);
    rect
}

/// A line of words that cannot be selected.
pub(crate) fn label(ui: &mut Ui, text: &str, size: f32, weight: f32, color: Color32) -> Response {
    let text = RichText::new(text).size(size).variation(b"wght", weight).color(color);
    ui.add(Label::new(text).selectable(false))
}

/// Words on as many lines as they take.
pub(crate) fn paragraph(ui: &mut Ui, text: &str, size: f32, color: Color32) -> Response {
    let text = RichText::new(text).size(size).line_height(Some((size * 1.46).round())).color(color);
    ui.add(Label::new(text).wrap())
}

/// The name of a screen or a dialog.
pub(crate) fn heading(ui: &mut Ui, text: &str, size: f32) -> Response {
    let galley =
        wrapped(ui, text, format(size, 640.0, Palette::of(ui.ctx()).text), ui.available_width());
    let (rect, response) = ui.allocate_exact_size(galley.size(), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Heading, true, text));
    ui.painter().galley(rect.min, galley, Color32::PLACEHOLDER);
    response
}

/// The small name above a part of a pane.
pub(crate) fn section(ui: &mut Ui, text: &str) -> Response {
    let muted = Palette::of(ui.ctx()).muted;
    let galley = one_line(ui, text, format(theme::SIZE_SMALL, 600.0, muted), ui.available_width());
    let (rect, response) = ui.allocate_exact_size(galley.size(), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Heading, true, text));
    ui.painter().galley(rect.min, galley, muted);
    response
}
