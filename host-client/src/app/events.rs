//! Events of the network, the decode loop and the output, and timers.

use std::mem;
use std::time::{Duration, Instant};

use trill_player::{Direction, LossNotice, NotPossible, Refused};
use trill_proto::error::ErrorCode;
use trill_proto::ids::SongId;
use trill_proto::message::Started;

use super::{App, Exit, Mode, RECONNECT_TIMEOUT};
use crate::decode_loop;
use crate::network::{self, CloseReason, Closed, ServerError, Song};
use crate::output::Notice;
use crate::server::Origin;
use crate::ui::prompt::Input;
use crate::ui::text::{self, clean};

impl App {
    pub(super) fn on_network(&mut self, event: network::Event) {
        match event {
            network::Event::Located(server) => self.network.server = server,
            network::Event::Connected { server_name, song_count } => self.on_connected(server_name, song_count),
            network::Event::Reconnected => self.console.notice("connected again"),
            network::Event::Page { songs, end, total } => self.on_page(songs, end, total),
            network::Event::Info(song) => self.on_info(&song),
            network::Event::Title(song) => self.on_title(song),
            network::Event::Started(started) => self.console.debug(&describe(&started)),
            network::Event::EndedEarly(song) => self.fail(&format!("the server ended song {song} before its end")),
            network::Event::Refused(refused, error) => self.on_refused(refused, &error),
            network::Event::Edge(song, direction) => self.refuse(&NotPossible::Edge(song, direction)),
            network::Event::NothingFound(why) => self.fail(&why),
            network::Event::MoreMatches(others, list) => self.console.notice(&format!("{others} more match: {list}")),
            network::Event::Following(song) => self.following = Some(song),
            network::Event::Found(song) => self.found = Some(song),
            network::Event::Added { source, songs, others, .. } => self.on_added(source, songs, others),
            // The loop checks everything after each event.
            network::Event::Settled => {}
            network::Event::Unreachable(error, unanswered) => self.on_attempt_failed(&error.to_string(), &unanswered),
            network::Event::Closed(closed) => {
                self.on_closed(closed);
                self.dismiss_askers();
            }
        }
    }

    // ── the connection ──

    fn on_connected(&mut self, server_name: String, song_count: Option<u32>) {
        let name = if server_name.is_empty() { "the server".to_owned() } else { clean(&server_name) };
        let server = &self.network.server;
        let server = match server.origin() {
            Origin::CommandLine => server.to_string(),
            origin => format!("{server}, {origin}"),
        };
        if self.mode == Mode::Interactive {
            let songs = match song_count {
                None => String::new(),
                Some(count) => format!(", {}", text::count_songs(count)),
            };
            self.console.print(&format!("connected to {name} ({server}){songs}; help lists the commands"));
        } else {
            self.console.verbose(&format!("connected to {name} ({server})"));
        }
        self.server_name = Some(server_name);
        if let Some(command) = self.command.take() {
            self.handle_input(Input::Line(command));
        }
    }

    /// An attempt to connect failed.
    fn on_attempt_failed(&mut self, reason: &str, unanswered: &[Refused]) {
        if self.server_name.is_none() {
            let reason = match self.network.server.origin() {
                Origin::CommandLine => reason.to_owned(),
                origin => format!("{reason} ({origin}; trill --find lists servers)"),
            };
            self.console.error(&reason);
            self.exit = Some(Exit::Failed);
            return;
        }
        if unanswered.is_empty() {
            self.console.verbose(reason);
        }
        self.fail_all(unanswered, reason);
        if self.needs_server() {
            self.give_up_music(reason);
        }
    }

    /// Gives up the rest of the music if the player makes no further attempt to connect. Without a user at the prompt, also
    /// after [`RECONNECT_TIMEOUT`].
    fn give_up_music(&mut self, reason: &str) {
        let lost_at = *self.lost_at.get_or_insert_with(Instant::now);
        let is_timed_out = self.mode != Mode::Interactive && lost_at.elapsed() > RECONNECT_TIMEOUT;
        if is_timed_out || !self.shared.with(|player, _| player.retries()) {
            self.fail(reason);
            self.lost_at = None;
            self.shared.with(|player, _| {
                player.give_up_rest();
                player.forget_failures();
            });
        }
    }

    fn on_closed(&mut self, Closed { reason, notice, was_open, was_useful, unanswered }: Closed) {
        self.browsing.on_closed();
        if was_useful {
            self.lost_at = None;
        }
        if !was_open {
            let server = &self.network.server;
            let reason = match reason {
                CloseReason::Ended | CloseReason::Lost(_) => {
                    format!("{server} closed the connection without a reply; is it a Trill server?")
                }
                CloseReason::NoWelcome => {
                    format!("{server} accepts connections but does not reply; is it a Trill server?")
                }
                reason => format!("{server}: {reason}"),
            };
            return self.on_attempt_failed(&reason, &unanswered);
        }
        let text = reason.to_string();
        self.fail_all(&unanswered, &text);
        if !self.needs_server() {
            if self.mode == Mode::Interactive && unanswered.is_empty() {
                self.console.notice(&format!("{text}; the next command connects again"));
            }
        } else {
            if notice == LossNotice::Always && self.shared.with(|player, _| player.retries()) {
                self.console.notice(&format!("{text}; reconnecting"));
            }
            self.give_up_music(&text);
        }
    }

    /// Prints an error for each request that will get no answer.
    fn fail_all(&mut self, unanswered: &[Refused], reason: &str) {
        for refused in unanswered {
            let reason = format!("{}: {reason}", name_of(*refused));
            match refused {
                Refused::List | Refused::Info(_) => self.on_no_answer(&reason),
                _ => self.fail(&reason),
            }
        }
    }

    fn needs_server(&self) -> bool {
        self.shared.with(|player, _| player.needs_server())
    }

    pub(super) fn on_time(&mut self) {
        if self.shared.with(|player, now| player.poll_connect().is_some_and(|at| at <= now)) {
            self.network.connect();
        }
    }

    // ── the music ──

    fn on_refused(&mut self, refused: Refused, error: &ServerError) {
        let reason = match refused {
            Refused::Play(song) | Refused::Rest(song) | Refused::Info(song) => explain(song, error),
            Refused::Following => format!("cannot play the next song: {error}"),
            other => format!("{}: {error}", name_of(other)),
        };
        match refused {
            Refused::List | Refused::Info(_) => self.on_no_answer(&reason),
            _ => self.fail(&reason),
        }
    }

    pub(super) fn on_decode_loop(&mut self, event: decode_loop::Event) {
        match event {
            // Keep the title of this song, which may have come already.
            decode_loop::Event::Began(song) => {
                drop(self.title.take_if(|title| title.id != song));
                // Nor forget what follows this song, which may have come, too.
                drop(self.following.take_if(|following| following.id == song));
            }
            decode_loop::Event::Finished => {}
            decode_loop::Event::Sounded { song, after } => {
                let ms = after.as_secs_f64() * 1000.0;
                self.console.verbose(&format!("play {song}: first sample after {ms:.1} ms"));
            }
            decode_loop::Event::Undecodable(song) => {
                self.fail(&format!("song {song} contains no decodable MP3 audio"));
            }
            // The decode loop has stopped the player. A song that the user has requested since then goes on.
            decode_loop::Event::Failed(error) => self.fail(&error.to_string()),
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

    /// Prints the title of the song that is playing, if there is no prompt.
    fn on_title(&mut self, song: Song) {
        if !self.console.has_prompt() {
            let heard = self.shared.with(|player, _| player.heard().map(|track| track.started));
            let started = heard.filter(|started| started.song == song.id);
            let length = started.map(|started| Duration::from_millis(started.duration_ms())).or(song.duration);
            let names = [clean(&song.title), clean(&song.artist)];
            let names: Vec<_> = names.iter().map(String::as_str).filter(|name| !name.is_empty()).collect();
            let names = names.join(self.console.look().charset.dash());
            let keys = mem::take(&mut self.key_hint);
            self.console.notice(&format!("playing {} {names}  {}{keys}", song.id, text::time(length)));
        }
        self.title = Some(song);
    }
}

/// The command to name in an error.
fn name_of(refused: Refused) -> String {
    match refused {
        Refused::Play(song) | Refused::Rest(song) => format!("play {song}"),
        Refused::Selection => "play".to_owned(),
        Refused::Add => "add".to_owned(),
        Refused::Following | Refused::PlayNext | Refused::Step(Direction::Next) => "next".to_owned(),
        Refused::Step(Direction::Previous) => "previous".to_owned(),
        Refused::List => "list".to_owned(),
        Refused::Info(_) => "info".to_owned(),
    }
}

/// Explains why the server refused a song.
fn explain(song: SongId, error: &ServerError) -> String {
    match error.code {
        ErrorCode::NO_SUCH_SONG => format!("there is no song {song}; list shows what there is"),
        ErrorCode::SONG_GONE => format!("song {song} is gone; list shows what there is"),
        ErrorCode::SONG_CHANGED => format!("song {song} has changed on the server; play it anew"),
        ErrorCode::NO_AUDIO => format!("song {song} contains no MP3 audio"),
        ErrorCode::BAD_POSITION => format!("song {song} is not that long"),
        _ => format!("song {song}: {error}"),
    }
}

/// The contents of a STARTED message, for debug output.
fn describe(started: &Started) -> String {
    let Started { song: SongId(song), position, size_bytes, first_sample, discard, .. } = *started;
    let Started { begin_sample, end_sample, bitrate, rate, channels, content_tag, .. } = *started;
    format!(
        "song {song} starts: bytes {position} to {size_bytes}, samples {first_sample}+{discard} to {end_sample} (music from \
         {begin_sample}), {bitrate} bit/s, {rate} Hz, {channels} channels, tag {content_tag:016x}"
    )
}
