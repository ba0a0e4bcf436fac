//! Handles the server's frames and checks that each is allowed.

use super::{Details, Exchange, Listing, Played, Session};
use crate::messages::Frame;
use trill_proto::limits::{HEADER_BYTES, MAX_LIST_PAGE_BYTES};
use trill_proto::message::{End, EndReason, Message, Pong, Song, Started};

/// The effect of a frame, and the rules for it.
impl Session {
    #[track_caller]
    pub(super) fn take(&mut self, frame: &Frame) {
        match frame.message() {
            Message::Song(song) => self.take_song(&song, frame),
            Message::ListEnd(list_end) => match self.exchanges.get_mut(&list_end.request.0) {
                Some(Exchange::List { asked, songs, end: end @ None, .. }) => {
                    let next = list_end.next.map(|next| next.0);
                    let is_after = |song: &Listing, next| match asked.search {
                        None => song.id < next,
                        Some(search) => song.id != next && !search.is_best,
                    };
                    assert!(
                        next.is_none_or(|next| songs.iter().all(|song| is_after(song, next))),
                        "{frame:?}: {songs:?}"
                    );
                    *end = Some((list_end.total, next, list_end.generation));
                }
                other => panic!("{frame:?} for {other:?}"),
            },
            Message::Started(started) => self.take_started(started),
            Message::Data(stream, bytes) => self.take_data(stream, bytes),
            Message::End(end) => self.take_end(end),
            Message::Error(error) => match self.exchanges.get_mut(&error.id) {
                Some(exchange @ Exchange::Info(None)) => *exchange = Exchange::Failed(error.code),
                Some(Exchange::Play { played: Played { started: None, end: None, .. }, .. }) => {
                    self.exchanges.insert(error.id, Exchange::Failed(error.code));
                }
                other => panic!("{frame:?} for {other:?}"),
            },
            Message::Goodbye(goodbye) => self.goodbye = Some(goodbye.reason),
            Message::Ping(ping) => {
                self.send_message(&Message::Pong(Pong { token: ping.token, received_us: 0, sent_us: 0 }));
            }
            _ => panic!("{frame:?} was not asked for"),
        }
    }

    #[track_caller]
    fn take_song(&mut self, song: &Song<'_>, frame: &Frame) {
        let listing = Listing::of(song);
        match self.exchanges.get_mut(&song.request.0) {
            Some(Exchange::List { asked, songs, bytes, end: None }) => {
                *bytes += HEADER_BYTES + frame.payload.len();
                let is_in_order = match (asked.search, songs.last()) {
                    (None, None) => song.song >= asked.first && song.rank.is_none(),
                    (None, Some(last)) => last.id < song.song.0 && song.rank.is_none(),
                    (Some(search), None) => {
                        song.rank.is_some_and(|rank| asked.first.0 > 0 || search.is_best || rank == search.rank)
                    }
                    (Some(_), Some(last)) => {
                        songs.iter().all(|before| before.id != song.song.0)
                            && song.rank == last.rank.map(|rank| rank + 1)
                    }
                };
                assert!(is_in_order, "{frame:?} after {songs:?}");
                songs.push(listing);
                let is_best = asked.search.is_some_and(|search| search.is_best);
                let at_most = if is_best { asked.at_most.min(1) } else { asked.at_most };
                let is_within = songs.len() <= at_most as usize && *bytes <= MAX_LIST_PAGE_BYTES as usize;
                assert!(is_within, "{} songs, {bytes} bytes in answer to {asked:?}", songs.len());
            }
            Some(Exchange::Info(info @ None)) => {
                assert!(song.duration_ms.is_some(), "INFO is exact: {frame:?}");
                *info = Some(listing);
            }
            other => panic!("{frame:?} for {other:?}"),
        }
    }

    #[track_caller]
    fn take_started(&mut self, started: Started) {
        for (stream, exchange) in &self.exchanges {
            if let Exchange::Play { played: Played { started: Some(_), end: None, .. }, .. } = exchange {
                panic!("{started:?} while stream {stream} is not at its end");
            }
        }
        assert_ne!(started.content_tag, 0, "{started:?}");
        let played = self.played_mut(started.stream.0);
        assert_eq!((played.started, played.end), (None, None), "before {started:?}");
        played.started = Some(started);
    }

    #[track_caller]
    fn take_data(&mut self, stream: u32, bytes: &[u8]) {
        let played = self.played_mut(stream);
        assert!(!bytes.is_empty(), "DATA without a byte");
        assert_eq!(played.end, None, "no DATA of stream {stream} may follow its END");
        let length = u32::try_from(bytes.len()).expect("a frame is not that long");
        played.credit = match played.credit.checked_sub(length) {
            Some(left) => left,
            None => panic!("{length} bytes of DATA of stream {stream} on credit of {}", played.credit),
        };
        played.audio.extend_from_slice(bytes);
        assert!(played.audio.len() as u64 <= played.size(), "more than the whole song: {} bytes", played.audio.len());
    }

    #[track_caller]
    fn take_end(&mut self, end: End) {
        let Some(Exchange::Play { was_stopped, played }) = self.exchanges.get_mut(&end.stream.0) else {
            panic!("{end:?} of no stream");
        };
        assert_eq!(played.end, None, "one END for each stream: {end:?}");
        match end.reason {
            EndReason::Stopped => assert!(*was_stopped, "nobody stopped stream {}", end.stream),
            EndReason::Finished => assert_eq!(played.audio.len() as u64, played.size(), "{end:?}"),
            EndReason::Replaced | EndReason::Failed => assert!(played.started.is_some(), "{end:?} before STARTED"),
        }
        played.end = Some(end.reason);
    }
}

impl Listing {
    pub(super) fn of(song: &Song<'_>) -> Self {
        Self {
            id: song.song.0,
            duration_ms: song.duration_ms,
            size_bytes: song.size_bytes,
            bitrate: song.bitrate,
            rate: song.rate,
            channels: song.channels,
            track: song.track,
            is_cut: song.is_cut,
            title: song.title.to_owned(),
            artist: song.artist.to_owned(),
            album: song.album.to_owned(),
            group: song.group,
            rank: song.rank,
            details: Details {
                album_artist: song.album_artist.to_owned(),
                genre: song.genre.to_owned(),
                path: song.path.to_owned(),
                year: song.year,
                disc: song.disc,
                gain: song.gain,
            },
        }
    }
}
