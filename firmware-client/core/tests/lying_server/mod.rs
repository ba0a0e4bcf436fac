//! Whatever a server does wrong, the board says so, plays what can be played, and is there for the next command.

use std::time::Duration;

use trill_proto::ids::{SongId, StreamId};
use trill_proto::message::{Kind, Message, PREAMBLE, Started, Welcome};
use trill_tests::fake_server::Song;
use trill_tests::raw::{RawConnection, RawListener};

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

/// The next connection, welcomed.
fn welcome(listener: &RawListener) -> RawConnection {
    let mut connection = listener.accept(DEADLINE);
    connection.receive(PREAMBLE.len(), DEADLINE);
    connection.receive_until(Kind::Hello, DEADLINE);
    connection.send(&PREAMBLE);
    connection.send_message(&Message::Welcome(Welcome { server_name: "liar", generation: 1, ..Welcome::new() }));
    connection
}

/// The stream and the song that the board asks to play next.
fn asked(connection: &mut RawConnection) -> (StreamId, SongId) {
    let frame = connection.receive_until(Kind::Play, DEADLINE);
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
fn numbers_that_no_song_has_harm_nobody() {
    let song = Song::short("one", 300.0);
    let (mut board, _listener, mut connection) = start();
    let (most, last) = (u32::MAX, u64::MAX);
    let absurd = [
        Started { rate: most, bitrate: most, ..song.started },
        Started { first_sample: last, discard: 0, end_sample: last, ..song.started },
        Started { first_sample: last - 5_000, discard: 1, end_sample: last, ..song.started },
        Started { discard: most, ..song.started },
        Started { begin_sample: last, end_sample: last, ..song.started },
        Started { begin_sample: 0, end_sample: 0, ..song.started },
    ];
    for (number, started) in (1..).zip(absurd) {
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
