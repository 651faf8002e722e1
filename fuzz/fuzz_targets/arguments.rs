//! Any arguments, one a line, are either right or an error of at least a word: never a panic.
#![no_main]

use std::ffi::OsString;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let arguments = std::iter::once("wgpu-dropout").chain(text.lines()).map(OsString::from);
    if let Err(message) = wgpu_dropout_cli::check(arguments) {
        assert!(!message.trim().is_empty());
    }
});
