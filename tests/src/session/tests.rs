use super::*;
use crate::raw::{RawConnection, RawListener};
use std::thread;
use trill_proto::ids::{RequestId, SongId, StreamId};
use trill_proto::message::{End, ListEnd, Song, Start};

const STARTED: Started = Started {
    stream: StreamId(1),
    song: SongId(1),
    content_tag: 7,
    position: 0,
    size_bytes: 6,
    first_sample: 0,
    first_fraction: 0,
    discard: 0,
    begin_sample: 0,
    end_sample: 1,
    bitrate: 8_000,
    rate: 8_000,
    channels: 1,
    encoder_delay: 0,
    encoder_padding: 0,
    gain: trill_proto::message::Gain::UNKNOWN,
};

/// Runs `act` against a server that sends `words` whatever it receives.
fn check(words: &[Message<'_>], act: impl FnOnce(&mut Session)) {
    let listener = RawListener::bind();
    let address = listener.address();
    let said: Vec<u8> = words.iter().flat_map(encode).collect();
    let server = thread::spawn(move || {
        let mut connection: RawConnection = listener.accept(DEADLINE);
        connection.welcome(Welcome::new(), DEADLINE);
        connection.send(&said);
        connection
    });
    let mut session = Session::open(address);
    act(&mut session);
    drop(server.join());
}

fn end(reason: EndReason) -> Message<'static> {
    Message::End(End { stream: StreamId(1), reason })
}

#[test]
fn keeps_what_comes_for_whoever_asks() {
    let song = Song { request: RequestId(2), song: SongId(1), title: "x", ..Song::default() };
    let list_end = ListEnd { request: RequestId(2), total: 1, next: None, generation: 3 };
    let words = [
        Message::Started(STARTED),
        Message::Data(1, b"abc"),
        Message::Song(song),
        Message::ListEnd(list_end),
        Message::Data(1, b"def"),
        end(EndReason::Finished),
    ];
    check(&words, |session| {
        let stream = session.request_play(1, Start::Time(0));
        let request = session.request_page(1, 10);
        assert_eq!(session.page(request).songs[0].title, "x");
        assert_eq!(session.started(stream), Ok(STARTED));
        let played = session.ended(stream);
        assert_eq!((played.audio.as_slice(), played.end), (b"abcdef".as_slice(), Some(EndReason::Finished)));
    });
}

#[test]
#[should_panic(expected = "on credit of 2")]
fn data_beyond_the_credit_is_seen() {
    check(&[Message::Started(STARTED), Message::Data(1, b"abc")], |session| {
        let stream = session.request_play_of(1, Start::Time(0), 0, 2);
        session.receive_audio(stream, 3);
    });
}

#[test]
#[should_panic(expected = "longer than the 256 bytes")]
fn a_frame_that_is_too_long_is_seen() {
    let long = "x".repeat(255);
    check(&[Message::Song(Song { title: &long, ..Song::default() })], |session| {
        session.max_control = 256;
        session.until_closed();
    });
}

#[test]
#[should_panic(expected = "one END for each stream")]
fn a_second_end_is_seen() {
    check(&[Message::Started(STARTED), end(EndReason::Failed), end(EndReason::Failed)], |session| {
        session.request_play(1, Start::Time(0));
        session.until_closed();
    });
}

#[test]
#[should_panic(expected = "nobody stopped")]
fn an_end_that_nobody_asked_for_is_seen() {
    check(&[Message::Started(STARTED), end(EndReason::Stopped)], |session| {
        let stream = session.request_play(1, Start::Time(0));
        session.ended(stream);
    });
}

#[test]
#[should_panic(expected = "is not at its end")]
fn two_streams_at_once_are_seen() {
    let second = Started { stream: StreamId(2), ..STARTED };
    check(&[Message::Started(STARTED), Message::Started(second)], |session| {
        session.request_play(1, Start::Time(0));
        let stream = session.request_play(1, Start::Time(0));
        let _ = session.started(stream);
    });
}
