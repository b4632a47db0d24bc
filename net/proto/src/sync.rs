//! Catch-up: any member serves any member what both may have, in step with what is missing.
//!
//! Ops first ([`ops`]), ancestors before descendants; then frontiers, and the entries between them
//! ([`entries`]), newest first (docs/protocol.md, "Catch-up").

mod completeness;
mod entries;
mod forks;
mod ops;

pub use completeness::Missing;
