//! What a study is, and what it finds.

use serde::Serialize;

use crate::{Check, Error, Figure, Lab};

/// A claim of the literature, and how it is measured.
#[derive(Clone, Copy, Debug)]
pub struct Study {
    /// What `--only` takes.
    pub name: &'static str,
    pub title: &'static str,
    /// In two sentences of plain words.
    pub claim: &'static str,
    /// Whose claim it is.
    pub source: &'static str,
    /// As LaTeX; the page has it as MathML.
    pub formula: &'static str,
    /// What is measured, and how.
    pub measurement: &'static str,
    /// What `--plant-fault` does wrong, so that the verdict must fail.
    pub fault: &'static str,
    pub run: fn(&Lab<'_>) -> Result<Findings, Error>,
}

/// What a study found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Findings {
    /// In one sentence, with its numbers.
    pub verdict: String,
    pub checks: Vec<Check>,
    pub tables: Vec<Table>,
    #[serde(skip)]
    pub figures: Vec<Figure>,
    /// What a reader should know besides; paragraphs.
    pub remarks: Vec<String>,
}

impl Findings {
    /// Whether all of its checks hold; a study without any proves nothing.
    pub fn hold(&self) -> bool {
        !self.checks.is_empty() && self.checks.iter().all(|check| check.holds)
    }
}

/// Numbers as text, row by row.
#[derive(Clone, Debug, Serialize)]
pub struct Table {
    pub caption: String,
    pub head: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new(caption: impl Into<String>, head: &[&str]) -> Self {
        Self { caption: caption.into(), head: head.iter().map(|&name| name.into()).collect(), rows: vec![] }
    }

    pub fn row<T: Into<String>>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }
}
