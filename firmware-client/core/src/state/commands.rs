//! What the user asks for.

use core::fmt::Write;

use trill_player::command::{Command, Play, Volume, write_help, write_help_on};
use trill_player::playlist::Direction;
use trill_player::{NotPossible, Question};
use trill_proto::time::Instant;

use super::State;
use super::events::show_edge;
use super::report::seconds;
use crate::ServerAddress;

impl State<'_> {
    pub(crate) fn execute(&mut self, now: Instant, command: Command) {
        match command {
            Command::List => self.ask(Question::List),
            Command::Info(song) => self.ask(Question::Info(song)),
            Command::Play(play) => self.play(now, play),
            Command::Stop => {
                if self.player.stop().is_err() {
                    self.screen.line(format_args!("nothing is playing"));
                }
            }
            Command::Pause => self.set_paused(true),
            Command::Resume => self.set_paused(false),
            Command::Next => self.step(now, Direction::Next),
            Command::Previous => self.step(now, Direction::Previous),
            Command::Seek(seek) => {
                let frames = self.controls.position().into();
                match self.player.seek(now, seek, frames) {
                    Ok((Some(song), at_ms)) => self.screen.line(format_args!("song {song} from {}", seconds(at_ms))),
                    Ok((None, at_ms)) => self.screen.line(format_args!("the next song from {}", seconds(at_ms))),
                    Err(reason) => self.refuse(reason),
                }
            }
            Command::Volume(volume) => self.volume(volume),
            Command::Status => self.write_status(),
            Command::Help(Some(command)) => {
                let _ = self.screen.lines(|out| write_help_on(out, command));
            }
            Command::Help(None) => {
                let _ = self.screen.lines(|out| {
                    write_help(out)?;
                    writeln!(out, "server HOST[:PORT] connects to another server")
                });
            }
            Command::Quit => self.screen.line(format_args!("a board does not quit; stop ends the music")),
        }
    }

    /// Connects to another server from now on. What was wanted of the last one is not.
    pub(crate) fn change_server(&mut self, server: ServerAddress) {
        self.player.change_server();
        self.server = server;
        self.told = None;
    }

    /// No answer is waited for any more.
    pub(crate) fn cancel_questions(&mut self) {
        while self.player.give_up_question().is_some() {}
    }

    fn ask(&mut self, question: Question) {
        self.warn_of_no_connection();
        if let Err(reason) = self.player.ask(question) {
            self.refuse(reason);
        }
    }

    fn play(&mut self, now: Instant, play: Play) {
        self.warn_of_no_connection();
        self.player.play(now, play);
    }

    fn warn_of_no_connection(&mut self) {
        if !self.player.is_open() {
            self.screen.line(format_args!("not connected to {}; connecting", self.server));
        }
    }

    fn set_paused(&mut self, is_paused: bool) {
        match self.player.set_paused(is_paused) {
            Ok(()) => {
                let heard = self.heard();
                self.screen.line(format_args!("{heard}"));
            }
            Err(reason) => self.refuse(reason),
        }
    }

    fn step(&mut self, now: Instant, direction: Direction) {
        match self.player.step(now, direction) {
            Ok(()) => self.warn_of_no_connection(),
            Err(reason) => self.refuse(reason),
        }
    }

    /// Says why a command does nothing.
    fn refuse(&mut self, reason: NotPossible) {
        let screen = &mut self.screen;
        match reason {
            NotPossible::NothingPlays => screen.line(format_args!("nothing is playing; play N plays song N")),
            NotPossible::Edge(song, direction) => show_edge(screen, song, direction),
            NotPossible::TooShort { song, length_ms } => {
                screen.line(format_args!("song {song} is only {} long", seconds(length_ms)));
            }
            NotPossible::TooManyQuestions => screen.line(format_args!("wait for the answers to the last questions")),
        }
    }

    fn volume(&mut self, volume: Option<Volume>) {
        if let Some(volume) = volume {
            self.volume = volume.from(self.volume);
            self.controls.set_volume(self.volume);
        }
        self.screen.line(format_args!("volume {}", self.volume));
    }
}
