//! What is said: only what is visible is laid out, and what one reads stays where it is.
//!
//! The position is a row and where its top is. Rows that come in above, below or between, or turn out
//! higher than guessed, therefore move nothing on the screen.

use std::collections::BTreeSet;

use eframe::egui::{
    EventFilter, Id, Key as Press, Rect, Response, Role, ScrollArea, Sense, Shadow, Stroke, Ui,
    UiBuilder, Vec2, WidgetInfo, pos2, scroll_area::ScrollSource, vec2,
};
use jiff::civil::Date;
use proto::GroupId;

use super::{
    COLUMN_SIDE, COLUMN_WIDTH_MAX,
    heights::Rows,
    menu::{Hand, Hit},
    paint::paint,
    rows::{Key, Kind, Laid, lay_out, rows_of},
};
use crate::{
    backend::MessageId,
    gui::{
        icons,
        model::{Action, Here, Model, Talk},
        theme::Palette,
        widgets::{focus_ring, paint_icon},
    },
};

/// Room below the newest message.
const BELOW: f32 = 12.0;

/// Older messages are asked for when so much is left above.
const EARLY: f32 = 800.0;

/// What has the focus while one goes through the messages.
pub(super) fn id() -> Id {
    Id::unique("timeline")
}

/// Where one is.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Anchor {
    /// At the newest message, whatever comes.
    Newest,
    /// At a row: its top is so far below the top of the view. `nth` finds its place if it is gone.
    Row { key: Key, nth: usize, top: f32 },
}

/// What moves the view.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Pull {
    /// So far towards newer messages; negative towards older ones.
    By(f32),
    /// To the oldest that is loaded.
    Oldest,
    /// To the newest.
    Newest,
}

/// A row that is in view.
struct Placed {
    nth: usize,
    top: f32,
    laid: Laid,
}

/// What the rows depend on beside the messages: the group, whether it was read, whether there are older ones,
/// the day, and what is new.
type Frame = (GroupId, bool, bool, Date, Option<MessageId>);

/// The view of one group's messages.
#[derive(Debug)]
pub(crate) struct Timeline {
    rows: Rows,
    built_for: Option<(Frame, u64)>,
    width: f32,
    anchor: Anchor,
    /// The newest message that was in view.
    met: Option<MessageId>,
    /// Long messages that are shown whole.
    unfolded: BTreeSet<MessageId>,
    /// The message that is looked for among older ones.
    seek: Option<MessageId>,
    hand: Hand,
}

impl Timeline {
    /// At the newest message.
    pub(crate) fn new() -> Self {
        Self {
            rows: Rows::default(),
            built_for: None,
            width: 0.0,
            anchor: Anchor::Newest,
            met: None,
            unfolded: BTreeSet::new(),
            seek: None,
            hand: Hand::default(),
        }
    }

    /// Whether the newest message is in view, whatever comes.
    pub(crate) fn is_at_newest(&self) -> bool {
        self.anchor == Anchor::Newest
    }

    /// Goes to the newest message.
    pub(crate) fn go_newest(&mut self) {
        self.anchor = Anchor::Newest;
    }

    /// Shows it.
    pub(crate) fn show(&mut self, ui: &mut Ui, model: &Model) -> Option<Action> {
        let talk = model.talk.as_ref()?;
        let area = ui.available_rect_before_wrap();
        let width = (area.width() - 2.0 * COLUMN_SIDE).clamp(120.0, COLUMN_WIDTH_MAX);
        let left = (area.center().x - width / 2.0).round();
        self.width = width;
        self.rebuild(model, talk);
        let response = self.focusable(ui, area);
        let is_free = model.invitation.is_none() && model.dialog.is_none();
        self.choose(ui, talk, (area.height(), is_free && response.has_focus()));
        self.look_for(talk);
        let pull = pull_of(ui, area, is_free, response.has_focus());
        let placed = self.place(ui, (model, talk), area.height(), pull);
        let early = placed.first().is_some_and(|first| self.offset(first) < EARLY);
        let column = Rect::from_min_size(pos2(left, area.top()), vec2(width, area.height()));
        self.paint_rows(ui, (model, talk), column, &placed);
        focus_ring(ui, &response, area.shrink(2.0), 8);
        let last = talk.messages.last().map(|message| message.id);
        if self.anchor == Anchor::Newest {
            self.met = last;
        } else if area.height() > 160.0 && self.newest_button(ui, column, self.met != last) {
            self.go_newest();
        }
        let hit = self.hand.hit.take().and_then(|hit| self.on_hit(hit));
        if self.seek.is_some() {
            response.request_focus();
        }
        let wants_older = early || self.seek.is_some();
        let older = wants_older && talk.more && !talk.loading;
        hit.or_else(|| older.then_some(Action::Here(Here::Older)))
    }

    /// Something in a message was pressed.
    fn on_hit(&mut self, hit: Hit) -> Option<Action> {
        match hit {
            Hit::Jump(id) => self.seek = Some(id),
            Hit::Unfold(id) => {
                self.unfolded.insert(id);
            }
            Hit::Copy(text) => return Some(Action::Copy(text)),
            Hit::Do(action) => return Some(action),
        }
        None
    }

    /// The arrow keys choose a message, and Enter opens its menu.
    fn choose(&mut self, ui: &Ui, talk: &Talk, (height, is_here): (f32, bool)) {
        self.hand.opens = false;
        if !is_here {
            if !ui.ctx().any_popup_open() {
                self.hand.chosen = None;
            }
            return;
        }
        if ui.ctx().any_popup_open() {
            return;
        }
        let pressed = |key| ui.input(|input| input.modifiers.is_none() && input.key_pressed(key));
        if pressed(Press::Enter) && self.hand.chosen.is_some() {
            self.hand.menu = self.hand.chosen.map(|id| (id, false));
            self.hand.opens = true;
        }
        let (up, down) = (pressed(Press::ArrowUp), pressed(Press::ArrowDown));
        if !up && !down {
            return;
        }
        let last = talk.messages.len().saturating_sub(1);
        let now = self.hand.chosen;
        let now = talk.messages.iter().position(|message| Some(message.id) == now);
        let next = match now {
            None => last,
            Some(nth) if up => nth.saturating_sub(1),
            Some(nth) => nth.saturating_add(1).min(last),
        };
        self.hand.chosen = talk.messages.get(next).map(|message| message.id);
        if let Some(id) = self.hand.chosen {
            self.reveal(id, height);
        }
    }

    /// Moves so far that a message can be seen.
    fn reveal(&mut self, id: MessageId, height: f32) {
        let key = Key::Message(id);
        let Some(nth) = self.rows.find(key, 0) else { return };
        let (top, whole) = (self.rows.above(nth), self.rows.total() + BELOW);
        let own = self.rows.get(nth).map_or(0.0, |row| row.height);
        let shown_from = match self.anchor {
            Anchor::Newest => whole - height,
            Anchor::Row { key, nth, top } => {
                self.rows.above(self.rows.find(key, nth).unwrap_or(nth)) - top
            }
        };
        if top < shown_from {
            self.anchor = Anchor::Row { key, nth, top: 12.0 };
        } else if top + own > shown_from + height {
            let last = nth.saturating_add(1) == self.rows.len();
            let top = (height - own - BELOW).max(0.0);
            self.anchor = if last { Anchor::Newest } else { Anchor::Row { key, nth, top } };
        }
    }

    /// Goes to the message that is looked for, when it is loaded; forgets it when it never will be.
    fn look_for(&mut self, talk: &Talk) {
        let Some(id) = self.seek else { return };
        let key = Key::Message(id);
        if let Some(nth) = self.rows.find(key, 0) {
            self.seek = None;
            self.hand.chosen = Some(id);
            self.anchor = Anchor::Row { key, nth, top: 60.0 };
        } else if !talk.more && !talk.loading {
            self.seek = None;
        }
    }

    /// Makes the rows anew when what they show has changed.
    fn rebuild(&mut self, model: &Model, talk: &Talk) {
        let today = model.clock.today();
        let frame = (talk.group, talk.arrived, talk.more, today, talk.new_after);
        let wanted = Some((frame, talk.revision));
        if self.built_for == wanted {
            return;
        }
        if self.built_for.is_none_or(|((group, ..), _)| group != talk.group) {
            self.rows = Rows::default();
            self.anchor = Anchor::Newest;
            self.met = None;
        }
        let before = talk.revision.wrapping_sub(1);
        let from = if self.built_for == Some((frame, before)) { talk.changed_from } else { 0 };
        // What stands above the first message that changed stays.
        let is_above = |kind| matches!(kind, Kind::Message { nth, .. } if nth < from);
        let kept = self.rows.all().iter().rposition(|row| is_above(row.kind));
        let kept = kept.map_or(0, |last| last.saturating_add(1));
        let rows = rows_of(model, talk, self.rows.all().split_at(kept), (from, self.width));
        self.rows.replace_from(kept, rows);
        self.built_for = wanted;
    }

    /// Tab reaches it, so that the arrow keys can move it.
    fn focusable(&self, ui: &Ui, area: Rect) -> Response {
        let sense = Sense::focusable_noninteractive();
        let response = ui.interact(area, id(), sense);
        response.widget_info(|| WidgetInfo::labeled(Role::Log, true, "Messages"));
        if response.has_focus() {
            let arrows = EventFilter { vertical_arrows: true, ..EventFilter::default() };
            ui.memory_mut(|memory| memory.set_focus_lock_filter(response.id, arrows));
        }
        response
    }

    /// How far this row's top is from the beginning of what is loaded, less how far it is scrolled out.
    fn offset(&self, first: &Placed) -> f32 {
        self.rows.above(first.nth) - first.top
    }

    /// Lays a row out, and remembers how high it is.
    fn measure(&mut self, ui: &Ui, (model, talk): (&Model, &Talk), nth: usize) -> Option<Laid> {
        let width = self.width;
        let row = self.rows.get(nth)?;
        let is_unfolded = matches!(row.key, Key::Message(id) if self.unfolded.contains(&id));
        let laid = lay_out(ui, (model, talk), row, width, is_unfolded);
        self.rows.set_height(nth, laid.height);
        Some(laid)
    }

    /// Decides which rows are in view and where.
    fn place(&mut self, ui: &Ui, of: (&Model, &Talk), height: f32, pull: Pull) -> Vec<Placed> {
        match pull {
            Pull::Newest => self.anchor = Anchor::Newest,
            Pull::Oldest => {
                if let Some(first) = self.rows.get(0) {
                    self.anchor = Anchor::Row { key: first.key, nth: 0, top: 0.0 };
                }
            }
            Pull::By(_) => {}
        }
        let by = if let Pull::By(by) = pull { by } else { 0.0 };
        if self.anchor == Anchor::Newest && by >= 0.0 {
            return self.place_up(ui, of, height);
        }
        let (nth, top) = match self.anchor {
            Anchor::Newest => {
                let Some(first) = self.place_up(ui, of, height).into_iter().next() else {
                    return Vec::new();
                };
                (first.nth, first.top)
            }
            Anchor::Row { key, nth, top } => {
                let last = self.rows.len().saturating_sub(1);
                let found = self.rows.find(key, nth);
                (found.unwrap_or_else(|| nth.min(last)), top)
            }
        };
        let placed = self.place_around(ui, of, height, (nth, top - by));
        let end = placed.last().filter(|last| last.nth.saturating_add(1) == self.rows.len());
        if end.is_some_and(|last| last.top + last.laid.height + BELOW <= height + 0.5) {
            self.anchor = Anchor::Newest;
            return self.place_up(ui, of, height);
        }
        if let Some(first) = placed.first()
            && let Some(row) = self.rows.get(first.nth)
        {
            self.anchor = Anchor::Row { key: row.key, nth: first.nth, top: first.top };
        }
        placed
    }

    /// From the newest row upwards.
    fn place_up(&mut self, ui: &Ui, of: (&Model, &Talk), height: f32) -> Vec<Placed> {
        let mut placed = Vec::new();
        let mut bottom = height - BELOW;
        for nth in (0..self.rows.len()).rev() {
            if bottom <= 0.0 {
                break;
            }
            let Some(laid) = self.measure(ui, of, nth) else { break };
            bottom -= laid.height;
            placed.push(Placed { nth, top: bottom, laid });
        }
        placed.reverse();
        placed
    }

    /// From this row upwards to the top of the view, then downwards to its end.
    fn place_around(
        &mut self,
        ui: &Ui,
        of: (&Model, &Talk),
        height: f32,
        (from, top): (usize, f32),
    ) -> Vec<Placed> {
        let mut placed: Vec<Placed> = Vec::new();
        let mut above = top;
        for nth in (0..from).rev() {
            if above <= 0.0 {
                break;
            }
            let Some(laid) = self.measure(ui, of, nth) else { break };
            above -= laid.height;
            placed.push(Placed { nth, top: above, laid });
        }
        placed.reverse();
        // Nothing is above the oldest row.
        let shift = above.max(0.0);
        for row in &mut placed {
            row.top -= shift;
        }
        let mut below = top - shift;
        for nth in from..self.rows.len() {
            if below >= height {
                break;
            }
            let Some(laid) = self.measure(ui, of, nth) else { break };
            let bottom = below + laid.height;
            placed.push(Placed { nth, top: below, laid });
            below = bottom;
        }
        placed.retain(|row| row.top + row.laid.height > 0.0 && row.top < height);
        placed
    }

    /// Paints what was placed; egui's scroll area gives the bar and the clipping.
    fn paint_rows(&mut self, ui: &mut Ui, of: (&Model, &Talk), column: Rect, placed: &[Placed]) {
        let total = self.rows.total() + BELOW;
        let passed = placed.first().map_or(0.0, |first| self.offset(first)).max(0.0);
        let source =
            ScrollSource { scroll_bar: true, mouse_wheel: false, ..ScrollSource::default() };
        let rows = &self.rows;
        let hand = &mut self.hand;
        let shown = ScrollArea::vertical()
            .id_salt("timeline")
            .auto_shrink([false, false])
            .animated(false)
            .scroll_source(source)
            .vertical_scroll_offset(passed)
            .show_viewport(ui, |ui, _| {
                ui.set_height(total);
                let clip = ui.clip_rect();
                let list = UiBuilder::new()
                    .max_rect(clip)
                    .accessibility_role(Role::List)
                    .accessibility_label("What was said");
                ui.scope_builder(list, |ui| {
                    for place in placed {
                        let Some(row) = rows.get(place.nth) else { continue };
                        let at = pos2(column.left(), (column.top() + place.top).round());
                        let size = vec2(column.width(), place.laid.height);
                        let rect = Rect::from_min_size(at, size);
                        paint(ui, of, row, &place.laid, (rect, &mut *hand));
                    }
                });
            });
        let moved = shown.state.unclamped_offset().y - passed;
        if moved.abs() > 0.5 {
            self.go_to(passed + moved, total - column.height());
            ui.ctx().request_repaint();
        }
    }

    /// Goes so far from the beginning of what is loaded.
    fn go_to(&mut self, offset: f32, most: f32) {
        if offset >= most - 1.0 {
            self.anchor = Anchor::Newest;
            return;
        }
        if let Some((nth, above)) = self.rows.at(offset)
            && let Some(row) = self.rows.get(nth)
        {
            self.anchor = Anchor::Row { key: row.key, nth, top: above - offset };
        }
    }

    /// A way back to the newest message; ringed when something came meanwhile.
    fn newest_button(&self, ui: &Ui, column: Rect, new: bool) -> bool {
        let palette = Palette::of(ui.ctx());
        let center = column.right_bottom() - vec2(8.0, 32.0);
        let rect = Rect::from_center_size(center, Vec2::splat(40.0));
        let response = ui.interact(rect, Id::unique("to newest"), Sense::click());
        let words = if new { "Something new below" } else { "To the newest message" };
        response.widget_info(|| WidgetInfo::labeled(Role::Button, true, words));
        let shadow = Shadow { offset: [0, 3], blur: 12, spread: 0, color: palette.shadow };
        ui.painter().add(shadow.as_shape(rect, 20));
        let fill = if response.hovered() { palette.hover } else { palette.surface };
        let edge = if new {
            Stroke::new(2.0, palette.accent)
        } else {
            Stroke::new(1.0, palette.control_border)
        };
        ui.painter().circle(center, 19.0, fill, edge);
        paint_icon(ui, center, icons::ARROW_DOWN, 18.0, palette.text);
        focus_ring(ui, &response, rect.expand(3.0), 23);
        let response = response.on_hover_text(words);
        response.clicked()
    }
}

/// What the wheel and the keys ask for.
fn pull_of(ui: &Ui, area: Rect, free: bool, focused: bool) -> Pull {
    if !free || ui.ctx().any_popup_open() {
        return Pull::By(0.0);
    }
    let wheel = if ui.rect_contains_pointer(area) {
        ui.input(|input| input.smooth_scroll_delta().y)
    } else {
        0.0
    };
    let idle = focused || ui.memory(|memory| memory.focused().is_none());
    ui.input(|input| {
        let ctrl = input.modifiers.command;
        let pressed = |press: Press| input.key_pressed(press);
        if pressed(Press::Home) && (idle || ctrl) {
            return Pull::Oldest;
        }
        if pressed(Press::End) && (idle || ctrl) {
            return Pull::Newest;
        }
        let keys = [
            (Press::PageUp, true, -0.9 * area.height()),
            (Press::PageDown, true, 0.9 * area.height()),
            (Press::ArrowUp, idle && !focused, -60.0),
            (Press::ArrowDown, idle && !focused, 60.0),
        ];
        let by: f32 = keys.iter().filter(|key| key.1 && pressed(key.0)).map(|key| key.2).sum();
        Pull::By(by - wheel)
    })
}

#[cfg(test)]
mod tests;
