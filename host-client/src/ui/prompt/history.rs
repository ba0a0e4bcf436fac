//! The lines that were typed at the prompts of earlier runs, one a line, the oldest first.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::settings::{self, state::create_directory, state::replace};

/// The most lines that a new run takes over.
const MAX_LINES: usize = 1_000;

/// The file of the history, if there is one. Errors in writing are ignored: a prompt works without it, too.
#[derive(Debug, Default)]
pub(super) struct HistoryFile(Option<PathBuf>);

impl HistoryFile {
    /// The file at `path`, and the lines of earlier runs. Shortens the file if it has become long.
    ///
    /// # Errors
    /// A message for the user if the file cannot be read.
    pub(super) fn open(path: Option<PathBuf>) -> Result<(Self, Vec<String>), String> {
        let Some(path) = path else { return Ok(Default::default()) };
        let text = settings::read(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        let mut lines: Vec<_> = String::from_utf8_lossy(&text.unwrap_or_default()).lines().map(str::to_owned).collect();
        let extra = lines.len().saturating_sub(MAX_LINES);
        if extra > MAX_LINES {
            let _ = replace(&path, &(lines[extra..].join("\n") + "\n"));
        }
        Ok((Self(Some(path)), lines.split_off(extra)))
    }

    /// Adds a line. Several prompts may do so at once.
    pub(super) fn add(&self, line: &str) {
        if let Some(path) = self.0.as_ref().filter(|_| !line.trim().is_empty()) {
            let _ = append(path, line);
        }
    }
}

fn append(path: &Path, line: &str) -> io::Result<()> {
    create_directory(path)?;
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    // Only the user may read it.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(format!("{line}\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn another_run_finds_the_lines_and_a_long_file_is_shortened() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("trill/history");
        let open = || HistoryFile::open(Some(path.clone())).unwrap();
        let (file, lines) = open();
        assert_eq!(lines, [""; 0]);
        ["list", " ", "play 1"].iter().for_each(|line| file.add(line));
        assert_eq!(open().1, ["list", "play 1"]);

        (0..2 * MAX_LINES).for_each(|number| file.add(&number.to_string()));
        let lines = open().1;
        assert_eq!((lines.len(), lines[MAX_LINES - 1].as_str()), (MAX_LINES, "1999"));
        assert_eq!(fs::read_to_string(path).unwrap().lines().count(), MAX_LINES);
        HistoryFile::default().add("x");
    }
}
