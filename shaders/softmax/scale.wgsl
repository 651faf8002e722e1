// Dropout scales what it keeps.
// needs: key

fn mask_scale() -> f32 {
    return keyed_rule().scale;
}
