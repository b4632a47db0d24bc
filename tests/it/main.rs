//! The tests of the whole workspace, as one binary.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod adversary;
mod attacks;
mod completeness;
mod crowds;
mod disks;
mod evenings;
mod fading;
mod joining;
mod living;
mod membership;
mod messaging;
mod ops;
mod parting;
mod tidy;
mod words;
