use super::*;
use crate::error::ErrorCode;
use crate::ids::{RequestId, SongId, StreamId};
use crate::limits::{MAX_CONTROL_BYTES, MIN_CONTROL_BYTES};
use std::vec;

#[track_caller]
fn check_longest<M: Encode>(longest: &M) {
    let mut frame = vec![0; M::MAX_FRAME_BYTES];
    assert_eq!(longest.encode(&mut frame), Ok(M::MAX_FRAME_BYTES), "{}", M::TYPE);
}

#[test]
fn the_longest_payload_is_as_long_as_its_type_says() {
    let text = "x".repeat(1_000);
    let text = text.as_str();
    check_longest(&Hello { name: text, ..Hello::default() });
    let (group, within) = (Some(Group::Album), Some((Group::Artist, SongId(1))));
    let search = Search { query: text, rank: 1, group, within, numbers: Some((SongId(1), SongId(2))), is_best: true };
    let search = Some(search);
    check_longest(&List { request: RequestId(1), first: SongId(1), at_most: 1, search });
    check_longest(&Info { request: RequestId(1), song: SongId(1) });
    check_longest(&Play { stream: StreamId(1), song: SongId(1), start: Start::Time(0), content_tag: 0, credit: 0 });
    check_longest(&Credit { stream: StreamId(1), more: 0 });
    check_longest(&Stop { stream: StreamId(1) });
    check_longest(&Ping { token: 0 });
    check_longest(&Pong { token: 0, received_us: 0, sent_us: 0 });
    check_longest(&Goodbye { reason: GoodbyeReason::Done });
    check_longest(&Error { id: 0, code: ErrorCode::MALFORMED, text });
    check_longest(&Welcome { server_name: text, ..Welcome::new() });
    let texts = Song { title: text, artist: text, album: text, album_artist: text, ..Song::default() };
    check_longest(&texts.fitted(MAX_CONTROL_BYTES));
    check_longest(&ListEnd { request: RequestId(1), total: 0, next: None, generation: 0 });
    check_longest(&Started { gain: Gain { track: Some(0), ..Gain::default() }, ..Started::default() });
    check_longest(&End { stream: StreamId(1), reason: EndReason::Finished });
}

#[test]
fn any_receiver_takes_every_control_message_once_a_song_is_cut() {
    for kind in MessageType::ALL {
        let limit = match kind {
            MessageType::Data | MessageType::Notice => continue,
            MessageType::Song => MAX_CONTROL_BYTES,
            _ => MIN_CONTROL_BYTES,
        };
        assert!(kind.max_payload_bytes() <= limit, "{kind}");
    }
}
