//! Measurements for people: a table and a chart.

use std::fmt::Write;

use plotters::prelude::*;

use crate::{Error, Op, Report, Row};

/// A table with a line for each measurement.
pub fn table(report: &Report) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{} ({}, {}); {}; copy: {}; {}, workgroups of {}, f16 by {} conversion\n",
        report.adapter.name,
        report.adapter.backend,
        report.adapter.driver,
        report.clock,
        report.copy.best,
        report.schedule,
        report.workgroup_size,
        report.f16
    );
    let _ = writeln!(text, "| n | operation | dtype | generator | p | median ms | quartiles ms | GB/s | × copy |");
    let _ = writeln!(text, "|---|---|---|---|---|---|---|---|---|");
    for row in &report.results {
        let p = row.p.map(|p| p.to_string()).unwrap_or_default();
        let _ = writeln!(
            text,
            "| 2^{} | {} | {} | {} | {p} | {:.4} | {:.4}–{:.4} | {:.2} | {:.2} |",
            row.n.ilog2(),
            row.op,
            row.dtype,
            row.generator,
            row.median_ms,
            row.quartiles_ms[0],
            row.quartiles_ms[1],
            row.gb_per_s,
            row.ratio_to_copy
        );
    }
    if !report.passes.is_empty() {
        let _ =
            writeln!(text, "\n| pass | of | median ms | quartiles ms | beside | × that | separate passes | × these |");
        let _ = writeln!(text, "|---|---|---|---|---|---|---|---|");
        for row in &report.passes {
            let (separate, ratio) = match (row.separate, row.ratio_to_separate) {
                (Some(separate), Some(ratio)) => (separate, format!("{ratio:.2}")),
                _ => ("—", "—".to_owned()),
            };
            let _ = writeln!(
                text,
                "| {} | {} | {:.4} | {:.4}–{:.4} | {} | {:.2} | {separate} | {ratio} |",
                row.pass,
                row.shape,
                row.median_ms,
                row.quartiles_ms[0],
                row.quartiles_ms[1],
                row.beside,
                row.ratio_to_beside,
            );
        }
    }
    if !report.calls.is_empty() {
        let _ = writeln!(text, "\n| recording a call of 256 elements, 256 an encoder | µs a call | × bare dispatch |");
        let _ = writeln!(text, "|---|---|---|");
        for call in &report.calls {
            let _ = writeln!(text, "| {} | {:.3} | {:.2} |", call.how, call.median_us, call.ratio_to_bare);
        }
    }
    text
}

/// Throughput against size as SVG: a line for each f32 operation (Threefry, p = 0.1; forward with Philox beside it) and
/// for forward of each type, and the copy as the ceiling.
///
/// # Errors
/// When the drawing library fails.
pub fn chart(report: &Report) -> Result<String, Error> {
    let mut lines: Vec<(String, Vec<&Row>)> = vec![];
    for row in &report.results {
        let label = match (row.op.as_str(), row.dtype, row.generator.as_str()) {
            ("copy", "f32", _) => "copy kernel (ceiling)".to_owned(),
            // As forward, or not of these bytes.
            ("copy" | "scale in place" | "mask", ..) => continue,
            // More lines could not be told apart: the table has these.
            (op, ..) if Op::FAMILY.iter().any(|other| other.name() == op) => continue,
            ("forward", "f32", generator) if row.p == Some(0.1) => format!("forward, {generator}"),
            ("forward", dtype, _) if row.p == Some(0.1) => format!("forward, {dtype}"),
            (op, "f32", "threefry") if row.p == Some(0.1) => op.to_owned(),
            _ => continue,
        };
        match lines.iter_mut().find(|(existing, _)| *existing == label) {
            Some((_, rows)) => rows.push(row),
            None => lines.push((label, vec![row])),
        }
    }
    let drawn = || -> Result<String, Box<dyn std::error::Error>> {
        let mut svg = String::new();
        {
            let sizes = || report.results.iter().map(|row| row.n as f64);
            let (least, most) = (sizes().fold(f64::MAX, f64::min), sizes().fold(1.0, f64::max));
            let top = lines.iter().flat_map(|(_, rows)| rows).map(|row| row.gb_per_s).fold(0.0, f64::max) * 1.1;
            let root = SVGBackend::with_string(&mut svg, (900, 540)).into_drawing_area();
            root.fill(&WHITE)?;
            let title = format!("Throughput of dropout — {} ({})", report.adapter.name, report.adapter.backend);
            let mut chart = ChartBuilder::on(&root)
                .caption(title, ("sans-serif", 20))
                .margin(16)
                .x_label_area_size(44)
                .y_label_area_size(64)
                .build_cartesian_2d((least..most).log_scale().base(2.0), 0.0..top)?;
            chart
                .configure_mesh()
                .x_desc("elements")
                .y_desc("GB/s (bytes read + written)")
                .x_label_formatter(&|n| format!("2^{:.0}", n.log2()))
                .y_label_formatter(&|gb| format!("{gb:.0}"))
                .light_line_style(WHITE)
                .draw()?;
            for (i, (label, rows)) in lines.iter().enumerate() {
                // The ceiling is black; the others take colours that stay apart for the colour-blind (Okabe, Ito).
                let color = [BLACK, RGBColor(0, 114, 178), RGBColor(230, 159, 0), RGBColor(0, 158, 115)]
                    .into_iter()
                    .chain([RGBColor(204, 121, 167), RGBColor(86, 180, 233), RGBColor(213, 94, 0)])
                    .chain([RGBColor(150, 150, 150), RGBColor(120, 80, 40)])
                    .nth(i % 9)
                    .unwrap_or(BLACK);
                let style = color.stroke_width(if i == 0 { 3 } else { 2 });
                let points: Vec<_> = rows.iter().map(|row| (row.n as f64, row.gb_per_s)).collect();
                chart
                    .draw_series(LineSeries::new(points, style))?
                    .label(label)
                    .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
            }
            chart
                .configure_series_labels()
                .position(SeriesLabelPosition::UpperLeft)
                .background_style(WHITE.mix(0.8))
                .draw()?;
            root.present()?;
        }
        Ok(svg)
    };
    drawn().map_err(|error| Error::Chart(error.to_string()))
}
