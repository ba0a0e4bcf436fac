//! Whatever a server does wrong, the board says so, plays what can be played, and is there for the next command.

use std::thread;
use std::time::{Duration, Instant};

use trill_proto::error::ErrorCode;
use trill_proto::ids::{RequestId, SongId, StreamId};
use trill_proto::message::{
    self, End, EndReason, Error, Goodbye, GoodbyeReason, ListEnd, Message, MessageType, PREAMBLE, Ping, Start, Started,
    Welcome,
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
fn a_song_that_does_not_go_on_is_called_buffering() {
    let song = Song::short("one", 300.0);
    let (mut board, _listener, mut connection) = start();
    board.type_line("play 1");
    let (stream, song_id) = asked(&mut connection);
    connection.send_message(&Message::Started(Started { stream, song: song_id, ..song.started }));
    connection.send_message(&Message::Data(stream.0, &song.audio[..6_000]));
    board.wait_until("heard what there is", |board| !board.heard().is_empty());
    board.wait_for_song("1, buffering at 0:00");
}

#[test]
fn a_song_that_has_another_number_by_now_is_counted_from_there() {
    let song = Song::short("one", 300.0);
    let (mut board, _listener, mut connection) = start();
    board.type_line("play 1");
    let mut answer = |song_id| {
        let (stream, _) = asked(&mut connection);
        connection.send_message(&Message::Started(Started { stream, song: song_id, ..song.started }));
        connection.send_message(&Message::Data(stream.0, &song.audio[..6_000]));
    };
    answer(SongId(1));
    board.wait_for_song("1, ");
    board.type_line("seek 0");
    answer(SongId(5));
    board.wait_for_song("5, ");
    board.type_line("next");
    let frame = connection.receive_until(MessageType::List, DEADLINE);
    let Message::List(list) = frame.message() else { unreachable!("a LIST was waited for") };
    assert_eq!(list.first, SongId(6));
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

#[test]
fn a_server_that_takes_connections_only_to_end_them_is_left_alone_for_longer_and_longer() {
    let (_board, listener, connection) = start();
    drop(connection);
    let begun = Instant::now();
    for _ in 0..5 {
        drop(welcome(&listener));
    }
    // 40, 200, 400, 800 and 1,600 ms, each of them by up to a half less.
    assert!(begun.elapsed() >= Duration::from_millis(1_520), "after {:?}", begun.elapsed());
}

#[test]
fn a_board_whose_place_was_taken_comes_back_only_when_it_is_told_to() {
    let (mut board, listener, mut connection) = start();
    connection.send_message(&Message::Goodbye(Goodbye { reason: GoodbyeReason::Superseded }));
    board.wait_for("another connection took this one's place; the next command connects again");
    board.type_line("play 1");
    let mut connection = welcome(&listener);
    board.wait_for("connected again");
    assert_eq!(asked(&mut connection).1, SongId(1));
}

#[test]
fn a_server_that_gives_up_every_time_is_told_of_once() {
    let listener = RawListener::bind();
    let board = Board::start(listener.address());
    for _ in 0..4 {
        let mut connection = greeted(&listener);
        let error = Error { id: 0, code: ErrorCode::TOO_MANY_CLIENTS, text: "too many" };
        connection.send_message(&Message::Error(error));
    }
    board.wait_for("the server gave up: too many");
    assert_eq!(board.said().matches("gave up").count(), 1, "{}", board.said());
}

/// Answers the look for the song after another, and returns the stream on which that is asked for.
#[track_caller]
fn found(connection: &mut RawConnection, from: u32) -> StreamId {
    let frame = connection.receive_until(MessageType::List, DEADLINE);
    let Message::List(list) = frame.message() else { unreachable!("a LIST was waited for") };
    assert_eq!(list.first, SongId(from));
    connection.send_message(&Message::Song(message::Song {
        request: list.request,
        song: list.first,
        ..Default::default()
    }));
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
fn a_wrong_song_number_at_the_end_of_a_song_does_not_end_the_songs_after_it() {
    let song = Song::short("one", 300.0);
    let (mut board, _listener, mut connection) = start();
    board.type_line("play 1-2");
    let stream = found(&mut connection, 1);
    board.type_line("play 99");
    let (wrong, _) = asked(&mut connection);
    let size_bytes = 5_000;
    connection.send_message(&Message::Started(Started { stream, song: SongId(1), size_bytes, ..song.started }));
    connection.send_message(&Message::Data(stream.0, &song.audio[..5_000]));
    connection.send_message(&Message::End(End { stream, reason: EndReason::Finished }));
    connection.send_message(&Message::Error(Error { id: wrong.0, code: ErrorCode::NO_SUCH_SONG, text: "" }));
    board.wait_for("play 99: there is no such song");
    found(&mut connection, 2);
}

#[test]
fn a_song_that_goes_on_under_another_number_is_followed_by_the_one_after_that() {
    let song = Song::short("one", 300.0);
    let (mut board, listener, mut connection) = start();
    board.type_line("play 1-9");
    let stream = found(&mut connection, 1);
    let started = Started { size_bytes: 6_000, ..song.started };
    connection.send_message(&Message::Started(Started { stream, song: SongId(1), ..started }));
    connection.send_message(&Message::Data(stream.0, &song.audio[..5_000]));
    board.wait_for_song("1, ");
    drop(connection);
    let mut connection = welcome(&listener);
    let (stream, _) = asked(&mut connection);
    connection.send_message(&Message::Started(Started { stream, song: SongId(7), position: 5_000, ..started }));
    board.wait_for_song("7, ");
    connection.send_message(&Message::Data(stream.0, &song.audio[5_000..6_000]));
    connection.send_message(&Message::End(End { stream, reason: EndReason::Finished }));
    found(&mut connection, 8);
}

#[test]
fn a_line_that_is_cleared_while_an_answer_is_awaited_does_not_stay_before_the_answer() {
    let (mut board, _listener, mut connection) = start();
    board.type_line("list");
    let frame = connection.receive_until(MessageType::List, DEADLINE);
    let Message::List(list) = frame.message() else { unreachable!("a LIST was waited for") };
    board.type_keys("\u{15}");
    board.wait_for("list\r\n\r\u{1b}[K> ");
    let song = message::Song { request: list.request, song: SongId(1), title: "one", ..Default::default() };
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
fn a_song_whose_end_is_never_told_is_followed_before_it_is_over() {
    let song = Song::short("one", 300.0);
    let (mut board, listener, mut connection) = start();
    // Nothing is heard to its end.
    board.hold_output(true);
    board.type_line("play all");
    let stream = found(&mut connection, 1);
    let started = Started { size_bytes: 5_000, ..song.started };
    connection.send_message(&Message::Started(Started { stream, song: SongId(1), ..started }));
    connection.send_message(&Message::Data(stream.0, &song.audio[..5_000]));
    // So that nothing of it is lost with the connection.
    connection.send_message(&Message::Ping(Ping { token: 7 }));
    connection.receive_until(MessageType::Pong, DEADLINE);
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

#[test]
fn the_song_that_goes_on_is_not_given_up_for_others() {
    let song = Song::short("one", 300.0);
    let (mut board, listener, mut connection) = start();
    board.type_line("play 1");
    let (stream, _) = asked(&mut connection);
    connection.send_message(&Message::Started(Started { stream, song: SongId(1), ..song.started }));
    connection.send_message(&Message::Data(stream.0, &song.audio[..5_000]));
    board.wait_for_song("1, ");
    drop(connection);
    let mut connection = welcome(&listener);
    assert_eq!(asked(&mut connection).1, SongId(1));
    board.type_line("play 2");
    let (second, _) = asked(&mut connection);
    for number in 3..=5 {
        board.type_line(&format!("play {number}"));
        if number < 5 {
            asked(&mut connection);
        }
    }
    let frame = connection.receive_until(MessageType::Stop, DEADLINE);
    assert_eq!(frame.header.id, second.0);
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

#[test]
fn a_pause_while_the_first_song_is_looked_for_holds_when_it_is_found() {
    let song = Song::short("one", 300.0);
    let (mut board, _listener, mut connection) = start();
    board.type_line("play all");
    let request = listed(&mut connection);
    board.type_line("pause");
    board.wait_for("song    1, asked for");
    send_page(&mut connection, request, SongId(1), "one");
    let (stream, song_id) = asked(&mut connection);
    connection.send_message(&Message::Started(Started { stream, song: song_id, ..song.started }));
    connection.send_message(&Message::Data(stream.0, &song.audio[..6_000]));
    board.wait_for_song("1, paused at 0:00");
    board.wait_for_periods(2);
    assert_eq!(board.heard().len(), 0, "{}", board.said());
    board.type_line("resume");
    board.wait_until("sounds", |board| !board.heard().is_empty());
}

/// A page with this song.
fn send_page(connection: &mut RawConnection, request: RequestId, song: SongId, title: &str) {
    connection.send_message(&Message::Song(message::Song { request, song, title, ..Default::default() }));
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
fn a_list_that_does_not_get_on_is_ended() {
    let (mut board, listener, mut connection) = start();
    board.type_line("list");
    let request = listed(&mut connection);
    let next = Some(SongId(1));
    connection.send_message(&Message::ListEnd(ListEnd { request, total: 9, next, generation: 1 }));
    board.wait_for("list: malformed LIST-END message");
    board.wait_for("malformed LIST-END message; the next command connects again");
    board.type_line("info 7");
    let mut connection = welcome(&listener);
    let kind = connection.receive_frame(DEADLINE).kind();
    assert_eq!(kind, Some(MessageType::Info), "the same page is not asked for again");
}

#[test]
fn a_list_without_end_is_ended_after_as_many_songs_as_the_server_has() {
    let (mut board, _listener, mut connection) = start();
    board.type_line("list");
    for song in 1..=9 {
        let request = listed(&mut connection);
        send_page(&mut connection, request, SongId(song), "again");
    }
    board.type_line("info 7");
    let kind = connection.receive_frame(DEADLINE).kind();
    assert_eq!(kind, Some(MessageType::Info), "no more of the list is asked for");
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

#[test]
fn music_that_does_not_come_is_given_up_however_alive_the_server_is() {
    let song = Song::short("one", 300.0);
    let (mut board, listener, mut connection) = start();
    board.type_line("play 1");
    let (stream, _) = asked(&mut connection);
    connection.send_message(&Message::Started(Started { stream, song: SongId(1), ..song.started }));
    connection.send_message(&Message::Data(stream.0, &song.audio[..5_000]));
    // A byte each time is less than any music.
    let drip = [encode(&Message::Data(stream.0, b"\xff")), encode(&Message::Ping(Ping { token: 7 }))].concat();
    let dripping = thread::spawn(move || {
        while connection.try_send(&drip).is_ok() {
            thread::sleep(Duration::from_millis(50));
        }
    });
    board.wait_for("the server sends no music, or too slowly; trying again");
    dripping.join().expect("no panic");
    let mut connection = welcome(&listener);
    let frame = connection.receive_until(MessageType::Play, DEADLINE);
    let Message::Play(play) = frame.message() else { unreachable!("a PLAY was waited for") };
    assert!(matches!(play.start, Start::Resume(5_001..)), "{play:?}");
}
