//! Whatever a server does wrong, the board says so, plays what can be played, and is there for the next command.

use std::time::Duration;

use trill_proto::error::ErrorCode;
use trill_proto::ids::{RequestId, SongId, StreamId};
use trill_proto::message::{
    self, End, EndReason, Error, ListEnd, Message, MessageType, PREAMBLE, Ping, Start, Started, Welcome,
};
use trill_tests::fake_server::Song;
use trill_tests::messages::{encode, frame};
use trill_tests::raw::{Ending, RawConnection, RawListener};

use crate::board::Board;

/// Far longer than anything here takes.
const DEADLINE: Duration = Duration::from_secs(60);

/// A board, and the server's end of its connection, on which WELCOME was said.
fn start() -> (Board, RawListener, RawConnection) {
    let listener = RawListener::bind();
    let board = Board::start(listener.address());
    let connection = welcome(&listener);
    board.wait_for("connected to liar");
    (board, listener, connection)
}

/// The next connection, on which HELLO was heard and only the preamble said.
fn greeted(listener: &RawListener) -> RawConnection {
    let mut connection = listener.accept(DEADLINE);
    connection.receive(PREAMBLE.len(), DEADLINE);
    connection.receive_until(MessageType::Hello, DEADLINE);
    connection.send(&PREAMBLE);
    connection
}

/// The next connection, welcomed.
fn welcome(listener: &RawListener) -> RawConnection {
    let mut connection = greeted(listener);
    connection.send_message(&Message::Welcome(Welcome { server_name: "liar", generation: 1, ..Welcome::new() }));
    connection
}

/// The stream and the song that the board asks to play next.
fn asked(connection: &mut RawConnection) -> (StreamId, SongId) {
    let frame = connection.receive_until(MessageType::Play, DEADLINE);
    let Message::Play(play) = frame.message() else { unreachable!("a PLAY was waited for") };
    (play.stream, play.song)
}

#[test]
fn numbers_that_few_songs_have_harm_nobody() {
    let song = Song::short("one", 300.0);
    let (mut board, _listener, mut connection) = start();
    let most = song.started.size_bytes / 4 * 1_152;
    let strange = [
        Started { bitrate: 1_000_000, ..song.started },
        Started { bitrate: 0, ..song.started },
        Started { first_sample: most - 1, discard: 1, end_sample: most, ..song.started },
        Started { discard: u32::try_from(most).expect("a short song"), end_sample: most, ..song.started },
        Started { begin_sample: most, end_sample: most, ..song.started },
        Started { begin_sample: 0, discard: 0, end_sample: 0, ..song.started },
    ];
    for (number, started) in (1..).zip(strange) {
        board.type_line(&format!("play {number}"));
        let (stream, song_id) = asked(&mut connection);
        connection.send_message(&Message::Started(Started { stream, song: song_id, ..started }));
        connection.send_message(&Message::Data(stream.0, &song.audio[..8_000]));
    }
    board.type_line("play 9");
    let (stream, song_id) = asked(&mut connection);
    connection.send_message(&Message::Started(Started { stream, song: song_id, ..song.started }));
    board.wait_for_song("9, buffering at 0:00");
}

/// Answers the look for the song after another, and returns the stream on which that is asked for.
#[track_caller]
fn found(connection: &mut RawConnection, from: u32) -> StreamId {
    let frame = connection.receive_until(MessageType::List, DEADLINE);
    let Message::List(list) = frame.message() else { unreachable!("a LIST was waited for") };
    let rank = list.search.expect("in library order").rank;
    // The page begins at the song before it, if that is known.
    assert!(list.first == SongId(from - 1) || (list.first, rank) == (SongId(0), from - 1), "{list:?}");
    let song = message::Song { request: list.request, song: SongId(from), rank: Some(from - 1), ..Default::default() };
    connection.send_message(&Message::Song(song));
    let end = ListEnd { request: list.request, total: 9, next: None, generation: 1 };
    connection.send_message(&Message::ListEnd(end));
    let (stream, song) = asked(connection);
    assert_eq!(song, SongId(from));
    stream
}

#[test]
fn a_song_that_follows_is_counted_from_its_own_beginning() {
    // All of it is within the first credit.
    let song = Song::encode("one", 300.0, 1, 44_100, 1, &["-b", "64", "-m", "m"]);
    let (mut board, _listener, mut connection) = start();
    board.type_line("play all");
    let stream = found(&mut connection, 1);
    connection.send_message(&Message::Started(Started { stream, song: SongId(1), ..song.started }));
    connection.send_message(&Message::Data(stream.0, &song.audio));
    connection.send_message(&Message::End(End { stream, reason: EndReason::Finished }));
    let stream = found(&mut connection, 2);
    let started = Started { stream, song: SongId(2), end_sample: 1_000_000, ..song.started };
    connection.send_message(&Message::Started(started));
    board.wait_for_song("2, buffering at 0:00");
    board.type_line("seek +5");
    let frame = connection.receive_until(MessageType::Play, DEADLINE);
    let Message::Play(play) = frame.message() else { unreachable!("a PLAY was waited for") };
    assert_eq!((play.song, play.start), (SongId(2), Start::Time(5_000)));
}

#[test]
fn a_song_that_fails_or_is_gone_does_not_end_the_songs_after_it() {
    let song = Song::short("one", 300.0);
    let (mut board, _listener, mut connection) = start();
    board.type_line("play 1-5");

    let stream = found(&mut connection, 1);
    connection.send_message(&Message::Started(Started { stream, song: SongId(1), ..song.started }));
    connection.send_message(&Message::Data(stream.0, &song.audio[..5_000]));
    connection.send_message(&Message::End(End { stream, reason: EndReason::Failed }));
    board.wait_for("the server ended song 1 before its end");

    let stream = found(&mut connection, 2);
    connection.send_message(&Message::Error(Error { id: stream.0, code: ErrorCode::SONG_GONE, text: "" }));
    board.wait_for("play 2: it is gone");

    let stream = found(&mut connection, 3);
    connection.send_message(&Message::End(End { stream, reason: EndReason::Failed }));
    board.wait_for("the server ended song 3 before its end");

    let stream = found(&mut connection, 4);
    connection.send_message(&Message::Started(Started { stream, song: SongId(4), ..song.started }));
    connection.send_message(&Message::Error(Error { id: stream.0, code: ErrorCode::READ_FAILED, text: "" }));
    board.wait_for("song 4 ends here");
    found(&mut connection, 5);
}

#[test]
fn a_line_that_is_cleared_while_an_answer_is_awaited_does_not_stay_before_the_answer() {
    let (mut board, _listener, mut connection) = start();
    board.type_line("list");
    let frame = connection.receive_until(MessageType::List, DEADLINE);
    let Message::List(list) = frame.message() else { unreachable!("a LIST was waited for") };
    board.type_keys("\u{15}");
    board.wait_for("list\r\n\r\u{1b}[K> ");
    let song =
        message::Song { request: list.request, song: SongId(1), title: "one", rank: Some(0), ..Default::default() };
    connection.send_message(&Message::Song(song));
    board.wait_for("> \r\u{1b}[K    1  one");
}

#[test]
fn a_song_whose_end_is_never_told_is_followed() {
    let song = Song::short("one", 300.0);
    let (mut board, listener, mut connection) = start();
    board.type_line("play all");
    let stream = found(&mut connection, 1);
    let started = Started { size_bytes: 5_000, ..song.started };
    connection.send_message(&Message::Started(Started { stream, song: SongId(1), ..started }));
    connection.send_message(&Message::Data(stream.0, &song.audio[..5_000]));
    drop(connection);
    found(&mut welcome(&listener), 2);
}

#[test]
fn a_song_that_is_cut_off_by_one_that_was_given_up_goes_on_when_no_other_starts() {
    let song = Song::short("one", 300.0);
    let (mut board, _listener, mut connection) = start();
    board.type_line("play 1");
    let (stream, _) = asked(&mut connection);
    connection.send_message(&Message::Started(Started { stream, song: SongId(1), ..song.started }));
    connection.send_message(&Message::Data(stream.0, &song.audio[..5_000]));
    board.wait_for_song("1, ");
    let streams = [2, 3, 4, 5].map(|number| {
        board.type_line(&format!("play {number}"));
        asked(&mut connection).0
    });
    // The first of four was given up, but the server has begun with it.
    connection.send_message(&Message::Started(Started { stream: streams[0], song: SongId(2), ..song.started }));
    connection.send_message(&Message::Ping(Ping { token: 7 }));
    loop {
        match connection.receive_frame(DEADLINE).kind() {
            Some(MessageType::Pong) => break,
            kind => assert_ne!(kind, Some(MessageType::Play), "behind those that may start"),
        }
    }
    for stream in &streams[1..] {
        connection.send_message(&Message::Error(Error { id: stream.0, code: ErrorCode::NO_SUCH_SONG, text: "" }));
    }
    let frame = connection.receive_until(MessageType::Play, DEADLINE);
    let Message::Play(play) = frame.message() else { unreachable!("a PLAY was waited for") };
    assert_eq!((play.song, play.start), (SongId(1), Start::Resume(5_000)));
}

/// The request of the next LIST.
#[track_caller]
fn listed(connection: &mut RawConnection) -> RequestId {
    let frame = connection.receive_until(MessageType::List, DEADLINE);
    let Message::List(list) = frame.message() else { unreachable!("a LIST was waited for") };
    list.request
}

/// Refuses a request.
fn refuse(connection: &mut RawConnection, request: RequestId) {
    let error = Error { id: request.0, code: ErrorCode::READ_FAILED, text: "the disk is tired" };
    connection.send_message(&Message::Error(error));
}

#[test]
fn a_question_that_is_refused_is_told_and_not_in_the_way_of_the_next() {
    let (mut board, _listener, mut connection) = start();
    board.type_line("list");
    let request = listed(&mut connection);
    refuse(&mut connection, request);
    board.wait_for("list: the disk is tired");
    board.type_line("info 7");
    let frame = connection.receive_until(MessageType::Info, DEADLINE);
    refuse(&mut connection, RequestId(frame.header.id));
    board.wait_for("info 7: the disk is tired");
    board.type_line("play all");
    let request = listed(&mut connection);
    refuse(&mut connection, request);
    board.wait_for("no other song: the disk is tired");
    board.wait_for_the_end();
}

/// A page with this song.
fn send_page(connection: &mut RawConnection, request: RequestId, song: SongId, title: &str) {
    let rank = Some(song.0 - 1);
    connection.send_message(&Message::Song(message::Song { request, song, title, rank, ..Default::default() }));
    let next = Some(SongId(song.0 + 1));
    connection.send_message(&Message::ListEnd(ListEnd { request, total: 9, next, generation: 1 }));
}

#[test]
fn a_list_ends_when_it_is_cancelled() {
    let (mut board, _listener, mut connection) = start();
    board.type_line("list");
    let request = listed(&mut connection);
    send_page(&mut connection, request, SongId(1), "one");
    board.wait_for("    1  one");
    let request = listed(&mut connection);
    board.type_keys("\u{3}");
    board.wait_for("one\r\n\r\u{1b}[K> ");
    send_page(&mut connection, request, SongId(2), "two");
    board.type_line("info 7");
    let kind = connection.receive_frame(DEADLINE).kind();
    assert_eq!(kind, Some(MessageType::Info), "no more of the list is asked for");
    assert!(!board.said().contains("two"), "{}", board.said());
}

#[test]
fn there_is_a_prompt_while_a_server_is_away_that_owes_an_answer() {
    let (mut board, _listener, mut connection) = start();
    board.type_line("list");
    listed(&mut connection);
    drop(connection);
    board.wait_for("trying again\r\n> ");
}

#[test]
fn whatever_a_server_does_wrong_is_said_and_the_next_command_resumes_the_song() {
    let song = Song::short("one", 300.0);
    let (mut board, listener, mut connection) = start();
    board.type_line("play 1");
    let started = |stream| encode(&Message::Started(Started { stream, song: SongId(1), ..song.started }));
    let data = |stream: StreamId, length| encode(&Message::Data(stream.0, &song.audio[..length]));
    type Lie<'a> = &'a dyn Fn(StreamId) -> Vec<u8>;
    let lies: [(&str, ErrorCode, Lie<'_>); 6] = [
        ("more data or credit than allowed", ErrorCode::CREDIT, &|stream| {
            [started(stream), data(stream, 12_000)].concat()
        }),
        ("DATA message out of place", ErrorCode::UNEXPECTED, &|stream| data(stream, 100)),
        ("stream id out of order", ErrorCode::STREAM_ID, &|stream| started(StreamId(stream.0 + 100))),
        ("SONG message of 600 bytes is over the limit", ErrorCode::TOO_LARGE, &|_| {
            frame(MessageType::Song.to_byte(), 1, &[0; 600])
        }),
        ("malformed STARTED message", ErrorCode::MALFORMED, &|stream| {
            frame(MessageType::Started.to_byte(), stream.0, &[0; 5])
        }),
        ("unknown message type 0x7f", ErrorCode::UNKNOWN_TYPE, &|_| frame(0x7f, 1, &[])),
    ];
    for (said, code, lie) in lies {
        let (stream, _) = asked(&mut connection);
        // What comes behind it makes a reset of a connection that is closed too early.
        connection.send(&[lie(stream), frame(0x9e, 0, &[0; 4_000]).repeat(5)].concat());
        let (told, ending) = connection.receive_to_end(DEADLINE);
        let error = encode(&Message::Error(Error { id: 0, code, text: "" }));
        assert!(told.ends_with(&error) && ending == Ending::EndOfStream, "{said}: {told:02x?}, {ending:?}");
        board.wait_for(&format!("{said}; the next command connects again"));
        board.type_line("info 1");
        connection = welcome(&listener);
    }
    assert_eq!(asked(&mut connection).1, SongId(1));
}
