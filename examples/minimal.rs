//! The smallest complete program: dropout of a slice on the GPU, forward and backward.

use wgpu_dropout::{Context, Dropout, Key};

fn main() -> Result<(), wgpu_dropout::Error> {
    let context = Context::new_blocking()?;
    let dropout = Dropout::new(0.25)?;
    let mask = dropout.mask(Key::new(42).with_layer(1).with_step(1000));

    let x: Vec<f32> = (1..=12).map(|i| i as f32).collect();
    let y = context.forward_blocking(&mask, &x)?;
    // The backward pass needs no stored mask: the same key gives the same one.
    let dx = context.backward_blocking(&mask, &[1.0; 12])?;

    println!("{}", context.adapter_info().name);
    println!("x  {x:?}\ny  {y:.2?}\ndx {dx:.2?}");
    Ok(())
}
