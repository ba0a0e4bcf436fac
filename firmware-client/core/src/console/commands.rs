//! The commands: each uses the [`Remote`] and shows the answer.

use core::fmt::{self, Write};

use trill_player::command::{Command, write_help, write_help_on};
use trill_player::{ListRequest, NotPossible, Question};

use crate::board::Clock;
use crate::remote::{NowPlaying, Remote, SongState, Status};
use crate::shared::Shared;
use crate::state::seconds;

/// Executes a command and shows its answer.
pub(super) fn execute<C: Clock>(remote: &Remote<C>, command: Command<'_>) {
    if let Err(reason) = attempt(remote, command) {
        show(remote.shared, format_args!("{reason}"));
    }
}

fn attempt<C: Clock>(remote: &Remote<C>, command: Command<'_>) -> Result<(), NotPossible> {
    let shared = remote.shared;
    match command {
        Command::List(words) => remote.ask(Question::List(ListRequest::of_words(words)))?,
        Command::Info(Some(song)) => remote.ask(Question::Info(song))?,
        Command::Play(selection) => remote.play(selection),
        Command::Next(None) => remote.next()?,
        Command::Previous => remote.previous()?,
        Command::Stop => remote.stop()?,
        Command::Pause => {
            remote.pause()?;
            show(shared, format_args!("{}", remote.status().now_playing));
        }
        Command::Resume => {
            remote.resume()?;
            show(shared, format_args!("{}", remote.status().now_playing));
        }
        Command::Seek(seek) => {
            let (song, position_ms) = remote.seek(seek)?;
            let from = seconds(position_ms);
            match song {
                Some(song) => show(shared, format_args!("song {song} from {from}")),
                None => show(shared, format_args!("the next song from {from}")),
            }
        }
        Command::Volume(volume) => {
            let percent = volume.map_or_else(|| remote.status().volume_percent, |volume| remote.set_volume(volume));
            show(shared, format_args!("volume {percent}"));
        }
        Command::Status => show_status(shared, &remote.status()),
        Command::Help(Some(command)) => shared.with(|state| {
            let _ = state.screen.lines(|out| write_help_on(out, command));
        }),
        Command::Help(None) => shared.with(|state| {
            let _ = state.screen.lines(|out| {
                write_help(out)?;
                writeln!(out, "server HOST[:PORT] connects to another server")
            });
        }),
        Command::Quit => show(shared, format_args!("a board does not quit; stop ends the music")),
        _ => show(shared, format_args!("not possible yet")),
    }
    if let Command::List(_) | Command::Info(_) | Command::Play(_) | Command::Next(_) | Command::Previous = command {
        warn_of_no_connection(shared);
    }
    Ok(())
}

fn warn_of_no_connection(shared: &Shared) {
    shared.with(|state| {
        if !state.player.is_open() {
            state.screen.line(format_args!("not connected to {}; connecting", state.server));
        }
    });
}

pub(super) fn show(shared: &Shared, text: fmt::Arguments<'_>) {
    shared.with(|state| state.screen.line(text));
}

fn show_status(shared: &Shared, status: &Status) {
    let Status { now_playing, buffered_bytes, volume_percent, underruns, first_sample_ms, .. } = status;
    let connection = if status.is_connected { "" } else { " (not connected)" };
    let fill = buffered_bytes * 100 / status.capacity_bytes.max(1);
    shared.with(|state| {
        let server = &state.server;
        let _ = state.screen.lines(|out| {
            write!(
                out,
                "server  {server}{connection}\n{now_playing}\nbuffer  {buffered_bytes} bytes, {fill} %\nvolume  \
                 {volume_percent}\nsound   {underruns} underruns, first sample {first_sample_ms} ms after the last play\n"
            )
        });
    });
}

impl fmt::Display for NowPlaying {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Nothing => f.write_str("song    none"),
            Self::Requested(song) => write!(f, "song    {song}, asked for"),
            Self::Searching => f.write_str("song    searched for"),
            Self::Song { song, state, position_ms, length_ms } => {
                let state = match state {
                    SongState::Playing => "playing",
                    SongState::Paused => "paused",
                    SongState::Buffering => "buffering",
                };
                write!(f, "song    {song}, {state} at {} of {}", seconds(position_ms), seconds(length_ms))
            }
        }
    }
}
