//! How large everything is: 100 to 250 %.

use eframe::egui::{Context, Key, KeyboardShortcut, Modifiers};

/// The sizes, in percent.
const STEPS: [u8; 8] = [100, 110, 125, 150, 175, 200, 225, 250];

/// How large everything is, in percent.
pub(crate) fn percent(ctx: &Context) -> u8 {
    let zoom = ctx.zoom_factor();
    STEPS.into_iter().find(|step| zoom <= factor(*step) + 0.01).unwrap_or(250)
}

/// The size so many steps larger, or smaller, than this.
pub(crate) fn step(percent: u8, by: i8) -> u8 {
    let nth = STEPS.iter().position(|step| *step >= percent).unwrap_or(0);
    let next = nth.saturating_add_signed(by.into()).min(STEPS.len().saturating_sub(1));
    STEPS.get(next).copied().unwrap_or(100)
}

/// Makes everything this large; what is no size of ours becomes the next that is.
pub(crate) fn set(ctx: &Context, percent: u8) {
    ctx.set_zoom_factor(factor(step(percent, 0)));
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
