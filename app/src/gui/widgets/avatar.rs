//! Patterns for people, initials for groups: both from the id alone, so that nothing is uploaded.

use eframe::egui::{Color32, CornerRadius, Pos2, Rect, Ui, Vec2, vec2};

use super::{format, text::one_line};
use crate::gui::theme::Palette;

/// The cells that are drawn; the others mirror them on both axes, which makes a quilt and not a face.
const CELLS: usize = 9;

/// A number from all 32 bytes of an id (FNV-1a): hue and pattern come from it.
pub(crate) fn seed_of(id: &[u8; 32]) -> u64 {
    id.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// A group: one letter on a rounded square. Its name is beside it, so it is mute.
pub(crate) fn monogram(ui: &Ui, rect: Rect, name: &str, seed: u64) {
    let palette = Palette::of(ui.ctx());
    let (ground, ink) = (palette.avatar(seed), palette.on_avatar(seed));
    ui.painter().rect_filled(rect, CornerRadius::from(rect.width() * 0.30), ground);
    let initial: String =
        name.trim().chars().take(1).flat_map(char::to_uppercase).take(2).collect();
    let galley = one_line(ui, &initial, format(rect.width() * 0.44, 600.0, ink), rect.width());
    // Centred by its ink, not by its line.
    let at = rect.center() - galley.mesh_bounds.center().to_vec2();
    ui.painter().galley(at, galley, ink);
}

/// A person: a mirrored pattern of five by five in their colour. Their name is beside it, so it is mute.
pub(crate) fn pattern(ui: &Ui, rect: Rect, seed: u64) {
    let palette = Palette::of(ui.ctx());
    let (ground, ink) = (palette.avatar(seed), palette.on_avatar(seed));
    ui.painter().circle_filled(rect.center(), rect.width() / 2.0, ground);
    // Whole pixels per cell, or the cells look uneven.
    let scale = ui.ctx().pixels_per_point();
    let cell = (rect.width() * 0.139 * scale).round().max(1.0) / scale;
    let corner = ((rect.center().to_vec2() - Vec2::splat(cell * 2.5)) * scale).round() / scale;
    for (nth, tone) in quilt(seed).into_iter().enumerate() {
        let Some(color) = tone.color(ground, ink) else { continue };
        for (x, y) in mirrored(nth) {
            let at = corner + vec2(x, y) * cell;
            let square = Rect::from_min_size(Pos2::ZERO + at, Vec2::splat(cell));
            ui.painter().rect_filled(square, 0, color);
        }
    }
}

/// How much of the ink a cell takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tone {
    Bare,
    Light,
    Half,
    Full,
}

impl Tone {
    fn color(self, ground: Color32, ink: Color32) -> Option<Color32> {
        match self {
            Self::Bare => None,
            Self::Light => Some(ground.lerp_to_gamma(ink, 0.20)),
            Self::Half => Some(ground.lerp_to_gamma(ink, 0.46)),
            Self::Full => Some(ground.lerp_to_gamma(ink, 0.86)),
        }
    }
}

/// Nine tones, redrawn until they are neither bare nor heavy.
fn quilt(seed: u64) -> [Tone; CELLS] {
    let mut state = seed | 1;
    loop {
        let mut cells = [Tone::Bare; CELLS];
        for cell in &mut cells {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            *cell = match (state >> 32) & 3 {
                0 => Tone::Bare,
                1 => Tone::Light,
                2 => Tone::Half,
                _ => Tone::Full,
            };
        }
        if pleasing(&cells) {
            return cells;
        }
    }
}

/// Neither bare nor heavy, and no cross: the ink is not on the two axes alone.
fn pleasing(cells: &[Tone; CELLS]) -> bool {
    let [corner, top, _, side, inner, _, _, _, middle] = *cells;
    let count = |tone| cells.iter().filter(|cell| **cell == tone).count();
    let off_axis =
        [corner, top, side, inner].into_iter().filter(|cell| *cell != Tone::Bare).count();
    (1..=3).contains(&count(Tone::Bare))
        && (2..=4).contains(&count(Tone::Full))
        && off_axis >= 3
        && inner != Tone::Bare
        && middle != Tone::Bare
}

/// Where the nth of the nine cells is, and where its mirror images are.
fn mirrored(nth: usize) -> impl Iterator<Item = (f32, f32)> {
    let places = [0.0, 1.0, 2.0];
    let at = |n: usize| places.get(n).copied().unwrap_or(2.0);
    let (x, y): (f32, f32) = (at(nth % 3), at(nth / 3));
    let mut seen: Vec<(f32, f32)> = vec![(x, y)];
    for place in [(4.0 - x, y), (x, 4.0 - y), (4.0 - x, 4.0 - y)] {
        if !seen.contains(&place) {
            seen.push(place);
        }
    }
    seen.into_iter()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn two_people_hardly_ever_look_alike() {
        let mut seen = BTreeSet::new();
        for n in 0..1000_u16 {
            let mut id = [7; 32];
            id[..2].copy_from_slice(&n.to_be_bytes());
            let seed = seed_of(&id);
            let cells: Vec<u8> = quilt(seed).iter().map(|tone| *tone as u8).collect();
            seen.insert((seed % 10, cells));
        }
        assert!(seen.len() >= 990, "{} of 1000 differ", seen.len());
    }
}
