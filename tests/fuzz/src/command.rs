//! Text commands, and text from the network as a terminal shows it. An input is a line.

use trill_player::command::{COMMANDS, completions, parse};
use trill_proto::text::visible;

/// Longest error message: it must fit on a board's screen.
const LONGEST_ERROR_BYTES: usize = 512;

/// Checks that a command's text form parses to the same command, that an error is one harmless line, and that shown
/// text has no terminal control characters.
///
/// # Panics
/// If a check fails.
pub fn check(input: &[u8]) {
    let line = String::from_utf8_lossy(input);
    match parse(&line) {
        Ok(Some(command)) => {
            let shown = command.to_string();
            assert_eq!(parse(&shown), Ok(Some(command)), "{line:?} is shown as {shown:?}");
            let shouted = shown.to_ascii_uppercase();
            let Ok(Some(again)) = parse(&shouted) else { panic!("{shouted:?} is no command") };
            assert_eq!(again.to_string().to_ascii_uppercase(), shouted);
        }
        Ok(None) => assert_eq!(line.trim(), ""),
        Err(error) => {
            let said = error.to_string();
            assert!(!said.is_empty() && said.len() <= LONGEST_ERROR_BYTES, "{} bytes of error", said.len());
            assert!(visible(&said).eq(said.chars()), "{said:?}");
        }
    }
    for word in line.split_whitespace() {
        for name in completions(word) {
            assert!(COMMANDS.iter().any(|command| command.name == name || command.aliases.contains(&name)));
        }
    }
    let shown: String = visible(&line).collect();
    assert!(!shown.chars().any(char::is_control), "{shown:?}");
    assert!(visible(&shown).eq(shown.chars()), "{shown:?} has something to take away still");
}
