//! The card in the middle of a screen, and the frame of a dialog.

use eframe::egui::{
    CentralPanel, Context, Frame, Id, Margin, Rect, Role, ScrollArea, Sense, Stroke, Ui, UiBuilder,
    pos2, vec2,
};

use crate::gui::theme::{self, Palette};

/// Room that a card leaves to the edges of the window.
const AROUND: f32 = 20.0;

/// A card of this width in the middle of an empty screen; it scrolls when the window is too low for it.
pub(crate) fn card_ui<R>(
    ui: &mut Ui,
    name: &str,
    width: f32,
    content: impl FnOnce(&mut Ui) -> R,
) -> R {
    let palette = Palette::of(ui.ctx());
    let inner = CentralPanel::no_frame().frame(Frame::NONE.fill(palette.rail)).show(ui, |ui| {
        let screen = ui.available_rect_before_wrap();
        let shown =
            ScrollArea::vertical().id_salt(name).auto_shrink([false, false]).show(ui, |ui| {
                let width = width.min(screen.width() - 2.0 * AROUND);
                // How high it is, is known once it was drawn.
                let key = Id::unique(("card", name));
                let known: Option<f32> = ui.data(|data| data.get_temp(key));
                let above = ((screen.height() - known.unwrap_or(0.0)) / 2.0).round().max(AROUND);
                let left = (ui.max_rect().center().x - width / 2.0).round();
                let top = ui.max_rect().top() + above;
                let place = Rect::from_min_size(
                    pos2(left, top),
                    vec2(width, (screen.height() - above).max(40.0)),
                );
                let mut child = ui.new_child(UiBuilder::new().id_salt(name).max_rect(place));
                let side: i8 = if width < 380.0 { 22 } else { 36 };
                let ends: i8 = if screen.height() < 460.0 { 20 } else { 32 };
                let shown = dialog_frame(palette)
                    .inner_margin(Margin { left: side, right: side, top: ends, bottom: ends })
                    .show(&mut child, |ui| {
                        ui.spacing_mut().item_spacing = vec2(8.0, 6.0);
                        ui.set_width(ui.available_width());
                        content(ui)
                    });
                let height = shown.response.rect.height();
                ui.allocate_rect(shown.response.rect.expand2(vec2(0.0, AROUND)), Sense::hover());
                if known.is_none_or(|known| (known - height).abs() > 0.5) {
                    ui.data_mut(|data| data.insert_temp(key, height));
                    ui.ctx().request_discard("the height of a card became known");
                }
                shown.inner
            });
        shown.inner
    });
    inner.inner
}

/// The look of everything that lies on top.
pub(crate) fn dialog_frame(palette: &Palette) -> Frame {
    Frame::NONE
        .fill(palette.surface)
        .corner_radius(theme::RADIUS_DIALOG)
        .stroke(Stroke::new(1.0, palette.border))
        .shadow(palette.dialog_shadow())
}

/// How much of a dialog can be seen without scrolling.
pub(crate) fn dialog_height_max(ctx: &Context) -> f32 {
    (ctx.content_rect().height() - 96.0).max(120.0)
}

/// What is scrolled in a dialog of this name: it begins at its top whenever it opens, and shows that it is too long,
/// also where no pointer is.
pub(crate) fn dialog_scroll(ui: &mut Ui, name: &str) -> ScrollArea {
    let style = &mut ui.spacing_mut().scroll;
    style.dormant_handle_opacity = 0.28;
    // In the dialog's margin, beside what is in it.
    style.bar_outer_margin = -14.0;
    let ctx = ui.ctx();
    let most = dialog_height_max(ctx);
    let (key, now) = (Id::unique((name, "shown")), ctx.cumulative_pass_nr());
    let before: Option<u64> = ctx.data(|data| data.get_temp(key));
    ctx.data_mut(|data| data.insert_temp(key, now));
    let scroll = ScrollArea::vertical().id_salt(name).max_height(most).min_scrolled_height(most);
    let scroll = scroll.auto_shrink([false, true]);
    let goes_on = before.is_some_and(|before| now <= before.saturating_add(1));
    if goes_on { scroll } else { scroll.vertical_scroll_offset(0.0) }
}

/// What is in a dialog, as one thing that a screen reader tells by its title.
pub(crate) fn dialog_body<R>(ui: &mut Ui, title: &str, content: impl FnOnce(&mut Ui) -> R) -> R {
    let place = UiBuilder::new().accessibility_role(Role::Dialog).accessibility_label(title);
    ui.scope_builder(place, |ui| {
        ui.ctx().accesskit_node_builder(ui.unique_id(), |node| node.set_modal());
        let inner = content(ui);
        reveal_focus(ui);
        inner
    })
    .inner
}

/// In a dialog, after all that is in it: scrolls to what got the focus, so that it is never hidden.
fn reveal_focus(ui: &Ui) {
    let ctx = ui.ctx();
    let (key, focused) = (Id::unique("focus in a dialog"), ctx.memory(|memory| memory.focused()));
    let before: Option<Id> = ctx.data(|data| data.get_temp(key));
    if let Some(id) = focused.filter(|id| before != Some(*id)) {
        ctx.data_mut(|data| data.insert_temp(key, id));
        if let Some(response) = ctx.read_response(id) {
            ui.scroll_to_rect(response.rect, None);
        }
    }
}
