//! What the server and the player report, and what time brings.

use std::time::{Duration, Instant};

use trill_proto::ids::SongId;
use trill_proto::message::{EndReason, Started};

use super::requests::{Request, refused};
use super::stage::Ending;
use super::{App, Exit, Mode, PATIENCE};
use crate::buffer::Ticket;
use crate::network::{self, CloseReason, Refusal};
use crate::output::Notice;
use crate::player;
use crate::ui::text::{self, clean};

impl App {
    pub(super) fn on_network(&mut self, event: network::Event) {
        match event {
            network::Event::Welcome { server_name, song_count } => self.on_welcome(server_name, song_count),
            network::Event::Page { request, songs, total, next } => {
                if let Some(request) = self.requests.remove(&request) {
                    self.on_page(request, songs, total, next);
                }
            }
            network::Event::Info { request, song } => {
                if let Some(request) = self.requests.remove(&request) {
                    self.on_info(request, song);
                }
            }
            network::Event::RequestRefused { request, refusal } => {
                if let Some(request) = self.requests.remove(&request) {
                    self.on_request_refused(request, &refusal);
                }
            }
            network::Event::Started { ticket, started } => self.on_started(ticket, started),
            network::Event::Ended { ticket, reason } => self.on_ended(ticket, reason),
            network::Event::PlayRefused { ticket, refusal } => self.on_play_refused(ticket, &refusal),
            network::Event::Closed(reason) => self.on_closed(&reason),
        }
        // An answer makes room for another question.
        if self.link.connection().is_some() {
            self.request_held();
        }
    }

    // ── the connection ──

    fn on_welcome(&mut self, server_name: String, song_count: Option<u32>) {
        self.link.on_welcome();
        let is_first = self.server_name.is_none();
        let name = if server_name.is_empty() { "the server".to_owned() } else { clean(&server_name) };
        if is_first && self.mode == Mode::Interactive {
            let songs = match song_count {
                None => String::new(),
                Some(1) => ", 1 song".to_owned(),
                Some(count) => format!(", {count} songs"),
            };
            self.console.print(&format!("connected to {name} ({}){songs}; help lists the commands", self.link.server));
        } else if is_first {
            self.console.verbose(&format!("connected to {name} ({})", self.link.server));
        } else if !self.link.is_flapping() {
            self.console.notice("connected again");
        }
        self.server_name = Some(server_name);
        self.ask_for_music();
        if let Some(command) = self.command.take() {
            self.execute(command);
        }
    }

    /// Asks for the music that is wanted and that was not asked for on this connection, or ended there for another.
    fn ask_for_music(&mut self) {
        for ask in self.stage.unasked(|ticket| self.buffer.position(ticket)) {
            self.send_play(&ask);
        }
    }

    /// There is no connection after all.
    pub(super) fn on_attempt_failed(&mut self, reason: &str) {
        if self.server_name.is_none() {
            self.console.error(reason);
            self.exit = Some(Exit::Failed);
            return;
        }
        if !self.fail_requests(reason) && !self.stage.is_switching() {
            self.console.verbose(reason);
        }
        for song in self.stage.give_up_switches() {
            self.fail(&format!("play {song}: {reason}"));
        }
        if self.stage.needs_server() { self.connect_again(reason) } else { self.link.give_up() }
    }

    /// Tries again later; a program that nobody sits at gives up in the end.
    fn connect_again(&mut self, reason: &str) {
        let now = Instant::now();
        if self.mode != Mode::Interactive && self.link.is_lost_for(PATIENCE, now) {
            self.fail(reason);
            self.stop();
        } else {
            self.link.retry(now);
        }
    }

    fn on_closed(&mut self, reason: &CloseReason) {
        if !self.link.on_closed() {
            let server = &self.link.server;
            let reason = match reason {
                CloseReason::Ended | CloseReason::Lost(_) => {
                    format!("{server} closed the connection without a word; is it a Trill server?")
                }
                reason => format!("{server}: {reason}"),
            };
            return self.on_attempt_failed(&reason);
        }
        self.stage.on_disconnected();
        let text = reason.to_string();
        let mut is_told = self.fail_requests(&text);
        if reason.is_unanswered() {
            for song in self.stage.give_up_switches() {
                self.fail(&format!("play {song}: {text}"));
                is_told = true;
            }
        }
        if !self.stage.needs_server() {
            if self.mode == Mode::Interactive && !is_told {
                self.console.notice(&format!("{text}; the next command connects again"));
            }
        } else if reason.is_worth_a_retry() {
            if !self.link.is_flapping() {
                self.console.notice(&format!("{text}; reconnecting"));
            }
            self.connect_again(&text);
        } else {
            self.fail(&text);
            self.stop();
        }
    }

    pub(super) fn on_time(&mut self, now: Instant) {
        if self.link.on_time(now) {
            let reason = format!("{} takes connections and says nothing; is it a Trill server?", self.link.server);
            self.on_attempt_failed(&reason);
        }
    }

    // ── the music ──

    fn on_started(&mut self, ticket: Ticket, started: Started) {
        self.stage.on_started(ticket, started);
        self.console.debug(&describe(&started));
        // One that plays a song and says nothing needs no title.
        let is_shown = self.mode != Mode::OneShot || !self.console.is_quiet();
        if is_shown && self.stage.find_mut(ticket).is_some_and(|wish| wish.details.is_none()) {
            self.request(Request::Details(ticket, started.song));
        }
        self.announce();
    }

    fn on_ended(&mut self, ticket: Ticket, reason: EndReason) {
        if let Ending::Early(song) = self.stage.on_ended(ticket, reason) {
            self.buffer.end(ticket);
            self.fail(&format!("the server ended song {song} before its end"));
        }
        self.ask_for_music();
    }

    fn on_play_refused(&mut self, ticket: Ticket, refusal: &Refusal) {
        if let Some(wish) = self.stage.on_refused(ticket) {
            self.buffer.end(ticket);
            self.fail(&refused(wish.song, refusal));
            if let Some(search) = self.stage.detour(&wish)
                && !self.is_looking_up()
            {
                self.request(Request::Find { search, keeps_pause: wish.keeps_pause, is_detour: true });
            }
        }
        self.ask_for_music();
    }

    /// Looks for the song after the last one, once all of that is here.
    pub(super) fn find_what_follows(&mut self) {
        let is_looking = self.requests.values().chain(&self.held).any(|request| matches!(request, Request::Next(_)));
        if let Some(upcoming) = self.stage.upcoming()
            && !is_looking
            && (self.link.connection().is_some() || self.link.is_down())
        {
            self.request(Request::Next(upcoming));
        }
    }

    pub(super) fn on_player(&mut self, event: player::Event) {
        match event {
            player::Event::Began(ticket) => {
                let is_heard = self.stage.heard().is_some_and(|wish| wish.ticket == ticket && !wish.keeps_pause);
                if is_heard {
                    self.set_paused(false);
                }
                self.announce();
            }
            player::Event::Sounded { ticket, after } => {
                if let Some(wish) = self.stage.find_mut(ticket) {
                    let song = wish.song;
                    let ms = after.as_secs_f64() * 1000.0;
                    self.console.verbose(&format!("play {song}: first sample after {ms:.1} ms"));
                }
            }
            player::Event::Undecodable(ticket) => {
                if let Some(wish) = self.stage.find_mut(ticket) {
                    let song = wish.song;
                    self.fail(&format!("song {song} contains no decodable MP3 audio"));
                }
            }
            player::Event::Finished(ticket) => {
                self.stage.on_finished(ticket);
                self.announce();
            }
            player::Event::Failed { ticket, error } => {
                if self.stage.find_mut(ticket).is_some() {
                    self.fail(&error.to_string());
                    self.stop();
                }
            }
        }
    }

    pub(super) fn on_output(&mut self, notice: &Notice) {
        match notice {
            Notice::Opened(device) => {
                let ms = |period: Duration| period.as_secs_f64() * 1000.0;
                self.console.verbose(&format!(
                    "output: device {}, {}, period {} frames ({:.1} ms), asked {:.1} ms",
                    clean(&device.name),
                    device.format,
                    device.granted_frames,
                    ms(device.granted_period()),
                    ms(device.asked_period()),
                ));
            }
            notice => self.console.notice(&clean(&notice.to_string())),
        }
    }

    /// Says what is playing, where no status line does.
    pub(super) fn announce(&mut self) {
        if self.console.has_prompt() {
            return;
        }
        let charset = self.console.charset();
        let Some(wish) = self.stage.heard_mut().filter(|wish| !wish.is_announced) else { return };
        let (Some(details), Some(started)) = (&wish.details, wish.started) else { return };
        wish.is_announced = true;
        let names = [clean(&details.title), clean(&details.artist)];
        let names: Vec<_> = names.iter().map(String::as_str).filter(|name| !name.is_empty()).collect();
        let length = text::time(Some(Duration::from_millis(started.duration_ms())));
        let line = format!("playing {} {}  {length}", wish.song, names.join(charset.dash()));
        self.console.notice(&line);
    }
}

/// What a STARTED says, for those who want all details.
fn describe(started: &Started) -> String {
    let Started { song: SongId(song), position, size_bytes, first_sample, discard, .. } = *started;
    let Started { begin_sample, end_sample, bitrate, rate, channels, content_tag, .. } = *started;
    format!(
        "song {song} starts: bytes {position} to {size_bytes}, samples {first_sample}+{discard} to {end_sample} (music from \
         {begin_sample}), {bitrate} bit/s, {rate} Hz, {channels} channels, tag {content_tag:016x}"
    )
}
