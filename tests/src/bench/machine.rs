//! The machine, date and commit of the figures.

use super::results;
use serde_json::{Value, json};
use std::fmt;
use std::fs;
use std::process::Command;
use std::thread;

/// The machine, date and commit of the figures.
#[derive(Clone, Debug, PartialEq)]
pub struct Machine {
    processor: String,
    cores: u64,
    memory_gib: u64,
    kernel: String,
    date: String,
    commit: String,
}

impl Machine {
    /// Describes this machine and the sources. Call it before results change the sources.
    pub fn here() -> Self {
        let memory_kib: Option<u64> = field("/proc/meminfo", "MemTotal").and_then(|size| {
            let (number, _) = size.split_once(' ')?;
            number.parse().ok()
        });
        Self {
            processor: field("/proc/cpuinfo", "model name").unwrap_or_else(|| std::env::consts::ARCH.into()),
            cores: thread::available_parallelism().map_or(0, |cores| cores.get() as u64),
            memory_gib: memory_kib.unwrap_or_default().div_ceil(1 << 20),
            kernel: said("uname", &["-sr"]),
            date: said("date", &["--iso-8601"]),
            commit: commit(),
        }
    }

    pub(super) fn to_json(&self) -> Value {
        let Self { processor, cores, memory_gib, kernel, date, commit } = self;
        json!({
            "processor": processor, "cores": cores, "memory_gib": memory_gib, "kernel": kernel, "date": date,
            "commit": commit,
        })
    }

    pub(super) fn from_json(value: &Value) -> Option<Self> {
        let text = |key| value.get(key).and_then(Value::as_str).map(str::to_owned);
        let number = |key| value.get(key).and_then(Value::as_u64);
        Some(Self {
            processor: text("processor")?,
            cores: number("cores")?,
            memory_gib: number("memory_gib")?,
            kernel: text("kernel")?,
            date: text("date")?,
            commit: text("commit")?,
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { processor, cores, memory_gib, kernel, date, commit } = self;
        write!(f, "Taken on {date} of commit {commit}: {cores} cores of {processor}, {memory_gib} GiB, {kernel}")
    }
}

/// The value of the first line `name : value` in a file of `/proc`.
fn field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix(':'));
    value.map(|value| value.trim().to_owned())
}

/// The commit, and whether the sources differ from it. The result files do not count.
fn commit() -> String {
    let commit = said("git", &["-C", env!("CARGO_MANIFEST_DIR"), "describe", "--always", "--abbrev=12"]);
    let mut difference = Command::new("git");
    difference.args(["-C", env!("CARGO_MANIFEST_DIR"), "diff", "--quiet", "HEAD", "--", ":/"]);
    difference.args(results::FILES.map(|file| format!(":(top,exclude)tests/benches/{file}")));
    match difference.status() {
        Ok(status) if status.success() => commit,
        _ => format!("{commit}-dirty"),
    }
}

/// The output of a program in one line; empty if it does not exist.
fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map_or_else(|_| "unknown".into(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
