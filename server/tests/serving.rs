//! What a well-behaved client asks for and gets.

mod common;

use std::fs;
use std::time::Instant;

use common::{Frame, Music, Raw, Seen, TestClient, encoded, mp3, mp3_of_bytes, serve};
use trill_proto::error::ErrorCode;
use trill_proto::ids::{RequestId, SongId, StreamId};
use trill_proto::limits::{HEADER_BYTES, MAX_LIST_PAGE_BYTES};
use trill_proto::message::{Credit, EndReason, Info, List, ListEnd, MessageType, Ping, Play, Start, Started, Stop};

const MEGABYTE: usize = 1 << 20;

/// More than any machine looks through before a test gives up.
const ENDLESS_BYTES: u64 = 1 << 40;

#[test]
fn a_song_arrives_whole() {
    let song = mp3_of_bytes(3 * MEGABYTE, 1);
    let music = Music::new(&[&song]);
    let server = serve(music.path());
    let mut client = TestClient::join(server.address());

    let started = client.start(1);
    assert_eq!((started.song, started.position, started.size_bytes), (SongId(1), 0, song.len() as u64));
    assert_eq!((started.rate, started.channels), (44_100, 1));
    assert_eq!(client.next(), Seen::Ended(started.stream, EndReason::Finished));
    assert!(client.data(started.stream) == song, "other bytes than in the file");
}

#[test]
fn a_song_that_is_played_twice_is_sent_twice() {
    let song = mp3(20, 1);
    let music = Music::new(&[&song]);
    let server = serve(music.path());
    let mut client = TestClient::join(server.address());
    for _ in 0..2 {
        let stream = client.start(1).stream;
        assert_eq!(client.next(), Seen::Ended(stream, EndReason::Finished));
        assert!(client.data(stream) == song);
    }
}

#[test]
fn welcome_tells_who_serves_how_many_songs() {
    let music = Music::new(&[&mp3(1, 1), &mp3(1, 2)]);
    let server = serve(music.path());
    let mut client = TestClient::connect(server.address(), "tester", [0; 16]);
    assert_eq!(client.next(), Seen::Welcome { song_count: 2, generation: 1, name: "attic".into() });
}

#[test]
fn a_list_comes_in_pages() {
    let songs: Vec<_> = (0..5).map(|seed| mp3(3, seed)).collect();
    let music = Music::new(&songs.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let server = serve(music.path());
    let mut client = TestClient::join(server.address());

    for (first, at_most, ids, next) in [
        (0, 2, &[1, 2][..], Some(3)),
        (3, 2, &[3, 4], Some(5)),
        (5, 9, &[5], None),
        (6, 9, &[], None),
        (2, 0, &[], Some(2)),
    ] {
        client.list(first, at_most);
        for id in ids {
            let title = format!("{id:02}");
            assert_eq!(client.next(), Seen::Song { id: *id, duration_ms: Some(78), title });
        }
        let Seen::ListEnd(end) = client.next() else { panic!("no end of the page from {first} on") };
        let next = next.map(SongId);
        assert_eq!(end, ListEnd { request: end.request, total: 5, next, generation: end.generation });
    }
}

#[test]
fn a_page_has_64_kib_at_most_and_the_pages_together_are_the_list() {
    const SONGS: usize = 400;
    let music = Music::new(&[]);
    for number in 0..SONGS {
        fs::write(music.path().join(format!("{number:0240}.mp3")), mp3(1, 0)).unwrap();
    }
    let server = serve(music.path());
    let mut raw = Raw::join(server.address());
    let (mut next, mut ids) = (1, Vec::new());
    while next != 0 {
        raw.say(&List { request: RequestId(next), first: SongId(next), at_most: u32::MAX });
        let mut bytes = 0;
        loop {
            let frame = raw.frame();
            if frame.kind == MessageType::ListEnd {
                assert_eq!(number(&frame.payload, 0), SONGS as u32);
                next = number(&frame.payload, 4);
                break;
            }
            bytes += HEADER_BYTES + frame.payload.len();
            ids.push(number(&frame.payload, 0));
        }
        assert!(bytes > 50_000 || next == 0, "a page of {bytes} bytes");
        assert!(bytes <= MAX_LIST_PAGE_BYTES as usize, "a page of {bytes} bytes");
    }
    assert_eq!(ids, (1..=SONGS as u32).collect::<Vec<_>>());
}

#[test]
fn info_answers_for_one_song() {
    let music = Music::new(&[&mp3(3, 1), &mp3(6, 2)]);
    let server = serve(music.path());
    let mut client = TestClient::join(server.address());
    client.info(2);
    assert_eq!(client.next(), Seen::Song { id: 2, duration_ms: Some(156), title: "02".into() });
    let request = client.info(3);
    assert_eq!(client.next(), Seen::Failed(request, ErrorCode::NO_SUCH_SONG));
}

#[test]
fn not_one_byte_is_sent_without_credit() {
    let song = mp3_of_bytes(MEGABYTE, 1);
    let music = Music::new(&[&song]);
    let server = serve(music.path());
    let mut raw = Raw::join(server.address());
    let stream = StreamId(1);

    raw.say(&play(stream, 5_000));
    assert_eq!(raw.answer().kind, MessageType::Started);
    let mut received = Vec::new();
    for granted in [5_000, 5_001, 5_001 + 70_000] {
        while received.len() < granted {
            let frame = raw.frame();
            assert_eq!((frame.kind, frame.id), (MessageType::Data, 1));
            received.extend(frame.payload);
        }
        assert_eq!(received.len(), granted);
        // What is answered next shows that nothing was on its way.
        assert_no_data_before_pong(&mut raw);
        raw.say(&Credit { stream, more: if granted == 5_000 { 1 } else { 70_000 } });
    }
    assert!(received == song[..received.len()]);
}

#[test]
fn a_list_is_answered_between_two_data_frames() {
    let song = mp3_of_bytes(32 * MEGABYTE, 1);
    let music = Music::new(&[&song]);
    let server = serve(music.path());
    let mut raw = Raw::join(server.address());
    raw.say(&play(StreamId(1), 16 * MEGABYTE as u32));
    assert_eq!(raw.answer().kind, MessageType::Started);
    assert_eq!(raw.frame().kind, MessageType::Data);
    raw.say(&List { request: RequestId(2), first: SongId(1), at_most: 10 });
    let mut before = 0;
    let answer = loop {
        let frame = raw.frame();
        match frame.kind {
            MessageType::Data => before += frame.payload.len(),
            _ => break frame,
        }
    };
    assert_eq!((answer.kind, answer.id), (MessageType::Song, 2));
    assert!(before < 15 * MEGABYTE, "{before} bytes came before the answer");
}

#[test]
fn stop_ends_the_transmission() {
    let music = Music::new(&[&mp3_of_bytes(32 * MEGABYTE, 1)]);
    let server = serve(music.path());
    let mut raw = Raw::join(server.address());
    raw.say(&play(StreamId(1), 16 * MEGABYTE as u32));
    raw.say(&Stop { stream: StreamId(1) });
    let mut sent = 0;
    let end = loop {
        let frame = raw.frame();
        match frame.kind {
            MessageType::Started => {}
            MessageType::Data => sent += frame.payload.len(),
            _ => break frame,
        }
    };
    assert_eq!(end, Frame { kind: MessageType::End, id: 1, payload: vec![EndReason::Stopped.to_byte()] });
    assert!(sent < 16 * MEGABYTE);
    assert_no_data_before_pong(&mut raw);
    // For a stream that has ended they mean nothing.
    raw.say(&Stop { stream: StreamId(1) });
    raw.say(&Credit { stream: StreamId(1), more: 1_000 });
    assert_no_data_before_pong(&mut raw);
}

#[test]
fn of_play_stop_play_only_the_last_takes_effect() {
    let (first, second) = (mp3(2_000, 1), mp3(40, 2));
    let music = Music::new(&[&first, &second]);
    let server = serve(music.path());
    let mut raw = Raw::join(server.address());
    let mut commands = Vec::new();
    for part in [
        encoded(&play(StreamId(1), 100_000)),
        encoded(&Stop { stream: StreamId(1) }),
        encoded(&Play { song: SongId(2), ..play(StreamId(2), 100_000) }),
    ] {
        commands.extend(part);
    }
    raw.send(&commands);
    let mut kinds = Vec::new();
    let mut data = Vec::new();
    while kinds.last() != Some(&(MessageType::End, 2)) {
        let frame = raw.answer();
        match frame.kind {
            MessageType::Data if frame.id == 2 => data.extend(frame.payload),
            kind => kinds.push((kind, frame.id)),
        }
    }
    assert_eq!(
        kinds,
        [(MessageType::Started, 1), (MessageType::End, 1), (MessageType::Started, 2), (MessageType::End, 2)]
    );
    assert!(data == second);
}

#[test]
fn a_new_song_takes_the_place_of_the_one_before() {
    let music = Music::new(&[&mp3_of_bytes(8 * MEGABYTE, 1), &mp3(40, 2)]);
    let server = serve(music.path());
    let mut raw = Raw::join(server.address());
    raw.say(&play(StreamId(1), 8 * MEGABYTE as u32));
    assert_eq!(raw.answer().kind, MessageType::Started);
    raw.say(&Play { song: SongId(2), ..play(StreamId(2), MEGABYTE as u32) });
    let mut after = Vec::new();
    while after.last() != Some(&(MessageType::End, 2, EndReason::Finished.to_byte())) {
        let frame = raw.answer();
        match frame.kind {
            MessageType::Data => {
                assert!(after.len() < 2 || frame.id == 2, "data of the old song after the new one started")
            }
            kind => after.push((kind, frame.id, *frame.payload.first().unwrap())),
        }
    }
    let (old, new) = (after[0], after[1]);
    assert_eq!(old, (MessageType::End, 1, EndReason::Replaced.to_byte()));
    assert_eq!((new.0, new.1), (MessageType::Started, 2));
}

#[test]
fn a_song_that_does_not_exist_leaves_the_music_alone() {
    let song = mp3_of_bytes(2 * MEGABYTE, 1);
    let music = Music::new(&[&song]);
    let server = serve(music.path());
    let mut client = TestClient::join(server.address());
    client.plays = false;
    let stream = client.start(1).stream;
    for (number, start, code) in [
        (7, Start::Time(0), ErrorCode::NO_SUCH_SONG),
        (0, Start::Time(0), ErrorCode::NO_SUCH_SONG),
        (u32::MAX, Start::Resume(0), ErrorCode::NO_SUCH_SONG),
        (1, Start::Time(10_000_000), ErrorCode::BAD_POSITION),
        (1, Start::Time(u64::MAX), ErrorCode::BAD_POSITION),
        (1, Start::Resume(song.len() as u64 + 1), ErrorCode::BAD_POSITION),
    ] {
        let failed = client.play_from(number, start, 0);
        assert_eq!(client.next(), Seen::Failed(failed.0, code), "song {number} {start:?}");
    }
    client.plays = true;
    client.start_over(stream);
    assert_eq!(client.next(), Seen::Ended(stream, EndReason::Finished));
    assert!(client.data(stream) == song);
}

#[test]
fn a_stream_goes_on_where_it_was_cut() {
    let song = mp3_of_bytes(MEGABYTE, 1);
    let music = Music::new(&[&song]);
    let server = serve(music.path());
    let mut client = TestClient::join(server.address());
    let tag = client.start(1).content_tag;
    for position in [12_345, 0, song.len() - 1, song.len()] {
        let stream = client.play_from(1, Start::Resume(position as u64), tag);
        let started = skip_to_started(&mut client, stream);
        assert_eq!((started.position, started.discard, started.content_tag), (position as u64, 0, tag));
        assert_eq!(client.next(), Seen::Ended(stream, EndReason::Finished));
        assert!(client.data(stream) == &song[position..], "from {position} on");
    }
}

#[test]
fn a_seek_starts_at_a_frame_before_the_time() {
    let song = mp3(1_000, 1);
    let music = Music::new(&[&song]);
    let server = serve(music.path());
    let mut client = TestClient::join(server.address());
    let stream = client.play_from(1, Start::Time(10_000), 0);
    let started = skip_to_started(&mut client, stream);
    assert_eq!(started.first_sample + u64::from(started.discard), 441_000);
    assert_eq!((started.position % 417, started.first_sample), (0, started.position / 417 * 1_152));
    assert_eq!(client.next(), Seen::Ended(stream, EndReason::Finished));
    assert!(client.data(stream) == &song[started.position as usize..]);
}

#[test]
fn content_is_found_again_under_another_number_or_not_at_all() {
    let (kept, other) = (mp3(50, 1), mp3(60, 2));
    let music = Music::new(&[&kept, &other]);
    let server = serve(music.path());
    let mut client = TestClient::join(server.address());
    let tag = client.start(1).content_tag;

    // The same audio at another path is another song of the same content.
    fs::rename(music.song(1), music.path().join("renamed.mp3")).unwrap();
    fs::write(music.song(1), mp3(70, 3)).unwrap();
    client.list(1, 10);
    while !matches!(client.next(), Seen::ListEnd(_)) {}
    let stream = client.play_from(1, Start::Resume(417), tag);
    let started = skip_to_started(&mut client, stream);
    assert_eq!(started.content_tag, tag);
    assert_ne!(started.song, SongId(1));
    assert_eq!(client.next(), Seen::Ended(stream, EndReason::Finished));
    assert!(client.data(stream) == &kept[417..]);

    fs::remove_file(music.path().join("renamed.mp3")).unwrap();
    client.list(1, 10);
    while !matches!(client.next(), Seen::ListEnd(_)) {}
    let stream = client.play_from(2, Start::Time(0), tag);
    assert_eq!(client.next(), Seen::Failed(stream.0, ErrorCode::SONG_CHANGED));
}

#[test]
fn a_stream_goes_on_after_a_restart_into_a_smaller_directory() {
    let (first, wanted) = (mp3(50, 1), mp3(60, 2));
    let music = Music::new(&[&first, &wanted]);
    let server = serve(music.path());
    let tag = TestClient::join(server.address()).start(2).content_tag;
    server.shut_down();

    fs::remove_file(music.song(1)).unwrap();
    let server = serve(music.path());
    let mut client = TestClient::join(server.address());
    let stream = client.play_from(2, Start::Resume(417), tag);
    let started = skip_to_started(&mut client, stream);
    assert_eq!((started.song, started.content_tag, started.position), (SongId(1), tag, 417));
    assert_eq!(client.next(), Seen::Ended(stream, EndReason::Finished));
    assert!(client.data(stream) == &wanted[417..]);
    // Without the tag, or with one that no song has, there is no such song.
    for other in [0, tag ^ 1] {
        let stream = client.play_from(2, Start::Time(0), other);
        assert_eq!(client.next(), Seen::Failed(stream.0, ErrorCode::NO_SUCH_SONG));
    }
}

#[test]
fn while_frames_are_counted_the_client_hears_that_the_server_is_there() {
    // Nothing but a hole, in which there is no frame to find.
    let music = Music::new(&[b"", &mp3(3, 1)]);
    let endless = fs::File::create(music.song(1)).unwrap();
    endless.set_len(ENDLESS_BYTES).unwrap();
    let server = serve(music.path());
    let mut raw = Raw::join(server.address());
    let begun = Instant::now();
    raw.say(&Info { request: RequestId(1), song: SongId(1) });
    assert_eq!(raw.frame().kind, MessageType::Ping, "instead of an answer that takes long");
    println!("PING after {:?}", begun.elapsed());

    // Meanwhile others get what they want.
    let stream = TestClient::join(server.address()).start(2).stream;
    assert_eq!(stream, StreamId(1));
    endless.set_len(0).unwrap();
    let answer = raw.answer();
    assert_eq!((answer.kind, answer.id), (MessageType::Song, 1));
}

#[test]
fn a_song_that_was_removed_is_gone() {
    let music = Music::new(&[&mp3(50, 1), &mp3(60, 2)]);
    let server = serve(music.path());
    let mut client = TestClient::join(server.address());
    fs::remove_file(music.song(2)).unwrap();
    let stream = client.play(2);
    assert_eq!(client.next(), Seen::Failed(stream.0, ErrorCode::SONG_GONE));
}

#[test]
fn a_song_that_is_cut_short_while_it_plays_breaks_off_alone() {
    let (broken, whole) = (mp3_of_bytes(MEGABYTE, 1), mp3_of_bytes(MEGABYTE, 2));
    let music = Music::new(&[&broken, &whole]);
    let server = serve(music.path());
    let mut unlucky = TestClient::join(server.address());
    let mut lucky = TestClient::join(server.address());
    unlucky.plays = false;
    let broken_stream = unlucky.start(1).stream;
    let whole_stream = lucky.start(2).stream;
    fs::File::options().write(true).open(music.song(1)).unwrap().set_len(100).unwrap();
    unlucky.plays = true;
    unlucky.start_over(broken_stream);
    assert_eq!(unlucky.next(), Seen::Ended(broken_stream, EndReason::Failed));
    assert_eq!(lucky.next(), Seen::Ended(whole_stream, EndReason::Finished));
    assert!(lucky.data(whole_stream) == whole);
    // The connection is as good as before.
    let stream = unlucky.start(2).stream;
    assert_eq!(unlucky.next(), Seen::Ended(stream, EndReason::Finished));
    assert!(unlucky.data(stream) == whole);
}

#[test]
fn junk_is_refused() {
    let music = Music::new(&[b"this is no music at all", b""]);
    let server = serve(music.path());
    let mut client = TestClient::join(server.address());
    for song in [1, 2] {
        let stream = client.play(song);
        assert_eq!(client.next(), Seen::Failed(stream.0, ErrorCode::NO_AUDIO));
    }
}

fn play(stream: StreamId, credit: u32) -> Play {
    Play { stream, song: SongId(1), start: Start::Time(0), content_tag: 0, credit }
}

/// The 32-bit field at this place of a payload.
fn number(payload: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(payload[at..at + 4].try_into().expect("4 bytes"))
}

#[track_caller]
fn assert_no_data_before_pong(raw: &mut Raw) {
    raw.say(&Ping { token: 42 });
    let frame = raw.frame();
    assert_eq!(frame.kind, MessageType::Pong, "{} bytes", frame.payload.len());
}

/// Skips what is left of the streams before.
#[track_caller]
fn skip_to_started(client: &mut TestClient, stream: StreamId) -> Started {
    loop {
        match client.next() {
            Seen::Started(started) if started.stream == stream => return started,
            Seen::Started(_) | Seen::Ended(..) => {}
            other => panic!("{other:?}"),
        }
    }
}
