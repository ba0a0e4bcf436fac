//! What the server answers to each request.

use std::time::{Duration, Instant};

use embedded_io::{ReadReady, Write};
use log::Level;
use trill_proto::error::ErrorCode;
use trill_proto::ids::{RequestId, SongId};
use trill_proto::limits::{MAX_LIST_PAGE_BYTES, MAX_NAME_BYTES, STALL_PING_AFTER};
use trill_proto::message::{Encode, Info, List, ListEnd, Play, Song, Welcome, cut};
use trill_proto::session::OutboxFull;
use trill_proto::session::server::Server as Machine;

use super::Connection;
use super::cue::{Cue, CueError};
use super::departure::Departure;
use super::request::Request;
use crate::library::{LIST_PATIENCE, Listing};
use crate::registry::NoPlace;

/// Songs that are taken from the library at once. A page of the list is long only on the wire.
const LIST_CHUNK: u32 = 16;

/// A page is written to the socket in pieces of about this size: a system call costs as much as thirty songs.
const LIST_WRITE_BYTES: usize = 12 * 1024;

/// Longest that an answer gets before it is written.
pub(super) const LIST_ANSWER_BYTES: usize = LIST_WRITE_BYTES + (LIST_CHUNK as usize + 2) * Song::MAX_FRAME_BYTES;

/// While a client waits for an answer that takes long, this is how often the server sees whether it should rather do
/// something else …
const WAIT_SLICE: Duration = Duration::from_millis(200);

/// … and if it has music to send meanwhile, this often. Then that is a frame of it, which may be what the path carries in
/// 50 ms: fast enough …
const WAIT_SLICE_WITH_MUSIC: Duration = Duration::from_millis(20);

/// … and how often it shows the client that it is there: well before one that plays another song meanwhile gives up.
const KEEP_ALIVE: Duration = STALL_PING_AFTER;

/// Requests that may wait behind one whose answer takes long. What comes then is left to TCP.
pub(super) const MAX_REQUESTS: usize = 16;

impl Connection {
    /// Answers one request, except that what remains of the answer in the machine is yet to be transmitted.
    pub(super) fn answer(&mut self, request: Request) -> Result<(), Departure> {
        match request {
            Request::Hello { nonce, name } => self.welcome(nonce, &name),
            Request::List(list) => self.list(&list),
            Request::Info(info) => self.info(&info),
            Request::Play(play) => self.play(&play),
            Request::Stopped(stream) => {
                log::debug!("{} stopped stream {stream}", self.client);
                Ok(())
            }
            Request::Failed(code) => Err(Departure::GaveUp(code)),
            Request::Goodbye => Err(Departure::Goodbye),
        }
    }

    fn welcome(&mut self, nonce: [u8; 16], name: &str) -> Result<(), Departure> {
        self.membership.join(nonce).map_err(|no_place| match no_place {
            NoPlace::Full => Departure::Full,
            NoPlace::TooManyFromThere(at_most) => Departure::TooMany(at_most),
            NoPlace::Dismissed(why) => Departure::Dismissed(why),
        })?;
        if !name.is_empty() {
            self.client = format!("{name} ({})", self.client);
        }
        self.has_joined = true;
        self.note(Level::Info, format_args!("{} joined", self.client));
        let (library, server_name) = (&self.shared.library, cut(&self.shared.name, MAX_NAME_BYTES));
        let (generation, song_count) = (library.generation(), library.song_count());
        // It fits: nothing but the preamble was said before.
        let _ = self.machine.welcome(&Welcome { generation, song_count, server_name, ..Welcome::new() });
        Ok(())
    }

    fn list(&mut self, list: &List) -> Result<(), Departure> {
        self.wait_for_library()?;
        log::debug!("{} lists songs from {} on", self.client, list.first);
        if list.first.0 > 1 {
            return self.list_page(list);
        }
        self.check_library(|_| true)?;
        let end = Instant::now() + LIST_PATIENCE;
        self.wait_in_company(|this, patience| {
            let left = end.saturating_duration_since(Instant::now());
            (this.shared.library.wait_for_tags(patience.min(left)) || left.is_zero()).then_some(())
        })?;
        self.list_page(list)
    }

    /// The songs that are known now, up to a page of them.
    fn list_page(&mut self, list: &List) -> Result<(), Departure> {
        let (mut first, mut left, mut room) = (list.first, list.at_most, MAX_LIST_PAGE_BYTES as usize);
        let mut gathered = Vec::new();
        gathered.try_reserve_exact(LIST_ANSWER_BYTES)?;
        let end = loop {
            let page = self.shared.library.page(first, left.min(LIST_CHUNK) as usize);
            let mut next = page.next;
            for listing in &page.songs {
                if room < Song::MAX_FRAME_BYTES {
                    (next, left) = (Some(listing.id), 0);
                    break;
                }
                let song = song(list.request, listing);
                room -= self.gather(&mut gathered, |machine| machine.song(&song));
                left -= 1;
            }
            let (total, generation) = (page.total, page.generation);
            drop(page); // a client that does not read should not keep it in memory
            match next {
                Some(next) if left > 0 => first = next,
                _ => break ListEnd { request: list.request, total, next, generation },
            }
            if gathered.len() >= LIST_WRITE_BYTES {
                self.write_gathered(&mut gathered)?;
            }
        };
        self.gather(&mut gathered, |machine| machine.list_end(&end));
        self.write_gathered(&mut gathered)
    }

    fn info(&mut self, info: &Info) -> Result<(), Departure> {
        self.wait_for_library()?;
        log::debug!("{} asks about song {}", self.client, info.song);
        let opened = self.open(info.song, None)?;
        match opened.and_then(|song| Ok(self.shared.library.info(&song)?)) {
            Ok(listing) => self.say(|machine| machine.song(&song(info.request, &listing))).map(drop),
            Err(error) => {
                let (code, text) = self.explain(info.song, &error);
                self.say(|machine| machine.refuse_info(info.request, code, &text))
            }
        }
    }

    fn play(&mut self, play: &Play) -> Result<(), Departure> {
        self.wait_for_library()?;
        match self.cue(play)? {
            _ if !self.machine.is_awaited(play.stream) => Ok(()), // it has its END
            Ok(Cue { song, started }) => {
                self.note(Level::Info, format_args!("{} plays {}", self.client, self.name_of(song.id())));
                self.say(|machine| machine.start(&started))?;
                self.playing.start(play.stream, song);
                Ok(())
            }
            Err(error) => {
                let (code, text) = self.explain(play.song, &error);
                self.say(|machine| machine.refuse_play(play.stream, code, &text))
            }
        }
    }

    /// What to tell the client, and the log, about a song that it cannot have.
    fn explain(&self, song: SongId, error: &CueError) -> (ErrorCode, String) {
        let code = error.code();
        let line = format_args!("{} asked for song {song}: {error}", self.client);
        match code {
            // The server's fault, not the client's.
            ErrorCode::READ_FAILED => self.note(Level::Warn, line),
            _ => log::debug!("{line}"),
        }
        (code, error.to_string())
    }

    /// Says something, if need be after what waits to be said: after that there is room for anything.
    fn say<T>(&mut self, mut words: impl FnMut(&mut Machine) -> Result<T, OutboxFull>) -> Result<T, Departure> {
        loop {
            match words(&mut self.machine) {
                Ok(said) => return Ok(said),
                Err(OutboxFull) => self.transmit()?,
            }
        }
    }

    /// As [`Self::say`], but what was said before goes into `gathered`.
    fn gather<T>(&mut self, gathered: &mut Vec<u8>, mut words: impl FnMut(&mut Machine) -> Result<T, OutboxFull>) -> T {
        loop {
            match words(&mut self.machine) {
                Ok(said) => return said,
                Err(OutboxFull) => self.move_output(gathered),
            }
        }
    }

    /// Writes `gathered`, and what the machine has to say.
    fn write_gathered(&mut self, gathered: &mut Vec<u8>) -> Result<(), Departure> {
        self.move_output(gathered);
        self.socket.writer().write_all(gathered)?;
        gathered.clear();
        Ok(())
    }

    fn move_output(&mut self, gathered: &mut Vec<u8>) {
        while let Some(bytes) = self.machine.poll_transmit(self.shared.clock.now()) {
            gathered.extend_from_slice(bytes);
        }
    }

    /// Waits for the library's first look at its directory.
    fn wait_for_library(&mut self) -> Result<(), Departure> {
        self.wait_in_company(|this, patience| this.shared.library.wait_until_scanned_for(patience).then_some(()))
    }

    /// Lets the library see what has changed, and waits for that as long as it `is_wanted`.
    pub(super) fn check_library(&mut self, is_wanted: impl Fn(&Self) -> bool) -> Result<(), Departure> {
        let check = self.shared.library.begin_check();
        self.wait_in_company(|this, patience| {
            let is_over = this.shared.library.wait_until_checked_for(check, patience) || !is_wanted(this);
            is_over.then_some(())
        })
    }

    /// Waits until `done` is, which itself waits for as long as it is told at most. Lets the client see meanwhile that the
    /// server is there, hears it out, and goes on with its music.
    pub(super) fn wait_in_company<T>(
        &mut self,
        mut done: impl FnMut(&Self, Duration) -> Option<T>,
    ) -> Result<T, Departure> {
        let mut seen = Instant::now();
        loop {
            if let Some(result) = done(self, self.wait_slice()) {
                return Ok(result);
            }
            self.check_dismissal()?;
            if seen.elapsed() >= KEEP_ALIVE {
                seen = Instant::now();
                self.machine.keep_alive(self.shared.clock.now());
            }
            self.transmit()?;
            self.playing.let_go_unless(self.machine.current_stream());
            self.hear_out()?;
            if self.has_data() {
                self.send_data()?; // one frame, so that the answer is never far behind
            }
        }
    }

    fn wait_slice(&self) -> Duration {
        if self.machine.current_stream().is_some() { WAIT_SLICE_WITH_MUSIC } else { WAIT_SLICE }
    }

    /// Takes a piece of what has come, without waiting for it. What has to be answered waits for its turn; while too much
    /// does, nothing is read, and nobody is silent.
    fn hear_out(&mut self) -> Result<(), Departure> {
        if self.input.is_empty() && self.socket.read_ready()? {
            self.receive()?;
        }
        while !self.input.is_empty() {
            if self.requests.len() >= MAX_REQUESTS {
                return if self.socket.is_deserted() { Err(self.closed()) } else { Ok(()) };
            }
            let (taken, request) = self.handle_input()?;
            match request {
                Some(request) if request.has_answer() => self.requests.push_back(request),
                Some(request) => self.answer(request)?,
                None if taken == 0 => break, // it sends more than it should, or the replies have to be transmitted
                None => {}
            }
        }
        Ok(self.machine.handle_timeout(self.shared.clock.now())?)
    }

    /// `3 "Nocturne"`, for the log.
    fn name_of(&self, song: SongId) -> String {
        let page = self.shared.library.page(song, 1);
        match page.songs.first() {
            Some(listing) if listing.id == song => format!("{song} \"{}\"", listing.title),
            _ => song.to_string(),
        }
    }
}

/// A song as it is said in answer to `request`.
fn song(request: RequestId, listing: &Listing) -> Song<'_> {
    Song {
        request,
        song: listing.id,
        duration_ms: listing.duration_ms,
        size_bytes: listing.size_bytes,
        bitrate: listing.bitrate,
        rate: listing.rate,
        channels: listing.channels,
        track: listing.track,
        is_cut: false,
        title: &listing.title,
        artist: &listing.artist,
        album: &listing.album,
    }
}
