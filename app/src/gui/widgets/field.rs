//! Fields that one types in: a name above, help or trouble below, an edge that shows the focus.

use std::sync::Arc;

use eframe::egui::{
    Color32, CornerRadius, FontFamily, FontId, Frame, Galley, Key, Margin, Rect, Response,
    RichText, Shape, Stroke, StrokeKind, TextBuffer, TextEdit, Ui, UiBuilder, Vec2,
    accesskit::Live, epaint::RectShape, text::LayoutJob, text_edit::TextEditOutput, vec2,
};

use super::{button::icon_button, format, format_lines, label, paragraph};
use crate::gui::{
    icons,
    theme::{self, Palette},
};

/// What is said below a field that takes no more letters.
const FULL: &str = "This is as long as it can be.";

/// A field of a form.
#[derive(Debug)]
pub(crate) struct Field<'a> {
    name: &'a str,
    text: &'a mut String,
    hint: &'a str,
    help: &'a str,
    error: &'a str,
    rows: usize,
    limit: usize,
    shown: Option<&'a mut bool>,
    bare: bool,
}

impl<'a> Field<'a> {
    /// A line of text under this name.
    pub(crate) const fn new(name: &'a str, text: &'a mut String, limit: usize) -> Self {
        Self { name, text, hint: "", help: "", error: "", rows: 1, limit, shown: None, bare: false }
    }

    /// Words that stand where nothing is written yet.
    pub(crate) const fn hint(self, hint: &'a str) -> Self {
        Self { hint, ..self }
    }

    /// A sentence below.
    pub(crate) const fn help(self, help: &'a str) -> Self {
        Self { help, ..self }
    }

    /// A sentence below, in place of the help, when it is not empty.
    pub(crate) const fn error(self, error: &'a str) -> Self {
        Self { error, ..self }
    }

    /// At least so many lines.
    pub(crate) const fn rows(self, rows: usize) -> Self {
        Self { rows, ..self }
    }

    /// The name is for a screen reader alone: what stands above says what the field is for.
    pub(crate) const fn bare(self) -> Self {
        Self { bare: true, ..self }
    }

    /// Dots for letters, until one asks to see them.
    pub(crate) const fn secret(self, shown: &'a mut bool) -> Self {
        Self { shown: Some(shown), ..self }
    }

    /// Shows it.
    pub(crate) fn show(self, ui: &mut Ui) -> Response {
        let palette = Palette::of(ui.ctx());
        let Self { name, text, hint, help, error, rows, limit, shown, bare } = self;
        let above = (!bare).then(|| label(ui, name, theme::SIZE_PREVIEW, 560.0, palette.text));
        let behind = ui.painter().add(Shape::Noop);
        let right: i8 = if shown.is_some() { 46 } else { 12 };
        let rows = if bare { 1 } else { rows };
        let edit =
            Edit { name, text: &mut *text, hint, rows, limit, right, is_long: rows > 1 || bare };
        let is_secret = shown.is_some();
        let hidden = shown.as_deref().is_some_and(|shown| !*shown);
        let mut output = if shown.is_some() { edit.secret(ui, hidden) } else { edit.open(ui) };
        let response = output.response.response.clone();
        let response = match above {
            Some(above) => response.labelled_by(above.id),
            None => response.accessible_name(name),
        };
        if let Some(shown) = shown {
            // What was typed is not kept to be undone.
            output.state.clear_undoer();
            output.state.store(ui.ctx(), response.id);
            eye(ui, response.rect, shown, name);
        }
        let edge = match (error.is_empty(), response.has_focus()) {
            (false, _) => Stroke::new(1.5, palette.danger),
            (true, true) => Stroke::new(1.5, palette.accent),
            (true, false) => Stroke::new(1.0, palette.control_border),
        };
        let radius = CornerRadius::same(theme::RADIUS_ROW);
        let shape =
            RectShape::new(response.rect, radius, palette.surface, edge, StrokeKind::Inside);
        ui.painter().set(behind, shape);
        if bare {
            return response;
        }
        let is_full = !is_secret && text.chars().count() >= limit;
        let (key, is_wrong) = (response.id.with("was wrong"), !error.is_empty());
        let was_wrong: bool = ui.ctx().data(|data| data.get_temp(key)).unwrap_or(false);
        ui.ctx().data_mut(|data| data.insert_temp(key, is_wrong));
        // Always one child, said or not: what follows keeps its id, and with it the focus.
        ui.scope(|ui| {
            if !error.is_empty() {
                let said = paragraph(ui, error, theme::SIZE_PREVIEW, palette.danger);
                ui.ctx().accesskit_node_builder(said.id, |node| node.set_live(Live::Polite));
                if !was_wrong {
                    said.scroll_to_me(None);
                }
            } else if is_full {
                let said = paragraph(ui, FULL, theme::SIZE_SMALL, palette.text);
                ui.ctx().accesskit_node_builder(said.id, |node| node.set_live(Live::Polite));
            } else if !help.is_empty() {
                paragraph(ui, help, theme::SIZE_SMALL, palette.muted);
            }
        });
        ui.add_space(8.0);
        response
    }
}

/// The text field itself, without an edge.
struct Edit<'a> {
    name: &'a str,
    text: &'a mut String,
    hint: &'a str,
    rows: usize,
    limit: usize,
    right: i8,
    is_long: bool,
}

impl Edit<'_> {
    /// Hidden letters are never laid out as themselves.
    fn secret(self, ui: &mut Ui, hidden: bool) -> TextEditOutput {
        let margin = Margin { left: 12, right: self.right, top: 9, bottom: 9 };
        TextEdit::singleline(self.text)
            .id_salt(self.name)
            .password(hidden)
            .font(FontId::new(theme::SIZE_BODY, FontFamily::Proportional))
            .frame(Frame::NONE.inner_margin(margin))
            .background_color(Color32::TRANSPARENT)
            .min_size(vec2(0.0, 40.0))
            .desired_width(f32::INFINITY)
            .char_limit(self.limit)
            .show(ui)
    }

    fn open(self, ui: &mut Ui) -> TextEditOutput {
        let palette = Palette::of(ui.ctx());
        let margin = Margin { left: 12, right: self.right, top: 9, bottom: 9 };
        let mut layouter = body_layouter;
        let hint =
            RichText::new(self.hint).size(theme::SIZE_BODY).line_height(Some(theme::LINE_BODY));
        let edit = if self.is_long {
            TextEdit::multiline(self.text).desired_rows(self.rows)
        } else {
            TextEdit::singleline(self.text)
        };
        edit.id_salt(self.name)
            .hint_text(hint.color(palette.muted))
            .frame(Frame::NONE.inner_margin(margin))
            .background_color(Color32::TRANSPARENT)
            .min_size(vec2(0.0, 40.0))
            .desired_width(f32::INFINITY)
            .char_limit(self.limit)
            .layouter(&mut layouter)
            .show(ui)
    }
}

/// Whether Enter was pressed in a field, which keeps the focus: what is wrong with it can be mended there.
pub(crate) fn entered(ui: &Ui, field: &Response) -> bool {
    let entered = field.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
    if entered {
        field.request_focus();
    }
    entered
}

/// Lays out what is typed like what is said.
pub(crate) fn body_layouter(ui: &Ui, text: &dyn TextBuffer, width: f32) -> Arc<Galley> {
    let palette = Palette::of(ui.ctx());
    let ink = format(theme::SIZE_BODY, palette.body_weight(), palette.text);
    let mut job =
        LayoutJob::single_section(text.as_str().to_owned(), format_lines(ink, theme::LINE_BODY));
    job.wrap.max_width = width;
    ui.fonts_mut(|fonts| fonts.layout_job(job))
}

/// The button inside a secret field.
fn eye(ui: &mut Ui, field: Rect, shown: &mut bool, name: &str) {
    let place = Rect::from_center_size(field.right_center() - vec2(24.0, 0.0), Vec2::splat(32.0));
    let mut child = ui.new_child(UiBuilder::new().id_salt((name, "eye")).max_rect(place));
    let (icon, verb) = if *shown { (icons::EYE_OFF, "Hide") } else { (icons::EYE, "Show") };
    let words = format!("{verb}: {name}");
    if icon_button(&mut child, icon, &words, 32.0).clicked() {
        *shown = !*shown;
    }
}

/// Scrolls to what gets the focus, so that it is never hidden. Only for what is in a scroll area.
pub(crate) fn reveal(response: &Response) {
    if response.gained_focus() {
        response.scroll_to_me(None);
    }
}

/// Marks what has the focus.
pub(crate) fn focus_ring(ui: &Ui, response: &Response, rect: Rect, radius: u8) {
    if response.has_focus() {
        let ring = Stroke::new(2.0, Palette::of(ui.ctx()).accent);
        ui.painter().rect_stroke(rect, CornerRadius::same(radius), ring, StrokeKind::Inside);
    }
}
