//! The .npy reader takes any bytes without a panic, and reads again what it writes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wgpu_dropout_cli::npy::Header;

fuzz_target!(|bytes: &[u8]| {
    let Ok((header, length)) = Header::read(&mut &*bytes) else { return };
    assert!(length <= bytes.len() as u64);
    let _ = header.elements();
    // Structured dtypes are read only to say so.
    if header.descr.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'<' || byte == b'|') {
        let written = Vec::from(&header);
        assert_eq!(written.len() % 64, 0);
        let (again, length) = Header::read(&mut &*written).expect("what was written");
        assert_eq!((again, length), (header, written.len() as u64));
    }
});
