//! Completes names of commands, keywords and titles, and observes the line editor.

use std::borrow::Cow;
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use rustyline::completion::Completer;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Context, Helper};
use trill_player::command;

use super::screen::{Drawing, StatusRow};
use super::terminal::Modes;
use super::titles::Titles;
use crate::ui::text;

/// The most completions that are shown.
const MAX_SHOWN: usize = 40;

/// Completes names of commands, keywords and titles, and observes the line editor.
pub(super) struct Commands {
    modes: Arc<Modes>,
    pub(super) status: Arc<StatusRow>,
    draw: Sender<Drawing>,
    titles: Titles,
    /// The line so far, because rustyline does not return the text that an interrupt cleared.
    pub(super) typed: RefCell<String>,
}

impl Commands {
    pub(super) fn new(modes: Arc<Modes>, status: Arc<StatusRow>, draw: Sender<Drawing>, titles: Titles) -> Self {
        Self { modes, status, draw, titles, typed: RefCell::default() }
    }
}

impl Completer for Commands {
    type Candidate = String;

    /// Completes the word as far as it is certain. What it could become is shown above the prompt, because the line editor
    /// forgets the status row when it shows a list.
    fn complete(&self, line: &str, cursor: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        let before = &line[..cursor];
        let start = before.rfind(char::is_whitespace).map_or(0, |space| space + 1);
        let (words, begun) = before.split_at(start);
        let mut completions = completions(words, begun);
        let mut is_all = true;
        if let Some(found) = self.titles.ask(before, begun) {
            completions.extend(found.words_beginning(begun));
            is_all = found.is_all;
        }
        let completed = match completions.as_slice() {
            [] if is_all => return Ok((start, Vec::new())),
            [only] if is_all => format!("{only} "),
            several => {
                let more = if is_all { None } else { Some("… more match; type more letters") };
                let shown: Vec<_> = several.iter().map(String::as_str).take(MAX_SHOWN).chain(more).collect();
                let shown = text::wrapped(&shown.join("  "), super::columns()).into_owned();
                let _ = self.draw.send(Drawing::Text(shown, Box::new(|| {})));
                if is_all { common_beginning(several) } else { String::new() }
            }
        };
        let is_longer = completed.len() > begun.len();
        Ok((start, is_longer.then_some(completed).into_iter().collect()))
    }
}

/// What the word that begins with `begun` could be, after these words.
fn completions(words: &str, begun: &str) -> Vec<String> {
    let mut words = words.split_whitespace();
    let names = || command::completions(begun).map(str::to_owned).collect();
    let Some(name) = words.next() else { return names() };
    let Ok(command) = command::find(name) else { return Vec::new() };
    if words.next().is_some() {
        return Vec::new();
    }
    if command.name == "help" {
        return names();
    }
    let begun = begun.to_lowercase();
    command.keywords().filter(|keyword| keyword.starts_with(&begun)).map(str::to_owned).collect()
}

/// The longest text that all of them begin with.
pub(super) fn common_beginning(texts: &[String]) -> String {
    let (first, rest) = texts.split_first().map_or(("", texts), |(first, rest)| (first.as_str(), rest));
    let is_common =
        |end: &usize| first.is_char_boundary(*end) && rest.iter().all(|text| text.starts_with(&first[..*end]));
    (0..=first.len()).rev().find(is_common).map_or_else(String::new, |end| first[..end].to_owned())
}

impl Hinter for Commands {
    type Hint = String;

    /// Gives no hints. rustyline calls it when editing begins and whenever the line changes.
    fn hint(&self, line: &str, _: usize, _: &Context<'_>) -> Option<String> {
        self.modes.on_editing();
        line.clone_into(&mut self.typed.borrow_mut());
        None
    }
}

impl Highlighter for Commands {
    /// Puts the status into the prompt.
    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, is_default: bool) -> Cow<'b, str> {
        // While the history is searched, there is another prompt.
        if is_default { (self.status.draw() + prompt.trim_start()).into() } else { prompt.into() }
    }
}

impl Validator for Commands {
    /// Accepts every line. The message, though empty, makes the line editor draw the prompt once more.
    fn validate(&self, _: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        self.status.hide(true);
        Ok(ValidationResult::Valid(Some(String::new())))
    }
}
impl Helper for Commands {}
