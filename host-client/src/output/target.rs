//! What a user asks for: `device`, `device:NAME`, `wav:PATH`, `wav:-` or `null`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Where the sound is to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutputTarget {
    /// The system's default sound device.
    DefaultDevice,
    /// The sound device of this id or name, as [`list_devices`](super::list_devices) gives them.
    Device(String),
    /// A WAV file, written as fast as songs arrive. It may be a pipe, which need not have a reader yet.
    Wav(PathBuf),
    /// A WAV on standard output, where nothing else may be written then.
    WavToStdout,
    /// Nowhere, at the pace of a clock.
    Null,
}

/// Why a text is no [`OutputTarget`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParseTargetError {
    /// The word before the colon is none of the four: name one of them.
    Unknown(String),
    /// `device:` without a name, `wav` or `wav:` without a path: add it.
    Incomplete(&'static str),
}

impl FromStr for OutputTarget {
    type Err = ParseTargetError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            None if text == "device" => Ok(Self::DefaultDevice),
            None if text == "null" => Ok(Self::Null),
            Some(("device", "")) => Err(ParseTargetError::Incomplete("device:NAME")),
            Some(("device", name)) => Ok(Self::Device(name.into())),
            Some(("wav", "-" | "/dev/stdout" | "/dev/fd/1" | "/proc/self/fd/1")) => Ok(Self::WavToStdout),
            Some(("wav", "")) => Err(ParseTargetError::Incomplete("wav:PATH")),
            Some(("wav", path)) => Ok(Self::Wav(path.into())),
            None if text == "wav" => Err(ParseTargetError::Incomplete("wav:PATH")),
            _ => Err(ParseTargetError::Unknown(text.into())),
        }
    }
}

impl fmt::Display for OutputTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DefaultDevice => f.write_str("device"),
            Self::Device(name) => write!(f, "device:{name}"),
            Self::Wav(path) => write!(f, "wav:{}", path.display()),
            Self::WavToStdout => f.write_str("wav:-"),
            Self::Null => f.write_str("null"),
        }
    }
}

impl fmt::Display for ParseTargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(text) => {
                write!(f, "unknown output {text:?}: expected device, device:NAME, wav:PATH or null")
            }
            Self::Incomplete(form) => write!(f, "incomplete output: expected {form}"),
        }
    }
}

impl std::error::Error for ParseTargetError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_parse_and_print() {
        for (text, target) in [
            ("device", OutputTarget::DefaultDevice),
            ("device:pulse", OutputTarget::Device("pulse".into())),
            ("device:hw:CARD=0,DEV=3", OutputTarget::Device("hw:CARD=0,DEV=3".into())),
            ("wav:/tmp/a b.wav", OutputTarget::Wav("/tmp/a b.wav".into())),
            (r"wav:C:\music\out.wav", OutputTarget::Wav(r"C:\music\out.wav".into())),
            ("wav:-", OutputTarget::WavToStdout),
            ("wav:./-", OutputTarget::Wav("./-".into())),
            ("null", OutputTarget::Null),
        ] {
            assert_eq!(text.parse(), Ok(target.clone()), "{text}");
            assert_eq!(target.to_string(), text);
        }
    }

    #[test]
    fn standard_output_has_several_names() {
        for text in ["wav:-", "wav:/dev/stdout", "wav:/dev/fd/1", "wav:/proc/self/fd/1"] {
            assert_eq!(text.parse(), Ok(OutputTarget::WavToStdout), "{text}");
        }
    }

    #[test]
    fn wrong_targets_say_what_is_expected() {
        for text in ["", "Device", "null:", "null:x", "alsa:default", " device"] {
            let error = text.parse::<OutputTarget>().unwrap_err();
            assert_eq!(error, ParseTargetError::Unknown(text.into()));
            assert!(error.to_string().contains("device, device:NAME, wav:PATH or null"));
        }
        let error = "\u{1b}[2J\u{202e}".parse::<OutputTarget>().unwrap_err().to_string();
        assert!(error.starts_with(r#"unknown output "\u{1b}[2J\u{202e}":"#), "{error}");
        for (text, form) in [("device:", "device:NAME"), ("wav", "wav:PATH"), ("wav:", "wav:PATH")] {
            assert_eq!(text.parse::<OutputTarget>(), Err(ParseTargetError::Incomplete(form)));
        }
    }
}
