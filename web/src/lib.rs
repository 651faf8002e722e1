//! What the page calls: a device with the library on it, and the page's parts. The page itself is web/page.
//!
//! On any target but wasm32 this crate is empty.
#![cfg(target_arch = "wasm32")]

mod digits;
mod gpu;
mod member;
mod self_check;
mod throughput;
mod trouble;
#[allow(dead_code, reason = "the page measures the copy only")]
#[path = "../../benches/src/yardstick.rs"]
mod yardstick;
