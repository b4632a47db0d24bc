//! What is known about the group: why it meets, what was agreed on, who is in it.

use eframe::egui::{
    Align2, CentralPanel, Color32, Frame, Margin, Panel, Rect, Role, ScrollArea, Sense, Stroke, Ui,
    UiBuilder, Vec2, WidgetInfo, pos2, vec2,
};

use proto::OpId;

use crate::{
    backend::MemberView,
    gui::{
        icons,
        model::{Action, Busy, Dialog, Here, Model},
        theme::{self, Palette},
        widgets::{
            focus_ring, format, one_line, paragraph, pattern, place_text, reveal, row_button,
            section, seed_of, wrapped,
        },
        words::name_or_nameless,
    },
};

/// Its width beside the timeline.
const WIDTH: f32 = 292.0;

/// Lines of the agreement that are shown until one asks for all.
const LINES: usize = 3;

/// Beside the timeline.
pub(crate) fn details_ui(ui: &mut Ui, model: &Model, whole: &mut bool) -> Option<Action> {
    let palette = Palette::of(ui.ctx());
    let panel = Panel::right("details").resizable(false).show_separator_line(false);
    let shown = panel.exact_size(WIDTH).frame(Frame::NONE.fill(palette.bg)).show(ui, |ui| {
        let rect = ui.max_rect();
        ui.painter().vline(rect.left() + 0.5, rect.y_range(), Stroke::new(1.0, palette.border));
        let (top, response) = ui.allocate_exact_size(vec2(WIDTH, 60.0), Sense::hover());
        response.widget_info(|| WidgetInfo::labeled(Role::Heading, true, "About this group"));
        let ink = format(theme::SIZE_UI, 620.0, palette.text);
        let at = top.left_center() + vec2(20.0, 0.0);
        place_text(ui, at, Align2::LEFT_CENTER, "About this group", ink);
        ui.add_space(6.0);
        known_ui(ui, model, whole)
    });
    shown.inner
}

/// In place of the timeline, where the window is narrow.
pub(crate) fn over_ui(ui: &mut Ui, model: &Model, whole: &mut bool) -> Option<Action> {
    let palette = Palette::of(ui.ctx());
    let frame =
        Frame::NONE.fill(palette.bg).inner_margin(Margin { left: 4, right: 4, top: 12, bottom: 0 });
    CentralPanel::no_frame().frame(frame).show(ui, |ui| known_ui(ui, model, whole)).inner
}

fn known_ui(ui: &mut Ui, model: &Model, whole: &mut bool) -> Option<Action> {
    let palette = Palette::of(ui.ctx());
    let mut action = None;
    ScrollArea::vertical().id_salt("details").auto_shrink([false, false]).show(ui, |ui| {
        let margin = Margin { left: 20, right: 20, top: 0, bottom: 16 };
        Frame::NONE.inner_margin(margin).show(ui, |ui| {
            ui.spacing_mut().item_spacing = vec2(8.0, 4.0);
            let Some(group) = model.open_group() else { return };
            section(ui, "Why we meet");
            paragraph(ui, &group.reason, 13.5, palette.text);
            ui.add_space(16.0);
            if !group.agreement.trim().is_empty() {
                section(ui, "Our agreement");
                ui.add_space(2.0);
                agreement_ui(ui, &group.agreement, whole);
                ui.add_space(16.0);
            }
            if let Some(name) = &group.arriving {
                let name = name_or_nameless(name);
                let words = format!("So far you met only {name} here. Until you meet one more person, only their word says that this is the group you were invited to.");
                paragraph(ui, &words, theme::SIZE_PREVIEW, palette.muted);
                ui.add_space(16.0);
            }
            section(ui, "People");
            ui.add_space(2.0);
            ui.spacing_mut().item_spacing.y = 0.0;
            let list =
                UiBuilder::new().accessibility_role(Role::List).accessibility_label("People");
            ui.scope_builder(list, |ui| {
                for member in model.talk.iter().flat_map(|talk| &talk.members) {
                    if person(ui, member) {
                        action = Some(Action::Here(Here::Compare(member.member)));
                    }
                }
            });
            ui.add_space(12.0);
            let words =
                if model.busy == Some(Busy::Inviting) { "One moment…" } else { "Invite someone" };
            let invite = row_button(ui, icons::USER_PLUS, words);
            reveal(&invite);
            if invite.clicked() && model.busy.is_none() {
                action = Some(Action::Here(Here::Invite));
            }
            if let Some(invite) = invitations_ui(ui, model) {
                action = Some(Action::Here(Here::Revoke(invite)));
            }
            ui.add_space(12.0);
            let leave = row_button(ui, icons::LOG_OUT, "Leave this group");
            reveal(&leave);
            if leave.clicked() {
                action = Some(Action::Ask(Dialog::Leave));
            }
        });
    });
    action
}

/// Own invitations that still let someone in; gives the one that is taken back.
fn invitations_ui(ui: &mut Ui, model: &Model) -> Option<OpId> {
    let palette = Palette::of(ui.ctx());
    let invitations = model.talk.as_ref().map(|talk| &talk.invitations[..]).unwrap_or_default();
    if invitations.is_empty() {
        return None;
    }
    let mut taken_back = None;
    ui.add_space(16.0);
    section(ui, "Your open invitations");
    ui.add_space(2.0);
    for (nth, open) in (1..).zip(invitations) {
        let (day, time) = (model.clock.date(open.expires_ms), model.clock.time(open.expires_ms));
        let until = format!("Until {day}, {time}");
        ui.horizontal(|ui| {
            let room = (ui.available_width() - 76.0).max(60.0);
            let words =
                one_line(ui, &until, format(theme::SIZE_PREVIEW, 400.0, palette.text), room);
            let (rect, response) = ui.allocate_exact_size(vec2(room, 34.0), Sense::hover());
            response.widget_info(|| WidgetInfo::labeled(Role::Label, true, &until));
            let at = pos2(rect.left(), rect.center().y - words.size().y / 2.0);
            ui.painter().galley(at, words, palette.text);
            let spoken = format!("Take back invitation {nth}, until {day}, {time}");
            if text_link(ui, "Take back", &spoken) && model.busy.is_none() {
                taken_back = Some(open.invite);
            }
        });
    }
    taken_back
}

fn agreement_ui(ui: &mut Ui, agreement: &str, whole: &mut bool) {
    let palette = Palette::of(ui.ctx());
    let lines = || agreement.lines().filter(|line| !line.trim().is_empty());
    let margin = Margin { left: 14, right: 12, top: 11, bottom: 8 };
    let frame = Frame::NONE.fill(palette.rail).corner_radius(theme::RADIUS_ROW);
    frame.inner_margin(margin).show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.spacing_mut().item_spacing.y = 5.0;
        let shown = if *whole { usize::MAX } else { LINES };
        for line in lines().take(shown) {
            paragraph(ui, line, 13.5, palette.text);
        }
        if lines().nth(LINES).is_some() {
            let words = if *whole { "Show less" } else { "Read our agreement" };
            if text_link(ui, words, words) {
                *whole = !*whole;
            }
        }
    });
}

/// Words that do something, and what a screen reader says instead; true when they were pressed.
fn text_link(ui: &mut Ui, text: &str, spoken: &str) -> bool {
    let palette = Palette::of(ui.ctx());
    let ink = format(13.5, 560.0, palette.accent);
    let galley = one_line(ui, text, ink, ui.available_width());
    let (rect, response) = ui.allocate_exact_size(vec2(galley.size().x, 26.0), Sense::click());
    response.widget_info(|| WidgetInfo::labeled(Role::Button, ui.is_enabled(), spoken));
    let at = pos2(rect.left(), rect.center().y - galley.size().y / 2.0);
    let under = Rect::from_min_size(at, galley.size());
    ui.painter().galley(at, galley, palette.accent);
    if response.hovered() {
        let line = Stroke::new(1.0, palette.accent);
        ui.painter().hline(under.x_range(), under.bottom() - 0.5, line);
    }
    focus_ring(ui, &response, rect.expand2(vec2(4.0, 0.0)), 5);
    reveal(&response);
    response.clicked()
}

/// Someone in the group; true when they were pressed, to compare words with them.
fn person(ui: &mut Ui, member: &MemberView) -> bool {
    let palette = Palette::of(ui.ctx());
    let sense = if member.me { Sense::hover() } else { Sense::click() };
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 42.0), sense);
    if response.hovered() && !member.me {
        ui.painter().rect_filled(rect.expand2(vec2(6.0, 0.0)), theme::RADIUS_ROW, palette.hover);
    }
    focus_ring(ui, &response, rect.expand2(vec2(6.0, 0.0)), theme::RADIUS_ROW);
    reveal(&response);
    let name = name_or_nameless(&member.pseudonym);
    let spoken = if member.me { format!("{name}, you") } else { name.to_owned() };
    response.widget_info(|| WidgetInfo::labeled(Role::ListItem, true, &spoken));
    let round = Rect::from_min_size(rect.min + vec2(0.0, 3.0), Vec2::splat(36.0));
    pattern(ui, round, seed_of(&member.member.0));
    let you = if member.me { "You" } else { "" };
    let you = one_line(ui, you, format(theme::SIZE_SMALL, 400.0, palette.muted), 60.0);
    let x = round.right() + 12.0;
    let room = rect.right() - x - you.size().x - 8.0;
    let ink = if member.pseudonym.trim().is_empty() { palette.muted } else { palette.text };
    let words = if member.pseudonym.trim().is_empty() {
        wrapped(ui, name, format(theme::SIZE_PREVIEW, 400.0, ink), room)
    } else {
        one_line(ui, name, format(theme::SIZE_UI, 480.0, ink), room)
    };
    ui.painter().galley(pos2(x, rect.center().y - words.size().y / 2.0), words, ink);
    let at = pos2(rect.right() - you.size().x, rect.center().y - you.size().y / 2.0);
    ui.painter().galley(at, you, Color32::PLACEHOLDER);
    response.clicked()
}
