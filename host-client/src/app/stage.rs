//! What is to be heard: the song at hand, the one that follows it, and those asked for in their place.
//!
//! ```text
//!   play 3-7          STARTED              last byte            next song found        heard to its end
//!   ───────▶ wanted ─────────▶ [ 3 ] ───────────▶ [ 3 ] ──────────────▶ [ 3 | 4 ] ─────────────▶ [ 4 ]
//! ```
//!
//! A song asked for with [`Stage::switch_to`] changes nothing before it starts, so a wrong number leaves the music
//! alone. A song that follows is asked for as soon as every byte of the one before is here.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use trill_player::playlist::{Direction, Playlist, Search};
use trill_proto::ids::SongId;
use trill_proto::message::{EndReason, Start, Started};

use crate::buffer::{Join, Ticket};
use crate::network::{Ask, Song};

/// A song that is to be heard.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub(super) ticket: Ticket,
    pub(super) song: SongId,
    pub(super) playlist: Playlist,
    pub(super) at: Duration,
    /// The content tag that it must have, 0 for any: to seek is to hear more of the same.
    content_tag: u64,
    /// When the user asked for it; `None` if it follows by itself.
    pub(super) asked: Option<Instant>,
    /// It begins in silence if the one before was paused.
    pub(super) keeps_pause: bool,
    pub(super) started: Option<Started>,
    /// What the server told for a person to read.
    pub(super) details: Option<Song>,
    /// Nothing more of it will come.
    is_received: bool,
    /// It was asked for on the present connection, and has not ended there.
    is_asked: bool,
    pub(super) is_announced: bool,
}

/// What the end of a stream means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// All is well, or it concerns nobody.
    Fine,
    /// Part of this song is missing.
    Early(SongId),
}

/// What is to be heard.
#[derive(Debug, Default)]
pub(super) struct Stage {
    /// The song that is heard or about to be, and the one that follows it.
    songs: VecDeque<Wish>,
    /// Asked for in place of the songs and not answered, in order. Each may start, so that a wrong number at the end
    /// leaves alone those before it.
    switches: Vec<Wish>,
    /// The look for the song after the last one.
    upcoming: Option<Search>,
    last_ticket: u64,
}

impl Stage {
    /// The song that is heard, or about to be.
    pub(super) fn heard(&self) -> Option<&Wish> {
        self.songs.front()
    }

    /// The song that a listener means: the one they asked for last, or else the one they hear.
    pub(super) fn meant(&self) -> Option<&Wish> {
        self.switches.last().or_else(|| self.heard())
    }

    pub(super) fn heard_mut(&mut self) -> Option<&mut Wish> {
        self.songs.front_mut()
    }

    pub(super) fn meant_mut(&mut self) -> Option<&mut Wish> {
        self.switches.last_mut().or_else(|| self.songs.front_mut())
    }

    /// A pause goes on when whichever song comes next begins.
    pub(super) fn keep_pause(&mut self) {
        self.switches.iter_mut().chain(self.songs.front_mut()).for_each(|song| song.keeps_pause = true);
    }

    /// Whether a song was asked for and has not started.
    pub(super) fn is_switching(&self) -> bool {
        !self.switches.is_empty()
    }

    /// Whether nothing is to be heard, now or later.
    pub(super) fn is_empty(&self) -> bool {
        self.songs.is_empty() && !self.is_switching() && self.upcoming.is_none()
    }

    /// Whether music would fall silent without a server.
    pub(super) fn needs_server(&self) -> bool {
        self.is_switching() || self.upcoming.is_some() || self.songs.iter().any(|song| !song.is_received)
    }

    /// Another song in place of all there is, once it starts. Returns what to ask the server for.
    pub(super) fn switch_to(&mut self, song: SongId, at: Duration, playlist: Playlist, keeps_pause: bool) -> Ask {
        let wish = self.wish(song, at, playlist, keeps_pause);
        let ask = wish.ask(Join::Switch);
        self.switches.push(wish);
        ask
    }

    /// The song that is meant, from another place on. Returns what to ask the server for, if a song is meant.
    pub(super) fn seek(&mut self, at: Duration) -> Option<Ask> {
        let is_switching = self.is_switching();
        let meant = self.meant()?.clone();
        let wish = Wish {
            content_tag: meant.started.map_or(meant.content_tag, |started| started.content_tag),
            details: meant.details,
            is_announced: true,
            // A song that was asked for to begin with sound still does.
            ..self.wish(meant.song, at, meant.playlist, !is_switching || meant.keeps_pause)
        };
        let ask = wish.ask(Join::Switch);
        self.switches.push(wish);
        Some(ask)
    }

    /// The song that was [upcoming](Self::upcoming). Returns what to ask the server for.
    pub(super) fn follow_with(&mut self, details: Song, playlist: Playlist) -> Ask {
        let mut wish = self.wish(details.id, Duration::ZERO, playlist, true);
        (wish.details, wish.asked) = (Some(details), None);
        let ask = wish.ask(Join::Follow);
        self.upcoming = None;
        self.songs.push_back(wish);
        ask
    }

    /// The song to look for now: what is here is received, so there is time for it.
    pub(super) fn upcoming(&self) -> Option<Search> {
        let has_room = !self.is_switching() && self.songs.len() <= 1 && self.songs.iter().all(|song| song.is_received);
        self.upcoming.filter(|_| has_room)
    }

    /// There is no such song.
    pub(super) fn nothing_upcoming(&mut self) {
        self.upcoming = None;
    }

    /// No song will come in place of the others. Returns which were asked for.
    pub(super) fn give_up_switches(&mut self) -> Vec<SongId> {
        self.switches.drain(..).map(|wish| wish.song).collect()
    }

    pub(super) fn clear(&mut self) {
        self.songs.clear();
        self.switches.clear();
        self.upcoming = None;
    }

    // ── what happened ──

    /// The server was asked for this song, or the rest of it.
    pub(super) fn on_asked(&mut self, ticket: Ticket) {
        if let Some(wish) = self.find_mut(ticket) {
            wish.is_asked = true;
        }
    }

    pub(super) fn on_started(&mut self, ticket: Ticket, started: Started) {
        if let Some(place) = self.switches.iter().position(|switch| switch.ticket == ticket) {
            self.songs.clear();
            self.songs.extend(self.switches.drain(..=place).next_back());
        }
        let Some(wish) = self.songs.iter_mut().find(|song| song.ticket == ticket) else { return };
        // A song that was resumed may have another number now.
        wish.song = started.song;
        if wish.started.is_none() {
            wish.started = Some(started);
            self.upcoming = wish.upcoming();
        }
    }

    pub(super) fn on_ended(&mut self, ticket: Ticket, reason: EndReason) -> Ending {
        let ended = self.take_switch(ticket);
        let is_replaced = reason == EndReason::Replaced && self.is_switching();
        if let Some(wish) = ended {
            return if is_replaced { Ending::Fine } else { Ending::Early(wish.song) };
        }
        let Some(wish) = self.songs.iter_mut().find(|song| song.ticket == ticket) else { return Ending::Fine };
        let song = wish.song;
        wish.is_asked = false;
        if is_replaced {
            // It is only cut off until another starts, and goes on if none does.
            return Ending::Fine;
        }
        self.on_over(ticket);
        if reason == EndReason::Finished { Ending::Fine } else { Ending::Early(song) }
    }

    /// The server will not send this song, or no more of it. Returns it.
    pub(super) fn on_refused(&mut self, ticket: Ticket) -> Option<Wish> {
        self.take_switch(ticket).or_else(|| self.on_over(ticket))
    }

    /// The look for a song in place of one that was refused: the next of its playlist, unless something else was asked for.
    pub(super) fn detour(&self, refused: &Wish) -> Option<Search> {
        let is_switch = refused.asked.is_some() && refused.started.is_none();
        let is_place_in_song = !refused.at.is_zero() || refused.content_tag != 0;
        refused.upcoming().filter(|_| is_switch && !is_place_in_song && !self.is_switching())
    }

    /// What is here of this song is all there will be. Returns it.
    fn on_over(&mut self, ticket: Ticket) -> Option<Wish> {
        let index = self.songs.iter().position(|song| song.ticket == ticket)?;
        if self.songs[index].started.is_none() {
            let missing = self.songs.remove(index)?;
            self.upcoming = missing.upcoming();
            return Some(missing);
        }
        self.songs[index].is_received = true;
        Some(self.songs[index].clone())
    }

    pub(super) fn on_finished(&mut self, ticket: Ticket) {
        if self.heard().is_some_and(|song| song.ticket == ticket) {
            self.songs.pop_front();
        }
    }

    /// Every stream went with the connection.
    pub(super) fn on_disconnected(&mut self) {
        for song in self.songs.iter_mut().chain(&mut self.switches) {
            song.is_asked = false;
        }
    }

    /// What to ask the server for: the rest of a song that was cut off, of which `position` tells how far it came, and
    /// the songs asked for in its place.
    pub(super) fn unasked(&self, position: impl Fn(Ticket) -> Option<u64>) -> Vec<Ask> {
        // Not behind a song that may start: it would take the place of that.
        let is_first = self.switches.iter().all(|switch| !switch.is_asked);
        let cut = self.songs.iter().filter(|song| is_first && !song.is_received && !song.is_asked);
        let rest = cut.filter_map(|song| match song.started {
            None => Some(song.ask(Join::Follow)),
            Some(started) => Some(Ask {
                start: Start::Resume(position(song.ticket)?),
                content_tag: started.content_tag,
                ..song.ask(Join::Follow)
            }),
        });
        let switches = self.switches.iter().filter(|switch| !switch.is_asked);
        rest.chain(switches.map(|switch| switch.ask(Join::Switch))).collect()
    }

    fn take_switch(&mut self, ticket: Ticket) -> Option<Wish> {
        let place = self.switches.iter().position(|switch| switch.ticket == ticket)?;
        Some(self.switches.remove(place))
    }

    fn wish(&mut self, song: SongId, at: Duration, playlist: Playlist, keeps_pause: bool) -> Wish {
        self.last_ticket += 1;
        Wish {
            ticket: Ticket(self.last_ticket),
            song,
            playlist,
            at,
            content_tag: 0,
            asked: Some(Instant::now()),
            keeps_pause,
            started: None,
            details: None,
            is_received: false,
            is_asked: false,
            is_announced: false,
        }
    }

    /// The song of this ticket, wherever it is.
    pub(super) fn find_mut(&mut self, ticket: Ticket) -> Option<&mut Wish> {
        self.switches.iter_mut().chain(&mut self.songs).find(|song| song.ticket == ticket)
    }
}

impl Wish {
    /// What comes after it by itself.
    fn upcoming(&self) -> Option<Search> {
        Search::step(self.playlist, self.song, Direction::Next).filter(|_| self.playlist.advances)
    }

    fn ask(&self, join: Join) -> Ask {
        Ask {
            ticket: self.ticket,
            song: self.song,
            start: Start::Time(u64::try_from(self.at.as_millis()).unwrap_or(u64::MAX)),
            content_tag: self.content_tag,
            join,
            asked: self.asked,
        }
    }
}

#[cfg(test)]
mod tests;
