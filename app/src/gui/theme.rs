//! Palettes, sizes and radii, and how they become egui's style. Nothing else names a colour.

use eframe::egui::{
    self, Color32, Context, CornerRadius, CursorIcon, FontFamily, FontId, Margin, Shadow, Stroke,
    Style, TextStyle, Theme, Vec2,
    style::{ScrollStyle, Selection, Spacing, Visuals, WidgetVisuals, Widgets},
};

use super::colour::oklch;

/// Times, and words below a control.
pub(crate) const SIZE_CAPTION: f32 = 11.5;
/// Labels and second lines.
pub(crate) const SIZE_SMALL: f32 = 12.5;
/// Previews and help.
pub(crate) const SIZE_PREVIEW: f32 = 13.0;
/// Controls and lists.
pub(crate) const SIZE_UI: f32 = 14.0;
/// What people say.
pub(crate) const SIZE_BODY: f32 = 15.0;
/// A group's name in its header.
pub(crate) const SIZE_TITLE: f32 = 16.0;
/// The name of a dialog.
pub(crate) const SIZE_DIALOG: f32 = 18.0;
/// The name of a screen.
pub(crate) const SIZE_HEADING: f32 = 22.0;
/// Line height of [`SIZE_BODY`].
pub(crate) const LINE_BODY: f32 = 22.0;

/// Buttons.
pub(crate) const RADIUS_BUTTON: u8 = 8;
/// Rows, fields and cards within a card.
pub(crate) const RADIUS_ROW: u8 = 10;
/// The composer, and menus.
pub(crate) const RADIUS_COMPOSER: u8 = 14;
/// Dialogs, and the card of a screen.
pub(crate) const RADIUS_DIALOG: u8 = 18;

/// Hues that people and groups are told apart by, in degrees.
const HUES: [f32; 10] = [178.0, 38.0, 262.0, 330.0, 128.0, 75.0, 225.0, 8.0, 295.0, 152.0];

/// The colours of one theme.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Palette {
    /// Whether it is the dark one.
    pub(crate) dark: bool,
    /// Behind the timeline.
    pub(crate) bg: Color32,
    /// Behind the list of groups.
    pub(crate) rail: Color32,
    /// Cards, fields and menus.
    pub(crate) surface: Color32,
    /// Under the pointer.
    pub(crate) hover: Color32,
    /// Held down.
    pub(crate) pressed: Color32,
    /// Hairlines.
    pub(crate) border: Color32,
    /// Around fields: at least 3:1.
    pub(crate) control_border: Color32,
    /// Words.
    pub(crate) text: Color32,
    /// Words that may be passed over.
    pub(crate) muted: Color32,
    /// What one can do next, and where one is.
    pub(crate) accent: Color32,
    /// That, under the pointer.
    pub(crate) accent_hover: Color32,
    /// Words on the accent.
    pub(crate) on_accent: Color32,
    /// The chosen row.
    pub(crate) accent_soft: Color32,
    /// Words on it.
    pub(crate) on_accent_soft: Color32,
    /// Something did not work.
    pub(crate) danger: Color32,
    /// Text that is selected.
    pub(crate) selection: Color32,
    /// Below what floats.
    pub(crate) shadow: Color32,
    /// Over everything behind a dialog.
    pub(crate) scrim: Color32,
}

/// By day.
pub(crate) const LIGHT: Palette = Palette {
    dark: false,
    bg: Color32::from_rgb(0xFC, 0xFB, 0xF8),
    rail: Color32::from_rgb(0xF3, 0xF1, 0xEB),
    surface: Color32::from_rgb(0xFF, 0xFF, 0xFF),
    hover: Color32::from_rgb(0xEB, 0xE8, 0xE0),
    pressed: Color32::from_rgb(0xE2, 0xDE, 0xD4),
    border: Color32::from_rgb(0xE3, 0xDF, 0xD5),
    control_border: Color32::from_rgb(0x8B, 0x8D, 0x88),
    text: Color32::from_rgb(0x22, 0x28, 0x2B),
    muted: Color32::from_rgb(0x5B, 0x64, 0x67),
    accent: Color32::from_rgb(0x25, 0x69, 0x5F),
    accent_hover: Color32::from_rgb(0x1D, 0x57, 0x4F),
    on_accent: Color32::from_rgb(0xFF, 0xFF, 0xFF),
    accent_soft: Color32::from_rgb(0xDD, 0xEB, 0xE6),
    on_accent_soft: Color32::from_rgb(0x1C, 0x4F, 0x48),
    danger: Color32::from_rgb(0xA6, 0x3A, 0x34),
    selection: Color32::from_rgb(0xBF, 0xDD, 0xD5),
    shadow: Color32::from_black_alpha(26),
    scrim: Color32::from_black_alpha(76),
};

/// By night.
pub(crate) const DARK: Palette = Palette {
    dark: true,
    bg: Color32::from_rgb(0x1A, 0x1E, 0x20),
    rail: Color32::from_rgb(0x14, 0x18, 0x19),
    surface: Color32::from_rgb(0x22, 0x28, 0x2A),
    hover: Color32::from_rgb(0x26, 0x2D, 0x2F),
    pressed: Color32::from_rgb(0x2E, 0x36, 0x38),
    border: Color32::from_rgb(0x2C, 0x33, 0x35),
    control_border: Color32::from_rgb(0x71, 0x7C, 0x7E),
    text: Color32::from_rgb(0xE3, 0xE6, 0xE3),
    muted: Color32::from_rgb(0x9C, 0xA7, 0xA8),
    accent: Color32::from_rgb(0x7E, 0xC8, 0xBA),
    accent_hover: Color32::from_rgb(0x95, 0xD6, 0xCA),
    on_accent: Color32::from_rgb(0x0C, 0x21, 0x1D),
    accent_soft: Color32::from_rgb(0x22, 0x39, 0x3A),
    on_accent_soft: Color32::from_rgb(0xA6, 0xDC, 0xD1),
    danger: Color32::from_rgb(0xF0, 0x93, 0x8A),
    selection: Color32::from_rgb(0x2C, 0x55, 0x50),
    shadow: Color32::from_black_alpha(110),
    scrim: Color32::from_black_alpha(140),
};

impl Palette {
    /// The palette in use.
    pub(crate) fn of(ctx: &Context) -> &'static Self {
        if ctx.theme() == Theme::Dark { &DARK } else { &LIGHT }
    }

    /// Weight of what people say: light letters on dark look heavier than they are.
    pub(crate) const fn body_weight(&self) -> f32 {
        if self.dark { 370.0 } else { 400.0 }
    }

    /// The colour of a name: readable on [`Self::bg`] whoever it is.
    pub(crate) fn author(&self, seed: u64) -> Color32 {
        if self.dark { oklch(0.80, 0.085, hue(seed)) } else { oklch(0.47, 0.095, hue(seed)) }
    }

    /// Behind a pattern or an initial.
    pub(crate) fn avatar(&self, seed: u64) -> Color32 {
        if self.dark { oklch(0.40, 0.055, hue(seed)) } else { oklch(0.91, 0.042, hue(seed)) }
    }

    /// The pattern or the initial.
    pub(crate) fn on_avatar(&self, seed: u64) -> Color32 {
        if self.dark { oklch(0.92, 0.05, hue(seed)) } else { oklch(0.40, 0.085, hue(seed)) }
    }

    /// The shadow of a dialog or of the card of a screen.
    pub(crate) const fn dialog_shadow(&self) -> Shadow {
        Shadow { offset: [0, 16], blur: 48, spread: 0, color: self.shadow }
    }
}

/// The hue that a seed stands for.
fn hue(seed: u64) -> f32 {
    let nth = usize::try_from(seed % 10).unwrap_or(0);
    HUES.get(nth).copied().unwrap_or(178.0)
}

/// Gives both themes their style.
pub(crate) fn apply(ctx: &Context) {
    for (theme, palette) in [(Theme::Light, &LIGHT), (Theme::Dark, &DARK)] {
        ctx.style_mut_of(theme, |style| restyle(style, palette));
    }
}

/// Nothing moves by itself, so there is no animation, blink or coasting.
fn restyle(style: &mut Style, palette: &Palette) {
    use TextStyle::{Body, Button, Heading, Monospace, Small};
    style.text_styles = [
        (Small, SIZE_SMALL),
        (Body, SIZE_UI),
        (Button, SIZE_UI),
        (Heading, SIZE_HEADING),
        (Monospace, SIZE_PREVIEW),
    ]
    .map(|(style, size)| (style, FontId::new(size, FontFamily::Proportional)))
    .into();
    style.animation_time = 0.0;
    style.scroll_animation = egui::style::ScrollAnimation::none();
    style.interaction.tooltip_delay = 0.45;
    respace(&mut style.spacing);
    recolour(&mut style.visuals, palette);
}

fn respace(spacing: &mut Spacing) {
    spacing.item_spacing = Vec2::new(8.0, 6.0);
    spacing.button_padding = Vec2::new(12.0, 7.0);
    spacing.interact_size = Vec2::new(32.0, 32.0);
    spacing.window_margin = Margin::same(16);
    spacing.menu_margin = Margin::same(6);
    spacing.icon_spacing = 6.0;
    spacing.tooltip_width = 320.0;
    let mut scroll = ScrollStyle::floating();
    scroll.bar_width = 8.0;
    scroll.floating_width = 4.0;
    scroll.bar_outer_margin = 3.0;
    scroll.foreground_color = true;
    scroll.dormant_handle_opacity = 0.0;
    scroll.active_handle_opacity = 0.28;
    scroll.interact_handle_opacity = 0.55;
    scroll.active_background_opacity = 0.0;
    scroll.interact_background_opacity = 0.0;
    scroll.fade.strength = 0.0;
    // With rubber-banding, an offset beyond last frame's end springs back when the timeline grows.
    scroll.kinetic.rubber_band = false;
    scroll.kinetic.decay_time = 0.0;
    spacing.scroll = scroll;
}

fn recolour(visuals: &mut Visuals, palette: &Palette) {
    visuals.dark_mode = palette.dark;
    visuals.override_text_color = None;
    visuals.weak_text_color = Some(palette.muted);
    visuals.hyperlink_color = palette.accent;
    visuals.faint_bg_color = palette.rail;
    visuals.extreme_bg_color = palette.surface;
    visuals.text_edit_bg_color = Some(palette.surface);
    visuals.code_bg_color = palette.hover;
    visuals.warn_fg_color = palette.danger;
    visuals.error_fg_color = palette.danger;
    visuals.panel_fill = palette.bg;
    visuals.window_fill = palette.surface;
    visuals.window_stroke = Stroke::new(1.0, palette.border);
    visuals.window_corner_radius = CornerRadius::same(RADIUS_COMPOSER);
    visuals.menu_corner_radius = CornerRadius::same(RADIUS_ROW);
    visuals.window_shadow = palette.dialog_shadow();
    visuals.popup_shadow = Shadow { offset: [0, 4], blur: 16, spread: 0, color: palette.shadow };
    visuals.selection =
        Selection { bg_fill: palette.selection, stroke: Stroke::new(1.5, palette.accent) };
    visuals.text_cursor.stroke = Stroke::new(2.0, palette.accent);
    visuals.text_cursor.blink = false;
    visuals.interact_cursor = Some(CursorIcon::PointingHand);
    visuals.disabled_alpha = 0.5;
    visuals.image_loading_spinners = false;
    let state = |weak_bg_fill, bg_stroke| WidgetVisuals {
        bg_fill: palette.pressed,
        weak_bg_fill,
        bg_stroke,
        corner_radius: CornerRadius::same(RADIUS_BUTTON),
        fg_stroke: Stroke::new(1.5, palette.text),
        expansion: 0.0,
    };
    visuals.widgets = Widgets {
        noninteractive: state(palette.surface, Stroke::new(1.0, palette.border)),
        inactive: state(palette.hover, Stroke::NONE),
        hovered: state(palette.pressed, Stroke::NONE),
        active: state(palette.pressed, Stroke::NONE),
        open: state(palette.hover, Stroke::NONE),
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gui::colour::contrast;

    #[test]
    fn every_text_can_be_read_on_everything_below_it() {
        for palette in [&LIGHT, &DARK] {
            let below = [
                palette.bg,
                palette.rail,
                palette.surface,
                palette.hover,
                palette.pressed,
                palette.accent_soft,
            ];
            for ground in below {
                for (name, ink) in [("text", palette.text), ("muted", palette.muted)] {
                    let got = contrast(ink, ground);
                    assert!(got >= 4.5, "dark {}: {name} on {ground:?} has {got}", palette.dark);
                }
            }
            let pairs = [
                (palette.on_accent, palette.accent),
                (palette.on_accent, palette.accent_hover),
                (palette.on_accent_soft, palette.accent_soft),
                (palette.text, palette.selection),
                (palette.danger, palette.surface),
                (palette.danger, palette.bg),
                (palette.accent, palette.surface),
                (palette.accent, palette.bg),
                (palette.accent, palette.rail),
            ];
            for (ink, ground) in pairs {
                let got = contrast(ink, ground);
                assert!(got >= 4.5, "dark {}: {ink:?} on {ground:?} has {got}", palette.dark);
            }
        }
    }

    #[test]
    fn every_name_can_be_read_and_every_pattern_be_seen() {
        for palette in [&LIGHT, &DARK] {
            for seed in 0..10 {
                let name = contrast(palette.author(seed), palette.bg);
                let pattern = contrast(palette.on_avatar(seed), palette.avatar(seed));
                assert!(name >= 4.5, "dark {}: name {seed} has {name}", palette.dark);
                assert!(pattern >= 4.5, "dark {}: pattern {seed} has {pattern}", palette.dark);
            }
        }
    }

    #[test]
    fn every_control_stands_out_from_what_is_behind_it() {
        for palette in [&LIGHT, &DARK] {
            let Palette { bg, surface, rail, hover, .. } = *palette;
            // Fields lie on the background and on cards, never on the rail.
            let pairs = [
                ("border", palette.control_border, vec![bg, surface]),
                ("focus", palette.accent, vec![bg, surface, rail, hover, palette.accent_soft]),
                ("error", palette.danger, vec![bg, surface]),
                ("icon", palette.muted, vec![bg, surface, rail, hover]),
            ];
            for (name, edge, grounds) in pairs {
                for ground in grounds {
                    let got = contrast(edge, ground);
                    assert!(got >= 3.0, "dark {}: {name} on {ground:?} has {got}", palette.dark);
                }
            }
        }
    }
}
