//! The user's commands.

use std::time::Duration;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use trill_player::command::{self, Command, CommandInfo, Seek, Selection, Sleep, Volume};
use trill_player::{Direction, NotPossible, Question};
use trill_proto::ids::SongId;
use trill_proto::message::Group;

use super::questions::Purpose;
use super::{App, Exit, Mode};
use crate::network::Song;
use crate::output::OutputTarget;
use crate::remote::Reply;
use crate::shared::Player;
use crate::ui::text::{clean, count_songs};
use crate::ui::{details, json, keys, status};

/// Checks that a command works on the command line, without earlier commands. The error says why not.
pub(super) fn alone(command: &Command<'_>) -> Result<(), String> {
    match command {
        Command::List(_)
        | Command::Albums(_)
        | Command::Artists(_)
        | Command::Info(Some(_))
        | Command::Play(_)
        | Command::Status
        | Command::Browse
        | Command::Help(_) => Ok(()),
        _ => {
            let line = command.to_string();
            let name = line.split(' ').next().unwrap_or(&line);
            Err(format!("{name} needs music that is playing: start trill without a command, then type {name}"))
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
    pub(super) fn depends_on_earlier(&mut self, command: &Command<'_>) -> bool {
        match command {
            Command::List(_)
            | Command::Albums(_)
            | Command::Artists(_)
            | Command::Info(_)
            | Command::Queue
            | Command::Jump(_)
            | Command::Remove { .. }
            | Command::Shuffle(None)
            | Command::Repeat(None)
            | Command::Volume(None)
            | Command::Gain(None)
            | Command::Sleep(None)
            | Command::Status
            | Command::Browse
            | Command::Help(_) => !self.is_settled(),
            Command::Add(selection) | Command::Next(Some(selection)) => {
                !self.shared.with(|player, _| player.can_add(selection))
            }
            _ => false,
        }
    }

    pub(super) fn execute(&mut self, command: Command<'_>) {
        match command {
            Command::List(words) => self.list_songs(words),
            Command::Albums(words) => self.list_all(Some(Group::Album), words),
            Command::Artists(words) => self.list_all(Some(Group::Artist), words),
            Command::Queue => self.show_queue(),
            Command::Info(song) => self.info(song),
            Command::Play(selection) => self.play(selection),
            Command::Add(selection) => self.add(|player| player.add(selection)),
            Command::Next(Some(selection)) => self.add(|player| player.play_next(selection)),
            Command::Jump(place) => self.jump(place),
            Command::Remove { first, last } => self.remove(first, last),
            Command::Clear => {
                self.shared.with(|player, _| player.clear());
                self.tell_queue("nothing follows");
            }
            Command::Shuffle(shuffle) => {
                let shuffle = self.shared.with(|player, _| {
                    shuffle.into_iter().for_each(|shuffle| player.set_shuffle(shuffle));
                    player.shuffle()
                });
                self.tell_queue(&format!("shuffle {shuffle}"));
            }
            Command::Repeat(repeat) => {
                let repeat = self.shared.with(|player, _| {
                    repeat.into_iter().for_each(|repeat| player.set_repeat(repeat));
                    player.repeat()
                });
                self.tell_queue(&format!("repeat {repeat}"));
            }
            Command::StopAfter => self.stop_after(),
            Command::Stop => self.stop(),
            Command::Pause => self.command(|app| app.shared.with(|player, _| player.set_paused(true))),
            Command::Resume => self.command(|app| app.shared.with(|player, now| player.resume(now))),
            Command::Next(None) => self.command(|app| app.step(Direction::Next)),
            Command::Previous => self.command(|app| app.step(Direction::Previous)),
            Command::Seek(seek) => self.command(|app| app.seek(seek)),
            Command::Volume(volume) => self.volume(volume),
            Command::Status => self.print_status(),
            Command::Help(info) => self.console.print(&help(info)),
            Command::Browse => self.browse(),
            Command::Quit => self.exit = Some(self.quit()),
            Command::Gain(gain) => {
                let gain = self.shared.with(|player, _| {
                    gain.into_iter().for_each(|gain| player.set_gain(gain));
                    player.gain()
                });
                self.console.print(&format!("gain {gain}"));
            }
            Command::Sleep(sleep) => self.sleep(sleep),
        }
    }

    /// Handles a key while a single command plays.
    pub(super) fn on_music_key(&mut self, key: KeyEvent) {
        match key.code {
            KeyCode::Char('q') => self.exit = Some(self.verdict()),
            // Where Ctrl-C is not a signal.
            KeyCode::Char('c') if key.modifiers == KeyModifiers::CONTROL => self.exit = Some(self.verdict()),
            KeyCode::Char('?') => self.console.print(&format!("{}\nq                            quit", keys::HELP)),
            _ => {
                if let Some(command) = keys::command(key, self.now_playing().music()) {
                    self.execute(command);
                }
            }
        }
    }

    fn quit(&self) -> Exit {
        // At a prompt the user has seen the errors. A script's caller needs the status.
        if self.mode == Mode::Interactive { Exit::Done } else { self.verdict() }
    }

    /// Executes a command, or prints why it is not possible.
    fn command(&mut self, obey: impl FnOnce(&Self) -> Result<(), NotPossible>) {
        if let Err(reason) = obey(self) {
            self.refuse(&reason);
        }
    }

    /// Prints why a command is not possible. A key without effect is not a failure of the command that plays.
    pub(super) fn refuse(&mut self, reason: &NotPossible) {
        match self.mode {
            Mode::OneShot => self.console.error(&reason.to_string()),
            Mode::Script { .. } | Mode::Interactive => self.fail(&reason.to_string()),
        }
    }

    /// Asks for the details of a song, or of the one that commands act on.
    fn info(&mut self, song: Option<SongId>) {
        match song.or_else(|| self.shared.with(|player, _| player.target().map(|item| item.song))) {
            Some(song) => self.ask_or_fail(Question::Info(song), Purpose::Info),
            None => self.fail(&NotPossible::NothingPlays.to_string()),
        }
    }

    fn play(&mut self, selection: Selection<'_>) {
        if self.open_output() {
            self.shared.with(|player, now| player.play(now, selection));
        }
    }

    /// Changes the queue, which begins to play if nothing plays.
    fn add(&mut self, add: impl FnOnce(&mut Player) -> Result<(), NotPossible>) {
        if self.open_output() {
            self.command(|app| app.shared.with(|player, _| add(player)));
        }
    }

    /// Goes to a place in the queue, which may have been silent until now.
    fn jump(&mut self, place: u32) {
        if self.open_output() {
            self.command(|app| app.shared.with(|player, now| player.jump(now, place)));
        }
    }

    fn remove(&mut self, first: u32, last: u32) {
        match self.shared.with(|player, now| player.remove(now, first, last)) {
            Ok(()) => self.tell_queue(&format!("removed {}", count_songs(last - first + 1))),
            Err(reason) => self.fail(&reason.to_string()),
        }
    }

    /// Ends the music after this song, or no longer.
    fn stop_after(&mut self) {
        let stops = self.shared.with(|player, _| {
            let stops = !player.stops_after();
            player.set_stop_after(stops).map(|()| stops)
        });
        match stops {
            Ok(true) => self.tell_queue("the music stops after this song"),
            Ok(false) => self.tell_queue("the music goes on after this song"),
            Err(reason) => self.fail(&reason.to_string()),
        }
    }

    fn step(&self, direction: Direction) -> Result<(), NotPossible> {
        self.shared.with(|player, now| player.step(now, direction))
    }

    fn seek(&self, seek: Seek) -> Result<(), NotPossible> {
        self.shared.with(|player, now| player.seek(now, seek, self.heard_frames())).map(drop)
    }

    fn volume(&mut self, volume: Option<Volume>) {
        let Some(volume) = volume else {
            return self.console.print(&format!("volume {}", self.volume_percent));
        };
        self.volume_percent = volume.from(self.volume_percent);
        self.news.on_volume();
        if let OutputTarget::Wav(_) = self.output {
            self.console.notice("the volume does not apply to a WAV file");
        }
        if let Some(decode_loop) = &self.decode_loop {
            decode_loop.controls().set_volume(self.volume_percent);
        }
    }

    /// Sets when the music ends, if a time is given, and shows it.
    fn sleep(&mut self, sleep: Option<Sleep>) {
        let left = self.shared.with(|player, now| {
            match sleep {
                Some(Sleep::After(after)) => player.sleep(now, Some(after)),
                Some(Sleep::Off) => player.sleep(now, None),
                None => {}
            }
            player.sleep_left(now)
        });
        // Whole seconds, rounded up.
        let seconds = |left: Duration| Duration::from_secs(left.as_millis().div_ceil(1_000) as u64);
        let sleep = left.map_or(Sleep::Off, |left| Sleep::After(seconds(left)));
        self.console.print(&format!("sleep {sleep}"));
    }

    /// Whether answers to the present command are JSON.
    pub(super) fn is_json(&self) -> bool {
        self.console.client().map_or(self.is_json, Reply::is_json)
    }

    pub(super) fn print_info(&mut self, song: &Song) {
        match self.is_json() {
            true => self.console.print_rows(&json::info(song), || {}),
            false => self.console.print(&details::report(song)),
        }
    }

    fn print_status(&mut self) {
        if self.is_json() {
            return self.console.print_rows(&json::status(&self.status()), || {});
        }
        let server = match &self.server_name {
            Some(name) if !name.is_empty() => format!("{} at {}", clean(name), self.network.server),
            _ => self.network.server.to_string(),
        };
        let state = if self.shared.with(|player, _| player.is_open()) { "" } else { " (not connected)" };
        let report = status::report(&self.status());
        self.console.print(&format!("{:<11}{server}{state}\n{report}", "server"));
    }
}
