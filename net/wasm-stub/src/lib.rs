//! Nothing. libp2p-swarm names this crate for wasm only and pins a version that shuts out eframe;
//! on a desktop it is never used (the reason stands in the workspace's `Cargo.toml`).
