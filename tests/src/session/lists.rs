//! Lists and INFO.

use super::{DEADLINE, Exchange, Listing, Page, Session};

use std::time::Instant;
use trill_proto::error::ErrorCode;
use trill_proto::ids::{RequestId, SongId};
use trill_proto::message::{Info, List, Message, Search};

impl Session {
    /// Requests a page of the list.
    #[track_caller]
    pub fn request_page(&mut self, first: u32, at_most: u32) -> u32 {
        self.request_list(first, at_most, None)
    }

    /// Requests a page of the songs that match a query.
    #[track_caller]
    pub fn request_search(&mut self, search: Search<'static>, first: u32, at_most: u32) -> u32 {
        self.request_list(first, at_most, Some(search))
    }

    #[track_caller]
    fn request_list(&mut self, first: u32, at_most: u32, search: Option<Search<'static>>) -> u32 {
        let request = RequestId(self.next_id());
        let asked = List { request, first: SongId(first), at_most, search };
        self.exchanges.insert(request.0, Exchange::List { asked, songs: Vec::new(), bytes: 0, end: None });
        self.send_message(&Message::List(asked));
        request.0
    }

    /// Waits for the requested page.
    ///
    /// # Panics
    /// When it does not come.
    #[track_caller]
    pub fn page(&mut self, request: u32) -> Page {
        self.wait(|session| matches!(session.exchanges[&request], Exchange::List { end: Some(_), .. }));
        match self.exchanges.remove(&request) {
            Some(Exchange::List { songs, end: Some((total, next, generation)), .. }) => {
                Page { songs, total, next, generation }
            }
            other => panic!("expected a page, got {other:?}"),
        }
    }

    /// Requests the whole list, page by page.
    ///
    /// # Panics
    /// When a page does not come, or the number of songs differs from the server's total although the library did not change.
    #[track_caller]
    pub fn list(&mut self) -> Vec<Listing> {
        let (mut songs, mut next, mut total, mut generations) = (Vec::new(), Some(1), 0, Vec::new());
        while let Some(first) = next {
            let request = self.request_page(first, u32::MAX);
            let page = self.page(request);
            songs.extend(page.songs);
            (next, total) = (page.next, page.total);
            generations.push(page.generation);
        }
        generations.dedup();
        if generations.len() == 1 {
            assert_eq!(songs.len(), total as usize, "songs in the list, and what LIST-END says");
        }
        songs
    }

    /// Requests lists until every song is measured.
    ///
    /// # Panics
    /// When that takes longer than 20 s.
    #[track_caller]
    pub fn list_measured(&mut self) -> Vec<Listing> {
        let end = Instant::now() + DEADLINE;
        loop {
            // A list waits for songs that are being scanned.
            let songs = self.list();
            if songs.iter().all(|song| song.duration_ms.is_some()) {
                return songs;
            }
            assert!(Instant::now() < end, "still not measured after {DEADLINE:?}: {songs:?}");
        }
    }

    /// Requests the INFO of a song.
    #[track_caller]
    pub fn request_info(&mut self, song: u32) -> u32 {
        let request = RequestId(self.next_id());
        self.exchanges.insert(request.0, Exchange::Info(None));
        self.send_message(&Message::Info(Info { request, song: SongId(song) }));
        request.0
    }

    /// Waits for the requested INFO.
    ///
    /// # Errors
    /// The code of the ERROR that came instead.
    ///
    /// # Panics
    /// When neither comes.
    #[track_caller]
    pub fn info(&mut self, request: u32) -> Result<Listing, ErrorCode> {
        self.wait(|session| !matches!(session.exchanges[&request], Exchange::Info(None)));
        match self.exchanges.remove(&request) {
            Some(Exchange::Info(Some(song))) => Ok(song),
            Some(Exchange::Failed(code)) => Err(code),
            other => panic!("expected INFO, got {other:?}"),
        }
    }
}
