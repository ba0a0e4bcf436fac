//! What a user can set once: on the command line, in the environment, in a file, or by using the prompt.
//!
//! ```text
//!   command line ─▶ environment ─▶ config.toml ─▶ state.toml ─▶ defaults
//!                                                 (only at a terminal)
//! ```
//!
//! Each setting comes from the first of these that has it.

pub mod config;
pub mod state;

use std::ffi::OsString;
use std::io;
use std::path::Path;

use etcetera::BaseStrategy;
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};
use trill_player::AddressError;
use trill_player::command::{GainMode, MAX_VOLUME, Repeat, Setting, Shuffle};
use trill_proto::limits::MAX_NAME_BYTES;

use crate::options::Verbosity;
use crate::output::OutputTarget;
use crate::server::{Origin, Server};

/// Settings from one place. `None`: the place does not say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The server.
    #[serde(deserialize_with = "server")]
    pub server: Option<Server>,
    /// The sound output.
    #[serde(deserialize_with = "output")]
    pub output: Option<OutputTarget>,
    /// The initial volume, 0 to [`MAX_VOLUME`].
    #[serde(deserialize_with = "volume")]
    pub volume: Option<u8>,
    /// Which gain evens out the loudness of songs.
    #[serde(deserialize_with = "keyword")]
    pub gain: Option<GainMode>,
    /// The order of the queue.
    #[serde(deserialize_with = "keyword")]
    pub shuffle: Option<Shuffle>,
    /// What is repeated.
    #[serde(deserialize_with = "keyword")]
    pub repeat: Option<Repeat>,
    /// The client's name in the server's log, 1 to [`MAX_NAME_BYTES`] bytes.
    #[serde(deserialize_with = "name")]
    pub name: Option<String>,
    /// How much to print.
    pub verbosity: Option<Verbosity>,
}

impl Settings {
    /// The settings of the environment, which has only the server. An empty `host` counts as none.
    ///
    /// # Errors
    /// The server is not an address.
    pub fn of_environment(host: Option<OsString>) -> Result<Self, AddressError> {
        let host = host.map(|host| host.to_string_lossy().into_owned()).filter(|host| !host.is_empty());
        let server = host.map(|host| Server::parse(&host, Origin::Environment)).transpose()?;
        Ok(Self { server, ..Self::default() })
    }

    /// These settings, completed by `others`.
    #[must_use]
    pub fn or(self, others: Self) -> Self {
        Self {
            server: self.server.or(others.server),
            output: self.output.or(others.output),
            volume: self.volume.or(others.volume),
            gain: self.gain.or(others.gain),
            shuffle: self.shuffle.or(others.shuffle),
            repeat: self.repeat.or(others.repeat),
            name: self.name.or(others.name),
            verbosity: self.verbosity.or(others.verbosity),
        }
    }
}

/// Reads a user's file; `None` if it is missing.
///
/// # Errors
/// It cannot be read, or it is not a regular file. Reading a FIFO or a device may take for ever.
pub(crate) fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => std::fs::read(path).map(Some),
        Ok(_) => Err(io::Error::other("it is not a regular file")),
        // The home of a system's user may be no directory, such as /dev/null.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The conventional places of a user's files on this system. `None` if there is no home directory.
fn places() -> Option<impl BaseStrategy> {
    etcetera::choose_base_strategy().ok()
}

fn server<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Server>, D::Error> {
    Server::parse(&String::deserialize(deserializer)?, Origin::Config).map(Some).map_err(de::Error::custom)
}

fn output<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<OutputTarget>, D::Error> {
    String::deserialize(deserializer)?.parse().map(Some).map_err(de::Error::custom)
}

fn keyword<'de, D: Deserializer<'de>, S: Setting>(deserializer: D) -> Result<Option<S>, D::Error> {
    let word = String::deserialize(deserializer)?;
    let unknown = || {
        let keywords: Vec<_> = S::KEYWORDS.iter().map(|(keyword, _)| format!("`{keyword}`")).collect();
        de::Error::custom(format!("unknown value `{word}`, expected one of {}", keywords.join(", ")))
    };
    S::from_keyword(&word).map(Some).ok_or_else(unknown)
}

fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let name = String::deserialize(deserializer)?;
    if name.is_empty() || name.len() > MAX_NAME_BYTES {
        return Err(de::Error::custom(format!("a name has 1 to {MAX_NAME_BYTES} bytes")));
    }
    Ok(Some(name))
}

fn volume<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u8>, D::Error> {
    struct Percent;
    impl Visitor<'_> for Percent {
        type Value = u8;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "a number from 0 to {MAX_VOLUME}")
        }

        fn visit_i64<E: de::Error>(self, value: i64) -> Result<u8, E> {
            let percent = u8::try_from(value).ok().filter(|percent| *percent <= MAX_VOLUME);
            percent.ok_or_else(|| E::invalid_value(de::Unexpected::Signed(value), &self))
        }
    }
    deserializer.deserialize_i64(Percent).map(Some)
}
