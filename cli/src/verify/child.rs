//! Each adapter is checked by a process of its own, so that a driver that crashes or hangs takes nothing else down.
//! The child is this program again; it says what it finds on its standard output, a line each. Drivers print there too:
//! only lines that begin as ours do are ours.

use std::{
    env,
    io::{self, BufRead, BufReader, Write},
    process::{self, Child, ChildStdout, Command, ExitStatus, Stdio},
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

/// How a line of ours begins.
const OURS: &str = "wgpu-dropout verify: ";

/// What a child says.
#[derive(Serialize, Deserialize)]
enum Message {
    NotOpened(String),
    /// The device is open; how it converts 16-bit floats.
    Opened {
        f16: String,
    },
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
    /// The process closes its output and then sleeps for ever.
    HangAtEnd,
    /// A driver prints, in the middle of a line and on lines of its own.
    Noise,
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
    let f16 = match pollster::block_on(subject.context().probe_f16()) {
        Ok(conversion) => adapter::f16_name(conversion).to_owned(),
        Err(error) => format!("unknown: {error}"),
    };
    say(&Message::Opened { f16 })?;
    for (n, check) in checks.into_iter().enumerate() {
        let (about, name) = (check.about.name().to_owned(), check.name.to_owned());
        say(&Message::Started { about: about.clone(), check: name.clone() })?;
        match args.plant_fault {
            Some(Planted::Crash) if n == GOOD_CHECKS => process::abort(),
            Some(Planted::Hang) if n == GOOD_CHECKS => sleep_for_ever(),
            Some(Planted::HangAtEnd) if n == GOOD_CHECKS => hang_at_end(),
            Some(Planted::Noise) => {
                print!("a driver's line\n{{\"not\": \"ours\"}}\nand the start of one: ");
            }
            _ => {}
        }
        let started = Instant::now();
        let outcome = pollster::block_on(suite.run(check, &subject));
        let seconds = started.elapsed().as_secs_f64();
        say(&Message::Finished(CheckResult { about, check: name, outcome, seconds }))?;
    }
    say(&Message::Done)
}

fn sleep_for_ever() -> ! {
    loop {
        thread::park();
    }
}

/// As a driver that closes everything and then hangs: another program takes this process over.
fn hang_at_end() -> ! {
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt;
        let _ = Command::new("sleep").arg("600").stdout(Stdio::null()).stderr(Stdio::null()).exec();
    }
    sleep_for_ever()
}

/// A parent that is gone ends the child.
fn say(message: &Message) -> Result<(), Error> {
    let line = serde_json::to_string(message).expect("messages are plain data");
    let mut stdout = std::io::stdout().lock();
    // On a line of its own, whatever was printed before.
    writeln!(stdout, "\n{OURS}{line}").and_then(|()| stdout.flush()).map_err(Error::Stdout)
}

/// Checks an adapter in a child. `found` is told of each result at once.
pub fn watch(
    index: usize,
    info: &wgpu::AdapterInfo,
    planted: Option<Planted>,
    args: &Args,
    mut opened: impl FnMut(String),
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
            Ok(Message::Opened { f16 }) => opened(f16),
            Ok(Message::NotOpened(reason)) => ended = Some(Ended::NotOpened(reason)),
            Ok(Message::Done) => {
                ended = Some(Ended::Ran);
                during = "closing the device".to_owned();
            }
            Err(RecvTimeoutError::Timeout) => return timed_out(&mut child, during, args),
            // Its output is closed; it may still take its time to end, or never end.
            Err(RecvTimeoutError::Disconnected) => {
                let how = match (wait_until(&mut child, deadline), ended) {
                    (Ok(None), _) => return timed_out(&mut child, during, args),
                    (Ok(Some(status)), Some(ended)) if status.success() => return ended,
                    // As the system puts it: "signal: 6 (SIGABRT)", "exit code: 0xc0000005".
                    (Ok(Some(status)), _) => status.to_string(),
                    (Err(error), _) => error.to_string(),
                };
                return Ended::Crashed { during, how };
            }
        }
    }
}

fn timed_out(child: &mut Child, during: String, args: &Args) -> Ended {
    // Nobody waits for it: a driver can keep a process from ending.
    let _ = child.kill();
    Ended::TimedOut { during, seconds: args.timeout }
}

/// How a process ended, or none when the time is over.
fn wait_until(child: &mut Child, deadline: Instant) -> io::Result<Option<ExitStatus>> {
    const PAUSE: Duration = Duration::from_millis(10);
    loop {
        let ended = child.try_wait()?;
        if ended.is_some() || Instant::now() >= deadline {
            return Ok(ended);
        }
        thread::sleep(PAUSE);
    }
}

/// The child's messages. The channel closes with its output.
fn listen(stdout: ChildStdout) -> mpsc::Receiver<Message> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).split(b'\n') {
            let Ok(line) = line else { return };
            let ours = line.strip_prefix(OURS.as_bytes()).and_then(|text| serde_json::from_slice(text).ok());
            if ours.is_some_and(|message| sender.send(message).is_err()) {
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
            Self::HangAtEnd => "hang-at-end",
            Self::Noise => "noise",
        }
    }
}

impl FromStr for Planted {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "crash" => Ok(Self::Crash),
            "hang" => Ok(Self::Hang),
            "hang-at-end" => Ok(Self::HangAtEnd),
            "noise" => Ok(Self::Noise),
            _ => name.parse().map(Self::Kernel),
        }
    }
}
