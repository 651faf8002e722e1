//! How good the normals are, over all 2³² words that they can be made of: `cargo run --release -p wgpu-dropout-quality`.
//!
//! The exit status is 1 where a figure is not the one that the format gives. With `--broken-table N` entry N of the table
//! is broken first, so that one can see it fail. docs/normal-quality.md is its report.

mod census;
mod figures;
mod inverse;

use std::{env, process::ExitCode};

use census::{Census, Table};
use figures::figures;
use inverse::{Inverse, KNOWN};
use wgpu_dropout::normal_table::NORMAL_TABLE;

fn main() -> ExitCode {
    let mut table = NORMAL_TABLE;
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => {}
        ["--broken-table", entry] => {
            let Some(entry) = entry.parse().ok().filter(|&entry| entry < table.len()) else {
                eprintln!("--broken-table {entry}: there are entries 0 to 511");
                return ExitCode::from(2);
            };
            break_entry(&mut table, entry);
        }
        _ => {
            eprintln!("give no arguments, or --broken-table N");
            return ExitCode::from(2);
        }
    }

    let mut inverse = Inverse::new();
    let off = KNOWN.map(|(m, root)| (inverse.at(m) - root).abs()).into_iter().fold(0.0, f64::max);
    let accurate = off < 1e-12;
    println!("The inverse is within {off:.0e} of what 40 digits gave: {}", if accurate { "ok" } else { "WRONG" });

    let census = Census::of_all(&table);
    println!("{:<46}{:>24}{:>20}", "of all 2^32 words", "found", "wanted");
    let mut sound = accurate;
    for figure in figures(&census) {
        sound &= figure.holds;
        let verdict = if figure.holds { "ok" } else { "WRONG" };
        println!("{:<46}{:>24}{:>20}  {verdict}", figure.name, figure.found, figure.wanted);
    }
    let (rises, inside, x) = (census.rises, census.rises_inside, census.first_x_inside);
    println!(
        "It rises in {rises} places: {} where a segment begins, {inside} inside of one, from x = {x} on.",
        rises - inside
    );
    if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Its segment comes out 4.8·10⁻⁶ too far from zero: less than twice the largest error.
fn break_entry(table: &mut Table, entry: usize) {
    table[entry][0] += 10;
}
