//! The typefaces, all inside the program: Inter for words, Lucide for icons.
//!
//! Text in other scripts and emoji falls back to what the system has (`eframe/system_fonts`).

use std::sync::Arc;

use eframe::egui::{Context, FontData, FontDefinitions, FontFamily, FontTweak};

/// The family of the icon font.
const ICONS: &str = "icons";

/// The family that icons are set in.
pub(crate) fn icon_family() -> FontFamily {
    FontFamily::Name(ICONS.into())
}

/// Makes the typefaces known. Once, before the first frame.
pub(crate) fn install(ctx: &Context) {
    let mut fonts = FontDefinitions::empty();
    let inter = FontData::from_static(include_bytes!("../../assets/Inter.ttf"));
    // Hinting would pull thin strokes to whole pixels, each icon differently.
    let lucide = FontData::from_static(include_bytes!("../../assets/lucide.ttf"))
        .tweak(FontTweak { hinting: Some(false), ..FontTweak::default() });
    fonts.font_data.insert("inter".to_owned(), Arc::new(inter));
    fonts.font_data.insert("lucide".to_owned(), Arc::new(lucide));
    fonts.families.insert(FontFamily::Proportional, vec!["inter".to_owned()]);
    fonts.families.insert(FontFamily::Monospace, vec!["inter".to_owned()]);
    fonts.families.insert(icon_family(), vec!["lucide".to_owned(), "inter".to_owned()]);
    ctx.set_fonts(fonts);
}
