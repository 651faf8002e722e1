//! Each adapter is checked by a process of its own, so that a driver that crashes or hangs takes nothing else down.
//! The child is this program again; it says what it finds on its standard output, a line of JSON each.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    process::{self, ChildStdout, Command, Stdio},
    str::FromStr,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use wgpu_dropout::wgpu;
use wgpu_dropout_conformance::{Check, Fault, Subject, Suite};

use super::{
    Args,
    report::{Ended, Result as CheckResult},
};
use crate::{adapter, error::Error};

/// What a child says.
#[derive(Serialize, Deserialize)]
enum Message {
    NotOpened(String),
    /// Said before the check, so that a crash has a name.
    Started {
        about: String,
        check: String,
    },
    Finished(CheckResult),
    /// Every check has run.
    Done,
}

/// What is planted for `verify`'s own tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planted {
    Kernel(Fault),
    /// The process aborts, as in a driver's bug.
    Crash,
    /// The process sleeps for ever.
    Hang,
}

/// How many checks end well before a crash or a hang is planted.
const GOOD_CHECKS: usize = 2;

/// Checks an adapter in this process.
pub fn run(adapter: &wgpu::Adapter, description: &str, args: &Args) -> Result<(), Error> {
    let actual = adapter::identity(&adapter.get_info());
    if actual != description {
        let reason = format!("its number now belongs to '{actual}': run verify again");
        return say(&Message::NotOpened(reason));
    }
    let fault = match args.plant_fault {
        Some(Planted::Kernel(fault)) => Some(fault),
        _ => None,
    };
    let suite = Suite::new()?;
    let name = |check: &Check| format!("{}: {}", check.about.name(), check.name);
    let only = args.only.as_deref().unwrap_or_default();
    let checks: Vec<_> = suite.checks().iter().filter(|check| name(check).contains(only)).collect();
    if checks.is_empty() {
        let names: Vec<_> = suite.checks().iter().map(name).collect();
        let reason = format!("no check has '{only}' in its name: --only takes a part of {}", names.join(", "));
        return say(&Message::NotOpened(reason));
    }
    let subject = match pollster::block_on(Subject::open_with(adapter, fault)) {
        Ok(subject) => subject,
        Err(error) => return say(&Message::NotOpened(error.to_string())),
    };
    for (n, check) in checks.into_iter().enumerate() {
        let (about, name) = (check.about.name().to_owned(), check.name.to_owned());
        say(&Message::Started { about: about.clone(), check: name.clone() })?;
        match args.plant_fault {
            Some(Planted::Crash) if n == GOOD_CHECKS => process::abort(),
            Some(Planted::Hang) if n == GOOD_CHECKS => loop {
                thread::park();
            },
            _ => {}
        }
        let started = Instant::now();
        let outcome = pollster::block_on(suite.run(check, &subject));
        let seconds = started.elapsed().as_secs_f64();
        say(&Message::Finished(CheckResult { about, check: name, outcome, seconds }))?;
    }
    say(&Message::Done)
}

/// A parent that is gone ends the child.
fn say(message: &Message) -> Result<(), Error> {
    let line = serde_json::to_string(message).expect("messages are plain data");
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}").and_then(|()| stdout.flush()).map_err(Error::Stdout)
}

/// Checks an adapter in a child. `found` is told of each result at once.
pub fn watch(
    index: usize,
    info: &wgpu::AdapterInfo,
    planted: Option<Planted>,
    args: &Args,
    mut found: impl FnMut(CheckResult),
) -> Ended {
    let not_started = |error| Ended::NotOpened(format!("its process cannot be started: {error}"));
    let mut command = match env::current_exe() {
        Ok(program) => Command::new(program),
        Err(error) => return not_started(error),
    };
    command.args(["verify".to_owned(), format!("--adapter={index}"), format!("--child={}", adapter::identity(info))]);
    command.args(args.only.iter().map(|only| format!("--only={only}")));
    command.args(planted.iter().map(|planted| format!("--plant-fault={}", planted.name())));
    let mut child = match command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn() {
        Ok(child) => child,
        Err(error) => return not_started(error),
    };
    let messages = listen(child.stdout.take().expect("it is piped"));
    let deadline = Instant::now() + Duration::from_secs(args.timeout);
    let mut during = "opening the device".to_owned();
    let mut ended = None;
    loop {
        match messages.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(Message::Started { about, check }) => during = format!("{about}: {check}"),
            Ok(Message::Finished(result)) => found(result),
            Ok(Message::NotOpened(reason)) => ended = Some(Ended::NotOpened(reason)),
            Ok(Message::Done) => {
                ended = Some(Ended::Ran);
                during = "closing the device".to_owned();
            }
            Err(RecvTimeoutError::Timeout) => {
                // Nobody waits for it: a driver can keep a process from ending.
                let _ = child.kill();
                return Ended::TimedOut { during, seconds: args.timeout };
            }
            Err(RecvTimeoutError::Disconnected) => {
                let how = match (child.wait(), ended) {
                    (Ok(status), Some(ended)) if status.success() => return ended,
                    // As the system puts it: "signal: 6 (SIGABRT)", "exit code: 0xc0000005".
                    (Ok(status), _) => status.to_string(),
                    (Err(error), _) => error.to_string(),
                };
                return Ended::Crashed { during, how };
            }
        }
    }
}

/// The child's messages. The channel closes with its output, or when that makes no sense.
fn listen(stdout: ChildStdout) -> mpsc::Receiver<Message> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines() {
            let Some(message) = line.ok().and_then(|line| serde_json::from_str(&line).ok()) else { return };
            if sender.send(message).is_err() {
                return;
            }
        }
    });
    receiver
}

impl Planted {
    fn name(self) -> &'static str {
        match self {
            Self::Kernel(fault) => fault.name(),
            Self::Crash => "crash",
            Self::Hang => "hang",
        }
    }
}

impl FromStr for Planted {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "crash" => Ok(Self::Crash),
            "hang" => Ok(Self::Hang),
            _ => name.parse().map(Self::Kernel),
        }
    }
}
