//! Encodes samples as a tagged MP3 file with the `lame` command.

use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::{fmt, fs};

use crate::songs::Song;
use crate::wav::Pcm;

/// The error of an encoding.
#[derive(Debug)]
pub enum EncodeError {
    /// `lame` is missing: install it.
    LameMissing,
    /// `lame` failed with this output.
    LameFailed(String),
    /// A file could not be written, or the connection to `lame` failed.
    Io(io::Error),
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LameMissing => write!(f, "the MP3 encoder `lame` is not installed: apt install lame"),
            Self::LameFailed(said) => write!(f, "lame failed: {}", said.trim()),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for EncodeError {}

impl From<io::Error> for EncodeError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Encodes `pcm` with the options of `song`, tags it, and stores it in `directory` under the song's file name. An older
/// file of that name is replaced atomically.
///
/// # Errors
/// [`EncodeError::LameMissing`] without the encoder, the other variants when it or the disk fails.
pub fn encode(song: &Song, pcm: &Pcm, directory: &Path) -> Result<(), EncodeError> {
    // lame must write the file itself: it seeks back to complete the Xing/LAME frame.
    let unfinished = directory.join(format!("{}.part", song.file_name()));
    let encoded = run_lame(song, pcm, &unfinished);
    let renamed = encoded.and_then(|()| Ok(fs::rename(&unfinished, directory.join(song.file_name()))?));
    if renamed.is_err() {
        let _ = fs::remove_file(&unfinished);
    }
    renamed
}

fn run_lame(song: &Song, pcm: &Pcm, output: &Path) -> Result<(), EncodeError> {
    let mut lame = Command::new("lame")
        .args(["--quiet", "--noreplaygain", "--pad-id3v2-size", "0"])
        .args(song.encoding)
        .args(["--id3v2-only", "--id3v2-latin1", "--tt", song.title, "--ta", ARTIST, "--tl", ALBUM, "--ty", YEAR])
        .args(["--tn", &format!("{}/3", song.track)])
        .arg("-")
        .arg(output)
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => EncodeError::LameMissing,
            _ => EncodeError::Io(error),
        })?;
    // Dropping the pipe at the end of the statement signals the end of the song to lame.
    let sent = lame.stdin.take().expect("stdin was asked to be piped").write_all(&pcm.to_wav());
    let output = lame.wait_with_output()?;
    if !output.status.success() {
        return Err(EncodeError::LameFailed(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    Ok(sent?)
}

const ARTIST: &str = "The Trill authors";
const ALBUM: &str = "Trill Demos";
const YEAR: &str = "2026";
