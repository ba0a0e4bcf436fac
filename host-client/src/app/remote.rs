//! Requests from outside the program: see [`crate::remote`].

use std::mem;
use std::time::{Duration, Instant};

use super::{App, Event, Mode, REPORT_TIMEOUT};
#[cfg(unix)]
use crate::ctl;
#[cfg(all(target_os = "linux", feature = "mpris"))]
use crate::mpris;
use crate::remote::{Answer, Follower, Reply, Request};
use crate::ui::prompt::Input;
use crate::ui::status::{PlaybackState, Status};

/// A larger difference between the expected and the actual time is a change of the status.
const TOLERANCE: Duration = Duration::from_secs(1);

/// The requests that are not finished, and where they come from.
#[derive(Debug, Default)]
pub(super) struct Outside {
    /// Commands whose effect is awaited, each until a deadline.
    waiting: Vec<(Reply, Instant)>,
    followers: Vec<Follower>,
    /// The status that the followers know.
    known: Option<Known>,
    /// Dropped last: it waits for the end of all answers.
    #[cfg(unix)]
    server: Option<ctl::Server>,
}

impl App {
    /// Lets other programs control this one, if a listener does: at a prompt, or by keys.
    pub(super) fn open_to_others(&mut self) {
        let is_player = match self.mode {
            Mode::Interactive => true,
            Mode::OneShot => self.lines.is_some(),
            Mode::Script { .. } => false,
        };
        if !is_player {
            return;
        }
        let sender = self.sender.clone();
        let on_request = move |request| drop(sender.send(Event::Request(request)));
        #[cfg(unix)]
        match ctl::Server::open(on_request.clone()) {
            Ok(server) => self.outside.server = Some(server),
            Err(error) => self.console.notice(&format!("trill ctl cannot reach this player: {error}")),
        }
        #[cfg(all(target_os = "linux", feature = "mpris"))]
        {
            let sender = self.sender.clone();
            let on_end = move |reason: &str| drop(sender.send(Event::NoDesktop(reason.to_owned())));
            if let Err(error) = mpris::start(on_request, on_end) {
                self.on_no_desktop(&error.to_string());
            }
        }
    }

    pub(super) fn on_no_desktop(&self, reason: &str) {
        self.console.verbose(&format!("no media keys: {reason}"));
    }

    /// Completes all answers. Then the clients end.
    pub(super) fn close_to_others(&mut self) {
        drop(mem::take(&mut self.outside));
    }

    pub(super) fn on_request(&mut self, request: Request) {
        match request {
            Request::Execute { line, reply } => {
                self.for_client(Some(reply.clone()), |app| app.handle_input(Input::Line(line)));
                self.outside.waiting.push((reply, Instant::now() + REPORT_TIMEOUT));
            }
            Request::Follow(mut follower) => {
                if follower.call(&self.status()) {
                    self.outside.followers.push(follower);
                }
            }
        }
    }

    /// Does `work` with its output going to `client`, or to the terminal.
    pub(super) fn for_client<T>(&mut self, client: Option<Reply>, work: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.console.redirect(client);
        let result = work(self);
        self.console.redirect(before);
        result
    }

    /// Passes an error to every client whose command may have caused it.
    pub(super) fn copy_error(&self, reason: &str) {
        for (reply, _) in &self.outside.waiting {
            reply.send(Answer::Error(reason.to_owned()));
        }
    }

    /// Completes the answers to commands that have taken effect, and tells the followers what has changed.
    pub(super) fn serve_others(&mut self, now: Instant) {
        if !self.outside.waiting.is_empty() {
            let is_settled = self.is_settled();
            self.outside.waiting.retain(|(_, until)| !is_settled && now < *until);
        }
        if self.outside.followers.is_empty() {
            return;
        }
        let mut followers = mem::take(&mut self.outside.followers);
        let status = self.status();
        let known = Known::of(&status, now);
        if self.outside.known.as_ref().is_none_or(|before| !before.leads_to(&known)) {
            followers.retain_mut(|follower| follower.call(&status));
            self.outside.known = Some(known);
        }
        self.outside.followers = followers;
    }

    /// When [`serve_others`](Self::serve_others) has something to do, if nothing happens before.
    pub(super) fn others_deadline(&self) -> Option<Instant> {
        self.outside.waiting.iter().map(|(_, until)| *until).min()
    }

    /// Whether somebody sees the status all the time.
    pub(super) fn has_watcher(&self) -> bool {
        self.console.has_status() || !self.outside.followers.is_empty()
    }
}

/// The status at some time.
#[derive(Debug)]
struct Known {
    /// What changes by an event. The rest is zero.
    status: Status,
    position: Duration,
    sleep: Duration,
    at: Instant,
}

impl Known {
    fn of(status: &Status, at: Instant) -> Self {
        let mut known = Self { status: status.clone(), position: Duration::ZERO, sleep: Duration::ZERO, at };
        if let Some(song) = &mut known.status.song {
            known.position = mem::take(&mut song.position);
        }
        if let Some(sleep) = &mut known.status.sleep {
            known.sleep = mem::take(sleep);
        }
        let Status { buffered, buffer_fill, underruns, has_trouble, has_new_volume, .. } = &mut known.status;
        (*buffered, *buffer_fill, *underruns) = Default::default();
        (*has_trouble, *has_new_volume) = Default::default();
        known
    }

    /// Whether `next` follows by the passing of time alone.
    fn leads_to(&self, next: &Self) -> bool {
        let passed = next.at - self.at;
        let played = if self.status.state == PlaybackState::Playing { passed } else { Duration::ZERO };
        let is_close = |expected: Duration, actual| expected.abs_diff(actual) <= TOLERANCE;
        self.status == next.status
            && is_close(self.position + played, next.position)
            && is_close(self.sleep.saturating_sub(passed), next.sleep)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::status::{Queue, Song};

    #[test]
    fn only_an_event_is_a_change_of_the_status() {
        let begin = Instant::now();
        let playing = |seconds: f32| Status {
            state: PlaybackState::Playing,
            song: Some(Song { position: Duration::from_secs_f32(seconds), ..Song::default() }),
            sleep: Some(Duration::from_secs_f32(90.0 - seconds)),
            buffered: Duration::from_secs_f32(seconds),
            ..Status::default()
        };
        let check = |next: &Status, after: f32, is_change| {
            let next = Known::of(next, begin + Duration::from_secs_f32(after));
            assert_eq!(!Known::of(&playing(40.0), begin).leads_to(&next), is_change, "{next:?}");
        };
        check(&playing(40.0), 0.0, false);
        check(&playing(60.0), 20.0, false);
        check(&playing(60.5), 20.0, false);
        check(&playing(70.0), 20.0, true);
        check(&Status { sleep: None, ..playing(60.0) }, 20.0, true);
        check(&Status { sleep: Some(Duration::from_secs(90)), ..playing(60.0) }, 20.0, true);
        check(&Status { state: PlaybackState::Paused, ..playing(60.0) }, 20.0, true);
        check(&Status { volume_percent: 1, ..playing(60.0) }, 20.0, true);
        check(&Status { queue: Queue { songs: 1, ..Queue::default() }, ..playing(60.0) }, 20.0, true);
        check(&Status { underruns: 1, has_trouble: true, ..playing(60.0) }, 20.0, false);
    }
}
