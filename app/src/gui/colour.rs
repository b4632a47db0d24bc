//! Colours of equal lightness for people and groups, from OKLCH; and how far two colours stand apart.

use eframe::egui::{Color32, Rgba};

/// The sRGB colour nearest to this lightness (0 to 1), chroma and hue (degrees): chroma gives way until it fits.
pub(crate) fn oklch(lightness: f32, chroma: f32, hue_degrees: f32) -> Color32 {
    let mut chroma = chroma;
    while chroma > 0.0 {
        if let Some(colour) = in_gamut(lightness, chroma, hue_degrees) {
            return colour;
        }
        chroma -= 0.004;
    }
    in_gamut(lightness, 0.0, hue_degrees).unwrap_or(Color32::GRAY)
}

/// The colour, if sRGB has it. The matrices are those of Björn Ottosson's `OKLab`.
fn in_gamut(lightness: f32, chroma: f32, hue_degrees: f32) -> Option<Color32> {
    let hue = hue_degrees.to_radians();
    let (a, b) = (chroma * hue.cos(), chroma * hue.sin());
    let long = (lightness + 0.396_337_78 * a + 0.215_803_76 * b).powi(3);
    let medium = (lightness - 0.105_561_346 * a - 0.063_854_17 * b).powi(3);
    let short = (lightness - 0.089_484_18 * a - 1.291_485_5 * b).powi(3);
    let red = 4.076_741_7 * long - 3.307_711_6 * medium + 0.230_969_94 * short;
    let green = -1.268_438 * long + 2.609_757_4 * medium - 0.341_319_38 * short;
    let blue = -0.004_196_086_3 * long - 0.703_418_6 * medium + 1.707_614_7 * short;
    let fits = |v: f32| (-0.0005..=1.0005).contains(&v);
    (fits(red) && fits(green) && fits(blue)).then(|| {
        Rgba::from_rgb(red.clamp(0.0, 1.0), green.clamp(0.0, 1.0), blue.clamp(0.0, 1.0)).into()
    })
}

/// How far two opaque colours stand apart: 1 to 21, as WCAG 2.2 defines it.
#[cfg(test)]
pub(crate) fn contrast(one: Color32, other: Color32) -> f32 {
    let luminance = |colour: Color32| {
        let linear = Rgba::from(colour);
        0.2126 * linear.r() + 0.7152 * linear.g() + 0.0722 * linear.b()
    };
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}
