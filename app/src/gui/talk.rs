//! The window among groups: who one is with, what is said, and what one is about to say.
//!
//! ```text
//! | rail      | header              | details   |
//! | of groups | timeline            | why, how, |
//! |           | composer            | who       |
//! ```

mod composer;
mod details;
mod dialogs;
mod header;
mod heights;
mod invite;
mod leaving;
mod links;
mod menu;
mod paint;
mod rail;
mod rows;
mod timeline;

use eframe::egui::{CentralPanel, Frame, Key, TextureHandle, Ui};
use proto::GroupId;

use super::{
    drafts::AllDrafts,
    model::{Action, Model, Place},
    screens::{Join, Settings, Start, join_ui, settings_ui, shared_ui, start_ui, welcome_ui},
    theme::Palette,
};
pub(crate) use timeline::Timeline;

/// Widest that what is said becomes: lines of 75 to 85 letters.
const COLUMN_WIDTH_MAX: f32 = 760.0;

/// Room left and right of it.
const COLUMN_SIDE: f32 = 24.0;

/// Where the details lie beside the timeline; in a narrower window they take its place.
const DETAILS_FROM_WIDTH: f32 = 1040.0;

/// What belongs to drawing alone.
pub(crate) struct TalkView {
    timeline: Timeline,
    /// What is being written.
    pub(crate) drafts: AllDrafts,
    /// In a narrow window: the details instead of the timeline.
    over: bool,
    /// All of the agreement.
    whole: bool,
    /// The invitation's link as a picture.
    code: Option<(String, TextureHandle)>,
    copied: bool,
    /// The group that the composer was last given the focus for.
    focused: Option<GroupId>,
    composing: bool,
}

impl TalkView {
    /// At the newest message, with nothing written.
    pub(crate) fn new() -> Self {
        Self {
            timeline: Timeline::new(),
            drafts: AllDrafts::default(),
            over: false,
            whole: false,
            code: None,
            copied: false,
            focused: None,
            composing: false,
        }
    }

    /// Whether the newest message is in view, whatever comes.
    pub(crate) fn is_at_newest(&self) -> bool {
        self.timeline.is_at_newest()
    }

    /// Goes to the newest message.
    pub(crate) fn go_newest(&mut self) {
        self.timeline.go_newest();
    }

    /// Gives the composer the focus with the next frame.
    pub(crate) fn focus_composer(&mut self) {
        self.focused = None;
    }
}

/// All of it.
pub(crate) fn talk_ui(
    ui: &mut Ui,
    model: &Model,
    (view, start, join, settings): (&mut TalkView, &mut Start, &mut Join, &mut Settings),
) -> Option<Action> {
    let wide = ui.available_width() >= DETAILS_FROM_WIDTH;
    let mut action = None;
    if !model.groups.is_empty() || model.place == Place::Talk {
        action = rail::rail_ui(ui, model);
    }
    let more = match model.place {
        Place::Start => start_ui(ui, model, start),
        Place::Join => join_ui(ui, model, join),
        Place::Settings => settings_ui(ui, model),
        Place::Shared => shared_ui(ui, Place::Settings),
        Place::Talk if model.groups.is_empty() => {
            let frame = Frame::NONE.fill(Palette::of(ui.ctx()).bg);
            CentralPanel::no_frame().frame(frame).show(ui, |ui| welcome_ui(ui, model)).inner
        }
        Place::Talk => group_ui(ui, model, view, wide),
    };
    let more = dialogs::dialog_ui(ui, model, settings).or(more);
    let away = model.place != Place::Talk && model.busy.is_none() && model.dialog.is_none();
    let back = away && ui.input(|input| input.key_pressed(Key::Escape));
    action.or(more).or_else(|| back.then_some(Action::Go(Place::Talk)))
}

/// The open group.
fn group_ui(ui: &mut Ui, model: &Model, view: &mut TalkView, wide: bool) -> Option<Action> {
    let mut action = None;
    if wide {
        view.over = false;
        if model.details {
            action = details::details_ui(ui, model, &mut view.whole);
        }
    }
    let (switched, asked) = header::header_ui(ui, model, (wide, view.over));
    action = action.or(asked);
    if switched && !wide {
        view.over = !view.over;
    } else if switched {
        action = Some(Action::SwitchDetails);
    }
    let free = model.dialog.is_none() && model.invitation.is_none();
    if view.over && free && ui.input(|input| input.key_pressed(Key::Escape)) {
        view.over = false;
    }
    if view.over {
        let more = details::over_ui(ui, model, &mut view.whole);
        action = action.or(more);
    } else {
        let sent = composer::composer_ui(ui, model, view);
        let frame = Frame::NONE.fill(Palette::of(ui.ctx()).bg);
        let timeline = &mut view.timeline;
        let more = CentralPanel::no_frame().frame(frame).show(ui, |ui| timeline.show(ui, model));
        action = action.or(sent).or(more.inner);
    }
    let more = invite::invite_ui(ui, model, view);
    action.or(more)
}
