//! An invitation that was made: a link and a picture of it, for one person.

use eframe::egui::{
    Align, Color32, ColorImage, Context, Id, Layout, Margin, Modal, Rect, Role, Sense, Stroke,
    StrokeKind, TextureHandle, TextureOptions, Ui, UiBuilder, WidgetInfo, pos2, vec2,
};

use super::TalkView;
use crate::{
    backend::Invitation,
    gui::{
        icons,
        model::{Action, Here, Model},
        theme::{self, Palette},
        widgets::{
            Button, dialog_body, dialog_frame, dialog_height_max, dialog_scroll, format, heading,
            icon_button, one_line, paint_icon, paragraph,
        },
    },
};

/// About how wide the picture is.
const CODE_WIDTH: f32 = 200.0;

/// Shows it, when there is one.
pub(super) fn invite_ui(ui: &Ui, model: &Model, view: &mut TalkView) -> Option<Action> {
    let Some(invitation) = &model.invitation else {
        view.code = None;
        view.copied = false;
        return None;
    };
    if view.code.as_ref().is_none_or(|(link, _)| *link != invitation.link) {
        let code = picture(ui.ctx(), &invitation.link);
        view.code = code.map(|code| (invitation.link.clone(), code));
    }
    let code = view.code.as_ref().map(|(_, code)| code);
    let copied = &mut view.copied;
    let ctx = ui.ctx().clone();
    let palette = Palette::of(&ctx);
    let screen = ctx.content_rect();
    let name = model.open_group().map_or("", |group| group.name.as_str());
    let frame = dialog_frame(palette).inner_margin(Margin::same(24));
    let modal = Modal::new(Id::unique("invite")).frame(frame).backdrop_color(palette.scrim);
    let shown = modal.show(&ctx, |ui| {
        ui.set_width((screen.width() - 96.0).min(404.0));
        dialog_scroll(ui, "invite")
            .show(ui, |ui| {
                let title = format!("Invite someone to {name}");
                dialog_body(ui, &title, |ui| {
                    content_ui(ui, (model, &title), (code, copied), invitation)
                })
            })
            .inner
    });
    if shown.should_close() { Some(Action::CloseInvitation) } else { shown.inner }
}

fn content_ui(
    ui: &mut Ui,
    (model, title): (&Model, &str),
    (code, copied): (Option<&TextureHandle>, &mut bool),
    invitation: &Invitation,
) -> Option<Action> {
    let palette = Palette::of(ui.ctx());
    let mut action = None;
    ui.spacing_mut().item_spacing = vec2(8.0, 6.0);
    let close = Rect::from_min_size(ui.max_rect().right_top() - vec2(32.0, 0.0), vec2(32.0, 32.0));
    ui.scope(|ui| {
        ui.set_max_width(ui.available_width() - 40.0);
        heading(ui, title, theme::SIZE_DIALOG);
    });
    paragraph(ui, "Let them scan this here, or send them the link.", theme::SIZE_UI, palette.muted);
    ui.add_space(10.0);
    if let Some(code) = code {
        code_ui(ui, code);
    }
    ui.add_space(10.0);
    link_ui(ui, &invitation.link);
    ui.add_space(8.0);
    let until = model.clock.date(invitation.expires_ms);
    paragraph(ui, &format!("Works once, until {until}"), theme::SIZE_UI, palette.text);
    let words = "Whoever has the link first can come in until then, so send it in a way that only they can read. Until someone used it you can take it back: here, or later under About this group.";
    paragraph(ui, words, theme::SIZE_PREVIEW, palette.muted);
    if addresses_ui(ui, model, invitation.has_addresses) {
        action = Some(Action::Here(Here::WithoutAddresses));
    }
    ui.add_space(12.0);
    // Side by side from the right; `with_layout` would take all the height that is left.
    let (row, _) = ui.allocate_exact_size(vec2(ui.available_width(), 40.0), Sense::hover());
    let place = UiBuilder::new()
        .id_salt("buttons")
        .max_rect(row)
        .layout(Layout::right_to_left(Align::Center));
    let mut buttons = ui.new_child(place);
    let done = Button::primary("Done").show(&mut buttons);
    let words = if *copied { "Copied" } else { "Copy link" };
    if Button::quiet(words).pressed(&mut buttons) {
        *copied = true;
        action = Some(Action::Copy(invitation.link.clone()));
    }
    if Button::quiet("Take it back").enabled(model.busy.is_none()).pressed(&mut buttons) {
        action = Some(Action::Here(Here::Revoke(invitation.invite)));
    }
    // After the others: the first Tab from here is not to take anything back.
    let mut child = ui.new_child(UiBuilder::new().id_salt("close").max_rect(close));
    let cross = icon_button(&mut child, icons::X, "Close", 32.0);
    if ui.memory(|memory| memory.focused().is_none()) {
        // The one of the two that can be seen without scrolling; where the box will stand is not known yet.
        let height = done.rect.bottom() - ui.max_rect().top();
        let first = if height <= dialog_height_max(ui.ctx()) { &done } else { &cross };
        first.request_focus();
    }
    if done.clicked() || cross.clicked() {
        action = Some(Action::CloseInvitation);
    }
    action
}

/// Says whether the link tells where this computer is. True when it is to be made anew without that.
fn addresses_ui(ui: &mut Ui, model: &Model, has_addresses: bool) -> bool {
    let palette = Palette::of(ui.ctx());
    ui.add_space(2.0);
    if !has_addresses {
        let words =
            "It holds no address. It works where they are on the same network as one of you.";
        paragraph(ui, words, theme::SIZE_PREVIEW, palette.muted);
        return false;
    }
    let words = "It also holds this computer's address on the network, so that they find it.";
    paragraph(ui, words, theme::SIZE_PREVIEW, palette.muted);
    ui.add_space(4.0);
    Button::quiet("Leave the address out").enabled(model.busy.is_none()).pressed(ui)
}

/// White under the code in both themes, and whole pixels per module: cameras want it so.
fn code_ui(ui: &mut Ui, code: &TextureHandle) {
    let palette = Palette::of(ui.ctx());
    let scale = ui.ctx().pixels_per_point();
    let [modules, _] = code.size();
    let modules = modules as f32;
    let width = CODE_WIDTH.min(0.36 * ui.ctx().content_rect().height());
    let module = (width * scale / modules).round().max(2.0) / scale;
    ui.vertical_centered(|ui| {
        let side = modules * module + 36.0;
        let (rect, response) = ui.allocate_exact_size(vec2(side, side), Sense::hover());
        response
            .widget_info(|| WidgetInfo::labeled(Role::Image, true, "The invitation as a QR code"));
        let edge = Stroke::new(1.0, palette.border);
        ui.painter().rect(rect, 14, Color32::WHITE, edge, StrokeKind::Inside);
        let corner = ((rect.min.to_vec2() + vec2(18.0, 18.0)) * scale).round() / scale;
        let place =
            Rect::from_min_size(pos2(corner.x, corner.y), vec2(1.0, 1.0) * modules * module);
        let all = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
        ui.painter().image(code.id(), place, all, Color32::WHITE);
    });
}

fn link_ui(ui: &mut Ui, link: &str) {
    let palette = Palette::of(ui.ctx());
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 40.0), Sense::hover());
    response
        .widget_info(|| WidgetInfo::labeled(Role::Label, true, format!("Invitation link: {link}")));
    ui.painter().rect_filled(rect, theme::RADIUS_ROW, palette.rail);
    paint_icon(ui, rect.left_center() + vec2(22.0, 0.0), icons::LINK, 16.0, palette.muted);
    let words = one_line(ui, link, format(13.5, 450.0, palette.text), rect.width() - 60.0);
    let at = pos2(rect.left() + 42.0, rect.center().y - words.size().y / 2.0);
    ui.painter().galley(at, words, palette.text);
}

/// One texel a module; none when the link is too long for a code.
fn picture(ctx: &Context, link: &str) -> Option<TextureHandle> {
    // Capitals make the code a third smaller, and a link is read either way.
    let capitals = link.to_uppercase();
    let code = qrcode::QrCode::with_error_correction_level(capitals, qrcode::EcLevel::M).ok()?;
    let side = code.width();
    let pixels: Vec<Color32> = code
        .to_colors()
        .into_iter()
        .map(|module| match module {
            qrcode::Color::Dark => Color32::from_rgb(0x17, 0x20, 0x1F),
            qrcode::Color::Light => Color32::WHITE,
        })
        .collect();
    let image = ColorImage::new([side, side], pixels);
    Some(ctx.load_texture("invitation", image, TextureOptions::NEAREST))
}
