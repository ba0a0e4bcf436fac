//! The load generator as a program of its own, so that what it takes is not taken from what is measured.

use crate::load::{Options, Report, Service};
use crate::process::Process;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// How much longer than planned a run may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// Lets the listeners of `options` listen, and returns what that took.
///
/// # Panics
/// When they cannot, or the generator does not end.
#[track_caller]
pub(super) fn run(options: &Options) -> Report {
    let Options { service, address, listeners, bytes_per_second, ramp, settle, window, watched } = options;
    let mut command = Command::new(program());
    command.arg(address.to_string()).arg(listeners.to_string());
    if let Service::Http(path) = service {
        command.arg("--http").arg(path);
    }
    if let Some(rate) = bytes_per_second {
        command.arg("--rate").arg(rate.to_string());
    }
    for (name, span) in [("--ramp", ramp), ("--settle", settle), ("--window", window)] {
        command.arg(name).arg(span.as_secs_f64().to_string());
    }
    for process in watched {
        command.arg("--watch").arg(process.to_string());
    }
    let output = Process::spawn("load", command).wait(*ramp + *settle + *window + PATIENCE).expect_code(0);
    let report = serde_json::from_str(&output.stdout).ok().and_then(|value| Report::from_json(&value));
    report.unwrap_or_else(|| panic!("no report of the generator in {output:?}"))
}

/// It is built together with the program that runs this, and lies beside it.
fn program() -> PathBuf {
    let own = std::env::current_exe().expect("this program has a path");
    let program = own.with_file_name("load");
    assert!(program.is_file(), "{} is not there: cargo xtask bench builds it", program.display());
    program
}
