//! The screens before and beside a group: passphrase, the two ways to a group, starting, joining,
//! settings.

mod join;
mod passphrase;
mod settings;
mod start;
mod welcome;

pub(crate) use join::{Join, join_ui};
pub(crate) use passphrase::{Passphrase, first_run_ui, unlock_ui};
pub(crate) use settings::{Settings, erase_ui, passphrase_ui, settings_ui, shared_ui};
pub(crate) use start::{Start, start_ui};
pub(crate) use welcome::welcome_ui;
