//! Everything that needs a device, on every adapter of the machine, in one program that opens them once. A missing adapter
//! fails it: see adapters.

#[path = "../adapters/mod.rs"]
mod adapters;
mod apply_mask;
mod attention;
mod audit;
mod contracts;
mod coverage;
mod device_key;
mod drop_block;
mod drop_connect;
mod dropout;
mod errors;
mod fused;
mod kept_rows;
mod key_and_rate;
mod known_answers;
mod launches;
mod properties;
mod random_cases;
mod softmax;
mod splits;
mod statistics;
mod storage;
mod users_kernels;
mod values;
#[path = "../vectors/mod.rs"]
mod vectors;
