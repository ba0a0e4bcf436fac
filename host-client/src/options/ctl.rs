//! The command line of `trill ctl`.

use trill_cli::Arguments;
use trill_player::command::{self, Command};

use super::{UsageError, has_json, unicode};

/// The word that begins the command line.
pub(super) const NAME: &str = "ctl";

/// A command for a player that runs in another terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ctl {
    /// The player's process id; `None` for the player that was started last.
    pub player: Option<u32>,
    /// The command with its options, as the player reads it.
    pub line: String,
    /// The answer goes on until one side ends.
    pub follows: bool,
}

impl Ctl {
    /// Reads the arguments that follow `ctl`.
    pub(super) fn parse(mut arguments: Arguments) -> Result<Self, UsageError> {
        let player = arguments.value("--player")?.map(player).transpose()?;
        let is_json = arguments.flag(["--json"]);
        let follows = arguments.flag(["--follow"]);
        let words: Vec<String> = arguments.finish()?.into_iter().map(unicode).collect::<Result<_, _>>()?;
        // A word may have line ends, and the line must be one line.
        let mut line = words.iter().flat_map(|word| word.split_whitespace()).collect::<Vec<_>>().join(" ");
        let command = command::parse(&line).map_err(|error| UsageError::BadCommand(error.to_string()))?;
        let command = command.ok_or(UsageError::NoCtlCommand)?;
        if follows && !(is_json && command == Command::Status) {
            return Err(UsageError::CannotFollow);
        }
        if is_json && !has_json(&command) {
            return Err(UsageError::NoJson);
        }
        if follows {
            // The name may be shortened.
            line = command.to_string();
        }
        for (is_given, option) in [(is_json, " --json"), (follows, " --follow")] {
            line.push_str(if is_given { option } else { "" });
        }
        Ok(Self { player, line, follows })
    }
}

/// A process id.
fn player(text: String) -> Result<u32, UsageError> {
    text.parse().map_err(|_| UsageError::BadPlayer(text))
}
