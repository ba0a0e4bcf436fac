//! The questions to the server that wait for answers, and who has asked each of them.
//!
//! ```text
//!   list, info of the prompt ─┐                 ┌─▶ console
//!   list, info of trill ctl ──┼─▶ player ─▶ … ──┼─▶ that client
//!   rows of the full screen ──┤                 ├─▶ full screen
//!   words to complete ────────┘                 └─▶ prompt
//! ```
//!
//! The player sends one question at a time, in order. Each ends exactly once: with the last page of its list, with the details
//! of its song, or without an answer. So every answer belongs to the first open question.

use std::collections::VecDeque;
use std::mem;

use trill_player::{NotPossible, PageEnd, Question};

use super::App;
use super::browse::BrowserRows;
use super::lists::List;
use super::titles::OpenTitleSearch;
use crate::network::Song;
use crate::remote::{Answer, Reply};

/// The most questions that wait: more than the clients outside the program that are served at a time.
const MAX_QUESTIONS: usize = 32;

/// The questions that wait for answers, in order. The player has room for the first few.
#[derive(Debug, Default)]
pub(super) struct Questions(VecDeque<OpenQuestion>);

#[derive(Debug)]
struct OpenQuestion {
    /// The question, until the player has it.
    unsent: Option<Question>,
    purpose: Purpose,
    /// The client outside the program that gets the answer; `None` if it is for the terminal.
    client: Option<Reply>,
}

/// What an answer is for.
#[derive(Debug)]
pub(super) enum Purpose {
    /// To print a list.
    List(List),
    /// To print the details of a song.
    Info,
    /// To fill the full screen.
    Browser(BrowserRows),
    /// To complete a word at the prompt.
    Titles(OpenTitleSearch),
}

impl Questions {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl App {
    /// Asks the server. The answer goes where the output goes now.
    ///
    /// # Errors
    /// Too many questions wait.
    pub(super) fn ask(&mut self, question: Question, purpose: Purpose) -> Result<(), NotPossible> {
        if self.questions.0.len() >= MAX_QUESTIONS {
            return Err(NotPossible::TooManyQuestions);
        }
        let client = self.console.client().cloned();
        self.questions.0.push_back(OpenQuestion { unsent: Some(question), purpose, client });
        self.pass_on();
        Ok(())
    }

    /// Gives the player as many questions as it has room for.
    fn pass_on(&mut self) {
        for unsent in self.questions.0.iter_mut().map(|question| &mut question.unsent) {
            let Some(question) = unsent else { continue };
            if self.shared.with(|player, _| player.ask(question.clone())).is_err() {
                return;
            }
            *unsent = None;
        }
    }

    /// As [`ask`](Self::ask). Prints the error.
    pub(super) fn ask_or_fail(&mut self, question: Question, purpose: Purpose) {
        if self.console.client().is_some() && self.is_reconnecting() {
            return self.fail(&self.not_connected());
        }
        if let Err(reason) = self.ask(question, purpose) {
            self.fail(&reason.to_string());
        }
    }

    /// A page of the answer to the first question has come.
    pub(super) fn on_page(&mut self, songs: Vec<Song>, end: PageEnd, total: u32) {
        // Not in the queue meanwhile, so that an answer can lead to another question.
        let Some(mut question) = self.questions.0.pop_front() else { return };
        let is_output_gone = self.for_client(question.client.clone(), |app| {
            match &mut question.purpose {
                Purpose::List(list) => app.on_list_page(list, &songs, end, total),
                Purpose::Browser(rows) => app.on_browser_page(rows, songs, end, total),
                Purpose::Titles(search) => app.on_titles_page(search, &songs, end, total),
                Purpose::Info => {}
            }
            app.console.is_output_gone()
        });
        match (end, &question.purpose) {
            (PageEnd::Complete, _) => {}
            (PageEnd::More, Purpose::List(_)) if is_output_gone => {
                self.shared.with(|player, _| player.give_up_question());
            }
            (PageEnd::More, _) => self.questions.0.push_front(question),
        }
        self.pass_on();
    }

    /// The details of a song have come.
    pub(super) fn on_info(&mut self, song: &Song) {
        if let Some(question) = self.questions.0.pop_front() {
            self.for_client(question.client, |app| app.print_info(song));
        }
        self.pass_on();
    }

    /// The first question gets no answer. Tells why, if the one who has asked wants to know.
    pub(super) fn on_no_answer(&mut self, why: &str) {
        match self.questions.0.pop_front() {
            Some(OpenQuestion { purpose: Purpose::Browser(_), .. }) => self.browsing.on_unanswered(),
            Some(OpenQuestion { purpose: Purpose::Titles(_), .. }) => {}
            Some(OpenQuestion { client, .. }) => self.for_client(client, |app| app.fail(why)),
            None => {}
        }
        self.pass_on();
    }

    /// The connection was lost. Clients outside the program do not wait until the server is back: that may take hours.
    pub(super) fn dismiss_askers(&mut self) {
        if !self.is_reconnecting() {
            return;
        }
        let reason = self.not_connected();
        self.questions.0.retain_mut(|question| {
            let Some(client) = &mut question.client else { return true };
            mem::replace(client, Reply::ignored()).send(Answer::Error(reason.clone()));
            // The player asks its questions again. Nobody reads their answers.
            question.unsent.is_none()
        });
    }

    /// Whether the player tries to connect again because of music.
    fn is_reconnecting(&self) -> bool {
        self.server_name.is_some() && self.shared.with(|player, _| player.needs_server() && !player.is_open())
    }

    fn not_connected(&self) -> String {
        format!("not connected: reconnecting to {}", self.network.server)
    }
}
