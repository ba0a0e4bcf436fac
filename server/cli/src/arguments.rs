//! Command-line arguments: options anywhere, each once, and words.

use std::ffi::OsString;
use std::fmt;

/// The arguments of a command line that have not been taken yet.
///
/// Take the options one by one, then the words with [`finish`](Self::finish). After `--` every argument is a word.
///
/// ```
/// use trill_cli::Arguments;
///
/// let mut arguments = Arguments::new(["--name=attic", "/music", "-q"].map(Into::into));
/// assert!(arguments.flag(["-q", "--quiet"]));
/// assert_eq!(arguments.value("--name")?, Some("attic".into()));
/// assert_eq!(arguments.finish()?, ["/music"]);
/// # Ok::<(), trill_cli::ArgumentError>(())
/// ```
#[derive(Debug)]
pub struct Arguments {
    left: pico_args::Arguments,
    /// The words after `--`, in which pico-args would search for options.
    literal: Vec<OsString>,
    flags: Vec<&'static str>,
    valued: Vec<&'static str>,
}

impl Arguments {
    /// The arguments that follow the program's name.
    pub fn new(arguments: impl IntoIterator<Item = OsString>) -> Self {
        let mut arguments: Vec<OsString> = arguments.into_iter().collect();
        let literal = match arguments.iter().position(|argument| argument == "--") {
            Some(position) => arguments.split_off(position).split_off(1),
            None => Vec::new(),
        };
        Self { left: pico_args::Arguments::from_vec(arguments), literal, flags: Vec::new(), valued: Vec::new() }
    }

    /// Takes an option without a value by any of its names. Returns whether it was given.
    pub fn flag<const N: usize>(&mut self, names: [&'static str; N]) -> bool {
        self.flags.extend(names);
        names.into_iter().any(|name| self.left.contains(name))
    }

    /// Takes an option with a value, which must not begin with `-`. `None` if the option was not given.
    ///
    /// # Errors
    /// [`ArgumentError::MissingValue`] and [`ArgumentError::NotUnicode`].
    pub fn value(&mut self, name: &'static str) -> Result<Option<String>, ArgumentError> {
        self.valued.push(name);
        let value: Option<String> = self.left.opt_value_from_str(name).map_err(|error| match error {
            pico_args::Error::NonUtf8Argument => ArgumentError::NotUnicode(name.to_owned()),
            _ => ArgumentError::MissingValue(name),
        })?;
        match value {
            // The value is missing, and pico-args took the next option for it.
            Some(value) if value.starts_with('-') => Err(ArgumentError::MissingValue(name)),
            value => Ok(value),
        }
    }

    /// Takes an option whose value is 1 to `max_bytes` bytes of text.
    ///
    /// # Errors
    /// Those of [`Self::value`] and [`ArgumentError::BadLength`].
    pub fn short_value(&mut self, name: &'static str, max_bytes: usize) -> Result<Option<String>, ArgumentError> {
        match self.value(name)? {
            Some(value) if value.is_empty() || value.len() > max_bytes => {
                Err(ArgumentError::BadLength { name, max_bytes })
            }
            value => Ok(value),
        }
    }

    /// Returns the words. A negative number is a word.
    ///
    /// # Errors
    /// [`ArgumentError::UnknownOption`] and [`ArgumentError::RepeatedOption`] if an option is left.
    pub fn finish(self) -> Result<Vec<OsString>, ArgumentError> {
        let mut words = self.left.finish();
        if let Some(option) = words.iter().find(|word| is_option(word)) {
            let option = option.to_string_lossy();
            let name = option.split('=').next();
            let repeated_flag = self.flags.iter().find(|flag| **flag == option);
            let repeated = repeated_flag.or_else(|| self.valued.iter().find(|valued| Some(**valued) == name));
            return Err(match repeated {
                Some(name) => ArgumentError::RepeatedOption(name),
                None => ArgumentError::UnknownOption(option.into_owned()),
            });
        }
        words.extend(self.literal);
        Ok(words)
    }
}

fn is_option(argument: &OsString) -> bool {
    let rest = argument.as_encoded_bytes().strip_prefix(b"-");
    rest.is_some_and(|rest| !rest.first().is_some_and(u8::is_ascii_digit))
}

/// Why the options are wrong. `Display` gives one line for the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArgumentError {
    /// The program has no such option.
    UnknownOption(String),
    /// An option was given too often.
    RepeatedOption(&'static str),
    /// The option needs a value and has none.
    MissingValue(&'static str),
    /// The value of this option, or this word, is not valid Unicode.
    NotUnicode(String),
    /// The value of an option is empty or too long.
    BadLength {
        /// The option.
        name: &'static str,
        /// The longest value that it takes.
        max_bytes: usize,
    },
}

impl std::error::Error for ArgumentError {}

impl fmt::Display for ArgumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownOption(option) => write!(f, "no option {option:?}; --help lists them"),
            Self::RepeatedOption(name) => write!(f, "{name} is given twice"),
            Self::MissingValue(name) => write!(f, "{name} needs a value"),
            Self::NotUnicode(argument) => write!(f, "{argument:?}: not valid Unicode"),
            Self::BadLength { name, max_bytes } => write!(f, "{name} takes 1 to {max_bytes} bytes"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes `-q` and `--name`.
    fn parse(line: &[&str]) -> Result<(bool, Option<String>, Vec<OsString>), ArgumentError> {
        let mut arguments = Arguments::new(line.iter().map(OsString::from));
        let (quiet, name) = (arguments.flag(["-q", "--quiet"]), arguments.short_value("--name", 3)?);
        Ok((quiet, name, arguments.finish()?))
    }

    #[test]
    fn options_stand_anywhere_before_two_dashes() {
        let expected = |words: &[&str]| Ok((true, Some("a=b".into()), words.iter().map(OsString::from).collect()));
        assert_eq!(parse(&["x", "-q", "y", "--name", "a=b"]), expected(&["x", "y"]));
        assert_eq!(parse(&["--name=a=b", "-5", "--quiet", "--", "--", "-q"]), expected(&["-5", "--", "-q"]));
    }

    #[test]
    fn what_is_wrong_with_an_option() {
        for (line, expected) in [
            (&["--loud"][..], "no option \"--loud\"; --help lists them"),
            (&["-"], "no option \"-\"; --help lists them"),
            (&["--quiet=yes"], "no option \"--quiet=yes\"; --help lists them"),
            (&["--\u{1b}[2J"], "no option \"--\\u{1b}[2J\"; --help lists them"),
            (&["-q", "--quiet"], "--quiet is given twice"),
            (&["--name", "a", "--name=b"], "--name is given twice"),
            (&["--name"], "--name needs a value"),
            (&["--name="], "--name needs a value"),
            (&["--name", "-q"], "--name needs a value"),
            (&["--name", ""], "--name takes 1 to 3 bytes"),
            (&["--name", "abcd"], "--name takes 1 to 3 bytes"),
        ] {
            assert_eq!(parse(line).map_err(|error| error.to_string()), Err(expected.to_owned()), "{line:?}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_word_need_not_be_unicode_but_a_value_must() {
        use std::os::unix::ffi::OsStringExt;
        let bytes = || OsString::from_vec(b"a\xff".to_vec());
        assert_eq!(Arguments::new([bytes()]).finish(), Ok(vec![bytes()]));
        let value = Arguments::new(["--name".into(), bytes()]).value("--name");
        assert_eq!(value, Err(ArgumentError::NotUnicode("--name".to_owned())));
    }
}
