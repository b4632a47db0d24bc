//! The controls that every screen is made of.
//!
//! Each has a role and a name for a screen reader, can be reached with Tab and shows that it has the focus.

mod avatar;
mod button;
mod card;
mod field;
mod text;

pub(crate) use avatar::{monogram, pattern, seed_of};
pub(crate) use button::{Button, choice, icon_button, menu_item, paint_icon, row_button};
pub(crate) use card::{card_ui, dialog_body, dialog_frame, dialog_height_max, dialog_scroll};
pub(crate) use field::{Field, body_layouter, entered, focus_ring, reveal};
pub(crate) use text::{
    baseline_text, format, format_lines, heading, label, one_line, paragraph, place_text, section,
    wrapped,
};
