//! What a user asks for: `device`, `device:NAME`, `wav:PATH`, `wav:-` or `null`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Where the sound is to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutputSpec {
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

/// Why a text is no [`OutputSpec`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParseSpecError {
    /// The word before the colon is none of the four: name one of them.
    Unknown(String),
    /// `device:` without a name, `wav` or `wav:` without a path: add it.
    Incomplete(&'static str),
}

impl FromStr for OutputSpec {
    type Err = ParseSpecError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            None if text == "device" => Ok(Self::DefaultDevice),
            None if text == "null" => Ok(Self::Null),
            Some(("device", "")) => Err(ParseSpecError::Incomplete("device:NAME")),
            Some(("device", name)) => Ok(Self::Device(name.into())),
            Some(("wav", "-" | "/dev/stdout" | "/dev/fd/1" | "/proc/self/fd/1")) => Ok(Self::WavToStdout),
            Some(("wav", "")) => Err(ParseSpecError::Incomplete("wav:PATH")),
            Some(("wav", path)) => Ok(Self::Wav(path.into())),
            None if text == "wav" => Err(ParseSpecError::Incomplete("wav:PATH")),
            _ => Err(ParseSpecError::Unknown(text.into())),
        }
    }
}

impl fmt::Display for OutputSpec {
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

impl fmt::Display for ParseSpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(text) => {
                write!(f, "unknown output {text:?}: expected device, device:NAME, wav:PATH or null")
            }
            Self::Incomplete(form) => write!(f, "incomplete output: expected {form}"),
        }
    }
}

impl std::error::Error for ParseSpecError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn specs_parse_and_print() {
        for (text, spec) in [
            ("device", OutputSpec::DefaultDevice),
            ("device:pulse", OutputSpec::Device("pulse".into())),
            ("device:hw:CARD=0,DEV=3", OutputSpec::Device("hw:CARD=0,DEV=3".into())),
            ("wav:/tmp/a b.wav", OutputSpec::Wav("/tmp/a b.wav".into())),
            (r"wav:C:\music\out.wav", OutputSpec::Wav(r"C:\music\out.wav".into())),
            ("wav:-", OutputSpec::WavToStdout),
            ("wav:./-", OutputSpec::Wav("./-".into())),
            ("null", OutputSpec::Null),
        ] {
            assert_eq!(text.parse(), Ok(spec.clone()), "{text}");
            assert_eq!(spec.to_string(), text);
        }
    }

    #[test]
    fn standard_output_has_several_names() {
        for text in ["wav:-", "wav:/dev/stdout", "wav:/dev/fd/1", "wav:/proc/self/fd/1"] {
            assert_eq!(text.parse(), Ok(OutputSpec::WavToStdout), "{text}");
        }
    }

    #[test]
    fn wrong_specs_say_what_is_expected() {
        for text in ["", "Device", "null:", "null:x", "alsa:default", " device"] {
            let error = text.parse::<OutputSpec>().unwrap_err();
            assert_eq!(error, ParseSpecError::Unknown(text.into()));
            assert!(error.to_string().contains("device, device:NAME, wav:PATH or null"));
        }
        let error = "\u{1b}[2J\u{202e}".parse::<OutputSpec>().unwrap_err().to_string();
        assert!(error.starts_with(r#"unknown output "\u{1b}[2J\u{202e}":"#), "{error}");
        for (text, form) in [("device:", "device:NAME"), ("wav", "wav:PATH"), ("wav:", "wav:PATH")] {
            assert_eq!(text.parse::<OutputSpec>(), Err(ParseSpecError::Incomplete(form)));
        }
    }
}
