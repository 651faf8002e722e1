//! What goes wrong outside of any call: the page shows it.
//!
//! In browsers a device reports the errors of calls that do not wait to a handler of its own, and a panic ends in an
//! unresolved promise.

use std::cell::RefCell;

use js_sys::Function;
use wasm_bindgen::prelude::*;

thread_local! {
    // Not in the handlers themselves: wgpu wants those to be Send and Sync, which nothing of JavaScript is.
    static LISTENER: RefCell<Option<Function>> = const { RefCell::new(None) };
}

/// `listener(kind, message)` hears of device errors ("error"), of the loss of the device ("lost") and of panics.
#[wasm_bindgen(js_name = onTrouble)]
pub fn on_trouble(listener: Function) {
    LISTENER.set(Some(listener));
    std::panic::set_hook(Box::new(|panic| report("panic", &panic.to_string())));
}

pub fn report(kind: &str, message: &str) {
    LISTENER.with_borrow(|listener| {
        if let Some(listener) = listener {
            // A listener that throws has nobody left to tell.
            let _ = listener.call2(&JsValue::NULL, &kind.into(), &message.into());
        }
    });
}
