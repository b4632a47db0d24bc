//! The whole window without a display, over a program that is only pretended: for the tests in `flows`.
//!
//! A test says what a person does and asks what they would see or hear. Controls are found as a screen
//! reader finds them, so that whatever has no role or no name cannot be tested, and fails.

mod fake;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use std::time::Duration;

use eframe::egui::{Key, Modifiers, Theme, Ui, Vec2, accesskit::Role, vec2};
use egui_kittest::{
    Harness, Node,
    kittest::{NodeT as _, Queryable as _, by},
};

pub(super) use self::fake::{ALDER, Fake, ME, message};
use super::{Gui, clock::Clock, desk::Desk, set_up};
use crate::backend::Backend;

/// Friday 20 November 2026, 09:42 UTC.
pub(super) const NOW_MS: u64 = 1_795_167_720_000;

/// Roles of what a person can act on.
const CONTROLS: [Role; 7] = [
    Role::Button,
    Role::MenuItem,
    Role::TextInput,
    Role::MultilineTextInput,
    Role::PasswordInput,
    Role::CheckBox,
    Role::RadioButton,
];

/// A window, and who it is over.
pub(super) struct Screen {
    harness: Harness<'static, Option<Gui>>,
    pub(super) fake: Arc<Fake>,
    hands: Arc<AtomicU64>,
}

impl Screen {
    /// A window of the usual size, in daylight.
    pub(super) fn new(fake: Fake) -> Self {
        Self::with(fake, vec2(1280.0, 820.0), Theme::Light)
    }

    /// A window of this size.
    pub(super) fn with(fake: Fake, size: Vec2, theme: Theme) -> Self {
        let fake = Arc::new(fake);
        let backend: Arc<dyn Backend> = fake.clone();
        let clock = Clock::standing_at(NOW_MS);
        let hands = clock.hands();
        let mut clock = Some(clock);
        let draw = move |ui: &mut Ui, gui: &mut Option<Gui>| {
            let ctx = ui.ctx().clone();
            let gui = gui.get_or_insert_with(|| {
                let clock = clock.take().unwrap();
                Gui::at(&ctx, &backend, Desk::without_threads(), clock)
            });
            gui.catch_up(&ctx);
            gui.frame(ui);
        };
        let harness = Harness::builder()
            .with_size(size)
            .with_theme(theme)
            .with_max_steps(16)
            .with_context_setup(set_up)
            .build_ui_state(draw, None);
        let mut screen = Self { harness, fake, hands };
        screen.settle();
        screen
    }

    /// Draws and carries out until nothing more happens.
    pub(super) fn settle(&mut self) {
        for _ in 0..50 {
            self.harness.run();
            let worked =
                self.harness.state().as_ref().is_some_and(|gui| gui.desk.work(&*self.fake));
            if !worked {
                return self.check();
            }
        }
        panic!("the window asks without end");
    }

    /// Time passes.
    pub(super) fn pass_secs(&mut self, secs: u64) {
        self.hands.fetch_add(secs * 1000, Ordering::Relaxed);
        self.settle();
    }

    /// Something changed below.
    pub(super) fn hint(&mut self) {
        self.fake.hint();
        self.settle();
    }

    /// Every control has a name, and no two on a screen have one name and one role.
    fn check(&self) {
        let mut seen = Vec::new();
        for node in self.harness.root().children_recursive() {
            let node = node.accesskit_node();
            if !CONTROLS.contains(&node.role()) || node.is_hidden() {
                continue;
            }
            let name = node.label().unwrap_or_default();
            assert!(!name.trim().is_empty(), "a {:?} has no name", node.role());
            let control = (format!("{:?}", node.role()), name);
            assert!(!seen.contains(&control), "{control:?} is there twice");
            seen.push(control);
        }
    }

    /// Presses what has this name.
    pub(super) fn press(&mut self, name: &str) {
        let below = self.harness.ctx.content_rect().bottom();
        if self.control(name).rect().bottom() > below {
            self.control(name).scroll_to_me();
            self.harness.run();
        }
        self.control(name).click();
        self.settle();
    }

    /// Presses it with the other button.
    pub(super) fn press_second(&mut self, name: &str) {
        let by = by().label_contains(name).predicate(|node| node.role() == Role::ListItem);
        self.harness.get(by).click_secondary();
        self.settle();
    }

    /// Whether what has this name can be pressed.
    pub(super) fn can_press(&self, name: &str) -> bool {
        !self.control(name).accesskit_node().is_disabled()
    }

    /// Types where it says so.
    pub(super) fn write(&mut self, field: &str, text: &str) {
        self.field(field).focus();
        self.harness.run();
        self.field(field).type_text(text);
        self.settle();
    }

    /// Whether this field has the focus.
    pub(super) fn is_at(&self, field: &str) -> bool {
        self.field(field).is_focused()
    }

    /// Whether what has this name, of whatever kind, has the focus.
    pub(super) fn is_on(&self, name: &str) -> bool {
        self.harness.query_all_by_label(name).any(|node| node.is_focused())
    }

    /// How far below the top of the window a field begins.
    pub(super) fn top_of(&self, field: &str) -> f32 {
        self.field(field).rect().top()
    }

    /// How far below the top of the window these words end.
    pub(super) fn end_of(&self, words: &str) -> f32 {
        self.harness.get(by().include_labels().label_contains(words)).rect().bottom()
    }

    /// How far below the top of the window what says just these words begins.
    pub(super) fn top_of_words(&self, words: &str) -> f32 {
        let nodes = self.harness.query_all(by().include_labels().label(words));
        nodes.map(|node| node.rect().top()).reduce(f32::min).unwrap()
    }

    /// What is written in a field.
    pub(super) fn written(&self, field: &str) -> String {
        self.field(field).value().unwrap_or_default()
    }

    /// Presses a key.
    pub(super) fn key(&mut self, key: Key) {
        self.harness.key_press(key);
        self.settle();
    }

    /// Presses a key with others held.
    pub(super) fn keys(&mut self, held: Modifiers, key: Key) {
        self.harness.key_press_modifiers(held, key);
        self.settle();
    }

    /// Whether the messages have the focus.
    pub(super) fn is_focused_log(&self) -> bool {
        self.harness.query_all_by_role(Role::Log).any(|log| log.is_focused())
    }

    /// Whether these words stand anywhere.
    pub(super) fn sees(&self, words: &str) -> bool {
        let by = by().include_labels().label_contains(words);
        self.harness.query_all(by).next().is_some()
    }

    /// What has this name and can be acted on.
    pub(super) fn has(&self, name: &str) -> bool {
        self.harness.query_all(Self::named(name)).next().is_some()
    }

    /// How large everything is, in percent.
    pub(super) fn percent(&self) -> u8 {
        super::zoom::percent(&self.harness.ctx)
    }

    /// When the window wants to be drawn again, if it does within a minute.
    pub(super) fn asks_to_draw_in(&self) -> Option<Duration> {
        let viewports = &self.harness.output().viewport_output;
        let next = viewports.values().map(|viewport| viewport.repaint_delay).min();
        next.filter(|delay| *delay < Duration::from_secs(60))
    }

    /// Presses what has this name; what that copied.
    pub(super) fn copied_by(&mut self, name: &str) -> Option<String> {
        self.control(name).click();
        for _ in 0..4 {
            self.harness.step();
            let commands = &self.harness.output().platform_output.commands;
            let copied = commands.iter().find_map(|command| {
                let eframe::egui::OutputCommand::CopyText(text) = command else { return None };
                Some(text.clone())
            });
            if copied.is_some() {
                self.settle();
                return copied;
            }
        }
        None
    }

    /// The program ends, and is started again over the same store.
    pub(super) fn restarted(self) -> Self {
        let Self { harness, fake, hands } = self;
        drop(harness);
        let fake = Arc::into_inner(fake).unwrap();
        let mut screen = Self::new(fake);
        screen.hands.store(hands.load(Ordering::Relaxed), Ordering::Relaxed);
        screen.settle();
        screen
    }

    /// Where everything is that has words or can be acted on, by name.
    pub(super) fn places(&self) -> Vec<(String, eframe::egui::Rect)> {
        let nodes = self.harness.root().children_recursive();
        let placed = nodes.filter(|node| {
            let node = node.accesskit_node();
            (CONTROLS.contains(&node.role()) || node.role() == Role::ListItem)
                && !node.is_hidden()
                && node.bounding_box().is_some()
        });
        placed
            .map(|node| (node.accesskit_node().label().unwrap_or_default(), node.rect()))
            .collect()
    }

    /// Shows these messages, however many.
    pub(super) fn load(&mut self, messages: Vec<crate::backend::MessageView>) {
        let gui = self.harness.state_mut().as_mut().unwrap();
        let talk = gui.model.talk.as_mut().unwrap();
        talk.messages = messages;
        talk.changed_from = 0;
        talk.revision += 1;
    }

    /// How many messages are at hand.
    pub(super) fn loaded(&self) -> usize {
        let gui = self.harness.state().as_ref().unwrap();
        gui.model.talk.as_ref().map_or(0, |talk| talk.messages.len())
    }

    /// One more message comes.
    pub(super) fn append(&mut self, nth: usize) {
        let gui = self.harness.state_mut().as_mut().unwrap();
        let talk = gui.model.talk.as_mut().unwrap();
        let mut said = message(0, ME, "One more.", 0);
        said.id[24..].copy_from_slice(&u64::try_from(nth).unwrap().to_be_bytes());
        said.id[0] = 0xff;
        talk.changed_from = talk.messages.len();
        talk.messages.push(said);
        talk.revision += 1;
    }

    /// One frame, and nothing else.
    pub(super) fn one_frame(&mut self) {
        self.harness.step();
    }

    /// Something happens at the next frame.
    pub(super) fn event(&self, event: eframe::egui::Event) {
        self.harness.event(event);
    }

    /// The pointer goes there.
    pub(super) fn point_at(&self, at: Vec2) {
        self.harness.hover_at(at.to_pos2());
    }

    fn named(name: &str) -> egui_kittest::kittest::By<'_> {
        by().label(name).predicate(|node| {
            CONTROLS.contains(&node.role()) || matches!(node.role(), Role::ListItem | Role::Link)
        })
    }

    fn control<'a>(&'a self, name: &'a str) -> Node<'a> {
        self.harness.get(Self::named(name))
    }

    fn field<'a>(&'a self, name: &'a str) -> Node<'a> {
        let by = by().label(name).predicate(|node| {
            matches!(node.role(), Role::TextInput | Role::MultilineTextInput | Role::PasswordInput)
        });
        self.harness.get(by)
    }
}
