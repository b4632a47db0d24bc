//! What a member's device remembers: sealed rows in sled behind nine rules, under a vault.
//!
//! ```text
//! home/            mode 0700
//!   LOCK           held by the one process that may touch the rest
//!   hdr.a  hdr.b   what a passphrase opens, twice                     vault/header
//!   keys.<g>       the sealed key table of generation g               vault
//!   erase.<g>      the key of keys.<g>, spread so that it can be destroyed
//!   store/         sled: one tree of sealed rows                      engine, seal, record
//! ```
//!
//! [`Home`] is the folder, [`Store`] the one writer, [`Reader`] what everyone else holds. Nothing above
//! `engine.rs` names sled, and nothing below `seal.rs` sees plaintext.
//!
//! Read next: [`Home`], then `rows.rs` for what is kept where (docs/architecture.md, "What is on the disk").

mod drafts;
mod engine;
mod error;
mod filing;
mod forgetting;
mod group_keys;
mod home;
mod mend;
mod reader;
mod record;
mod rows;
mod seal;
mod shared;
mod vault;
mod writer;

#[cfg(test)]
mod tests;

pub use error::Error;
pub use home::Home;
pub use reader::{Checked, Noted, Page, Reader, Row};
pub use writer::Store;
