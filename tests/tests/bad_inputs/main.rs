//! Invalid, hostile and unusual inputs, with one table per kind of input.
//!
//! A row gives an input and the exact expected result. Its module applies the input to real processes, sockets, files
//! or terminals. A failed row fails the test with its name, after the other rows have run. To reproduce an input bug,
//! add a row.
#![cfg(target_os = "linux")]

mod answers;
mod client_command_line;
mod directories;
mod file_names;
mod prompt;
mod server_command_line;
mod tags;
mod wire;

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::time::Duration;

/// A deadline for a very slow machine.
const DEADLINE: Duration = Duration::from_secs(60);

#[test]
fn a_name_means_one_row() {
    let tables = [
        ("wire, to the server", wire::names()),
        ("wire, to the client", answers::names()),
        ("tags", tags::names()),
        ("file names", file_names::names()),
        ("directories", directories::names()),
        ("command line of the server", server_command_line::names()),
        ("command line of the client", client_command_line::names()),
        ("prompt", prompt::names()),
    ];
    let mut all = 0;
    for (domain, names) in &tables {
        println!("figure: bad inputs: {domain}: {} rows", names.len());
        let different: BTreeSet<_> = names.iter().collect();
        assert_eq!(different.len(), names.len(), "{domain}: two rows have the same name");
        all += names.len();
    }
    println!("figure: bad inputs: {all} rows in all");
}

/// The rows that failed.
#[derive(Default)]
struct Findings(Vec<String>);

impl Findings {
    fn compare<T: PartialEq + Debug>(&mut self, row: &str, what: &str, found: T, expected: T) {
        if found != expected {
            self.0.push(format!("{row}: {what}:\n     found {found:?}\n  expected {expected:?}"));
        }
    }
}

impl Drop for Findings {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(self.0.is_empty(), "{} rows failed\n{}", self.0.len(), self.0.join("\n"));
        }
    }
}

/// Whether it contains terminal control characters or changes the text direction.
fn is_plain(text: &str) -> bool {
    let is_plain = |character: char| {
        matches!(character, '\n' | '\t') || !(character.is_control() || ('\u{202a}'..='\u{202e}').contains(&character))
    };
    text.chars().all(is_plain)
}
