// IEEE binary16 to and from f32 by the device's own conversions, for devices that were seen to convert every value as
// storage/f16.wgsl does.
// enables: f16

fn widen_low(words: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(
        unpack2x16float(words.x).x, unpack2x16float(words.y).x, unpack2x16float(words.z).x, unpack2x16float(words.w).x,
    );
}

fn widen_high(words: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(
        unpack2x16float(words.x).y, unpack2x16float(words.y).y, unpack2x16float(words.z).y, unpack2x16float(words.w).y,
    );
}

// pack2x16float rounds as a device likes; the conversion to the type f16 rounds to nearest, and then nothing is left to
// round.
fn narrow_pair(low: f32, high: f32) -> u32 {
    return pack2x16float(vec2<f32>(f32(f16(low)), f32(f16(high))));
}

fn narrow_kept(low: vec4<f32>, high: vec4<f32>, low_kept: vec4<bool>, high_kept: vec4<bool>) -> vec4<u32> {
    let kept_low = bitcast<vec4<f32>>(select(vec4<u32>(0u), bitcast<vec4<u32>>(low), low_kept));
    let kept_high = bitcast<vec4<f32>>(select(vec4<u32>(0u), bitcast<vec4<u32>>(high), high_kept));
    return vec4<u32>(
        narrow_pair(kept_low.x, kept_high.x), narrow_pair(kept_low.y, kept_high.y),
        narrow_pair(kept_low.z, kept_high.z), narrow_pair(kept_low.w, kept_high.w),
    );
}
