//! Completes words of titles, artists and albums. Only the server knows them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use trill_player::command::{self, Command, Selection};
use trill_proto::message::Group;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::terminal;

/// The fewest letters to search for. Fewer are in almost every title.
const MIN_LETTERS: usize = 2;

/// How long to wait for the server.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often to look whether the user types on.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// A question to the server: what matches words.
#[derive(Debug)]
pub struct TitleSearch {
    /// `Some` for albums or artists, `None` for songs.
    pub group: Option<Group>,
    /// The words.
    pub words: String,
    /// Takes the answer. Dropping it says that there is none.
    pub reply: Sender<FoundTitles>,
}

/// The answer of the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundTitles {
    /// Titles, artists and albums, without control characters.
    pub texts: Vec<String>,
    /// Nothing else matches.
    pub is_all: bool,
}

impl FoundTitles {
    /// The words that begin with these letters in any case and with any accents, in order.
    pub(super) fn words_beginning(&self, begun: &str) -> Vec<String> {
        let begun = folded(begun);
        let words = self.texts.iter().flat_map(|text| text.split_whitespace());
        let words = words.map(|word| word.trim_matches(|char: char| !char.is_alphanumeric()));
        let words = words.map(|word| (folded(word), word)).filter(|(folded, _)| folded.starts_with(&begun));
        words.collect::<BTreeMap<_, _>>().into_values().map(str::to_owned).collect()
    }
}

/// `text` without case and accents, much as the server compares.
fn folded(text: &str) -> String {
    text.nfkd().filter(|char| !is_combining_mark(*char)).flat_map(char::to_lowercase).collect()
}

/// Asks the server.
pub(super) struct Titles(Box<dyn Fn(TitleSearch) + Send>);

impl Titles {
    pub(super) fn new(ask: impl Fn(TitleSearch) + Send + 'static) -> Self {
        Self(Box::new(ask))
    }

    /// Asks for what matches the words of a line that ends with `begun`. Gives up when the user types on: typing never waits.
    pub(super) fn ask(&self, line: &str, begun: &str) -> Option<FoundTitles> {
        let (group, words) = words_of(line).filter(|_| begun.chars().count() >= MIN_LETTERS)?;
        let (reply, answer) = mpsc::channel();
        (self.0)(TitleSearch { group, words: words.to_owned(), reply });
        let until = Instant::now() + PATIENCE;
        while !terminal::has_input() && Instant::now() < until {
            match answer.recv_timeout(POLL_INTERVAL) {
                Ok(found) => return Some(found),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
        None
    }
}

impl fmt::Debug for Titles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Titles").finish_non_exhaustive()
    }
}

/// The words that a line searches for, if it does, and what it searches.
fn words_of(line: &str) -> Option<(Option<Group>, &str)> {
    match command::parse(line).ok().flatten()? {
        Command::Play(selection) | Command::Add(selection) | Command::Next(Some(selection)) => match selection {
            Selection::Best(words) => Some((None, words)),
            Selection::Album(words) => Some((Some(Group::Album), words)),
            Selection::Artist(words) => Some((Some(Group::Artist), words)),
            _ => None,
        },
        Command::List(words) => Some((None, words)),
        Command::Albums(words) => Some((Some(Group::Album), words)),
        Command::Artists(words) => Some((Some(Group::Artist), words)),
        _ => None,
    }
    .filter(|(_, words)| !words.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_with_words_searches() {
        let check =
            |line: &str, expected: Option<(Option<Group>, &str)>| assert_eq!(words_of(line), expected, "{line:?}");
        check("play so wh", Some((None, "so wh")));
        check("add album kin", Some((Some(Group::Album), "kin")));
        check("ne artist mil", Some((Some(Group::Artist), "mil")));
        check("find mil", Some((None, "mil")));
        check("albums mil", Some((Some(Group::Album), "mil")));
        check("artists mil", Some((Some(Group::Artist), "mil")));
        for line in ["play 12", "play all", "play", "list", "next", "seek so", "fly so"] {
            check(line, None);
        }
    }

    #[test]
    fn words_begin_without_case_and_accents() {
        let texts = ["Björk", "(Bjørn) bjork", "BJO again", "A bj", ""].map(str::to_owned).to_vec();
        let found = FoundTitles { texts, is_all: true };
        assert_eq!(found.words_beginning("bjo"), ["BJO", "bjork"]);
        assert_eq!(found.words_beginning("BJÖR"), ["bjork"]);
        assert_eq!(found.words_beginning("again"), ["again"]);
        assert_eq!(found.words_beginning("x"), [""; 0]);
    }
}
