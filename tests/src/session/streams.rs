//! Streams of songs.

use super::{Exchange, Played, Session};
use trill_proto::error::ErrorCode;
use trill_proto::ids::{SongId, StreamId};
use trill_proto::limits::{FIRST_CREDIT_BYTES, MAX_CREDIT_BYTES};
use trill_proto::message::{Credit, Message, Play, Start, Started, Stop};

impl Session {
    /// Requests a song with the initial credit of the reference client.
    #[track_caller]
    pub fn request_play(&mut self, song: u32, start: Start) -> u32 {
        self.request_play_of(song, start, 0, FIRST_CREDIT_BYTES)
    }

    /// Requests a song that must have this content tag, unless it is 0.
    #[track_caller]
    pub fn request_play_of(&mut self, song: u32, start: Start, content_tag: u64, credit: u32) -> u32 {
        let stream = StreamId(self.next_id());
        let played = Played { credit, ..Played::default() };
        self.exchanges.insert(stream.0, Exchange::Play { was_stopped: false, played });
        self.send_message(&Message::Play(Play { stream, song: SongId(song), start, content_tag, credit }));
        stream.0
    }

    /// Waits until the stream has started.
    ///
    /// # Errors
    /// The code of the ERROR that came instead.
    ///
    /// # Panics
    /// When neither comes.
    #[track_caller]
    pub fn started(&mut self, stream: u32) -> Result<Started, ErrorCode> {
        let has_started = |played: &Played| played.started.is_some() || played.end.is_some();
        self.wait(|session| session.failed(stream).is_some() || has_started(session.played(stream)));
        self.failed(stream).map_or_else(|| Ok(*self.played(stream).started()), Err)
    }

    /// Grants more credit.
    #[track_caller]
    pub fn grant(&mut self, stream: u32, more: u32) {
        let credit = &mut self.played_mut(stream).credit;
        assert!(*credit + more <= MAX_CREDIT_BYTES, "an honest client grants no more");
        *credit += more;
        self.send_message(&Message::Credit(Credit { stream: StreamId(stream), more }));
    }

    /// Requests the end of a stream.
    #[track_caller]
    pub fn stop(&mut self, stream: u32) {
        if let Some(Exchange::Play { was_stopped, .. }) = self.exchanges.get_mut(&stream) {
            *was_stopped = true;
        }
        self.send_message(&Message::Stop(Stop { stream: StreamId(stream) }));
    }

    /// Waits until so many bytes of a stream have arrived in total.
    ///
    /// # Panics
    /// When they do not come.
    #[track_caller]
    pub fn receive_audio(&mut self, stream: u32, bytes: usize) -> &[u8] {
        self.wait(|session| session.played(stream).audio.len() >= bytes);
        &self.played(stream).audio
    }

    /// Waits for the end of a stream and returns its result.
    ///
    /// # Panics
    /// When it does not end.
    #[track_caller]
    pub fn ended(&mut self, stream: u32) -> Played {
        self.wait(|session| session.played(stream).end.is_some());
        match self.exchanges.remove(&stream) {
            Some(Exchange::Play { played, .. }) => played,
            other => panic!("no stream: {other:?}"),
        }
    }

    /// Waits for the end of a stream that may not have started.
    ///
    /// # Errors
    /// The code of the ERROR that came instead.
    ///
    /// # Panics
    /// When neither comes.
    #[track_caller]
    pub fn ended_or_failed(&mut self, stream: u32) -> Result<Played, ErrorCode> {
        self.wait(|session| session.failed(stream).is_some() || session.played(stream).end.is_some());
        self.failed(stream).map_or_else(|| Ok(self.ended(stream)), Err)
    }

    /// Plays a song from its beginning to its end: see [`Self::receive_all`].
    ///
    /// # Errors
    /// The code of the ERROR that came instead.
    ///
    /// # Panics
    /// When neither comes.
    #[track_caller]
    pub fn play_out(&mut self, song: u32) -> Result<Played, ErrorCode> {
        let stream = self.request_play(song, Start::Time(0));
        self.started(stream)?;
        Ok(self.receive_all(stream))
    }

    /// Receives a stream to its end at full speed, with a buffer of 16 KiB.
    ///
    /// # Panics
    /// When it does not end.
    #[track_caller]
    pub fn receive_all(&mut self, stream: u32) -> Played {
        while self.played(stream).end.is_none() {
            let played = self.played(stream);
            let left = played.size() - played.audio.len() as u64;
            let free = FIRST_CREDIT_BYTES.saturating_sub(played.credit);
            let wanted = free.min(u32::try_from(left - u64::from(played.credit).min(left)).unwrap_or(u32::MAX));
            if wanted > 0 && (wanted >= FIRST_CREDIT_BYTES / 2 || played.credit == 0) {
                self.grant(stream, wanted);
            }
            self.step();
        }
        self.ended(stream)
    }

    /// The result of a stream so far.
    ///
    /// # Panics
    /// When the stream does not exist or failed.
    #[track_caller]
    pub fn played(&self, stream: u32) -> &Played {
        match &self.exchanges[&stream] {
            Exchange::Play { played, .. } => played,
            other => panic!("no stream {stream}: {other:?}"),
        }
    }

    #[track_caller]
    pub(super) fn played_mut(&mut self, stream: u32) -> &mut Played {
        match self.exchanges.get_mut(&stream) {
            Some(Exchange::Play { played, .. }) => played,
            other => panic!("no stream {stream}: {other:?}"),
        }
    }

    pub(super) fn failed(&self, stream: u32) -> Option<ErrorCode> {
        match self.exchanges[&stream] {
            Exchange::Failed(code) => Some(code),
            _ => None,
        }
    }
}
