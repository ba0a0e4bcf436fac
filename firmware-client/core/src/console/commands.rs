//! The commands: each uses the [`Remote`] and shows the answer.

use core::fmt::{self, Write};
use core::time::Duration;

use trill_player::command::{self, Command, Sleep, write_help_on};
use trill_player::{Entry, ListRequest, NotPossible, Question};
use trill_proto::message::Group;

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
        Command::List(words) => list(remote, None, words)?,
        Command::Albums(words) => list(remote, Some(Group::Album), words)?,
        Command::Artists(words) => list(remote, Some(Group::Artist), words)?,
        Command::Info(song) => remote.info(song)?,
        Command::Play(selection) => remote.play(selection),
        Command::Add(selection) => remote.add(selection)?,
        Command::Next(Some(selection)) => remote.play_next(selection)?,
        Command::Queue => show_queue(remote)?,
        Command::Jump(place) => remote.jump(place)?,
        Command::Remove { first, last } => {
            remote.remove(first, last)?;
            show(shared, format_args!("{} removed, {} in the queue", last - first + 1, remote.status().songs));
        }
        Command::Clear => {
            remote.clear();
            show(shared, format_args!("nothing follows"));
        }
        Command::Shuffle(shuffle) => {
            shuffle.into_iter().for_each(|shuffle| remote.set_shuffle(shuffle));
            show(shared, format_args!("shuffle {}", remote.status().shuffle));
        }
        Command::Repeat(repeat) => {
            repeat.into_iter().for_each(|repeat| remote.set_repeat(repeat));
            show(shared, format_args!("repeat {}", remote.status().repeat));
        }
        Command::StopAfter => {
            let stops = !remote.status().stops_after;
            remote.set_stop_after(stops)?;
            show(shared, format_args!("the music {} after this song", if stops { "stops" } else { "goes on" }));
        }
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
        // The console writes it line by line.
        Command::Help(None) => {}
        Command::Help(Some(command)) => shared.with(|state| {
            let _ = state.screen.lines(|out| write_help_on(out, command));
        }),
        Command::Browse => show(shared, format_args!("browse needs the client for a PC; list shows the songs")),
        Command::Quit => show(shared, format_args!("a board does not quit; stop ends the music")),
        Command::Gain(gain) => {
            gain.into_iter().for_each(|gain| remote.set_gain(gain));
            show(shared, format_args!("gain {}", remote.status().gain));
        }
        Command::Sleep(sleep) => {
            match sleep {
                None => {}
                Some(Sleep::Off) => remote.sleep(None),
                Some(Sleep::After(time)) => remote.sleep(Some(time)),
            }
            match remote.sleep_left() {
                Some(left) => show(
                    shared,
                    format_args!("the music stops in {}", command::Clock(Duration::from_secs(left.as_secs()))),
                ),
                None => show(shared, format_args!("sleep off")),
            }
        }
    }
    let is_local =
        matches!(command, Command::Status | Command::Volume(_) | Command::Help(_) | Command::Browse | Command::Quit);
    if !is_local && !remote.status().is_connected {
        warn_of_no_connection(shared);
    }
    Ok(())
}

/// Asks for the songs, albums or artists that match these words.
fn list<C: Clock>(remote: &Remote<C>, group: Option<Group>, words: &str) -> Result<(), NotPossible> {
    remote.ask(Question::List(ListRequest { group, ..ListRequest::of_words(words) }))
}

/// The most songs of the queue to show.
const QUEUE_SONGS: u32 = 10;

/// Shows the queue's entries with the places that `remove` takes, and asks for the titles from the song heard on, as far as they
/// are in its entry: the board keeps no titles.
fn show_queue<C: Clock>(remote: &Remote<C>) -> Result<(), NotPossible> {
    let Status { place, songs, shuffle, repeat, stops_after, .. } = remote.status();
    if songs == 0 {
        return Err(NotPossible::NoSuchPlace { songs });
    }
    let end = if stops_after { ", stops after this song" } else { "" };
    show(remote.shared, format_args!("place {place} of {songs}, shuffle {shuffle}, repeat {repeat}{end}"));
    remote.shared.with(|state| {
        let _ = state.screen.lines(|out| {
            state.player.queue().shown_entries().try_for_each(|(first, &Entry { source, songs, .. })| {
                let last = first + (songs - 1);
                let mark = if (first..=last).contains(&place) { '>' } else { ' ' };
                if first == last {
                    writeln!(out, "{mark} {first}: {source}")
                } else {
                    writeln!(out, "{mark} {first}-{last}: {source}")
                }
            })
        });
    });
    match remote.shared.with(|state| state.player.queue().list(place.max(1), QUEUE_SONGS)) {
        Some(request) => remote.ask(Question::List(request)),
        None => Ok(()),
    }
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
    let Status { following, place, songs, shuffle, repeat, .. } = status;
    let connection = if status.is_connected { "" } else { " (not connected)" };
    let fill = buffered_bytes * 100 / status.capacity_bytes.max(1);
    shared.with(|state| {
        let server = &state.server;
        let _ = state.screen.lines(|out| {
            write!(out, "server  {server}{connection}\n{now_playing}\n")?;
            if let Some(song) = following {
                writeln!(out, "next    {song}")?;
            }
            write!(
                out,
                "queue   place {place} of {songs}, shuffle {shuffle}, repeat \
                 {repeat}\nbuffer  {buffered_bytes} bytes, {fill} %\nvolume  {volume_percent}\nsound   {underruns} \
                 underruns, first sample {first_sample_ms} ms after the last play\n"
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
