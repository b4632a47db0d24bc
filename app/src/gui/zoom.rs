//! How large everything is: 100 to 250 %.

use eframe::egui::{Context, Key, KeyboardShortcut, Modifiers};

/// The sizes, in percent.
const STEPS: [u8; 8] = [100, 110, 125, 150, 175, 200, 225, 250];

/// How large everything is, in percent.
pub(crate) fn percent(ctx: &Context) -> u8 {
    let zoom = ctx.zoom_factor();
    STEPS.into_iter().find(|step| zoom <= factor(*step) + 0.01).unwrap_or(250)
}

/// So many steps larger, or smaller.
pub(crate) fn step(ctx: &Context, by: i8) {
    let now = percent(ctx);
    let nth = STEPS.iter().position(|step| *step == now).unwrap_or(0);
    let next = nth.saturating_add_signed(by.into()).min(STEPS.len().saturating_sub(1));
    if let Some(step) = STEPS.get(next) {
        ctx.set_zoom_factor(factor(*step));
    }
}

/// Takes the keys that change the size: by how many steps.
pub(crate) fn keys(ctx: &Context) -> i8 {
    let pressed = |key| {
        let shortcut = KeyboardShortcut::new(Modifiers::COMMAND, key);
        ctx.input_mut(|input| input.consume_shortcut(&shortcut))
    };
    if pressed(Key::Num0) {
        return -8;
    }
    i8::from(pressed(Key::Plus) || pressed(Key::Equals)) - i8::from(pressed(Key::Minus))
}

fn factor(percent: u8) -> f32 {
    f32::from(percent) / 100.0
}
