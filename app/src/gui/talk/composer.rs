//! Where one writes: Enter sends, Shift+Enter begins a line.

use eframe::egui::{
    Align, Color32, CornerRadius, Event, Frame, Id, ImeEvent, Key, KeyboardShortcut, Layout,
    Margin, Modifiers, Panel, Rect, RichText, Role, ScrollArea, Sense, Shape, Stroke, StrokeKind,
    TextEdit, Ui, UiBuilder, Vec2, WidgetInfo,
    accesskit::Live,
    epaint::RectShape,
    pos2,
    text::{CCursor, CCursorRange},
    vec2,
};

use super::{COLUMN_SIDE, COLUMN_WIDTH_MAX, TalkView, leaving};
use crate::{
    backend::GroupView,
    gui::{
        drafts::Writing,
        icons,
        model::{Action, Here, Model},
        theme::{self, Palette},
        widgets::{
            body_layouter, focus_ring, format, icon_button, one_line, paint_icon, paragraph,
        },
        words::{MESSAGE_LEN_MAX, name_or_nameless},
    },
};

/// The send button, and the lowest the composer gets inside.
const SEND: f32 = 34.0;

/// Lines that it grows to.
const LINES_MAX: f32 = 7.0;

/// Shows it.
pub(super) fn composer_ui(ui: &mut Ui, model: &Model, view: &mut TalkView) -> Option<Action> {
    let palette = Palette::of(ui.ctx());
    let group = model.open_group()?;
    let id = Id::unique(("composer", group.group));
    if view.focused != Some(group.group) {
        view.focused = Some(group.group);
        ui.memory_mut(|memory| memory.request_focus(id));
    }
    let margin = Margin { left: 24, right: 24, top: 4, bottom: 8 };
    let panel = Panel::bottom("composer").resizable(false).show_separator_line(false);
    let shown = panel.frame(Frame::NONE.fill(palette.bg).inner_margin(margin)).show(ui, |ui| {
        let mut column = ui.available_rect_before_wrap();
        let side = ((column.width() + 2.0 * COLUMN_SIDE - 48.0 - COLUMN_WIDTH_MAX) / 2.0).max(0.0);
        column = column.shrink2(vec2(side.round(), 0.0));
        let inner = ui.scope_builder(UiBuilder::new().max_rect(column), |ui| {
            ui.spacing_mut().item_spacing.y = 0.0;
            let closed = ui.scope(|ui| said_ui(ui, model)).inner;
            let writing = view.drafts.of(group.group);
            ui.scope(|ui| leaving::leaving_ui(ui, writing));
            ui.scope(|ui| leaving::about_ui(ui, model, writing));
            let sent = box_ui(ui, view, (model, group), id);
            below_ui(ui, model);
            sent.or(closed)
        });
        inner.inner
    });
    shown.inner
}

/// What went wrong last, or was done out of sight, until it was read.
fn said_ui(ui: &mut Ui, model: &Model) -> Option<Action> {
    let palette = Palette::of(ui.ctx());
    let says = model.trouble.as_ref().map(|trouble| trouble.says.as_str()).or(model.done)?;
    let margin = Margin { left: 14, right: 8, top: 6, bottom: 6 };
    let frame = Frame::NONE.fill(palette.hover).corner_radius(theme::RADIUS_ROW);
    let closed = frame.inner_margin(margin).show(ui, |ui| {
        ui.set_width(ui.available_width());
        let room = Rect::from_min_size(ui.cursor().min, vec2(ui.available_width() - 40.0, 32.0));
        let mut words = ui.new_child(UiBuilder::new().id_salt("trouble").max_rect(room));
        words.add_space(5.0);
        let said = paragraph(&mut words, says, theme::SIZE_PREVIEW, palette.text);
        let live = Live::Polite;
        ui.ctx().accesskit_node_builder(said.id, |node| node.set_live(live));
        let height = (said.rect.height() + 10.0).max(32.0);
        let (row, _) = ui.allocate_exact_size(vec2(ui.available_width(), height), Sense::hover());
        let place = Rect::from_min_size(row.right_top() - vec2(32.0, 0.0), Vec2::splat(32.0));
        let mut child = ui.new_child(UiBuilder::new().id_salt("close").max_rect(place));
        icon_button(&mut child, icons::X, "Close this notice", 32.0).clicked()
    });
    ui.add_space(8.0);
    closed.inner.then_some(Action::CloseTrouble)
}

/// The field and its button.
fn box_ui(
    ui: &mut Ui,
    view: &mut TalkView,
    (model, group): (&Model, &GroupView),
    id: Id,
) -> Option<Action> {
    let palette = Palette::of(ui.ctx());
    let focused = ui.memory(|memory| memory.has_focus(id));
    let enter = focused && take_enter(ui, &mut view.composing);
    let writing = view.drafts.of(group.group);
    keys(ui, model, writing, (id, focused));
    if core::mem::take(&mut writing.is_replaced) {
        to_end(ui, id, &writing.text);
    }
    let draft = &mut writing.text;
    let behind = ui.painter().add(Shape::Noop);
    let margin = Margin { left: 12, right: 6, top: 6, bottom: 6 };
    let shown = Frame::NONE.inner_margin(margin).show(ui, |ui| {
        let room = ui.available_width() - SEND - 6.0;
        let lines = body_layouter(ui, draft, room - 8.0).size().y.max(theme::LINE_BODY);
        let height = (lines + 12.0).clamp(SEND, LINES_MAX * theme::LINE_BODY + 12.0);
        let (row, _) = ui.allocate_exact_size(vec2(ui.available_width(), height), Sense::hover());
        let place = Rect::from_min_size(row.min, vec2(room, height));
        let mut child = ui.new_child(UiBuilder::new().id_salt("field").max_rect(place));
        ScrollArea::vertical().id_salt("composer").auto_shrink([false, false]).show(
            &mut child,
            |ui| {
                let hint = one_line_hint(&group.name);
                let mut layouter = body_layouter;
                let edit = TextEdit::multiline(draft)
                    .id(id)
                    .frame(Frame::NONE.inner_margin(Margin {
                        left: 4,
                        right: 4,
                        top: 6,
                        bottom: 6,
                    }))
                    .background_color(Color32::TRANSPARENT)
                    .hint_text(hint.color(palette.muted))
                    .desired_rows(1)
                    .desired_width(f32::INFINITY)
                    .char_limit(MESSAGE_LEN_MAX)
                    .return_key(KeyboardShortcut::new(Modifiers::SHIFT, Key::Enter))
                    .layouter(&mut layouter);
                ui.add(edit).accessible_name("Message");
            },
        );
        let can = !draft.trim().is_empty();
        let at = pos2(row.right() - SEND, row.bottom() - SEND);
        let pressed = send_ui(ui, Rect::from_min_size(at, Vec2::splat(SEND)), can);
        can && (pressed || enter)
    });
    let edge = if focused {
        Stroke::new(1.5, palette.accent)
    } else {
        Stroke::new(1.0, palette.control_border)
    };
    let radius = CornerRadius::same(theme::RADIUS_COMPOSER);
    let rect = shown.response.rect;
    let shape = RectShape::new(rect, radius, palette.surface, edge, StrokeKind::Inside);
    ui.painter().set(behind, shape);
    if !shown.inner {
        return None;
    }
    ui.memory_mut(|memory| memory.request_focus(id));
    writing.send(model.clock.now_ms());
    Some(Action::Here(Here::Sent))
}

/// Escape leaves a reply or a change be; Ctrl+Z in an empty field calls back what leaves.
fn keys(ui: &Ui, model: &Model, writing: &mut Writing, (id, focused): (Id, bool)) {
    let back = focused
        && writing.text.is_empty()
        && ui.input_mut(|input| input.consume_key(Modifiers::COMMAND, Key::Z));
    if back {
        writing.call_back();
    }
    let is_free =
        model.dialog.is_none() && model.invitation.is_none() && !ui.ctx().any_popup_open();
    let about = is_free && (writing.edit.is_some() || writing.reply_to.is_some());
    if about && ui.input_mut(|input| input.consume_key(Modifiers::NONE, Key::Escape)) {
        writing.drop_about();
        // Escape has taken the focus away.
        ui.memory_mut(|memory| memory.request_focus(id));
    }
}

/// One goes on writing at the end.
fn to_end(ui: &Ui, id: Id, text: &str) {
    let Some(mut state) = TextEdit::load_state(ui.ctx(), id) else { return };
    let end = CCursor::new(text.chars().count());
    state.cursor.set_char_range(Some(CCursorRange::one(end)));
    state.clear_undoer();
    state.store(ui.ctx(), id);
}

fn one_line_hint(name: &str) -> RichText {
    let short: String = name.chars().take(40).collect();
    RichText::new(format!("Write to {short}"))
        .size(theme::SIZE_BODY)
        .line_height(Some(theme::LINE_BODY))
}

fn send_ui(ui: &Ui, rect: Rect, can: bool) -> bool {
    let palette = Palette::of(ui.ctx());
    let sense = if can { Sense::click() } else { Sense::hover() };
    let response = ui.interact(rect, ui.unique_id().with("send"), sense);
    response.widget_info(|| WidgetInfo::labeled(Role::Button, can, "Send message"));
    let fill = match (can, response.hovered()) {
        (false, _) => palette.hover,
        (true, true) => palette.accent_hover,
        (true, false) => palette.accent,
    };
    ui.painter().rect_filled(rect, theme::RADIUS_ROW, fill);
    focus_ring(ui, &response, rect.expand(3.0), theme::RADIUS_ROW + 3);
    let ink = if can { palette.on_accent } else { palette.muted };
    paint_icon(ui, rect.center(), icons::ARROW_UP, 18.0, ink);
    response.clicked()
}

/// Who one is here, and what Enter does.
fn below_ui(ui: &mut Ui, model: &Model) {
    let palette = Palette::of(ui.ctx());
    let me = model.talk.iter().flat_map(|talk| &talk.members).find(|member| member.me);
    let name = me.map_or("", |me| name_or_nameless(&me.pseudonym));
    let here = format!("You appear here as {name}");
    ui.add_space(5.0);
    let (row, _) = ui.allocate_exact_size(vec2(ui.available_width(), 16.0), Sense::hover());
    let ink = || format(theme::SIZE_CAPTION, 400.0, palette.muted);
    let keys = one_line(ui, "Enter sends · Shift+Enter for a new line", ink(), f32::INFINITY);
    let room = row.width() - 8.0;
    let both = room >= keys.size().x + 150.0;
    let left = if both { room - keys.size().x - 16.0 } else { room };
    let mut child = ui.new_child(
        UiBuilder::new()
            .id_salt("below")
            .max_rect(row.shrink2(vec2(4.0, 0.0)))
            .layout(Layout::left_to_right(Align::Center)),
    );
    let ui = &mut child;
    let words = if name.is_empty() { "" } else { &here };
    let words = one_line(ui, words, ink(), left);
    let (at, response) = ui.allocate_exact_size(vec2(words.size().x, 16.0), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, &here));
    ui.painter().galley(at.min, words, palette.muted);
    if both {
        let at = pos2(row.right() - 4.0 - keys.size().x, at.top());
        ui.painter().galley(at, keys, palette.muted);
    }
}

/// Takes Enter alone away from the field; not while letters are being composed.
///
/// `consume_key` would take Shift+Enter too: it ignores modifiers that were not asked for.
fn take_enter(ui: &Ui, composing: &mut bool) -> bool {
    let mut taken = false;
    ui.input_mut(|input| {
        input.events.retain(|event| {
            if let Event::Ime(ime) = event {
                *composing = matches!(ime, ImeEvent::Preedit { text, .. } if !text.is_empty());
            }
            let enter = matches!(
                event,
                Event::Key { key: Key::Enter, pressed: true, modifiers, .. } if modifiers.is_none()
            );
            taken |= enter && !*composing;
            !enter || *composing
        });
    });
    taken
}
