//! The groups one is in, and the ways to more.

use eframe::egui::{
    Align2, Color32, CornerRadius, Frame, Panel, Popup, Rect, Response, Role, ScrollArea, Sense,
    Ui, UiBuilder, Vec2, WidgetInfo, pos2, vec2,
};

use crate::{
    backend::GroupView,
    gui::{
        icons,
        model::{Action, Model, Place},
        theme::{self, Palette},
        widgets::{
            focus_ring, format, icon_button, label, menu_item, monogram, one_line, place_text,
            reveal, row_button, section, seed_of,
        },
    },
};

/// Its width where there is room, where there is less, and with initials alone.
const WIDTHS: [f32; 3] = [288.0, 224.0, 72.0];

/// Height of a group's row.
const ROW: f32 = 60.0;

/// Shows it.
pub(crate) fn rail_ui(ui: &mut Ui, model: &Model) -> Option<Action> {
    let palette = Palette::of(ui.ctx());
    let [full, less, bare] = WIDTHS;
    let width = match ui.available_width() {
        room if room >= 840.0 => full,
        room if room >= 560.0 => less,
        _ => bare,
    };
    let panel = Panel::left("rail").resizable(false).show_separator_line(false).exact_size(width);
    let shown = panel.frame(Frame::NONE.fill(palette.rail)).show(ui, |ui| {
        ui.spacing_mut().item_spacing = Vec2::ZERO;
        let names = width > bare;
        let action = top_ui(ui, names);
        let mut list = ui.available_rect_before_wrap();
        let foot = Rect::from_min_max(pos2(list.left(), list.bottom() - 60.0), list.max);
        list.max.y = foot.top();
        let mut child = ui.new_child(UiBuilder::new().id_salt("groups").max_rect(list));
        let chosen = list_ui(&mut child, model, names);
        let side = if names { 12.0 } else { (width - 40.0) / 2.0 };
        let place = foot.shrink2(vec2(side, 10.0));
        let mut child = ui.new_child(UiBuilder::new().id_salt("foot").max_rect(place));
        let lock = if names {
            row_button(&mut child, icons::LOCK, "Lock")
        } else {
            icon_button(&mut child, icons::LOCK, "Lock", 40.0)
        };
        action.or(chosen).or_else(|| lock.clicked().then_some(Action::Lock))
    });
    shown.inner
}

/// The program's name, and what is not about one group.
fn top_ui(ui: &mut Ui, names: bool) -> Option<Action> {
    let palette = Palette::of(ui.ctx());
    let mut action = None;
    let height = if names { 60.0 } else { 96.0 };
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), height), Sense::hover());
    let mut child = ui.new_child(UiBuilder::new().id_salt("top").max_rect(rect));
    let ui = &mut child;
    if names {
        let place = Rect::from_min_size(rect.min + vec2(20.0, 18.0), vec2(80.0, 26.0));
        let mut child = ui.new_child(UiBuilder::new().id_salt("name").max_rect(place));
        label(&mut child, "Kith", theme::SIZE_DIALOG, 660.0, palette.text);
    }
    let (theme_at, plus_at) = if names {
        (pos2(rect.right() - 60.0, rect.center().y), pos2(rect.right() - 26.0, rect.center().y))
    } else {
        (rect.center_top() + vec2(0.0, 28.0), rect.center_top() + vec2(0.0, 64.0))
    };
    let place = Rect::from_center_size(theme_at, Vec2::splat(32.0));
    let mut child = ui.new_child(UiBuilder::new().id_salt("settings").max_rect(place));
    if icon_button(&mut child, icons::SETTINGS, "Settings", 32.0).clicked() {
        action = Some(Action::Go(Place::Settings));
    }
    let place = Rect::from_center_size(plus_at, Vec2::splat(32.0));
    let mut child = ui.new_child(UiBuilder::new().id_salt("plus").max_rect(place));
    let plus = icon_button(&mut child, icons::PLUS, "Start a group, or join one", 32.0);
    Popup::menu(&plus).show(|ui| {
        ui.set_width(236.0);
        ui.spacing_mut().item_spacing.y = 2.0;
        let start = menu_item(ui, icons::SPROUT, "Start a group");
        if plus.clicked() {
            start.request_focus();
        }
        if start.clicked() {
            action = Some(Action::Go(Place::Start));
        }
        if menu_item(ui, icons::MAIL_OPEN, "Join with an invitation").clicked() {
            action = Some(Action::Go(Place::Join));
        }
    });
    action
}

fn list_ui(ui: &mut Ui, model: &Model, names: bool) -> Option<Action> {
    let mut action = None;
    ScrollArea::vertical().id_salt("groups").auto_shrink([false, false]).show(ui, |ui| {
        if model.groups.is_empty() {
            return;
        }
        if names {
            ui.add_space(4.0);
            ui.horizontal(|ui| {
                ui.spacing_mut().interact_size.y = 24.0;
                ui.add_space(20.0);
                section(ui, "Groups")
            });
            ui.add_space(2.0);
        }
        let list = UiBuilder::new().accessibility_role(Role::List).accessibility_label("Groups");
        ui.scope_builder(list, |ui| {
            for group in &model.groups {
                if row(ui, model, group, names).clicked() {
                    action = Some(Action::Open(group.group));
                }
            }
        });
    });
    action
}

fn row(ui: &mut Ui, model: &Model, group: &GroupView, names: bool) -> Response {
    let palette = Palette::of(ui.ctx());
    let open = model.talk.as_ref().is_some_and(|talk| talk.group == group.group);
    let here = open && model.place == Place::Talk;
    let fresh = model.fresh.contains(&group.group);
    let (outer, response) = ui.allocate_exact_size(vec2(ui.available_width(), ROW), Sense::click());
    let spoken = if fresh { format!("{}, something new", group.name) } else { group.name.clone() };
    response.widget_info(|| WidgetInfo::selected(Role::ListItem, true, here, &spoken));
    if !ui.is_rect_visible(outer) {
        return response;
    }
    let rect = outer.shrink2(vec2(8.0, 1.0));
    let fill = match (here, response.hovered()) {
        (true, _) => palette.accent_soft,
        (false, true) => palette.hover,
        (false, false) => Color32::TRANSPARENT,
    };
    ui.painter().rect_filled(rect, CornerRadius::same(theme::RADIUS_ROW), fill);
    focus_ring(ui, &response, rect, theme::RADIUS_ROW);
    reveal(&response);
    if fresh {
        let bar = Rect::from_center_size(rect.left_center() + vec2(0.5, 0.0), vec2(3.0, 22.0));
        ui.painter().rect_filled(bar, 2, palette.accent);
    }
    let square = Rect::from_center_size(rect.left_center() + vec2(28.0, 0.0), Vec2::splat(38.0));
    monogram(ui, square, &group.name, seed_of(&group.group.0));
    if !names {
        return response.on_hover_text(&group.name);
    }
    let (x, right) = (rect.left() + 59.0, rect.right() - 12.0);
    let (first, second) = (rect.center().y - 18.5, rect.center().y + 1.5);
    let time = model.clock.short(group.last_activity_ms);
    let ink = format(theme::SIZE_CAPTION, 400.0, palette.muted);
    let time = place_text(ui, pos2(right, first + 1.5), Align2::RIGHT_TOP, &time, ink);
    let (weight, ink) = match (fresh, here) {
        (true, _) => (720.0, palette.text),
        (false, true) => (600.0, palette.on_accent_soft),
        (false, false) => (500.0, palette.text),
    };
    let form = format(theme::SIZE_UI, weight, ink);
    let name = one_line(ui, &group.name, form, time.left() - 8.0 - x);
    ui.painter().galley(pos2(x, first), name, ink);
    let line = if fresh { "Something new" } else { group.reason.as_str() };
    let form = format(theme::SIZE_PREVIEW, 400.0, palette.muted);
    let line = one_line(ui, line, form, right - x);
    ui.painter().galley(pos2(x, second), line, palette.muted);
    response
}
