// Everything is kept, as it is.

fn mask_scale() -> f32 {
    return 1.0;
}
