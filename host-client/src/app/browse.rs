//! The full screen, in place of the prompt.

use std::mem;
use std::time::{Duration, Instant};

use ratatui::buffer::Buffer;
use ratatui::crossterm::event::KeyEvent;
use ratatui::layout::Rect;
use ratatui::widgets::Widget;
use trill_player::{ListRequest, PageEnd, Question, Start};

use super::App;
use super::questions::Purpose;
use crate::browse::{Action, Browser, NowPlaying, Request, Source, View};
use crate::network::Song;
use crate::ui::prompt::{self, Input, Picture};

/// How long to wait before rows are asked for again that a server did not send.
const RETRY_INTERVAL: Duration = Duration::from_secs(2);

/// What the main loop knows of the full screen.
#[derive(Debug, Default)]
pub(super) struct Browsing {
    /// The screen; `None` while the prompt is shown.
    browser: Option<Browser>,
    /// How many songs the queue had, and which of them was the present one.
    queue: (u32, Option<u32>),
    /// There was a connection when the screen was drawn last.
    was_connected: bool,
    /// When to ask again after a request without an answer.
    retry_at: Option<Instant>,
}

/// A request of the browser that waits for an answer.
#[derive(Debug)]
pub(super) struct BrowserRows {
    request: Request,
    /// How many rows were asked for before the present question. The queue may need several.
    before: u32,
    /// How many rows the present question asks for, and how many have come.
    wanted: u32,
    come: usize,
}

impl Browsing {
    pub(super) const fn is_on(&self) -> bool {
        self.browser.is_some()
    }

    /// When the browser has something to do at the latest.
    pub(super) const fn deadline(&self) -> Option<Instant> {
        self.retry_at
    }

    pub(super) fn on_unanswered(&mut self) {
        if let Some(browser) = &mut self.browser {
            browser.on_unanswered();
            self.retry_at = Some(Instant::now() + RETRY_INTERVAL);
        }
    }

    /// The connection is over. Asking connects again.
    pub(super) fn on_closed(&mut self) {
        self.browser.iter_mut().for_each(Browser::refresh);
    }
}

impl App {
    /// Shows the full screen instead of the prompt.
    pub(super) fn browse(&mut self) {
        if self.console.client().is_some() {
            return self.fail("browse needs the player's own terminal");
        }
        if !self.console.has_prompt() {
            return self.fail("browse needs a terminal");
        }
        self.console.hold();
        // The full screen does not wait until text is on the prompt.
        self.make_room();
        self.browsing.browser.get_or_insert_with(|| Browser::new(prompt::size()));
    }

    fn leave_browser(&mut self) {
        self.browsing.browser = None;
        self.browsing.retry_at = None;
        let Some(lines) = self.lines.clone() else { return };
        self.is_reading = true;
        self.console.leave_full_screen(move || lines.next());
    }

    /// Handles input for the full screen. Returns what is for others.
    pub(super) fn on_browser_input(&mut self, input: Input) -> Option<Input> {
        match input {
            input if !self.browsing.is_on() => return Some(input),
            Input::Key(key) => self.on_key(key),
            // The size is taken anew for each picture.
            Input::Resized => {}
            input => return Some(input),
        }
        None
    }

    fn on_key(&mut self, key: KeyEvent) {
        let Some(mut browser) = self.browsing.browser.take() else { return };
        let action = browser.handle_key(key, &self.now_playing());
        self.browsing.browser = Some(browser);
        match action {
            None => {}
            Some(Action::Execute(command)) => {
                self.execute(command);
                self.browsing.browser.iter_mut().for_each(Browser::refresh_queue);
            }
            Some(Action::Line(line)) => self.inputs.push_back(Input::Line(line)),
            Some(Action::Leave) => self.leave_browser(),
        }
    }

    /// Takes a page of rows that the browser has asked for. It may have been left meanwhile.
    pub(super) fn on_browser_page(&mut self, rows: &mut BrowserRows, mut songs: Vec<Song>, end: PageEnd, found: u32) {
        rows.come += songs.len();
        let is_queue = rows.request.source == Source::Queue;
        let total = if is_queue { self.shared.with(|player, _| player.queue().songs()) } else { found };
        let mut end = end;
        if end == PageEnd::Complete && is_queue {
            // A song that the server no longer has keeps its place.
            let missing = (rows.wanted as usize).saturating_sub(rows.come);
            songs.extend(std::iter::repeat_n(Song::default(), missing));
            if self.browsing.is_on() && self.ask_for_rows(rows.request.clone(), rows.before + rows.wanted) {
                end = PageEnd::More;
            }
        }
        if let Some(browser) = &mut self.browsing.browser {
            browser.answer(songs, total, end);
        }
        self.make_room();
    }

    /// Asks for rows of a request behind the first `before`. Returns whether there are such rows.
    fn ask_for_rows(&mut self, request: Request, before: u32) -> bool {
        let Request { start, at_most, .. } = request;
        let at_most = at_most.saturating_sub(before);
        let list = match &request.source {
            Source::Library { query, group, within } => Some(ListRequest {
                group: *group,
                within: *within,
                start: Start::Rank(start),
                at_most: Some(at_most),
                ..ListRequest::of_words(query)
            }),
            Source::Queue => self.shared.with(|player, _| player.queue().list(start + before + 1, at_most)),
        };
        let Some(list) = list.filter(|_| at_most > 0) else { return false };
        let wanted = list.at_most.unwrap_or(at_most);
        self.ask(Question::List(list), Purpose::Browser(BrowserRows { request, before, wanted, come: 0 })).is_ok()
    }

    /// Asks for the rows that are missing, and draws the screen.
    pub(super) fn show_browser(&mut self) {
        let Some(mut browser) = self.browsing.browser.take() else { return };
        let size = prompt::size();
        browser.resize(size);
        self.console.take_held().iter().for_each(|text| browser.show(text));
        self.ask_for_missing(&mut browser);
        let now = self.now_playing();
        let view = View { browser: &browser, now: &now, charset: self.console.look().charset };
        let mut buffer = Buffer::empty(Rect::new(0, 0, size.width, size.height));
        view.render(buffer.area, &mut buffer);
        self.console.show_picture(Picture { buffer, cursor: view.cursor() });
        self.browsing.browser = Some(browser);
    }

    fn ask_for_missing(&mut self, browser: &mut Browser) {
        if self.browsing.retry_at.take_if(|at| Instant::now() >= *at).is_some() {
            browser.ask_again();
        }
        let is_connected = self.shared.with(|player, _| player.is_open());
        if !mem::replace(&mut self.browsing.was_connected, is_connected) && is_connected {
            browser.clear_message();
        }
        let queue = self.shared.with(|player, _| (player.queue().songs(), player.queue().present()));
        if mem::replace(&mut self.browsing.queue, queue) != queue {
            browser.refresh_queue();
        }
        if let (_, Some(place)) = queue {
            browser.follow(place);
        }
        // The browser waits for all other questions, so there is room for its own.
        if self.questions.is_empty()
            && let Some(request) = browser.next_request()
            && !self.ask_for_rows(request, 0)
        {
            // The queue is empty.
            browser.answer(Vec::new(), 0, PageEnd::Complete);
        }
    }

    pub(super) fn now_playing(&self) -> NowPlaying {
        let status = self.status();
        self.shared.with(|player, _| NowPlaying {
            status,
            shuffle: player.shuffle(),
            repeat: player.repeat(),
            stops_after: player.stops_after(),
            place: player.queue().present(),
            is_connected: player.is_open(),
        })
    }
}
