// IEEE binary16 to and from f32 in integer arithmetic, two elements a word.
// needs: storage/f16_integer

fn widen_low(words: vec4<u32>) -> vec4<f32> {
    return widen_f16(words & vec4<u32>(0xffffu));
}

fn widen_high(words: vec4<u32>) -> vec4<f32> {
    return widen_f16(words >> vec4<u32>(16u));
}

fn narrow_kept(low: vec4<f32>, high: vec4<f32>, low_kept: vec4<bool>, high_kept: vec4<bool>) -> vec4<u32> {
    return select(vec4<u32>(0u), narrow_f16(low), low_kept)
        | select(vec4<u32>(0u), narrow_f16(high) << vec4<u32>(16u), high_kept);
}
