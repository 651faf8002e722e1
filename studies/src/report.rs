//! The page and the JSON of a run.

use std::{fs, path::Path};

use maud::{DOCTYPE, Markup, PreEscaped, html};
use pulldown_latex::{Parser, RenderConfig, Storage, config::DisplayMode, push_mathml};
use serde::Serialize;

use crate::{Check, Error, Findings, Study, Table, digits, figure::PAGE_STYLE};

/// A run of studies, on one device.
#[derive(Serialize)]
pub struct Report {
    pub adapter: String,
    pub seed: u64,
    pub quick: bool,
    /// Whether every study was made to do something wrong.
    pub fault_planted: bool,
    pub studies: Vec<Entry>,
}

/// A study that was run.
#[derive(Serialize)]
pub struct Entry {
    pub name: &'static str,
    pub title: &'static str,
    pub claim: &'static str,
    pub holds: bool,
    pub findings: Findings,
    pub seconds: f64,
    #[serde(skip)]
    pub study: Study,
}

impl Report {
    /// Whether every verdict is that the claim holds.
    pub fn holds(&self) -> bool {
        !self.studies.is_empty() && self.studies.iter().all(|entry| entry.holds)
    }

    /// Writes `index.html`, `study.json` and `figures/NAME-1.svg`, … into a folder, which is there.
    pub fn write(&self, folder: &Path) -> Result<(), Error> {
        let figures = folder.join("figures");
        fs::create_dir_all(&figures).map_err(|error| format!("{}: {error}", figures.display()))?;
        for entry in &self.studies {
            for (number, figure) in (1..).zip(&entry.findings.figures) {
                replace(&figures.join(format!("{}-{number}.svg", entry.name)), figure.file().as_bytes())?;
            }
        }
        replace(&folder.join("index.html"), self.page()?.into_string().as_bytes())?;
        replace(&folder.join("study.json"), serde_json::to_string_pretty(self)?.as_bytes())
    }

    fn page(&self) -> Result<Markup, Error> {
        let articles: Result<Vec<_>, _> = self.studies.iter().map(article).collect();
        let holding = self.studies.iter().filter(|entry| entry.holds).count();
        let seconds: f64 = self.studies.iter().map(|entry| entry.seconds).sum();
        Ok(html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { "Dropout, executed" }
                    style { (PreEscaped(PAGE_STYLE)) }
                }
                body {
                    header {
                        h1 { "Dropout, executed" }
                        p.lead {
                            "What the literature says of dropout, each claim measured by a program on a GPU: " strong {
                                (holding) " of " (self.studies.len()) " hold"
                            } "."
                        }
                        p.small {
                            "Masks and dropout are wgpu-dropout’s, on " (self.adapter) ". Seed " (self.seed) ", "
                            (if self.quick { "a quick run with wide intervals" } else { "a full run" }) ", "
                            (format!("{seconds:.0}")) " seconds. The same seed gives the same numbers, but for times. \
                             p is the probability to drop, q = 1 − p. A study’s intervals together fail by chance once in a \
                             million runs: each of its comparisons has its part of that, and was counted before."
                            @if self.fault_planted {
                                strong { " A fault was planted in every study of this run: none may hold." }
                            }
                        }
                    }
                    nav aria-label="Contents" {
                        ol {
                            @for entry in &self.studies {
                                li {
                                    a href={ "#" (entry.name) } { (entry.title) }
                                    " " (badge(entry.holds))
                                }
                            }
                        }
                    }
                    main { @for article in articles? { (article) } }
                }
            }
        })
    }
}

fn badge(holds: bool) -> Markup {
    html! { span class=(if holds { "badge" } else { "badge fails" }) { (if holds { "holds" } else { "fails" }) } }
}

fn article(entry: &Entry) -> Result<Markup, Error> {
    let Entry { study, findings, .. } = entry;
    Ok(html! {
        article id=(entry.name) {
            h2 { (entry.title) " " (badge(entry.holds)) }
            blockquote { p { (study.claim) } footer { (study.source) } }
            div.formula { (mathml(study.formula)?) }
            p.verdict { (findings.verdict) }
            div.figures {
                @for figure in &findings.figures {
                    figure { (PreEscaped(&figure.svg)) figcaption { (figure.caption) } }
                }
            }
            h3 { "Measured" }
            p { (study.measurement) }
            (checks(&findings.checks))
            @for remark in &findings.remarks { p { (remark) } }
            @for table in &findings.tables { (table_of(table)) }
            p.small {
                (digits(entry.seconds, 2)) " seconds. Shown to fail: " code { "--plant-fault" } " has " (study.fault) ". Alone: "
                code { "scripts/study.sh --only " (entry.name) } "."
            }
        }
    })
}

fn checks(checks: &[Check]) -> Markup {
    html! {
        div.wide {
            table {
                thead { tr { th { "" } th { "what" } th { "measured" } th { "theory" } th { "interval" } } }
                tbody {
                    @for check in checks {
                        tr {
                            td { (badge(check.holds)) }
                            td.what { (check.what) div.small { (check.because) } }
                            td.number { (digits(check.measured, 4)) }
                            td.number { @if let Some(theory) = check.theory { (digits(theory, 4)) } }
                            td.number { (interval(check)) }
                        }
                    }
                }
            }
        }
    }
}

/// The interval of a check as text.
pub fn interval(check: &Check) -> String {
    let [low, high] = check.interval;
    match (low, high) {
        (low, high) if low == high => String::new(),
        (0.0, high) => format!("≤ {}", digits(high, 3)),
        (low, f64::INFINITY) => format!("≥ {}", digits(low, 3)),
        (low, high) => {
            // So many digits that both ends differ.
            let count = (high.abs().max(low.abs()) / (high - low)).log10().ceil().clamp(0.0, 6.0) as usize + 2;
            format!("{} to {}", digits(low, count), digits(high, count))
        }
    }
}

fn table_of(table: &Table) -> Markup {
    html! {
        details {
            summary { (table.caption) }
            div.wide {
                table {
                    thead { tr { @for name in &table.head { th { (name) } } } }
                    tbody { @for row in &table.rows { tr { @for cell in row { td.number { (cell) } } } } }
                }
            }
        }
    }
}

/// A formula as MathML.
pub fn mathml(latex: &str) -> Result<Markup, Error> {
    let storage = Storage::new();
    let events: Result<Vec<_>, _> = Parser::new(latex, &storage).collect();
    let events = events.map_err(|error| format!("the formula {latex}: {error}"))?;
    let config = RenderConfig { display_mode: DisplayMode::Block, ..Default::default() };
    let mut text = String::new();
    push_mathml(&mut text, events.into_iter().map(Ok::<_, std::convert::Infallible>), config)?;
    Ok(PreEscaped(text))
}

/// Writes beside the file and renames, so that nobody sees half of it.
fn replace(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let unfinished = path.with_extension("unfinished");
    let written = fs::write(&unfinished, bytes).and_then(|()| fs::rename(&unfinished, path));
    written.map_err(|error| format!("{}: {error}", path.display()).into())
}
