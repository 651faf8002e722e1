//! Figures, as SVG that takes its colours from the page, so that it is right in a light and a dark one.
//!
//! Series differ by mark and stroke as well as by colour, and are labelled where they are: no legends.

use std::ops::Range;

use plotters::{
    coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter},
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use crate::{Error, digits, number};

/// The page's style, whose colours come first.
pub const PAGE_STYLE: &str = include_str!("page.css");

/// A figure of the page.
#[derive(Clone, Debug)]
pub struct Figure {
    /// What it shows, and what to see in it.
    pub caption: String,
    pub svg: String,
}

impl Figure {
    /// The drawing as a file of its own, which has the page's colours, light and dark, and its font.
    pub fn file(&self) -> String {
        let (colors, _) = PAGE_STYLE.split_once("* {").unwrap_or((PAGE_STYLE, ""));
        let style = format!("<style>{colors}svg {{ font-family: sans-serif; background: var(--paper); }}</style>");
        let (tag, content) = self.svg.split_once('>').unwrap_or((&self.svg, ""));
        let namespace = if tag.contains("xmlns=") { "" } else { " xmlns=\"http://www.w3.org/2000/svg\"" };
        format!("{tag}{namespace}>{style}{content}")
    }
}

/// What a thing is drawn in; the page says what colour that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// The colour of text.
    Ink,
    /// Grey, for what is beside the point.
    Soft,
    /// The first colour, the darker one.
    First,
    /// The second, lighter.
    Second,
    /// The third.
    Third,
}

/// The colours in the drawing, each replaced by a variable of the page.
const TONES: [(Tone, RGBColor, &str); 5] = [
    (Tone::Ink, RGBColor(1, 1, 1), "var(--ink)"),
    (Tone::Soft, RGBColor(2, 2, 2), "var(--soft)"),
    (Tone::First, RGBColor(3, 3, 3), "var(--first)"),
    (Tone::Second, RGBColor(4, 4, 4), "var(--second)"),
    (Tone::Third, RGBColor(5, 5, 5), "var(--third)"),
];
const GRID: RGBColor = RGBColor(6, 6, 6);
const PAPER: RGBColor = RGBColor(7, 7, 7);

impl Tone {
    fn color(self) -> RGBColor {
        TONES.iter().find(|(tone, ..)| *tone == self).map_or(GRID, |(_, color, _)| *color)
    }
}

/// The mark of a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    Dot,
    /// A dot of a pixel or two, where there are hundreds.
    Speck,
    Ring,
    Cross,
    /// A cross where there are hundreds.
    SmallCross,
    Triangle,
}

/// How a line is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stroke {
    Solid,
    Dashed,
    Thin,
}

/// On which side of its point a label stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Left,
    Right,
    Above,
    Below,
}

/// An axis from one value to another.
#[derive(Clone, Debug)]
pub struct Axis {
    label: String,
    range: Range<f64>,
    is_log: bool,
    ticks: Vec<(f64, String)>,
}

impl Axis {
    pub fn new(label: impl Into<String>, from: f64, to: f64) -> Self {
        let rough = (to - from) / 5.0;
        let power = 10.0_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power).into_iter().find(|step| *step >= rough);
        let step = step.unwrap_or(rough);
        let decimals = (-step.log10().floor()).max(0.0) as usize;
        let first = (from / step - 1e-9).ceil() as i64;
        let ticks = (first..).map(|i| i as f64 * step).take_while(|tick| *tick <= to + 1e-9 * step);
        let text = |tick: f64| match tick.abs() {
            large if large >= 10_000.0 => {
                format!("{}{}", if tick < 0.0 { "−" } else { "" }, number::grouped(large as usize))
            }
            _ => format!("{tick:.decimals$}").replace('-', "−"),
        };
        Self {
            label: label.into(),
            range: from..to,
            is_log: false,
            ticks: ticks.map(|tick| (tick, text(tick))).collect(),
        }
    }

    /// With equal steps for equal factors; both ends are positive.
    pub fn log(label: impl Into<String>, from: f64, to: f64) -> Self {
        let (low, high) = (from.log10().floor() as i32, to.log10().ceil() as i32);
        let every = ((high - low) / 6 + 1) as usize;
        let within: &[f64] = if to / from <= 100.0 { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let ticks = (low..=high).step_by(every).flat_map(|power| within.iter().map(move |factor| (power, *factor)));
        let text = |power, factor: f64| match power {
            -2..=4 => digits(factor * 10.0_f64.powi(power), 1),
            _ if factor == 1.0 => format!("10{}", number::superscript(power)),
            _ => format!("{factor}·10{}", number::superscript(power)),
        };
        let ticks = ticks.map(|(power, factor)| (factor * 10.0_f64.powi(power), text(power, factor)));
        let ticks = ticks.filter(|(tick, _)| (from * 0.999..=to * 1.001).contains(tick)).collect();
        Self { label: label.into(), range: from..to, is_log: true, ticks }
    }

    /// With these ticks instead of its own.
    #[must_use]
    pub fn with_ticks<T: Into<String>>(self, ticks: impl IntoIterator<Item = (f64, T)>) -> Self {
        Self { ticks: ticks.into_iter().map(|(tick, text)| (tick, text.into())).collect(), ..self }
    }

    fn place(&self, value: f64) -> f64 {
        let place = |value: f64| if self.is_log { value.max(f64::MIN_POSITIVE).log10() } else { value };
        let (low, high) = (place(self.range.start), place(self.range.end));
        (place(value) - low) / (high - low)
    }

    fn clamp(&self, value: f64) -> f64 {
        value.clamp(self.range.start.min(self.range.end), self.range.end.max(self.range.start))
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (low, high): (i32, i32)) -> i32 {
        // What is far outside is cut by the edge of the figure; pixels have to stay integers.
        low + (self.place(*value).clamp(-10.0, 10.0) * f64::from(high - low)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        // Only once: what plotters calls light points would be a second grid.
        if hint.weight().allow_light_points() { vec![] } else { self.ticks.iter().map(|(tick, _)| *tick).collect() }
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

impl ValueFormatter<f64> for Axis {
    fn format(value: &f64) -> String {
        digits(*value, 3)
    }

    fn format_ext(&self, value: &f64) -> String {
        self.ticks.iter().find(|(tick, _)| tick == value).map_or_else(String::new, |(_, text)| text.clone())
    }
}

enum Layer {
    Line(Vec<(f64, f64)>, Tone, Stroke),
    Band(Vec<(f64, f64, f64)>, Tone),
    Points(Vec<(f64, f64)>, Tone, Mark),
    Intervals(Vec<(f64, f64, f64)>, Tone),
    Bars(Vec<(f64, f64, f64)>, Tone),
    Label(f64, f64, String, Tone, Side),
}

/// A figure in the making: layers on two axes, the first at the bottom.
pub struct Plot {
    x: Axis,
    y: Axis,
    layers: Vec<Layer>,
    height: u32,
}

/// Small enough to be read on a phone, where it is as wide as the screen.
const WIDTH: u32 = 480;
/// The library draws in whole units: quarters of ours.
const FINE: u32 = 4;
const TEXT: f64 = 19.0;

impl Plot {
    pub const fn new(x: Axis, y: Axis) -> Self {
        Self { x, y, layers: vec![], height: 330 }
    }

    /// So many units high; the width is 480.
    #[must_use]
    pub fn with_height(self, height: u32) -> Self {
        Self { height, ..self }
    }

    pub fn line(&mut self, points: impl IntoIterator<Item = (f64, f64)>, tone: Tone, stroke: Stroke) {
        self.layers.push(Layer::Line(points.into_iter().collect(), tone, stroke));
    }

    /// The line of a function along the x axis.
    pub fn curve(&mut self, function: impl Fn(f64) -> f64, tone: Tone, stroke: Stroke) {
        let Range { start, end } = self.x.range;
        let x = |part: f64| {
            if self.x.is_log { start * (end / start).powf(part) } else { start + (end - start) * part }
        };
        let points: Vec<_> = (0..=200).map(|i| x(f64::from(i) / 200.0)).map(|x| (x, function(x))).collect();
        self.line(points, tone, stroke);
    }

    /// A line across at one height.
    pub fn level(&mut self, y: f64, tone: Tone, stroke: Stroke) {
        self.line([(self.x.range.start, y), (self.x.range.end, y)], tone, stroke);
    }

    /// A line from bottom to top at one x.
    pub fn upright(&mut self, x: f64, tone: Tone, stroke: Stroke) {
        self.line([(x, self.y.range.start), (x, self.y.range.end)], tone, stroke);
    }

    /// The area between two values of y, at each x.
    pub fn band(&mut self, points: impl IntoIterator<Item = (f64, f64, f64)>, tone: Tone) {
        self.layers.push(Layer::Band(points.into_iter().collect(), tone));
    }

    pub fn points(&mut self, points: impl IntoIterator<Item = (f64, f64)>, tone: Tone, mark: Mark) {
        self.layers.push(Layer::Points(points.into_iter().collect(), tone, mark));
    }

    /// Upright intervals: x, and from where to where.
    pub fn intervals(&mut self, intervals: impl IntoIterator<Item = (f64, f64, f64)>, tone: Tone) {
        self.layers.push(Layer::Intervals(intervals.into_iter().collect(), tone));
    }

    /// Bars from the bottom: from x to x, and how high.
    pub fn bars(&mut self, bars: impl IntoIterator<Item = (f64, f64, f64)>, tone: Tone) {
        self.layers.push(Layer::Bars(bars.into_iter().collect(), tone));
    }

    pub fn label(&mut self, x: f64, y: f64, text: impl Into<String>, tone: Tone, side: Side) {
        self.layers.push(Layer::Label(x, y, text.into(), tone, side));
    }

    /// Draws it.
    pub fn figure(&self, caption: impl Into<String>) -> Result<Figure, Error> {
        let mut svg = String::new();
        self.draw(&mut svg)?;
        Ok(Figure { caption: caption.into(), svg: of_the_page(&svg, self.height) })
    }

    fn draw(&self, svg: &mut String) -> Result<(), Error> {
        let root = SVGBackend::with_string(svg, (WIDTH * FINE, self.height * FINE)).into_drawing_area();
        let longest = self.y.ticks.iter().map(|(_, text)| text.chars().count()).max().unwrap_or(1) as u32;
        let text = |tone: Tone| ("sans-serif", TEXT * f64::from(FINE)).into_font().color(&tone.color());
        let at = |h, v| Pos::new(h, v);
        let left = 16 + 10 * longest;
        root.draw_text(&self.y.label, &text(Tone::Ink).pos(at(HPos::Left, VPos::Top)), (fine(2), fine(2)))?;
        let middle = (left + WIDTH) as i32 / 2;
        let label = text(Tone::Ink).pos(at(HPos::Center, VPos::Bottom));
        root.draw_text(&self.x.label, &label, (fine(middle), fine(self.height as i32 - 2)))?;
        // The last tick's text is centred below it, and may reach over the edge.
        let last = self.x.ticks.last().filter(|(tick, _)| self.x.place(*tick) > 0.95);
        let right = last.map_or(0, |(_, text)| 6 * text.chars().count() as u32).max(14);
        let mut chart = ChartBuilder::on(&root)
            .margin_top(30 * FINE)
            .margin_right(right * FINE)
            .margin_bottom(24 * FINE)
            .x_label_area_size(26 * FINE)
            .y_label_area_size(left * FINE)
            .build_cartesian_2d(self.x.clone(), self.y.clone())?;
        chart
            .configure_mesh()
            .bold_line_style(GRID.stroke_width(FINE))
            .set_all_tick_mark_size(fine(4))
            .light_line_style(TRANSPARENT)
            .axis_style(Tone::Soft.color().stroke_width(FINE))
            .label_style(text(Tone::Soft))
            .x_label_formatter(&|x| self.x.format_ext(x))
            .y_label_formatter(&|y| self.y.format_ext(y))
            .draw()?;
        for layer in &self.layers {
            match layer {
                Layer::Line(points, tone, stroke) => {
                    let style = tone.color().stroke_width(if *stroke == Stroke::Thin { FINE } else { 2 * FINE });
                    for points in self.inside(points) {
                        if *stroke == Stroke::Dashed {
                            chart.draw_series(DashedLineSeries::new(points, 6 * FINE, 4 * FINE, style))?;
                        } else {
                            chart.draw_series(LineSeries::new(points, style))?;
                        }
                    }
                }
                Layer::Band(points, tone) => {
                    let low = points.iter().map(|&(x, low, _)| (x, self.y.clamp(low)));
                    let high = points.iter().rev().map(|&(x, _, high)| (x, self.y.clamp(high)));
                    let outline: Vec<_> = low.chain(high).collect();
                    chart.draw_series([Polygon::new(outline, tone.color().mix(0.15))])?;
                }
                Layer::Points(points, tone, mark) => {
                    let (color, fill) = (tone.color(), tone.color().filled());
                    let points = points.iter().copied();
                    match mark {
                        Mark::Dot => chart.draw_series(points.map(|point| Circle::new(point, fine(4), fill)))?,
                        Mark::Speck => chart.draw_series(points.map(|point| Circle::new(point, fine(2), fill)))?,
                        Mark::Ring => {
                            // Paper inside, so that the ring shows on top of a line.
                            let points: Vec<_> = points.collect();
                            let inside = points.iter().map(|&point| Circle::new(point, fine(5), PAPER.filled()));
                            chart.draw_series(inside)?;
                            let ring = color.stroke_width(2 * FINE);
                            chart.draw_series(points.iter().map(|&point| Circle::new(point, fine(5), ring)))?
                        }
                        Mark::Cross => chart.draw_series(
                            points.map(|point| Cross::new(point, fine(4), color.stroke_width(2 * FINE))),
                        )?,
                        Mark::SmallCross => chart
                            .draw_series(points.map(|point| Cross::new(point, fine(2), color.stroke_width(FINE))))?,
                        Mark::Triangle => {
                            chart.draw_series(points.map(|point| TriangleMarker::new(point, fine(6), fill)))?
                        }
                    };
                }
                Layer::Intervals(intervals, tone) => {
                    let style = tone.color().stroke_width(2 * FINE);
                    for &(x, low, high) in intervals {
                        let (low, high) = (self.y.clamp(low), self.y.clamp(high));
                        chart.draw_series([PathElement::new(vec![(x, low), (x, high)], style)])?;
                        let cap =
                            |y| EmptyElement::at((x, y)) + PathElement::new(vec![(-fine(4), 0), (fine(4), 0)], style);
                        chart.draw_series([low, high].map(cap))?;
                    }
                }
                Layer::Bars(bars, tone) => {
                    let bottom = self.y.range.start;
                    let bar = |&(from, to, y): &(f64, f64, f64)| {
                        Rectangle::new([(from, bottom), (to, self.y.clamp(y))], tone.color().mix(0.45).filled())
                    };
                    chart.draw_series(bars.iter().map(bar))?;
                }
                Layer::Label(x, y, words, tone, side) => {
                    let (offset, h, v) = match side {
                        Side::Left => ((-fine(9), 0), HPos::Right, VPos::Center),
                        Side::Right => ((fine(9), 0), HPos::Left, VPos::Center),
                        Side::Above => ((0, -fine(9)), HPos::Center, VPos::Bottom),
                        Side::Below => ((0, fine(9)), HPos::Center, VPos::Top),
                    };
                    let style = text(*tone).pos(at(h, v));
                    chart.draw_series([EmptyElement::at((*x, *y)) + Text::new(words.clone(), offset, style)])?;
                }
            }
        }
        root.present()?;
        drop(chart);
        drop(root);
        Ok(())
    }

    /// The parts of a line that lie between bottom and top, each cut where it leaves.
    fn inside(&self, points: &[(f64, f64)]) -> Vec<Vec<(f64, f64)>> {
        let Range { start, end } = self.y.range;
        let is_inside = |y: f64| (start..=end).contains(&y);
        let mut parts = vec![vec![]];
        let mut previous: Option<(f64, f64)> = None;
        for &(x, y) in points {
            let edge = previous.filter(|&(_, before)| is_inside(before) != is_inside(y)).map(|(from, before)| {
                let edge = if y.max(before) > end { end } else { start };
                (from + (x - from) * (edge - before) / (y - before), edge)
            });
            let part = parts.len() - 1;
            parts[part].extend(edge);
            if is_inside(y) {
                parts[part].push((x, y));
            } else if !parts[part].is_empty() {
                parts.push(vec![]);
                if edge.is_none() {
                    parts.pop();
                }
            }
            previous = Some((x, y));
        }
        parts.into_iter().filter(|part| part.len() > 1).collect()
    }
}

/// So many units, in those that are drawn in.
const fn fine(units: i32) -> i32 {
    units * FINE as i32
}

/// The drawing with the page's colours and font, as wide as the page lets it be.
fn of_the_page(svg: &str, height: u32) -> String {
    let hex = |RGBColor(r, g, b): RGBColor| format!("#{r:02X}{g:02X}{b:02X}");
    let mut page = svg.to_owned();
    for (_, color, variable) in TONES {
        page = page.replace(&hex(color), variable);
    }
    page = page.replace(&hex(GRID), "var(--grid)").replace(&hex(PAPER), "var(--paper)");
    page = page.replace(" font-family=\"sans-serif\"", "");
    page.replace(&format!("width=\"{}\" height=\"{}\" ", WIDTH * FINE, height * FINE), "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_numbers() {
        let texts = |axis: Axis| axis.ticks.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join(" ");
        assert_eq!(texts(Axis::new("", 0.0, 1.0)), "0.0 0.2 0.4 0.6 0.8 1.0");
        assert_eq!(texts(Axis::new("", -6.0, 6.0)), "−5 0 5");
        assert_eq!(texts(Axis::new("", 0.0, 60_000.0)), "0 20,000 40,000 60,000");
        assert_eq!(texts(Axis::log("", 1.0, 20.0)), "1 2 5 10 20");
        assert_eq!(texts(Axis::log("", 1e-3, 1e3)), "10⁻³ 0.1 10 1000");
    }

    #[test]
    fn figures_have_no_colour_of_their_own_and_no_size() {
        let mut plot = Plot::new(Axis::new("x", 0.0, 1.0), Axis::new("y", 0.0, 1.0));
        for (i, (tone, ..)) in TONES.into_iter().enumerate() {
            plot.curve(|x| x * i as f64, tone, Stroke::Dashed);
            plot.band([(0.0, 0.0, 1.0), (1.0, 0.0, 1.0)], tone);
            plot.points([(0.5, 0.5)], tone, Mark::Ring);
            plot.label(0.5, 0.5, "<label>", tone, Side::Left);
        }
        let figure = plot.figure("").unwrap();
        let svg = &figure.svg;
        let text = svg.split("&#").collect::<String>();
        assert!(!text.contains("=\"#"), "{text}");
        assert!(svg.starts_with("<svg viewBox=") || svg.starts_with("<svg xmlns"), "{svg}");
        assert!(!svg.contains("<label>") && svg.contains("var(--third)"));
        let file = figure.file();
        assert!(file.starts_with("<svg ") && file.matches("xmlns=\"").count() == 1, "{file}");
        assert!(
            file.contains("--third:") && file.contains("prefers-color-scheme: dark") && !file.contains("h1"),
            "{file}"
        );
    }

    #[test]
    fn lines_are_cut_at_the_edges() {
        let plot = Plot::new(Axis::new("", 0.0, 4.0), Axis::new("", 0.0, 1.0));
        let parts = plot.inside(&[(0.0, -1.0), (1.0, 1.0), (2.0, 3.0), (3.0, 1.0), (4.0, 0.0)]);
        assert_eq!(parts, [vec![(0.5, 0.0), (1.0, 1.0), (1.0, 1.0)], vec![(3.0, 1.0), (3.0, 1.0), (4.0, 0.0)]]);
    }
}
