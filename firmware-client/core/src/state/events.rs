//! Events in words.

use core::fmt::{self, Write};

use trill_player::command::Selection;
use trill_player::{Event, LossNotice, NotPossible, PageEnd, Question, Refused};
use trill_proto::error::{ErrorCode, SessionError};
use trill_proto::ids::SongId;
use trill_proto::message::{self, GoodbyeReason, Group, Song, Welcome};
use trill_proto::time::Instant;

use super::report::{Names, SongLine, Text, write_info};
use super::{SONG_LINE_BYTES, State};
use crate::ServerAddress;
use crate::board::ConnectError;
use crate::log;
use crate::screen::Screen;

/// Why there is no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// The attempt failed, or no WELCOME came.
    Unreachable(ConnectError),
    /// The connection broke.
    Broken,
    /// One side broke the protocol, or was silent for too long.
    Session(SessionError),
    /// The server closed the connection after it gave a reason, which the screen has shown.
    Told,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(error) => error.fmt(f),
            Self::Broken => f.write_str("the connection broke"),
            Self::Session(error) => error.fmt(f),
            Self::Told => f.write_str("the server ended the connection"),
        }
    }
}

impl State<'_> {
    /// Handles bytes from the server.
    ///
    /// # Errors
    /// The server broke the protocol. Transmit once more, then close the connection.
    pub(crate) fn take(&mut self, now: Instant, mut input: &[u8]) -> Result<(), SessionError> {
        let Self { player, screen, server, told, .. } = self;
        while !input.is_empty() {
            let list = player.question().and_then(|question| match question {
                Question::List(request) => Some(List { group: request.group, is_whole: request.words.is_empty() }),
                Question::Info(_) => None,
            });
            let is_new = player.loss_notice() == LossNotice::Always || *told != Some(Loss::Told);
            let (taken, event) = player.handle_input(now, input)?;
            if event.is_some_and(|event| show(screen, server, list.unwrap_or_default(), is_new, &event).is_err()) {
                player.ask_again();
            }
            input = input.get(taken..).unwrap_or_default();
        }
        Ok(())
    }

    /// Handles the end of a connection or of an attempt. Shows the reason, unless the screen has shown it.
    pub(crate) fn on_disconnected(&mut self, now: Instant, loss: Loss) {
        // The screen needs `Display` anyway; a second way to format errors would take flash.
        log::warning!("no connection: {}", defmt::Display2Format(&loss));
        let error = if let Loss::Session(error) = loss { Some(error) } else { None };
        let Self { player, screen, server, told, .. } = self;
        let notice = player.handle_disconnected(now, error, |refused| show_refused(screen, refused, &loss));
        if notice == LossNotice::Silent {
            return;
        }
        if notice == LossNotice::Always || *told != Some(loss) {
            let next = if player.retries() { "trying again" } else { "the next command connects again" };
            screen.line(format_args!("{server}: {loss}; {next}"));
        }
        *told = Some(loss);
    }

    /// A song cannot be played.
    pub(crate) fn on_unplayable(&mut self, song: SongId, why: fmt::Arguments<'_>) {
        self.screen.line(format_args!("song {song} {why}"));
    }
}

/// The list that is being answered.
#[derive(Clone, Copy, Debug, Default)]
struct List {
    group: Option<Group>,
    /// It has no words to match.
    is_whole: bool,
}

/// Shows an event of the server. `is_new`: the screen has not shown yet that the server gave up.
///
/// # Errors
/// The screen has no room for the answer to a question.
fn show(screen: &mut Screen<'_>, server: &ServerAddress, list: List, is_new: bool, event: &Event<'_>) -> fmt::Result {
    match event {
        Event::Connected(welcome) => show_welcome(screen, server, welcome),
        Event::Reconnected => screen.line(format_args!("connected again")),
        Event::Listed(song) => return show_listed(screen, song, list.group),
        Event::PageEnd(PageEnd::Complete, 0) if list.is_whole => screen.line(format_args!("the server has no songs")),
        Event::PageEnd(PageEnd::Complete, 0) => screen.line(format_args!("nothing matches; list shows what there is")),
        Event::PageEnd(..) => {}
        Event::Info(song) => return screen.lines(|out| write_info(out, song)),
        Event::Title(song) => screen.line(format_args!("playing {} {}", song.song, Names(song))),
        Event::Started(_started) => {
            log::info!("song {=u32} from byte {=u64}", _started.song.0, _started.position);
        }
        Event::EndedEarly(song) => screen.line(format_args!("the server ended song {song} before its end")),
        Event::Refused(refused, error) => show_refused(screen, *refused, &Refusal(error)),
        Event::Edge(song, direction) => {
            screen.line(format_args!("{}", NotPossible::Edge(*song, *direction)));
        }
        Event::NothingFound(Selection::All) => screen.line(format_args!("the server has no songs")),
        Event::NothingFound(Selection::Range { first, last }) => {
            screen.line(format_args!("no songs from {first} to {last}; list shows what there is"));
        }
        Event::NothingFound(selection) => screen.line(format_args!("nothing matches {selection}")),
        Event::MoreMatches(selection, others) => screen.line(format_args!("{others} more match {selection}")),
        Event::Added { position, songs, .. } => screen.line(format_args!("{songs} added at place {position}")),
        Event::Following(_) | Event::Found(_) => {}
        Event::Failed(error) if is_new => screen.line(format_args!("the server gave up: {}", Refusal(error))),
        Event::Failed(_) => {}
        Event::Goodbye(GoodbyeReason::Restarting) => screen.line(format_args!("the server is shutting down")),
        Event::Goodbye(GoodbyeReason::Superseded) => {
            screen.line(format_args!("another connection took this one's place; the next command connects again"));
        }
        Event::Goodbye(_) => screen.line(format_args!("the server said goodbye")),
    }
    Ok(())
}

fn show_welcome(screen: &mut Screen<'_>, server: &ServerAddress, welcome: &Welcome<'_>) {
    log::info!("welcome, {=u32} songs", welcome.song_count);
    let name = Text(if welcome.server_name.is_empty() { "a server" } else { welcome.server_name });
    match (welcome.generation, welcome.song_count) {
        // The server is still scanning its library.
        (0, _) => screen.line(format_args!("connected to {name} at {server}; help lists the commands")),
        (_, 1) => screen.line(format_args!("connected to {name} at {server}, 1 song; help lists the commands")),
        (_, count) => {
            screen.line(format_args!("connected to {name} at {server}, {count} songs; help lists the commands"));
        }
    }
}

fn show_listed(screen: &mut Screen<'_>, song: &Song<'_>, group: Option<Group>) -> fmt::Result {
    // The rest of the screen is kept for other messages.
    if screen.room() < SONG_LINE_BYTES {
        return Err(fmt::Error);
    }
    screen.lines(|out| writeln!(out, "{}", SongLine(song, group)))
}

/// Shows what was refused, and why.
fn show_refused(screen: &mut Screen<'_>, refused: Refused, refusal: &dyn fmt::Display) {
    match refused {
        Refused::Play(song) => screen.line(format_args!("play {song}: {refusal}")),
        Refused::Rest(song) => screen.line(format_args!("song {song} ends here: {refusal}")),
        Refused::Info(song) => screen.line(format_args!("info {song}: {refusal}")),
        Refused::List => screen.line(format_args!("list: {refusal}")),
        Refused::Following | Refused::Step(_) | Refused::Selection | Refused::Add | Refused::PlayNext => {
            screen.line(format_args!("no other song: {refusal}"));
        }
    }
}

/// Why a server refused something.
struct Refusal<'a>(&'a message::Error<'a>);

impl fmt::Display for Refusal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.0.code {
            ErrorCode::NO_SUCH_SONG => "there is no such song; list shows what there is",
            ErrorCode::SONG_GONE => "it is gone; list shows what there is",
            ErrorCode::SONG_CHANGED => "it has changed on the server; play it anew",
            ErrorCode::NO_AUDIO => "it contains no MP3 audio",
            ErrorCode::BAD_POSITION => "it is not that long",
            _ if self.0.text.is_empty() => return write!(f, "error {}", self.0.code.0),
            _ => return Text(self.0.text).fmt(f),
        };
        f.write_str(text)
    }
}
