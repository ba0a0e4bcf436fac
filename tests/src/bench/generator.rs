//! Runs the load generator as a separate process, so that its CPU time does not count as the server's or ours.

use crate::load::{Options, Report, Service};
use crate::process::Process;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// How much longer than planned a run may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// Runs the listeners of `options` and returns their report.
///
/// # Panics
/// The generator fails or does not end.
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
    report.unwrap_or_else(|| panic!("the generator printed no report: {output:?}"))
}

/// The generator is built together with this program, into the same folder.
fn program() -> PathBuf {
    let own = std::env::current_exe().expect("this program has a path");
    let program = own.with_file_name("load");
    assert!(program.is_file(), "{} is not there: cargo xtask bench builds it", program.display());
    program
}
