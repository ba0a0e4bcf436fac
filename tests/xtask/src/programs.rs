//! Runs test programs in parallel.
//!
//! `cargo test` runs them one after the other. Most of them wait for sound, time-outs or an emulated board, so one at a
//! time leaves the processors idle.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::error::Error;
use crate::process;

/// A test program.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Program {
    path: PathBuf,
    /// The folder of its package, where cargo would run it.
    package: PathBuf,
}

/// Builds the test programs that `cargo`, a `cargo test`, selects.
///
/// # Errors
/// [`Error::Failed`] when one does not compile.
pub(crate) fn build(cargo: &mut Command) -> Result<Vec<Program>, Error> {
    cargo.args(["--no-run", "--message-format=json-render-diagnostics"]);
    Ok(process::output(cargo)?.lines().filter_map(parse).collect())
}

/// Runs these programs, so many at a time. `command` makes the command that runs the program at a path. Shows what a
/// program writes when that program ends. Returns the names of those that failed.
pub(crate) fn run(programs: &[Program], at_a_time: usize, command: impl Fn(&Path) -> Command + Sync) -> Vec<String> {
    let succeeded = process::run_in_parallel(programs, at_a_time, |program| program.run(command(&program.path)));
    let failed = programs.iter().zip(succeeded).filter(|(_, succeeded)| !succeeded);
    failed.map(|(program, _)| program.name()).collect()
}

/// The test program that one of cargo's messages tells of.
fn parse(message: &str) -> Option<Program> {
    // Programs that are built because tests start them are in messages of the same kind.
    let is_test = message.contains(r#""test":true},"features""#);
    let path = text_field(message, "executable").filter(|_| is_test)?.into();
    let manifest: PathBuf = text_field(message, "manifest_path")?.into();
    Some(Program { path, package: manifest.parent()?.to_owned() })
}

/// A field of a JSON object that holds a path, which has no control characters to be escaped.
fn text_field(object: &str, name: &str) -> Option<String> {
    let (_, value) = object.split_once(&format!("\"{name}\":\""))?;
    let mut text = String::new();
    let mut characters = value.chars();
    loop {
        match characters.next()? {
            '"' => return Some(text),
            '\\' => text.push(characters.next()?),
            other => text.push(other),
        }
    }
}

impl Program {
    /// The package's folder and the program's name, without the hash that cargo appends.
    pub(crate) fn name(&self) -> String {
        let stem = self.path.file_stem().unwrap_or_default().to_string_lossy();
        let name = stem.rsplit_once('-').map_or(&*stem, |(name, _)| name);
        let package = self.package.file_name().map(Path::new).unwrap_or(&self.package);
        format!("{}: {name}", package.display())
    }

    /// Runs it to its end, then shows what it wrote. Returns whether it succeeded.
    fn run(&self, command: Command) -> bool {
        let begun = Instant::now();
        let (output, has_succeeded) = self.output(command).unwrap_or_else(|error| (error.to_string(), false));
        let (verdict, seconds) = (if has_succeeded { "ok" } else { "FAILED" }, begun.elapsed().as_secs());
        eprintln!("\n=== {}: {verdict} after {seconds} s\n{}", self.name(), output.trim());
        has_succeeded
    }

    /// Everything that it writes, and whether it succeeds.
    fn output(&self, mut command: Command) -> io::Result<(String, bool)> {
        let (mut reader, writer) = io::pipe()?;
        command.current_dir(&self.package).env("CARGO_MANIFEST_DIR", &self.package);
        command.stdin(Stdio::null()).stderr(writer.try_clone()?).stdout(writer);
        let mut child = command.spawn()?;
        // It has the writing end too.
        drop(command);
        let mut output = Vec::new();
        reader.read_to_end(&mut output)?;
        let status = child.wait()?;
        Ok((String::from_utf8_lossy(&output).into_owned(), status.success()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_programs_are_found_in_cargos_messages() {
        let message = |is_test: bool, executable: &str| {
            format!(
                r#"{{"reason":"compiler-artifact","manifest_path":"/a \"b\"/proto/Cargo.toml","target":{{"name":"paths","test":true}},"profile":{{"opt_level":"0","test":{is_test}}},"features":[],"filenames":[],"executable":{executable},"fresh":true}}"#
            )
        };
        let found = parse(&message(true, r#""/a \"b\"/target/debug/deps/paths-0123""#)).unwrap();
        assert_eq!(found.package, Path::new(r#"/a "b"/proto"#));
        assert_eq!(found.path, Path::new(r#"/a "b"/target/debug/deps/paths-0123"#));
        assert_eq!(found.name(), "proto: paths");
        assert_eq!(parse(&message(false, r#""/target/debug/trill""#)), None);
        assert_eq!(parse(&message(true, "null")), None);
        assert_eq!(parse(r#"{"reason":"build-finished","success":true}"#), None);
    }
}
