//! The figures for people, and as JSON.

use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    budgets::Budgets,
    measure::{FamilyReport, Figures},
    model::{Gpu, KERNELS},
};

/// What was counted, for every family.
pub struct Report {
    pub families: Vec<FamilyReport>,
    /// Those that RADV does not know.
    pub unknown_families: Vec<String>,
}

impl Report {
    pub const fn new() -> Self {
        Self { families: vec![], unknown_families: vec![] }
    }

    pub fn family(&self, name: &str) -> Option<&FamilyReport> {
        self.families.iter().find(|family| family.family == name)
    }

    fn mesa_version(&self) -> &str {
        self.families.first().map_or("none", |family| &family.mesa_version)
    }

    /// One row for each family and kernel.
    pub fn to_json(&self) -> Value {
        #[derive(Serialize)]
        struct Row<'a> {
            family: &'a str,
            #[serde(flatten)]
            figures: &'a Figures,
        }
        let rows = self
            .families
            .iter()
            .flat_map(|family| family.kernels.iter().map(|figures| Row { family: &family.family, figures }));
        json!({
            "crate_version": env!("CARGO_PKG_VERSION"),
            "mesa_version": self.mesa_version(),
            "unknown_families": self.unknown_families,
            "results": rows.collect::<Vec<_>>(),
        })
    }

    /// Every table, and what they mean.
    pub fn print(&self, budgets: &Budgets) {
        println!("wgpu-dropout {}, {}", env!("CARGO_PKG_VERSION"), self.mesa_version());
        for family in &self.unknown_families {
            println!("{family}: this RADV does not know it; it is not counted.");
        }
        let Some(first) = self.families.first() else { return };

        println!("\nVector instructions an element, without guards and ties (2 cycles each on RDNA, 4 on Vega):\n");
        let of_budgets = self.family(&budgets.family);
        let heading = self.families.iter().map(|family| format!("{} ({})", family.family, family.generation));
        let mut heading: Vec<String> = std::iter::once("kernel".to_owned()).chain(heading).collect();
        heading.push(format!("budget of {}", budgets.family));
        let mut rows = vec![heading];
        for (i, kernel) in first.kernels.iter().enumerate() {
            let mut row = vec![kernel.kernel.clone()];
            row.extend(self.families.iter().map(|family| {
                let figures = &family.kernels[i];
                let weighted = if figures.weighted { "~" } else { "" };
                format!("{weighted}{:.2}", figures.vector_instructions_per_element)
            }));
            let most = of_budgets.and_then(|family| budgets.most(&kernel.kernel, &family.kernels));
            row.push(most.map_or("—".to_owned(), |most| format!("{most:.2}")));
            rows.push(row);
        }
        print_table(&rows);
        println!(
            "\n~ has loops or branches, which RADV weighs by guesses: no figure of what runs, and it has no budget."
        );

        println!("\nThe kernels as they are: instructions / vector registers / bytes of code:\n");
        rows[0].pop();
        for (i, row) in rows.iter_mut().skip(1).enumerate() {
            row.truncate(1);
            row.extend(self.families.iter().map(|family| {
                let statistics = &family.kernels[i].statistics;
                format!("{} / {} / {}", statistics.instructions, statistics.vgprs, statistics.code_size)
            }));
        }
        print_table(&rows);

        match of_budgets {
            Some(family) => print_model(family),
            None => println!("\nThe model needs the figures of {}, which were not counted.", budgets.family),
        }
    }
}

/// How fast the kernels would be on some GPUs.
fn print_model(family: &FamilyReport) {
    println!(
        "\nA model, not a measurement: the speed in parts of a copy's, min(1, time of memory / time of arithmetic),\n\
         were each GPU to take the instructions of {} at its full rate, and memory and arithmetic to overlap\n\
         perfectly. It is rough for other instruction sets: NVIDIA's rotates in one instruction, here it takes two.\n\
         Bandwidth, lanes and clock: vendor's published figure.\n",
        family.family
    );
    let mut heading = vec!["GPU".to_owned(), "memory, GB/s".to_owned(), "integer instructions, 10¹²/s".to_owned()];
    let mut kernels = vec![];
    for (name, bytes) in KERNELS {
        if let Some(figures) = family.kernels.iter().find(|figures| figures.kernel == name) {
            heading.push(format!("{name}: memory / arithmetic, ps an element"));
            heading.push("× copy".to_owned());
            kernels.push((bytes, figures.vector_instructions_per_element));
        }
    }
    let mut rows = vec![heading];
    for gpu in Gpu::ALL {
        let mut row = vec![gpu.name.to_owned(), format!("{:.0}", gpu.bandwidth), format!("{:.1}", gpu.integer_rate())];
        for &(bytes, instructions) in &kernels {
            let prediction = gpu.predict(bytes, instructions);
            row.push(format!("{:.2} / {:.2}", prediction.memory, prediction.arithmetic));
            row.push(format!("{:.2}", prediction.fraction_of_a_copy()));
        }
        rows.push(row);
    }
    print_table(&rows);
}

/// A table in Markdown, aligned for terminals too. The first row is the heading.
fn print_table(rows: &[Vec<String>]) {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let lengths = |column: usize| rows.iter().filter_map(move |row| Some(row.get(column)?.chars().count()));
    let widths: Vec<usize> = (0..columns).map(|column| lengths(column).max().unwrap_or(0)).collect();
    for (i, row) in rows.iter().enumerate() {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| match column {
            0 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        println!("| {} |", cells.collect::<Vec<_>>().join(" | "));
        if i == 0 {
            let rules = widths.iter().enumerate().map(|(column, width)| match column {
                0 => "-".repeat(width + 2),
                _ => format!("{}:", "-".repeat(width + 1)),
            });
            println!("|{}|", rules.collect::<Vec<_>>().join("|"));
        }
    }
}
