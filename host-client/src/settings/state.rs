//! `state.toml`, in which a prompt remembers its settings for the next run.
//!
//! The file is written as a whole and then takes its name, so several programs may use it at once. The last one that writes
//! wins. Nothing of the music and the lists is kept.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;
use serde::{Deserialize, Serialize};
use trill_player::command::{MAX_VOLUME, Setting};

use super::{Settings, places};
use crate::server::{Origin, Server};

/// What is remembered. Unknown keys are ignored: a newer version may have written them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// The last server, as [`Server::parse`] reads it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// The last volume, 0 to [`MAX_VOLUME`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume: Option<u8>,
    /// The keyword of the last gain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gain: Option<String>,
    /// The keyword of the last order of the queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shuffle: Option<String>,
    /// The keyword of what was repeated last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat: Option<String>,
}

/// The state file.
#[derive(Debug, Default)]
pub struct StateFile {
    /// `None` if the user has no home.
    path: Option<PathBuf>,
    /// The contents of the file, as this program knows them.
    known: State,
    /// A failure was reported.
    has_failed: bool,
}

/// The file with the lines that were typed at a prompt. `None` if the user has no home. Its directory may not exist: see
/// [`create_directory`].
pub fn history() -> Option<PathBuf> {
    Some(directory()?.join("history"))
}

/// Creates the directory of `file`, which only the user may enter.
///
/// # Errors
/// The system does not allow it.
pub fn create_directory(file: &Path) -> io::Result<()> {
    let Some(directory) = file.parent() else { return Ok(()) };
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}

fn directory() -> Option<PathBuf> {
    let places = places()?;
    Some(places.state_dir().unwrap_or_else(|| places.data_dir()).join("trill"))
}

impl State {
    /// The settings of the last prompt. Values that this version does not understand are left out.
    pub fn settings(&self) -> Settings {
        let server = self.server.as_deref().and_then(|server| Server::parse(server, Origin::LastTime).ok());
        Settings {
            server,
            volume: self.volume.filter(|volume| *volume <= MAX_VOLUME),
            gain: value(self.gain.as_deref()),
            shuffle: value(self.shuffle.as_deref()),
            repeat: value(self.repeat.as_deref()),
            ..Settings::default()
        }
    }
}

fn value<S: Setting>(keyword: Option<&str>) -> Option<S> {
    keyword.and_then(S::from_keyword)
}

impl StateFile {
    /// Reads the user's state file. Returns with it a message for the user if the file cannot be used.
    pub fn open() -> (Self, Option<String>) {
        directory().map_or_else(Default::default, |directory| Self::open_at(directory.join("state.toml")))
    }

    fn open_at(path: PathBuf) -> (Self, Option<String>) {
        let (known, message) = match super::read(&path) {
            Ok(None) => (State::default(), None),
            Ok(Some(bytes)) => match toml::from_slice(&bytes) {
                Ok(state) => (state, None),
                Err(_) => (State::default(), Some(format!("{} is damaged and will be replaced", path.display()))),
            },
            Err(error) => (State::default(), Some(format!("cannot read {}: {error}", path.display()))),
        };
        (Self { path: Some(path), known, has_failed: false }, message)
    }

    /// The contents of the file.
    pub const fn state(&self) -> &State {
        &self.known
    }

    /// Writes `state`, if it is new.
    ///
    /// # Errors
    /// A message for the user, once, if the file cannot be written.
    pub fn keep(&mut self, state: State) -> Result<(), String> {
        let Some(path) = self.path.as_ref().filter(|_| state != self.known) else { return Ok(()) };
        let written = write(path, &state);
        self.known = state;
        match written {
            Err(error) if !std::mem::replace(&mut self.has_failed, true) => {
                Err(format!("cannot remember settings in {}: {error}", path.display()))
            }
            _ => Ok(()),
        }
    }
}

fn write(path: &Path, state: &State) -> io::Result<()> {
    create_directory(path)?;
    replace(path, &toml::to_string(state).map_err(io::Error::other)?)
}

/// Replaces the file at `path`, whose directory exists, by one that only the user may read.
///
/// # Errors
/// The file system's. Then the file is as it was.
pub(crate) fn replace(path: &Path, text: &str) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(text.as_bytes())?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use trill_player::command::{GainMode, Repeat, Shuffle};

    use super::*;

    fn attic() -> State {
        let text = |text: &str| Some(text.to_owned());
        State { server: text("attic"), volume: Some(40), gain: text("auto"), shuffle: text("on"), repeat: text("one") }
    }

    fn path() -> (tempfile::TempDir, PathBuf) {
        let home = tempfile::tempdir().expect("a directory");
        let path = home.path().join("new/trill/state.toml");
        (home, path)
    }

    #[test]
    fn what_is_kept_is_read_again() {
        let (_home, path) = path();
        let (mut file, message) = StateFile::open_at(path.clone());
        assert_eq!((file.state(), message), (&State::default(), None));
        assert_eq!(file.keep(attic()), Ok(()));
        let (file, message) = StateFile::open_at(path);
        assert_eq!((file.state(), message), (&attic(), None));
        let settings = file.state().settings();
        assert_eq!(
            (settings.server.map(|server| server.origin()), settings.volume),
            (Some(Origin::LastTime), Some(40))
        );
        assert_eq!(
            (settings.gain, settings.shuffle, settings.repeat),
            (Some(GainMode::Auto), Some(Shuffle::Songs), Some(Repeat::One))
        );
    }

    #[cfg(unix)]
    #[test]
    fn only_the_user_may_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let (_home, path) = path();
        let (mut file, _) = StateFile::open_at(path.clone());
        assert_eq!(file.keep(attic()), Ok(()));
        let mode = |path: &Path| path.metadata().expect("it was written").permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().expect("a directory"))), (0o600, 0o700));
    }

    #[test]
    fn a_damaged_file_is_reported_once_and_replaced() {
        for damage in ["volume = ", "volume = 'loud'", "\u{0}", "volume = 300"] {
            let (_home, path) = path();
            create_directory(&path).expect("a directory");
            std::fs::write(&path, damage).expect("a file");
            let (mut file, message) = StateFile::open_at(path.clone());
            assert_eq!(message, Some(format!("{} is damaged and will be replaced", path.display())), "{damage}");
            assert_eq!(file.keep(attic()), Ok(()));
            assert_eq!(StateFile::open_at(path).1, None, "{damage}");
        }
    }

    #[test]
    fn values_of_other_versions_are_ignored() {
        let (_home, path) = path();
        create_directory(&path).expect("a directory");
        std::fs::write(&path, "server = 'a/b'\nvolume = 101\nshuffle = 'smart'\ntempo = 3").expect("a file");
        let (file, message) = StateFile::open_at(path);
        assert_eq!((file.state().settings(), message), (Settings::default(), None));
    }

    #[test]
    fn a_file_that_cannot_be_written_is_reported_once() {
        let (mut file, message) = StateFile::open_at("/dev/null/trill/state.toml".into());
        assert_eq!(message, None);
        let failure = file.keep(attic()).expect_err("no directory");
        assert!(failure.starts_with("cannot remember settings in /dev/null/trill/state.toml: "), "{failure}");
        assert_eq!(file.keep(State::default()), Ok(()));
    }
}
