//! The results: a table for people, JSON and JUnit XML for programs.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use wgpu_dropout::{KEEP_RULE_VERSION, wgpu};
use wgpu_dropout_conformance::{About, Outcome};

use crate::adapter;

/// What was found on one adapter.
pub struct Report {
    pub index: usize,
    pub info: wgpu::AdapterInfo,
    /// How the device converts 16-bit floats, when it could be opened.
    pub f16: Option<String>,
    pub ended: Ended,
    pub results: Vec<Result>,
}

pub enum Ended {
    /// Every check ran to its end.
    Ran,
    /// It cannot run the kernels, which is no fault.
    Skipped,
    NotOpened(String),
    /// The process that checked it is gone.
    Crashed {
        during: String,
        how: String,
    },
    /// The process that checked it was killed.
    TimedOut {
        during: String,
        seconds: u64,
    },
}

/// What one check found.
#[derive(Serialize, Deserialize)]
pub struct Result {
    pub about: String,
    pub check: String,
    pub outcome: Outcome,
    pub seconds: f64,
}

impl Ended {
    /// What kept checks from being made.
    fn error(&self) -> Option<String> {
        match self {
            Self::Ran | Self::Skipped => None,
            Self::NotOpened(reason) => Some(format!("it cannot be opened: {reason}")),
            Self::Crashed { during, how } => Some(format!("its process ended with {how} during '{during}'")),
            Self::TimedOut { during, seconds } => {
                Some(format!("no result after {seconds} s (--timeout), during '{during}'"))
            }
        }
    }
}

impl Report {
    fn passed(&self) -> bool {
        match self.ended {
            Ended::Ran => self.results.iter().all(|result| result.outcome.passed()) && !self.results.is_empty(),
            Ended::Skipped => true,
            Ended::NotOpened(_) | Ended::Crashed { .. } | Ended::TimedOut { .. } => false,
        }
    }

    fn ran(&self) -> bool {
        matches!(self.ended, Ended::Ran | Ended::Crashed { .. } | Ended::TimedOut { .. })
    }

    fn status(&self) -> &'static str {
        match self.ended {
            Ended::Ran if self.passed() => "passed",
            Ended::Ran | Ended::NotOpened(_) => "failed",
            Ended::Skipped => "skipped",
            Ended::Crashed { .. } => "crashed",
            Ended::TimedOut { .. } => "timed out",
        }
    }

    fn name(&self) -> String {
        title(self.index, &self.info)
    }
}

fn title(index: usize, info: &wgpu::AdapterInfo) -> String {
    format!("adapter {}", adapter::describe(index, info))
}

pub fn heading(index: usize, info: &wgpu::AdapterInfo) -> String {
    let columns = format!("  {:<38} {:>12}  {:<6} {:>8}", "check", "compared", "result", "time");
    format!("{}\n{columns}\n", title(index, info))
}

pub fn row(result: &Result) -> String {
    let name = format!("{}: {}", result.about, result.check);
    let passed = if result.outcome.passed() { "pass" } else { "FAIL" };
    let mut text = format!("  {name:<38} {:>12}  {passed:<6} {:>6.2} s\n", result.outcome.compared, result.seconds);
    for line in result.outcome.problem().iter().chain(&result.outcome.note).chain(&result.outcome.first) {
        text += &format!("    {line}\n");
    }
    text
}

/// What the table ends with.
pub fn ending(report: &Report) -> String {
    match (&report.ended, report.ended.error()) {
        (Ended::Skipped, _) => "  skipped: it has no compute shaders\n".to_owned(),
        (_, Some(error)) => format!("  {}: {error}\n", report.status().to_uppercase()),
        (_, None) => String::new(),
    }
}

/// Masks and values apart: a driver that flushes a value differently still has the same masks.
pub fn summary(reports: &[Report]) -> String {
    let ran: Vec<_> = reports.iter().filter(|report| report.ran()).collect();
    let mut text = String::new();
    for about in About::ALL {
        let passed = |report: &Report| {
            let of = |result: &&Result| result.about == about.name();
            report.ended.error().is_none() && report.results.iter().filter(of).all(|result| result.outcome.passed())
        };
        let good = ran.iter().filter(|report| passed(report)).count();
        text += &format!("{}: right on {good} of {} adapters\n", about.name(), ran.len());
    }
    text
}

/// The error of the command, if any.
pub fn verdict(reports: &[Report]) -> std::result::Result<(), String> {
    let failed: Vec<_> = reports.iter().filter(|report| !report.passed()).map(Report::name).collect();
    if !failed.is_empty() {
        return Err(format!("failed on {}", failed.join("; ")));
    }
    if !reports.iter().any(Report::ran) {
        return Err("no adapter ran: none has compute shaders; install a driver (see wgpu-dropout info)".to_owned());
    }
    Ok(())
}

pub fn json(reports: &[Report]) -> String {
    let adapters: Vec<_> = reports.iter().map(adapter_json).collect();
    let report = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "keep_rule_version": KEEP_RULE_VERSION,
        "passed": verdict(reports).is_ok(),
        "adapters": adapters,
    });
    format!("{report:#}\n")
}

fn adapter_json(report: &Report) -> Value {
    let checks: Vec<_> = report
        .results
        .iter()
        .map(|result| {
            json!({
                "about": result.about,
                "check": result.check,
                "passed": result.outcome.passed(),
                "compared": result.outcome.compared,
                "mismatches": result.outcome.mismatches,
                "first_mismatches": result.outcome.first,
                "error": result.outcome.error,
                "note": result.outcome.note,
                "seconds": result.seconds,
            })
        })
        .collect();
    json!({
        "index": report.index,
        "name": report.info.name,
        "backend": format!("{:?}", report.info.backend),
        "device_type": format!("{:?}", report.info.device_type),
        "driver": report.info.driver,
        "driver_info": report.info.driver_info,
        "f16_conversion": report.f16,
        "status": report.status(),
        "error": report.ended.error(),
        "checks": checks,
    })
}

/// One test suite an adapter, one test case a check.
pub fn junit(reports: &[Report]) -> String {
    let mut text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"wgpu-dropout verify\">\n".to_owned();
    for report in reports {
        let mut cases: Vec<_> = report.results.iter().map(test_case).collect();
        if let Some(error) = report.ended.error() {
            // The check that was under way, or the device that was being opened.
            let (class, name) = match &report.ended {
                Ended::Crashed { during, .. } | Ended::TimedOut { during, .. } => {
                    during.split_once(": ").unwrap_or(("adapter", during))
                }
                _ => ("adapter", "opens"),
            };
            cases.push(element_case(class, name, 0.0, &format!("<error message=\"{}\"/>", escape(&error))));
        }
        if matches!(report.ended, Ended::Skipped) {
            cases.push(element_case("adapter", "runs", 0.0, "<skipped message=\"no compute shaders\"/>"));
        }
        let failures = report.results.iter().filter(|result| !result.outcome.passed()).count();
        let count = |yes| usize::from(yes);
        let seconds: f64 = report.results.iter().map(|result| result.seconds).sum();
        text += &format!(
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{failures}\" errors=\"{}\" skipped=\"{}\" \
             time=\"{seconds:.3}\">\n{}  </testsuite>\n",
            escape(&report.name()),
            cases.len(),
            count(report.ended.error().is_some()),
            count(matches!(report.ended, Ended::Skipped)),
            cases.concat(),
        );
    }
    text + "</testsuites>\n"
}

fn test_case(result: &Result) -> String {
    let failure = result.outcome.problem().map_or(String::new(), |problem| {
        format!("<failure message=\"{}\">{}</failure>", escape(&problem), escape(&result.outcome.first.join("\n")))
    });
    element_case(&result.about, &result.check, result.seconds, &failure)
}

fn element_case(class: &str, name: &str, seconds: f64, inside: &str) -> String {
    let (class, name) = (escape(class), escape(name));
    format!("    <testcase classname=\"{class}\" name=\"{name}\" time=\"{seconds:.3}\">{inside}</testcase>\n")
}

/// For XML text and attributes. XML 1.0 has no way to write most control characters.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\n' | '\t' => escaped.push(character),
            character if character.is_control() || matches!(character, '\u{fffe}' | '\u{ffff}') => escaped.push('?'),
            character => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(ended: Ended, outcome: Option<Outcome>) -> Report {
        let mut info = wgpu::AdapterInfo::new(wgpu::DeviceType::Cpu, wgpu::Backend::Vulkan);
        info.name = "a \"GPU\" <&'\u{1b}>".to_owned();
        let (about, check) = ("masks".to_owned(), "lengths".to_owned());
        let result = |outcome| Result { about, check, outcome, seconds: 0.5 };
        Report { index: 0, info, f16: None, ended, results: outcome.map(result).into_iter().collect() }
    }

    fn compared(compared: u64, mismatches: u64) -> Option<Outcome> {
        Some(Outcome { compared, mismatches, first: vec!["here & <there>".to_owned()], ..Outcome::default() })
    }

    fn crashed() -> Ended {
        Ended::Crashed { during: "masks: rows".to_owned(), how: "signal: 6".to_owned() }
    }

    fn timed_out() -> Ended {
        Ended::TimedOut { during: "opening the device".to_owned(), seconds: 9 }
    }

    #[test]
    fn passes_only_when_something_ran_and_all_of_it_passed() {
        let good = || report(Ended::Ran, compared(5, 0));
        assert!(verdict(&[good(), report(Ended::Skipped, None)]).is_ok());
        for bad in [
            vec![],
            vec![report(Ended::Skipped, None)],
            vec![good(), report(Ended::NotOpened("lost".to_owned()), None)],
            vec![good(), report(Ended::Ran, compared(5, 1))],
            vec![good(), report(Ended::Ran, compared(0, 0))],
            vec![good(), report(crashed(), compared(5, 0))],
            vec![good(), report(timed_out(), compared(5, 0))],
            vec![good(), report(Ended::Ran, None)],
        ] {
            assert!(verdict(&bad).is_err());
            assert!(json(&bad).contains("\"passed\": false"));
        }
    }

    #[test]
    fn xml_is_well_formed_whatever_a_driver_calls_itself() {
        let reports = [
            report(Ended::Ran, compared(5, 1)),
            report(Ended::Skipped, None),
            report(Ended::NotOpened("<lost> & \"gone\"".to_owned()), None),
            report(crashed(), compared(5, 0)),
            report(timed_out(), None),
        ];
        let xml = junit(&reports);
        let document = roxmltree::Document::parse(&xml).unwrap();
        let attributes = |tag: &str, name: &str| -> Vec<_> {
            let elements = document.descendants().filter(|node| node.has_tag_name(tag));
            elements.map(|node| node.attribute(name).unwrap().to_owned()).collect()
        };
        assert!(attributes("testsuite", "name")[0].starts_with("adapter 0: a \"GPU\" <&'?> ("), "{xml}");
        assert_eq!(attributes("testsuite", "tests"), ["1", "1", "1", "2", "1"]);
        assert_eq!(attributes("testsuite", "failures"), ["1", "0", "0", "0", "0"]);
        assert_eq!(attributes("testsuite", "skipped"), ["0", "1", "0", "0", "0"]);
        assert_eq!(attributes("testsuite", "errors"), ["0", "0", "1", "1", "1"]);
        assert_eq!(attributes("failure", "message"), ["1 of 5 comparisons differ"]);
        assert_eq!(
            attributes("error", "message"),
            [
                "it cannot be opened: <lost> & \"gone\"",
                "its process ended with signal: 6 during 'masks: rows'",
                "no result after 9 s (--timeout), during 'opening the device'",
            ]
        );
        assert!(xml.contains("here &amp; &lt;there&gt;"), "{xml}");
    }
}
