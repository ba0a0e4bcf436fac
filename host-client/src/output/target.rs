//! The value of `--output`: `device`, `device:NAME`, `wav:PATH`, `wav:-` or `null`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// The output that the user chose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutputTarget {
    /// The system's default sound device.
    DefaultDevice,
    /// The sound device with this id or name; [`list_devices`](super::list_devices) lists both.
    Device(String),
    /// A WAV file, written as fast as songs arrive. A pipe may still be without a reader.
    Wav(PathBuf),
    /// A WAV on standard output. All text goes to standard error then.
    WavToStdout,
    /// No output: samples are dropped in real time.
    Null,
}

/// Why a text is not an [`OutputTarget`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParseTargetError {
    /// The kind of output is unknown. Use one of the four.
    Unknown(String),
    /// `device:` lacks a name, or `wav` lacks a path. Add it.
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
