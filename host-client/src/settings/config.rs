//! `config.toml`, which the user writes.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;

use super::{Settings, places};

/// An error in `config.toml`, or why it cannot be read. `Display` gives one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    path: PathBuf,
    /// From 1; `None` if the whole file is meant.
    line: Option<usize>,
    reason: String,
}

/// Reads the user's `config.toml`. There are no settings if the file is missing.
///
/// # Errors
/// The file cannot be read, or something in it is not a setting.
pub fn load() -> Result<Settings, ConfigError> {
    let Some(places) = places() else { return Ok(Settings::default()) };
    load_from(&places.config_dir().join("trill").join("config.toml"))
}

fn load_from(path: &Path) -> Result<Settings, ConfigError> {
    let text = match super::read(path).and_then(|bytes| bytes.map(text).transpose()) {
        Ok(Some(text)) => text,
        Ok(None) => return Ok(Settings::default()),
        Err(error) => return Err(ConfigError { path: path.into(), line: None, reason: error.to_string() }),
    };
    toml::from_str(&text).map_err(|error| ConfigError {
        path: path.into(),
        line: error.span().map(|span| text[..span.start].matches('\n').count() + 1),
        reason: error.message().lines().collect::<Vec<_>>().join(", "),
    })
}

fn text(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(io::Error::other)
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, line, reason } = self;
        match line {
            Some(line) => write!(f, "{}, line {line}: {reason}", path.display()),
            None => write!(f, "{}: {reason}", path.display()),
        }
    }
}

impl std::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use trill_player::command::{GainMode, Repeat, Shuffle};

    use super::*;
    use crate::options::Verbosity;
    use crate::output::OutputTarget;
    use crate::server::{Origin, Server};

    fn load(text: &str) -> Result<Settings, String> {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("config.toml");
        std::fs::write(&path, text).expect("a file");
        let shown = |error: ConfigError| error.to_string().replace(&path.display().to_string(), "config.toml");
        load_from(&path).map_err(shown)
    }

    #[test]
    fn every_setting_is_read() {
        let text = "server = 'attic'\noutput = 'null'\nvolume = 40\ngain = 'auto'\nshuffle = 'on'\nrepeat = 'all'\n\
                    name = 'kitchen'\nverbosity = 'quiet'\n";
        let expected = Settings {
            server: Some(Server::parse("attic", Origin::Config).expect("a host")),
            output: Some(OutputTarget::Null),
            volume: Some(40),
            gain: Some(GainMode::Auto),
            shuffle: Some(Shuffle::Songs),
            repeat: Some(Repeat::All),
            name: Some("kitchen".to_owned()),
            verbosity: Some(Verbosity::Quiet),
        };
        assert_eq!(load(text), Ok(expected));
        assert_eq!(load("# nothing\n"), Ok(Settings::default()));
    }

    #[test]
    fn the_example_has_every_setting() {
        let example = include_str!("../../config.toml");
        let settings: String =
            example.lines().filter_map(|line| line.strip_prefix("#! ")).map(|line| format!("{line}\n")).collect();
        assert_eq!(load(example), Ok(Settings::default()), "everything is a comment");
        let Settings { server, output, volume, gain, shuffle, repeat, name, verbosity } =
            load(&settings).expect("settings");
        assert!(server.is_some() && output.is_some() && volume.is_some() && name.is_some() && verbosity.is_some());
        assert!(gain.is_some() && shuffle.is_some() && repeat.is_some());
    }

    #[test]
    fn an_error_names_the_line_and_what_is_expected() {
        for (text, expected) in [
            (
                "volume = 3\nvolme = 40",
                "config.toml, line 2: unknown field `volme`, expected one of `server`, `output`, `volume`, `gain`, `shuffle`, `repeat`, `name`, `verbosity`",
            ),
            ("\nvolume = 101", "config.toml, line 2: invalid value: integer `101`, expected a number from 0 to 100"),
            ("volume = 'all'", "config.toml, line 1: invalid type: string \"all\", expected a number from 0 to 100"),
            ("server = 'a/b'", "config.toml, line 1: a server is written HOST or HOST:PORT"),
            (
                "output = 'ear'",
                "config.toml, line 1: unknown output \"ear\": expected device, device:NAME, wav:PATH or null",
            ),
            (
                "\ngain = 'loud'",
                "config.toml, line 2: unknown value `loud`, expected one of `off`, `track`, `album`, `auto`",
            ),
            ("repeat = true", "config.toml, line 1: invalid type: boolean `true`, expected a string"),
            ("name = ''", "config.toml, line 1: a name has 1 to 64 bytes"),
            (
                "verbosity = 'x'",
                "config.toml, line 1: unknown variant `x`, expected one of `quiet`, `normal`, `verbose`, `debug`",
            ),
            ("volume = 3\nvolume = 3", "config.toml, line 2: duplicate key"),
            ("volume 3", "config.toml, line 1: key with no value, expected `=`"),
        ] {
            assert_eq!(load(text), Err(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn only_a_missing_file_is_no_error() {
        let directory = tempfile::tempdir().expect("a directory");
        assert_eq!(load_from(&directory.path().join("trill/config.toml")), Ok(Settings::default()));
        assert_eq!(load_from(Path::new("/dev/null/trill/config.toml")), Ok(Settings::default()));
        let error = load_from(directory.path()).expect_err("a directory").to_string();
        assert_eq!(error, format!("{}: it is not a regular file", directory.path().display()));
    }
}
