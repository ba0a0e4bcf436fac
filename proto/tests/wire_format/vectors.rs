//! The messages that the byte vectors of `wire-format.md` stand for, by the vectors' names.

use trill_proto::error::ErrorCode;
use trill_proto::ids::{RequestId, SongId, StreamId};
use trill_proto::message::{
    Credit, End, EndReason, Error, Gain, Goodbye, GoodbyeReason, Group, Hello, Info, List, ListEnd, Message, Ping,
    Play, Pong, Search, Song, SongGroup, Start, Started, Stop, Welcome,
};

const NONCE: [u8; 16] = *b"0123456789abcdef";

const SONG: Song<'_> = Song {
    request: RequestId(0),
    song: SongId(0),
    duration_ms: None,
    size_bytes: 0,
    bitrate: 0,
    rate: 0,
    channels: 0,
    track: 0,
    is_cut: false,
    title: "",
    artist: "",
    album: "",
    album_artist: "",
    genre: "",
    path: "",
    year: 0,
    disc: 0,
    gain: Gain::UNKNOWN,
    group: None,
    rank: None,
};

/// A search for all songs.
const ALL: Search<'_> = Search { query: "", rank: 0, group: None, within: None, numbers: None, is_best: false };

const GAIN: Gain = Gain { track: Some(-650), track_peak: Some(-10), album: Some(-712), album_peak: None };

pub(crate) const VECTORS: &[(&str, Message<'static>)] = &[
    (
        "hello",
        Message::Hello(Hello {
            lowest_version: 1,
            highest_version: 1,
            max_control: 1_024,
            features: 0,
            roles: 0,
            nonce: NONCE,
            name: "kitchen",
        }),
    ),
    (
        "hello-board",
        Message::Hello(Hello {
            lowest_version: 1,
            highest_version: 1,
            max_control: 512,
            features: 0,
            roles: 0,
            nonce: NONCE,
            name: "",
        }),
    ),
    (
        "welcome",
        Message::Welcome(Welcome {
            version: 1,
            max_streams: 1,
            max_control: 512,
            features: 0,
            generation: 4,
            song_count: 1_200,
            max_credit: 16_777_216,
            server_name: "attic",
        }),
    ),
    ("list", Message::List(List { request: RequestId(1), first: SongId(1), at_most: 100, search: None })),
    (
        "list-search",
        Message::List(List {
            request: RequestId(2),
            first: SongId(0),
            at_most: 20,
            search: Some(Search { query: "bjork joga", rank: 40, ..ALL }),
        }),
    ),
    ("list-all", Message::List(List { request: RequestId(3), first: SongId(7), at_most: 100, search: Some(ALL) })),
    (
        "list-albums",
        Message::List(List {
            request: RequestId(4),
            first: SongId(0),
            at_most: 20,
            search: Some(Search { query: "jazz", group: Some(Group::Album), ..ALL }),
        }),
    ),
    (
        "list-within",
        Message::List(List {
            request: RequestId(5),
            first: SongId(0),
            at_most: 1,
            search: Some(Search { rank: 4, within: Some((Group::Album, SongId(7))), ..ALL }),
        }),
    ),
    (
        "list-numbers",
        Message::List(List {
            request: RequestId(6),
            first: SongId(0),
            at_most: 1,
            search: Some(Search { rank: 2, numbers: Some((SongId(3), SongId(7))), ..ALL }),
        }),
    ),
    (
        "list-best",
        Message::List(List {
            request: RequestId(7),
            first: SongId(0),
            at_most: 1,
            search: Some(Search { query: "so what", is_best: true, ..ALL }),
        }),
    ),
    ("info", Message::Info(Info { request: RequestId(2), song: SongId(7) })),
    (
        "song",
        Message::Song(Song {
            request: RequestId(1),
            song: SongId(7),
            duration_ms: Some(187_319),
            size_bytes: 2_998_021,
            bitrate: 128_000,
            rate: 44_100,
            channels: 2,
            track: 3,
            is_cut: false,
            title: "Dvě slunce",
            artist: "Anon",
            album: "",
            ..SONG
        }),
    ),
    (
        "song-unknown",
        Message::Song(Song {
            request: RequestId(1),
            song: SongId(8),
            duration_ms: None,
            size_bytes: 5_000,
            bitrate: 0,
            rate: 0,
            channels: 0,
            track: 0,
            is_cut: true,
            title: "noise",
            artist: "",
            album: "",
            ..SONG
        }),
    ),
    (
        "song-info",
        Message::Song(Song {
            request: RequestId(2),
            song: SongId(9),
            duration_ms: Some(254_000),
            size_bytes: 4_064_000,
            bitrate: 128_000,
            rate: 44_100,
            channels: 2,
            track: 1,
            is_cut: false,
            title: "Hunter",
            artist: "Björk",
            album: "Homogenic",
            album_artist: "Björk",
            genre: "Electronic",
            path: "Björk/Homogenic/1.mp3",
            year: 1997,
            disc: 1,
            gain: GAIN,
            group: None,
            rank: None,
        }),
    ),
    (
        "song-ranked",
        Message::Song(Song {
            request: RequestId(2),
            song: SongId(11),
            size_bytes: 5_000,
            title: "Jóga",
            rank: Some(40),
            ..SONG
        }),
    ),
    (
        "song-album",
        Message::Song(Song {
            request: RequestId(4),
            song: SongId(3),
            size_bytes: 5_000,
            title: "So What",
            artist: "Miles Davis",
            album: "Kind of Blue",
            group: Some(SongGroup { songs: 5, rank: 2 }),
            rank: Some(1),
            ..SONG
        }),
    ),
    (
        "list-end",
        Message::ListEnd(ListEnd { request: RequestId(1), total: 1_200, next: Some(SongId(101)), generation: 4 }),
    ),
    ("list-end-last", Message::ListEnd(ListEnd { request: RequestId(9), total: 2, next: None, generation: 4 })),
    (
        "play",
        Message::Play(Play {
            stream: StreamId(3),
            song: SongId(7),
            start: Start::Time(0),
            content_tag: 0,
            credit: 16_384,
        }),
    ),
    (
        "play-seek",
        Message::Play(Play {
            stream: StreamId(4),
            song: SongId(7),
            start: Start::Time(60_000),
            content_tag: 0x0123_4567_89ab_cdef,
            credit: 16_384,
        }),
    ),
    (
        "play-resume",
        Message::Play(Play {
            stream: StreamId(1),
            song: SongId(7),
            start: Start::Resume(1_000_000),
            content_tag: 0x0123_4567_89ab_cdef,
            credit: 16_384,
        }),
    ),
    (
        "started",
        Message::Started(Started {
            stream: StreamId(3),
            song: SongId(7),
            content_tag: 0x0123_4567_89ab_cdef,
            position: 0,
            size_bytes: 2_998_021,
            first_sample: 0,
            first_fraction: 0,
            discard: 1_105,
            begin_sample: 1_105,
            end_sample: 8_261_917,
            bitrate: 128_000,
            rate: 44_100,
            channels: 2,
            encoder_delay: 576,
            encoder_padding: 1_908,
            gain: Gain::UNKNOWN,
        }),
    ),
    (
        "started-gain",
        Message::Started(Started {
            stream: StreamId(4),
            song: SongId(9),
            content_tag: 0x0123_4567_89ab_cdef,
            position: 0,
            size_bytes: 4_064_000,
            first_sample: 0,
            first_fraction: 0,
            discard: 0,
            begin_sample: 0,
            end_sample: 11_201_400,
            bitrate: 128_000,
            rate: 44_100,
            channels: 2,
            encoder_delay: 0,
            encoder_padding: 0,
            gain: GAIN,
        }),
    ),
    ("data", Message::Data(3, &[0xff, 0xfb, 0x90, 0x64])),
    ("credit", Message::Credit(Credit { stream: StreamId(3), more: 8_192 })),
    ("stop", Message::Stop(Stop { stream: StreamId(3) })),
    ("end", Message::End(End { stream: StreamId(3), reason: EndReason::Stopped })),
    ("ping", Message::Ping(Ping { token: 1_000_000 })),
    ("pong", Message::Pong(Pong { token: 1_000_000, received_us: 77_000_000, sent_us: 77_000_150 })),
    ("error-request", Message::Error(Error { id: 2, code: ErrorCode::NO_SUCH_SONG, text: "there is no song 7" })),
    ("error-connection", Message::Error(Error { id: 0, code: ErrorCode::MALFORMED, text: "" })),
    ("goodbye", Message::Goodbye(Goodbye { reason: GoodbyeReason::Restarting })),
    ("notice", Message::Notice(0, &[0, 1])),
];
