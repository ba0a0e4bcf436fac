//! What the user asks for.

use std::time::Duration;

use trill_player::Pager;
use trill_player::command::{self, Clock, Command, CommandInfo, Play, Seek, Volume};
use trill_player::playlist::{Direction, Playlist, Search};
use trill_proto::ids::SongId;

use super::requests::Request;
use super::stage::Wish;
use super::{App, Exit, Mode};
use crate::network::{Ask, Song};
use crate::output::OutputSpec;
use crate::ui::status;
use crate::ui::text::clean;

const NOTHING_PLAYS: &str = "nothing is playing; play N plays song N";

/// Whether a command makes sense on the command line, where nothing else happens; if not, why.
pub(super) fn alone(command: &Command) -> Result<(), String> {
    match command {
        Command::List | Command::Info(_) | Command::Play(_) | Command::Status | Command::Help(_) => Ok(()),
        Command::Stop
        | Command::Pause
        | Command::Resume
        | Command::Next
        | Command::Previous
        | Command::Seek(_)
        | Command::Volume(_)
        | Command::Quit => {
            let line = command.to_string();
            let name = line.split(' ').next().unwrap_or(&line);
            Err(format!(
                "{name} acts on music that this program is playing: start it without a command, and type {name} there"
            ))
        }
    }
}

/// The text of `help`.
pub(super) fn help(command: Option<&'static CommandInfo>) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = match command {
        Some(command) => command::write_help_on(&mut text, command),
        None => command::write_help(&mut text),
    };
    text
}

impl App {
    /// Whether `command` needs the effect of commands that have not taken effect yet.
    pub(super) fn depends_on_earlier(&self, command: &Command) -> bool {
        match command {
            Command::List | Command::Info(_) | Command::Status | Command::Help(_) | Command::Volume(None) => {
                !self.is_settled()
            }
            // There is no position yet in a song that is being looked for.
            Command::Seek(_) => self.is_looking_up(),
            Command::Play(_)
            | Command::Stop
            | Command::Pause
            | Command::Resume
            | Command::Next
            | Command::Previous
            | Command::Volume(Some(_))
            | Command::Quit => false,
        }
    }

    pub(super) fn execute(&mut self, command: Command) {
        match command {
            Command::List => self.request(Request::List { pager: Pager::new(SongId(1)), table: None }),
            Command::Info(song) => self.request(Request::Info(song)),
            Command::Play(play) => self.play(play),
            Command::Stop => self.stop(),
            Command::Pause => self.pause(),
            Command::Resume => self.resume(),
            Command::Next => self.step(Direction::Next),
            Command::Previous => self.step(Direction::Previous),
            Command::Seek(seek) => self.seek(seek),
            Command::Volume(volume) => self.volume(volume),
            Command::Status => self.print_status(),
            Command::Help(command) => self.console.print(&help(command)),
            Command::Quit => self.exit = Some(self.quit()),
        }
    }

    fn quit(&self) -> Exit {
        // At a prompt the user has seen what failed; a script's caller has not.
        if self.mode == Mode::Interactive { Exit::Done } else { self.verdict() }
    }

    fn play(&mut self, play: Play) {
        self.cancel_lookups();
        if !self.open_player() {
            return;
        }
        match play {
            Play::Song { song, at } => {
                let ask = self.stage.switch_to(song, at, Playlist::SINGLE, false);
                self.send_play(&ask);
            }
            Play::Range { first, last } => {
                self.find(Search::first(Playlist { first, last, advances: true }));
            }
            Play::All => self.find(Search::first(Playlist::ALL)),
        }
    }

    /// Plays a song instead of what is heard, with the particulars that are known of it.
    pub(super) fn switch_to(&mut self, song: SongId, details: Option<Song>, playlist: Playlist, keeps_pause: bool) {
        let ask = self.stage.switch_to(song, Duration::ZERO, playlist, keeps_pause);
        if let Some(wish) = self.stage.meant_mut() {
            wish.details = details;
        }
        self.send_play(&ask);
    }

    /// Sends a PLAY now; without a connection it is sent when there is one, for the stage remembers it.
    pub(super) fn send_play(&mut self, ask: &Ask) {
        match self.link.connection() {
            Some(connection) => {
                self.stage.on_asked(ask.ticket);
                connection.play(ask);
            }
            None => self.link.connect(),
        }
    }

    fn pause(&mut self) {
        if !self.is_anything_meant() {
            return self.fail(NOTHING_PLAYS);
        }
        // One that is on its way, or looked for, begins in silence.
        self.stage.keep_pause();
        if let Some((_, keeps_pause)) = self.lookup_mut() {
            *keeps_pause = true;
        }
        self.set_paused(true);
    }

    fn resume(&mut self) {
        if !self.is_anything_meant() {
            return self.fail(NOTHING_PLAYS);
        }
        self.set_paused(false);
    }

    /// Whether there is a song that the listener means, be it one that is still being looked for.
    fn is_anything_meant(&mut self) -> bool {
        self.stage.meant().is_some() || self.lookup_mut().is_some()
    }

    /// To the song before or after the one that the listener means: if that is still being looked for, once it is found.
    fn step(&mut self, direction: Direction) {
        if let Some((search, _)) = self.lookup_mut() {
            return search.add(direction);
        }
        let Some(&Wish { song, playlist, .. }) = self.stage.meant() else { return self.fail(NOTHING_PLAYS) };
        match Search::step(playlist, song, direction) {
            Some(search) => self.find(search),
            None => self.stay_at(song, direction, playlist, false),
        }
    }

    fn seek(&mut self, seek: Seek) {
        let (heard, _) = self.position();
        let Some(wish) = self.stage.meant() else { return self.fail(NOTHING_PLAYS) };
        let from = if self.stage.is_switching() { wish.at } else { heard };
        let target = seek.from(from);
        let length = wish.started.map(|started| Duration::from_millis(started.duration_ms()));
        if let Some(length) = length.filter(|length| target >= *length) {
            let length = Clock(Duration::from_secs(length.as_secs()));
            return self.fail(&format!("song {} is only {length} long", wish.song));
        }
        if let Some(ask) = self.stage.seek(target) {
            self.send_play(&ask);
        }
    }

    fn volume(&mut self, volume: Option<Volume>) {
        let Some(volume) = volume else {
            return self.console.print(&format!("volume {}", self.volume_percent));
        };
        self.volume_percent = volume.from(self.volume_percent);
        if let OutputSpec::Wav(_) = self.output {
            self.console.notice("the WAV file is written as if the volume were 100");
        }
        if let Some(player) = &self.player {
            player.controls().set_volume(self.volume_percent);
        }
    }

    fn print_status(&mut self) {
        let server = match &self.server_name {
            Some(name) if !name.is_empty() => format!("{} at {}", clean(name), self.link.server),
            _ => self.link.server.to_string(),
        };
        let state = if self.link.connection().is_some() { "" } else { " (not connected)" };
        let report = status::report(&self.status());
        self.console.print(&format!("{:<11}{server}{state}\n{report}", "server"));
    }
}
