//! The answer to each request.

use std::time::{Duration, Instant};

use embedded_io::Write;
use log::Level;
use trill_proto::error::ErrorCode;
use trill_proto::ids::{RequestId, SongId};
use trill_proto::limits::{HEADER_BYTES, MAX_CONTROL_BYTES, MAX_LIST_PAGE_BYTES, MAX_NAME_BYTES, STALL_PING_AFTER};
use trill_proto::message::{Encode, Info, ListEnd, Play, Song, Welcome, cut};
use trill_proto::session::OutboxFull;

use super::prepare::{PrepareError, error_code};
use super::read::{Freshness, ListRequest, Request};
use super::{Connection, Session};
use crate::close::CloseReason;
use crate::library::{LIST_TIMEOUT, Listing, Page, SongDetails, SongError};

/// Songs that fit into a page at most.
const MAX_PAGE_SONGS: usize = MAX_LIST_PAGE_BYTES as usize / Song::MIN_FRAME_BYTES;

/// Memory of a page at most.
pub(super) const PAGE_BYTES: usize = MAX_PAGE_SONGS.next_power_of_two() * size_of::<usize>();

/// A page is written in pieces of about this size: a system call costs as much as thirty songs.
const LIST_WRITE_BYTES: usize = 12 * 1024;

/// The longest piece of a page.
pub(super) const LIST_ANSWER_BYTES: usize = LIST_WRITE_BYTES + 2 * (HEADER_BYTES + MAX_CONTROL_BYTES);

/// A client that does nothing but search uses up to one part in this many of a core's time. Looking through 100,000 songs takes
/// 10 ms or more.
const SEARCH_COST: u32 = 4;

/// How often a connection that waits for the library handles its client.
const SERVE_INTERVAL: Duration = Duration::from_millis(200);

/// The same with a song to send. Each time it sends one frame, which may be 50 ms of what the path carries.
const SERVE_INTERVAL_WITH_STREAM: Duration = Duration::from_millis(20);

/// How often a client that waits gets a sign of life: well before one that plays another song would reconnect.
const KEEP_ALIVE: Duration = STALL_PING_AFTER;

impl Connection {
    /// Answers one request. The end of the answer may wait in the session to be transmitted.
    pub(super) fn answer(&mut self, request: Request) -> Result<(), CloseReason> {
        match request {
            Request::Hello { nonce, name } => self.welcome(nonce, &name),
            Request::List(list) => self.list(&list),
            Request::Info(info) => self.info(&info),
            Request::Play(play) => self.play(&play),
            Request::Stopped(stream) => {
                log::debug!("{} stopped stream {stream}", self.client);
                Ok(())
            }
            Request::Failed(code) => Err(CloseReason::ClientError(code)),
            Request::Goodbye => Err(CloseReason::Goodbye),
        }
    }

    fn welcome(&mut self, nonce: [u8; 16], name: &str) -> Result<(), CloseReason> {
        self.entry.activate(nonce)?;
        if !name.is_empty() {
            self.client = format!("{name} ({})", self.client);
        }
        self.is_active = true;
        self.log(Level::Info, format_args!("{} joined", self.client));
        let (library, server_name) = (&self.shared.library, cut(&self.shared.name, MAX_NAME_BYTES));
        let (generation, song_count) = (library.generation(), library.song_count());
        // It fits: only the preamble was sent before.
        let _ = self.session.welcome(&Welcome { generation, song_count, server_name, ..Welcome::new() });
        Ok(())
    }

    fn play(&mut self, play: &Play) -> Result<(), CloseReason> {
        self.wait_for_first_scan()?;
        let prepared = self.prepare_play(play);
        match prepared {
            Err(PrepareError::Close(reason)) => Err(reason),
            _ if !self.session.is_awaited(play.stream) => Ok(()), // it has its END
            Ok(prepared) => {
                self.log(Level::Info, format_args!("{} plays {}", self.client, self.describe(prepared.song.id())));
                self.reply(|session| session.start(&prepared.started))?;
                self.stream.start(play.stream, prepared.song);
                Ok(())
            }
            Err(PrepareError::Song(error)) => {
                let (code, text) = self.explain(play.song, &error);
                self.reply(|session| session.refuse_play(play.stream, code, &text))
            }
            Err(PrepareError::Unwanted) => Ok(()),
        }
    }

    fn info(&mut self, info: &Info) -> Result<(), CloseReason> {
        self.wait_for_first_scan()?;
        log::debug!("{} asks about song {}", self.client, info.song);
        let opened = self.open_song(info.song, None);
        let library = &self.shared.library;
        match opened.and_then(|song| Ok((library.info(&song)?, library.song_details(info.song)?))) {
            Ok((listing, details)) => {
                let song = with_details(song(info.request, &listing), &details);
                self.reply(|session| session.song(&song)).map(drop)
            }
            Err(PrepareError::Song(error)) => {
                let (code, text) = self.explain(info.song, &error);
                self.reply(|session| session.refuse_info(info.request, code, &text))
            }
            Err(PrepareError::Close(reason)) => Err(reason),
            Err(PrepareError::Unwanted) => Ok(()),
        }
    }

    fn list(&mut self, list: &ListRequest) -> Result<(), CloseReason> {
        self.wait_for_first_scan()?;
        match list.search() {
            None => log::debug!("{} lists songs from {} on", self.client, list.first),
            Some(search) => log::debug!("{} lists from {} on: {search:?}", self.client, list.first),
        }
        match list.freshness() {
            Freshness::Latest => {
                self.check_library(|_| true)?;
                self.wait_for_tags()?;
            }
            Freshness::Recent => {
                let end = Instant::now() + LIST_TIMEOUT;
                self.check_library(|_| Instant::now() < end)?;
                self.wait_for_tags()?;
            }
            // People search while they type, so the answer does not wait. The next one shows what is found.
            Freshness::Soon => drop(self.shared.library.begin_check()),
            Freshness::Any => {}
        }
        let page = if list.looks_through_songs() { self.search(list)? } else { self.find_page(list) };
        self.write_page(list.request, &page)
    }

    /// Waits a moment for the tags of files that are being read.
    fn wait_for_tags(&mut self) -> Result<(), CloseReason> {
        let end = Instant::now() + LIST_TIMEOUT;
        self.wait_while_serving(|this, timeout| {
            let left = end.saturating_duration_since(Instant::now());
            (this.shared.library.wait_for_tags(timeout.min(left)) || left.is_zero()).then_some(())
        })
    }

    /// A page of a search that looks through all songs, which takes time and memory.
    fn search(&mut self, list: &ListRequest) -> Result<Page, CloseReason> {
        let slot = self.wait_while_serving(|this, timeout| this.shared.library.wait_for_search(timeout))?;
        let begun = Instant::now();
        let page = self.find_page(list);
        drop(slot);
        self.session.charge(self.shared.clock.now(), begun.elapsed() * SEARCH_COST);
        Ok(page)
    }

    /// A page of the songs that are known now.
    fn find_page(&self, list: &ListRequest) -> Page {
        let (library, at_most) = (&self.shared.library, MAX_PAGE_SONGS.min(list.at_most as usize));
        match list.search() {
            None => library.page(list.first, at_most),
            Some(search) => library.search(&search, list.first, at_most),
        }
    }

    /// Writes as many songs of a page as fit into an answer.
    fn write_page(&mut self, request: RequestId, page: &Page) -> Result<(), CloseReason> {
        let mut end = ListEnd { request, total: page.total, next: page.next, generation: page.generation };
        let mut room = MAX_LIST_PAGE_BYTES as usize;
        let mut piece = Vec::new();
        piece.try_reserve_exact(LIST_ANSWER_BYTES)?;
        for listing in page.songs() {
            if room < Song::MAX_FRAME_BYTES {
                end.next = Some(listing.id);
                break;
            }
            let song = song(request, &listing);
            room -= self.append(&mut piece, |session| session.song(&song));
            if piece.len() >= LIST_WRITE_BYTES {
                self.write_piece(&mut piece)?;
            }
        }
        self.append(&mut piece, |session| session.list_end(&end));
        self.write_piece(&mut piece)
    }

    /// What to tell the client, and the log, about a song that it cannot have.
    fn explain(&self, song: SongId, error: &SongError) -> (ErrorCode, String) {
        let code = error_code(error);
        let line = format_args!("{} asked for song {song}: {error}", self.client);
        match code {
            // The server's fault, not the client's.
            ErrorCode::READ_FAILED => self.log(Level::Warn, line),
            _ => log::debug!("{line}"),
        }
        (code, error.to_string())
    }

    /// Gives a reply to the session; transmits the frames before it first if there is no room.
    fn reply<T>(&mut self, mut reply: impl FnMut(&mut Session) -> Result<T, OutboxFull>) -> Result<T, CloseReason> {
        loop {
            match reply(&mut self.session) {
                Ok(replied) => return Ok(replied),
                Err(OutboxFull) => self.transmit()?,
            }
        }
    }

    /// The same, but moves the frames before it to `piece`.
    fn append<T>(&mut self, piece: &mut Vec<u8>, mut reply: impl FnMut(&mut Session) -> Result<T, OutboxFull>) -> T {
        loop {
            match reply(&mut self.session) {
                Ok(replied) => return replied,
                Err(OutboxFull) => self.move_output(piece),
            }
        }
    }

    /// Writes `piece` and the session's output.
    fn write_piece(&mut self, piece: &mut Vec<u8>) -> Result<(), CloseReason> {
        self.move_output(piece);
        self.socket.writer().write_all(piece)?;
        piece.clear();
        Ok(())
    }

    fn move_output(&mut self, piece: &mut Vec<u8>) {
        while let Some(bytes) = self.session.poll_transmit(self.shared.clock.now()) {
            piece.extend_from_slice(bytes);
        }
    }

    fn wait_for_first_scan(&mut self) -> Result<(), CloseReason> {
        self.wait_while_serving(|this, timeout| this.shared.library.wait_until_scanned_for(timeout).then_some(()))
    }

    /// Lets the library find changes, and waits for that as long as it `is_wanted`.
    pub(super) fn check_library(&mut self, is_wanted: impl Fn(&Self) -> bool) -> Result<(), CloseReason> {
        let check = self.shared.library.begin_check();
        self.wait_while_serving(|this, timeout| {
            let is_over = this.shared.library.wait_until_checked_for(check, timeout) || !is_wanted(this);
            is_over.then_some(())
        })
    }

    /// Calls `poll` until it returns something. `poll` waits itself, at most for the time that it is given. In between, the
    /// client gets signs of life and its music, and its input is handled.
    pub(super) fn wait_while_serving<T>(
        &mut self,
        mut poll: impl FnMut(&Self, Duration) -> Option<T>,
    ) -> Result<T, CloseReason> {
        let mut last_ping = Instant::now();
        loop {
            let has_stream = self.session.current_stream().is_some();
            if let Some(result) = poll(self, if has_stream { SERVE_INTERVAL_WITH_STREAM } else { SERVE_INTERVAL }) {
                return Ok(result);
            }
            self.check_open()?;
            if last_ping.elapsed() >= KEEP_ALIVE {
                last_ping = Instant::now();
                self.session.keep_alive(self.shared.clock.now());
            }
            self.transmit()?;
            self.stream.close_unless(self.session.current_stream());
            self.drain_input()?;
            if self.has_data() {
                self.send_data()?; // one frame, so that the answer is not delayed by more
            }
        }
    }

    /// `3 "Nocturne"`, for the log.
    fn describe(&self, song: SongId) -> String {
        let page = self.shared.library.page(song, 1);
        match page.songs().next() {
            Some(listing) if listing.id == song => format!("{song} \"{}\"", listing.title),
            _ => song.to_string(),
        }
    }
}

/// A SONG in answer to `request`.
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
        group: listing.group,
        rank: listing.rank,
        ..Song::default()
    }
}

fn with_details<'a>(song: Song<'a>, details: &'a SongDetails) -> Song<'a> {
    let SongDetails { album_artist, genre, path, year, disc, gain } = details;
    Song { album_artist, genre, path, year: *year, disc: *disc, gain: *gain, ..song }
}
