//! A client's machine and a server that breaks the protocol, or is alive and does not do what it owes.

use std::time::Duration;
use trill_proto::error::{ErrorCode, SessionError};
use trill_proto::ids::{RequestId, SongId, StreamId};
use trill_proto::limits::{ANSWER_TIMEOUT, DATA_TIMEOUT, FIRST_CREDIT_BYTES, MAX_BITRATE, MAX_SONG_BYTES, PING_AFTER};
use trill_proto::message::{
    End, EndReason, Error, ListEnd, Message, MessageType, PREAMBLE, Ping, Pong, Search, Song, Start, Started, Welcome,
};
use trill_proto::session::client::{Client, Event, Identity, PlayRequest};
use trill_proto::time::Instant;

const TAG: u64 = 0x7a9;

/// What a song of a minute at 128 kbit/s starts with.
const STARTED: Started = Started {
    stream: StreamId(1),
    song: SongId(3),
    content_tag: TAG,
    position: 0,
    size_bytes: 960_000,
    first_sample: 0,
    first_fraction: 0,
    discard: 1_105,
    begin_sample: 1_105,
    end_sample: 2_646_000,
    bitrate: 128_000,
    rate: 44_100,
    channels: 2,
    encoder_delay: 576,
    encoder_padding: 0,
    gain: trill_proto::message::Gain::UNKNOWN,
};

/// A client on an open connection, and its clock.
struct Listener {
    now: Instant,
    client: Client,
}

impl Listener {
    fn new() -> Self {
        Self::greeted_after(Duration::ZERO)
    }

    /// One that has waited so long for WELCOME.
    fn greeted_after(delay: Duration) -> Self {
        let now = Instant::from_micros(1_000_000);
        let mut listener = Self { now, client: Client::new(now, &Identity { name: "test", nonce: [7; 16], roles: 0 }) };
        listener.hear_bytes(&PREAMBLE).expect("a preamble");
        listener.now = now + delay;
        listener.hear(&Message::Welcome(Welcome::new())).expect("WELCOME");
        listener
    }

    /// One that plays song 3.
    fn playing() -> Self {
        let mut listener = Self::new();
        listener.play(Start::Time(0), 0);
        listener.hear(&Message::Started(STARTED)).expect("STARTED");
        listener
    }

    fn play(&mut self, start: Start, content_tag: u64) -> StreamId {
        let wanted = PlayRequest { song: SongId(3), start, content_tag, capacity: 1 << 20, occupied: 0 };
        self.client.play(self.now, &wanted).expect("room")
    }

    fn ask(&mut self, start: Start, content_tag: u64) {
        self.play(start, content_tag);
    }

    fn list(&mut self, first: u32, at_most: u32) {
        self.client.list(SongId(first), at_most).expect("room");
    }

    fn info(&mut self, song: u32) {
        self.client.info(SongId(song)).expect("room");
    }

    fn hear(&mut self, message: &Message<'_>) -> Result<(), SessionError> {
        let mut frame = vec![0; 70_000];
        let length = message.encode(&mut frame).expect("fits");
        self.hear_bytes(&frame[..length])
    }

    fn hear_bytes(&mut self, mut bytes: &[u8]) -> Result<(), SessionError> {
        self.transmit();
        while !bytes.is_empty() {
            let (taken, event) = self.client.handle_input(self.now, bytes)?;
            if let Some(Event::Data { stream, bytes }) = event {
                let count = bytes.len();
                self.client.release(stream, count);
            }
            bytes = &bytes[taken..];
        }
        self.transmit();
        Ok(())
    }

    fn transmit(&mut self) -> Vec<u8> {
        let mut said = Vec::new();
        while let Some(bytes) = self.client.poll_transmit(self.now) {
            said.extend_from_slice(bytes);
        }
        said
    }

    /// Lets time pass, and the server send this each time after so long, until the client gives up; says why, and after how
    /// long. `None` if it did not within ten minutes.
    fn give_up(&mut self, every: Duration, mut said: impl FnMut(&Self) -> Vec<u8>) -> Option<(SessionError, Duration)> {
        let begun = self.now;
        let mut next = begun + every;
        while self.now.saturating_since(begun) < Duration::from_secs(600) {
            let due = self.client.poll_timeout().expect("an open session");
            self.now = due.min(next).max(self.now);
            if self.now >= next {
                next = self.now + every;
                let said = said(self);
                self.hear_bytes(&said).expect("an honest message");
            }
            if let Err(error) = self.client.handle_timeout(self.now) {
                let last_words = [0x0a, 0, 0, 2, 0, 0, 0, 0, 0, error.code().expect("a code").0 as u8];
                assert!(self.transmit().ends_with(&last_words), "ERROR is said");
                return Some((error, self.now.saturating_since(begun)));
            }
            self.transmit();
        }
        None
    }
}

fn frame(message: &Message<'_>) -> Vec<u8> {
    let mut frame = vec![0; 70_000];
    let length = message.encode(&mut frame).expect("fits");
    frame.truncate(length);
    frame
}

fn ping(listener: &Listener) -> Vec<u8> {
    frame(&Message::Ping(Ping { token: listener.now.as_micros() }))
}

const HALF_A_SECOND: Duration = Duration::from_millis(500);

/// What is asked, and how long a server that only says PING is waited for.
#[track_caller]
fn check_alive(ask: impl Fn(&mut Listener), expected: SessionError, within: Duration) {
    let mut listener = Listener::new();
    ask(&mut listener);
    let (error, after) = listener.give_up(HALF_A_SECOND, ping).expect("it gives up");
    assert_eq!(error, expected);
    assert!((within..=within + HALF_A_SECOND).contains(&after), "after {after:?}");
}

#[test]
fn an_answer_that_never_comes_is_given_up_however_alive_the_server_is() {
    let (unanswered, stalled) = (SessionError::Unanswered, SessionError::Stalled);
    check_alive(|it| it.list(1, 9), unanswered, ANSWER_TIMEOUT);
    check_alive(|it| it.info(3), unanswered, ANSWER_TIMEOUT);
    check_alive(|it| it.ask(Start::Time(0), 0), unanswered, ANSWER_TIMEOUT);
    let started = |it: &mut Listener| {
        it.play(Start::Time(0), 0);
        it.hear(&Message::Started(STARTED)).expect("STARTED");
    };
    check_alive(started, stalled, DATA_TIMEOUT);
    let data_then_none = |it: &mut Listener| {
        started(it);
        it.hear(&Message::Data(1, &[0; 9_000])).expect("DATA");
    };
    check_alive(data_then_none, stalled, DATA_TIMEOUT);
}

#[test]
fn nothing_is_due_without_a_question_or_credit() {
    let mut idle = Listener::new();
    assert_eq!(idle.give_up(HALF_A_SECOND, ping), None);
    // A player that is paused takes nothing out of its buffer, and grants no more once that is full.
    let mut paused = Listener::new();
    let (song, start, capacity) = (SongId(3), Start::Time(0), FIRST_CREDIT_BYTES);
    let wanted = PlayRequest { song, start, content_tag: 0, capacity, occupied: 0 };
    paused.client.play(paused.now, &wanted).expect("room");
    paused.hear(&Message::Started(STARTED)).expect("STARTED");
    let data = frame(&Message::Data(1, &[0; FIRST_CREDIT_BYTES as usize]));
    let mut rest = &data[..];
    while !rest.is_empty() {
        let (taken, _) = paused.client.handle_input(paused.now, rest).expect("DATA");
        rest = &rest[taken..];
    }
    assert_eq!(paused.give_up(HALF_A_SECOND, ping), None);
}

#[test]
fn a_trickle_below_any_music_is_given_up_and_slow_music_is_not() {
    let trickle = |bytes: usize| {
        Listener::playing().give_up(Duration::from_millis(100), move |_| frame(&Message::Data(1, &vec![0; bytes])))
    };
    for bytes in [1, 10, 50] {
        let (error, after) = trickle(bytes).expect("it gives up");
        assert!(error == SessionError::Stalled && after <= DATA_TIMEOUT * 2, "{bytes} bytes: {error} after {after:?}");
    }
    // 12 kbit/s for ten minutes.
    assert_eq!(trickle(150), None);
}

#[test]
fn a_page_may_come_slowly_but_not_for_ever() {
    let page = |every_ms, title: &'static str| {
        let mut listener = Listener::new();
        let request = listener.client.list(SongId(1), 100_000).expect("room");
        let mut last = 0;
        listener.give_up(Duration::from_millis(every_ms), move |_| {
            last += 1;
            frame(&Message::Song(Song { request, song: SongId(last), title, ..Song::default() }))
        })
    };
    // A song of 44 bytes each second keeps a server alive, and is no list.
    let (error, after) = page(1_000, "tick").expect("it gives up");
    assert!(error == SessionError::Unanswered && after < ANSWER_TIMEOUT + Duration::from_secs(3), "{after:?}");
}

#[test]
fn a_page_of_the_largest_size_comes_over_a_path_of_16_kilobits() {
    let title = "x".repeat(200);
    let mut listener = Listener::new();
    let request = listener.client.list(SongId(1), 500).expect("room");
    for number in 1.. {
        let song = frame(&Message::Song(Song { request, song: SongId(number), title: &title, ..Song::default() }));
        if number as usize * song.len() > 65_536 {
            break;
        }
        listener.now = listener.now + Duration::from_micros(song.len() as u64 * 500);
        listener.hear_bytes(&song).expect("a song");
        assert_eq!(listener.client.handle_timeout(listener.now), Ok(()), "song {number}");
    }
    listener.hear(&Message::ListEnd(ListEnd { request, total: 1, next: None, generation: 1 })).expect("LIST-END");
}

#[test]
fn each_answer_has_its_own_time() {
    let mut listener = Listener::new();
    let requests = [1, 2, 3].map(|song| listener.client.info(SongId(song)).expect("room"));
    for (request, song) in requests.into_iter().zip(1..) {
        let end = listener.now + (ANSWER_TIMEOUT - Duration::from_secs(1));
        while listener.now < end {
            listener.now = listener.now + HALF_A_SECOND;
            let ping = ping(&listener);
            listener.hear_bytes(&ping).expect("PING");
            assert_eq!(listener.client.handle_timeout(listener.now), Ok(()));
        }
        let song = Song { request, song: SongId(song), title: "x", ..Song::default() };
        listener.hear(&Message::Song(song)).expect("an answer");
    }
}

#[test]
fn a_machine_that_slept_gives_what_is_due_its_time_anew() {
    let mut listener = Listener::playing();
    listener.client.info(SongId(3)).expect("room");
    listener.transmit();
    listener.now = listener.now + Duration::from_secs(3_600);
    assert_eq!(listener.client.handle_timeout(listener.now), Ok(()));
    let ping = ping(&listener);
    listener.hear_bytes(&ping).expect("PING");
    assert_eq!(listener.client.handle_timeout(listener.now), Ok(()));
}

#[test]
fn a_ping_that_waits_at_the_deadline_does_not_renew_it() {
    let mut listener = Listener::new();
    let deadline = listener.now + ANSWER_TIMEOUT;
    let last_heard = listener.now + (ANSWER_TIMEOUT - PING_AFTER - Duration::from_millis(300));
    listener.list(1, 10);
    listener.transmit();
    // The server is heard until the client's own PING falls due right before the deadline.
    while listener.now < last_heard {
        listener.now = (listener.now + Duration::from_millis(500)).min(last_heard);
        let ping = ping(&listener);
        listener.hear_bytes(&ping).expect("PING");
        assert_eq!(listener.client.handle_timeout(listener.now), Ok(()));
    }
    listener.now = listener.client.poll_timeout().expect("an open session");
    assert_eq!(listener.client.handle_timeout(listener.now), Ok(()));
    let token = listener.now.as_micros();
    listener.transmit();
    // The answer to the PING shows that the server is there, and comes when the other has been due for long.
    listener.now = deadline + Duration::from_millis(1_500);
    assert_eq!(listener.client.handle_timeout(listener.now), Ok(()));
    listener.hear(&Message::Pong(Pong { token, received_us: 0, sent_us: 0 })).expect("PONG");
    assert_eq!(listener.client.handle_timeout(listener.now), Err(SessionError::Unanswered));
}

/// A client that has asked for what `ask` asks, and what it makes of a message.
#[track_caller]
fn check_wrong(ask: impl Fn(&mut Listener), wrong: &Message<'_>, expected: SessionError) {
    let mut listener = Listener::new();
    ask(&mut listener);
    assert_eq!(listener.hear(wrong), Err(expected), "{wrong:?}");
    let code = expected.code().expect("a code").0 as u8;
    assert!(listener.transmit().ends_with(&[0x0a, 0, 0, 2, 0, 0, 0, 0, 0, code]), "ERROR {code} is said");
}

#[test]
fn answers_that_nobody_asked_for_are_refused() {
    let song = |id, song| Message::Song(Song { request: RequestId(id), song: SongId(song), ..Song::default() });
    let end = |id, next| {
        let next = (next > 0).then_some(SongId(next));
        Message::ListEnd(ListEnd { request: RequestId(id), total: 9, next, generation: 1 })
    };
    let (unexpected, malformed) =
        (SessionError::Unexpected(MessageType::Song), SessionError::Malformed(MessageType::Song));
    let list = |it: &mut Listener| it.list(5, 2);
    let info = |it: &mut Listener| it.info(3);
    check_wrong(|_| {}, &song(1, 1), unexpected);
    check_wrong(list, &song(2, 5), unexpected);
    check_wrong(list, &song(1, 4), malformed);
    check_wrong(info, &song(1, 4), malformed);
    let with = |songs: &'static [u32]| {
        move |it: &mut Listener| {
            list(it);
            songs.iter().for_each(|number| it.hear(&song(1, *number)).expect("a song"));
        }
    };
    check_wrong(with(&[7]), &song(1, 7), malformed);
    check_wrong(with(&[7]), &song(1, 6), malformed);
    check_wrong(with(&[7, 9]), &song(1, 11), unexpected);
    let (unexpected, malformed) =
        (SessionError::Unexpected(MessageType::ListEnd), SessionError::Malformed(MessageType::ListEnd));
    check_wrong(|_| {}, &end(1, 0), unexpected);
    check_wrong(info, &end(1, 0), unexpected);
    check_wrong(list, &end(1, 5), malformed);
    check_wrong(list, &end(1, 1), malformed);
    // A page without songs that goes on.
    check_wrong(list, &end(1, 6), malformed);
    check_wrong(with(&[7]), &end(1, 7), malformed);
    let mut empty = Listener::new();
    let request = empty.client.list(SongId(5), 0).expect("room");
    empty.hear(&end(request.0, 5)).expect("a page without songs may name its own beginning");
}

/// The song of a search whose rank is this.
fn ranked(song: u32, rank: impl Into<Option<u32>>) -> Message<'static> {
    Message::Song(Song { request: RequestId(1), song: SongId(song), rank: rank.into(), ..Song::default() })
}

fn list_end(next: u32) -> Message<'static> {
    Message::ListEnd(ListEnd { request: RequestId(1), total: 9, next: Some(SongId(next)), generation: 1 })
}

#[test]
fn the_answer_to_a_search_may_have_any_order_and_must_advance() {
    let search = |at_most| {
        move |it: &mut Listener| {
            it.client.search(Search::default(), SongId(5), at_most).expect("room");
        }
    };
    let mut listener = Listener::new();
    search(3)(&mut listener);
    for message in [ranked(5, 7), ranked(9, 8), ranked(2, 9), list_end(3)] {
        assert_eq!(listener.hear(&message), Ok(()), "{message:?}");
    }
    let (too_many, malformed) =
        (SessionError::Unexpected(MessageType::Song), SessionError::Malformed(MessageType::ListEnd));
    let page = |it: &mut Listener| {
        search(2)(it);
        [ranked(5, 0), ranked(1, 1)].iter().for_each(|song| it.hear(song).expect("a song"));
    };
    check_wrong(page, &ranked(3, 2), too_many);
    check_wrong(page, &list_end(1), malformed);
    check_wrong(page, &list_end(5), malformed);
    check_wrong(search(2), &list_end(7), malformed);
    let mut empty = Listener::new();
    search(0)(&mut empty);
    empty.hear(&list_end(1)).expect("a page without songs may name any song");
}

#[test]
fn the_songs_of_a_search_have_the_ranks_that_were_asked_for() {
    let malformed = SessionError::Malformed(MessageType::Song);
    let search = |first, search| {
        move |it: &mut Listener| {
            it.client.search(search, SongId(first), 9).expect("room");
        }
    };
    let at_rank_4 = search(0, Search { rank: 4, ..Search::default() });
    let mut listener = Listener::new();
    at_rank_4(&mut listener);
    assert_eq!(listener.hear(&ranked(8, 4)), Ok(()));
    assert_eq!(listener.hear(&ranked(3, 6)), Err(malformed));
    check_wrong(at_rank_4, &ranked(8, 3), malformed);
    check_wrong(search(5, Search::default()), &ranked(5, None), malformed);
    check_wrong(search(5, Search::default()), &ranked(5, u32::MAX), malformed);
}

#[test]
fn a_search_for_the_best_brings_one_song_of_any_rank() {
    let best = |it: &mut Listener| {
        it.client.search(Search { is_best: true, ..Search::default() }, SongId(0), 9).expect("room");
    };
    let with_one = |it: &mut Listener| {
        best(it);
        it.hear(&ranked(5, 7)).expect("the best song");
    };
    check_wrong(with_one, &ranked(6, 8), SessionError::Unexpected(MessageType::Song));
    check_wrong(with_one, &list_end(6), SessionError::Malformed(MessageType::ListEnd));
    check_wrong(best, &ranked(5, None), SessionError::Malformed(MessageType::Song));
}

#[test]
fn a_stream_is_not_mistaken_for_a_request() {
    let list = |it: &mut Listener| it.list(1, 9);
    let played = |it: &mut Listener| {
        it.ask(Start::Time(0), 0);
        list(it);
    };
    let listed = |it: &mut Listener| {
        list(it);
        it.ask(Start::Time(0), 0);
    };
    let end = |id| Message::End(End { stream: StreamId(id), reason: EndReason::Stopped });
    let started = |id| Message::Started(Started { stream: StreamId(id), ..STARTED });
    for wrong in [started(1), Message::Data(1, b"x"), end(1)] {
        check_wrong(list, &wrong, SessionError::StreamId);
        check_wrong(listed, &wrong, SessionError::StreamId);
    }
    for wrong in [started(2), Message::Data(2, b"x"), end(2)] {
        check_wrong(played, &wrong, SessionError::StreamId);
    }
    // The list was answered, and no PLAY came after it.
    let mut answered = Listener::new();
    list(&mut answered);
    answered
        .hear(&Message::ListEnd(ListEnd { request: RequestId(1), total: 0, next: None, generation: 1 }))
        .expect("end");
    list(&mut answered);
    assert_eq!(answered.hear(&started(1)), Err(SessionError::StreamId));
}

#[test]
fn what_still_comes_of_a_stream_that_was_stopped_is_ignored() {
    let mut listener = Listener::new();
    listener.ask(Start::Time(0), 0);
    listener.client.stop().expect("room");
    listener.list(1, 9);
    listener.hear(&Message::Started(STARTED)).expect("it crossed STOP");
    listener.hear(&Message::Data(1, b"x")).expect("it crossed STOP");
    listener.hear(&Message::End(End { stream: StreamId(1), reason: EndReason::Stopped })).expect("the answer to STOP");
}

#[test]
fn an_error_about_nothing_is_refused() {
    let error = |id| Message::Error(Error { id, code: ErrorCode::NO_SUCH_SONG, text: "" });
    check_wrong(|it| it.list(1, 9), &error(0), SessionError::Malformed(MessageType::Error));
    check_wrong(|it| it.list(1, 9), &error(2), SessionError::Unexpected(MessageType::Error));
    let mut answered = Listener::new();
    answered.info(3);
    answered.hear(&error(1)).expect("an answer");
    answered.hear(&error(1)).expect("one that was answered before is ignored");
}

#[test]
fn a_page_over_its_limit_is_refused() {
    let title = "x".repeat(255);
    let mut listener = Listener::new();
    let request = listener.client.list(SongId(1), 1_000).expect("room");
    let song = |number| Message::Song(Song { request, song: SongId(number), title: &title, ..Song::default() });
    let fit = 65_536 / frame(&song(1)).len() as u32;
    (1..=fit).for_each(|number| listener.hear(&song(number)).expect("it fits"));
    assert_eq!(listener.hear(&song(fit + 1)), Err(SessionError::Unexpected(MessageType::Song)));
}

#[test]
fn a_stream_of_something_else_is_refused() {
    let unexpected = SessionError::Unexpected(MessageType::Started);
    let started = |wrong: Started| Message::Started(Started { stream: StreamId(1), ..wrong });
    let any = |it: &mut Listener| it.ask(Start::Time(0), 0);
    let tagged = |it: &mut Listener| it.ask(Start::Time(9_000), TAG);
    let resumed = |it: &mut Listener| it.ask(Start::Resume(5_000), TAG);
    check_wrong(any, &started(Started { song: SongId(4), ..STARTED }), unexpected);
    check_wrong(any, &started(Started { first_sample: 2_646_000, ..STARTED }), unexpected);
    check_wrong(tagged, &started(Started { content_tag: 1, ..STARTED }), unexpected);
    check_wrong(resumed, &started(Started { position: 5_000, content_tag: 1, ..STARTED }), unexpected);
    check_wrong(resumed, &started(Started { position: 4_999, ..STARTED }), unexpected);
    for (ask, position) in [(&tagged as &dyn Fn(&mut Listener), 400), (&resumed, 5_000)] {
        let mut listener = Listener::new();
        ask(&mut listener);
        let renumbered = started(Started { song: SongId(7), position, ..STARTED });
        listener.hear(&renumbered).expect("the same music under another number");
    }
}

#[test]
fn numbers_that_no_mp3_has_are_malformed() {
    let most = STARTED.size_bytes / 4 * 3_456;
    let cases = [
        Started { rate: 4_000_000_000, ..STARTED },
        Started { rate: 44_101, ..STARTED },
        Started { rate: 0, ..STARTED },
        Started { rate: 96_000, ..STARTED },
        Started { channels: 0, ..STARTED },
        Started { channels: 3, ..STARTED },
        Started { bitrate: MAX_BITRATE + 1, ..STARTED },
        Started { content_tag: 0, ..STARTED },
        Started { size_bytes: 0, ..STARTED },
        Started { size_bytes: MAX_SONG_BYTES + 1, ..STARTED },
        Started { size_bytes: u64::MAX, ..STARTED },
        Started { position: STARTED.size_bytes + 1, ..STARTED },
        Started { begin_sample: STARTED.end_sample + 1, ..STARTED },
        Started { end_sample: most + 1, ..STARTED },
        Started { end_sample: u64::MAX, ..STARTED },
        Started { first_sample: u64::MAX, ..STARTED },
        Started { first_sample: most - 1_104, end_sample: most, ..STARTED },
        Started { discard: u32::MAX, ..STARTED },
        Started { first_fraction: 320, ..STARTED },
    ];
    for started in cases {
        let wrong = Message::Started(started);
        check_wrong(|it| it.ask(Start::Time(0), 0), &wrong, SessionError::Malformed(MessageType::Started));
    }
    let song = Song { request: RequestId(1), song: SongId(3), size_bytes: 1_000, title: "x", ..Song::default() };
    let longest = 1_000 / 4 * 144;
    for song in [
        Song { rate: 4_000_000_000, ..song },
        Song { rate: 1, ..song },
        Song { size_bytes: MAX_SONG_BYTES + 1, ..song },
        Song { channels: 3, ..song },
        Song { bitrate: MAX_BITRATE + 1, ..song },
        Song { duration_ms: Some(longest + 1), ..song },
        Song { duration_ms: Some(u32::MAX - 1), ..song },
    ] {
        let wrong = Message::Song(song);
        check_wrong(|it| it.info(3), &wrong, SessionError::Malformed(MessageType::Song));
    }
}

#[test]
fn numbers_at_the_ends_of_what_mp3_can_be_are_taken() {
    let most = STARTED.size_bytes / 4 * 3_456;
    let rates = [8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000];
    let cases = [
        Started { bitrate: 0, ..STARTED },
        Started { bitrate: MAX_BITRATE, ..STARTED },
        Started { position: STARTED.size_bytes, ..STARTED },
        Started { begin_sample: most, end_sample: most, ..STARTED },
        Started { first_sample: most - 1_105, end_sample: most, ..STARTED },
        Started { size_bytes: MAX_SONG_BYTES, ..STARTED },
        Started { size_bytes: MAX_SONG_BYTES, end_sample: MAX_SONG_BYTES / 4 * 3_456, ..STARTED },
        Started { first_fraction: 319, ..STARTED },
        // Frames of 4 bytes and 8 kHz in a song of 48 kHz.
        Started { rate: 48_000, end_sample: STARTED.size_bytes / 4 * 3_456, ..STARTED },
        // Silence.
        Started { size_bytes: 0, rate: 0, channels: 0, discard: 0, begin_sample: 0, end_sample: 0, ..STARTED },
    ];
    for started in rates.map(|rate| Started { rate, channels: 1, ..STARTED }).into_iter().chain(cases) {
        let mut listener = Listener::new();
        listener.play(Start::Time(0), 0);
        listener.hear(&Message::Started(started)).unwrap_or_else(|error| panic!("{started:?}: {error}"));
    }
    let mut listener = Listener::new();
    let request = listener.client.info(SongId(3)).expect("room");
    let song = Song { request, song: SongId(3), size_bytes: 1_000, duration_ms: Some(36_000), ..Song::default() };
    listener.hear(&Message::Song(song)).expect("the longest");
}

#[test]
fn a_welcome_without_a_stream_is_malformed() {
    for welcome in [
        Welcome { max_streams: 0, ..Welcome::new() },
        Welcome { max_control: 255, ..Welcome::new() },
        Welcome { max_credit: 16_383, ..Welcome::new() },
    ] {
        let mut client: Client = Client::new(Instant::from_micros(0), &Identity { name: "", nonce: [0; 16], roles: 0 });
        client.handle_input(Instant::from_micros(0), &PREAMBLE).expect("a preamble");
        let welcome = frame(&Message::Welcome(welcome));
        let heard = client.handle_input(Instant::from_micros(0), &welcome);
        assert_eq!(heard, Err(SessionError::Malformed(MessageType::Welcome)));
    }
}

#[test]
fn a_pong_for_no_ping_shows_no_round_trip() {
    let mut listener = Listener::new();
    listener.now = listener.now + Duration::from_secs(1);
    let before = listener.client.round_trip();
    let token = listener.now.as_micros();
    listener.hear(&Message::Pong(Pong { token, received_us: 9, sent_us: 1 })).expect("no error");
    assert_eq!(listener.client.round_trip(), before);
}

#[test]
fn a_pong_for_the_last_ping_shows_the_round_trip() {
    let mut listener = Listener::greeted_after(HALF_A_SECOND);
    assert_eq!(listener.client.round_trip(), HALF_A_SECOND);
    listener.now = listener.now + PING_AFTER;
    assert_eq!(listener.client.handle_timeout(listener.now), Ok(()));
    let token = listener.now.as_micros();
    listener.transmit();
    listener.now = listener.now + Duration::from_millis(100);
    listener.hear(&Message::Pong(Pong { token, received_us: 0, sent_us: 0 })).expect("PONG");
    assert_eq!(listener.client.round_trip(), Duration::from_millis(100));
}

#[test]
fn an_error_about_a_request_answers_it() {
    let mut listener = Listener::new();
    let request = listener.client.info(SongId(3)).expect("room");
    let refused = Error { id: request.0, code: ErrorCode::NO_SUCH_SONG, text: "" };
    listener.hear(&Message::Error(refused)).expect("an answer");
    assert_eq!(listener.give_up(HALF_A_SECOND, ping), None);
}
