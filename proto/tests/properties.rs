//! Any message round-trips; any bytes at all neither panic nor are read over their end; and what a machine makes of its
//! input does not depend on how the input is cut up.

use proptest::collection::vec;
use proptest::prelude::*;
use trill_proto::error::ErrorCode;
use trill_proto::frame::{ControlFrame, FrameReader, Part};
use trill_proto::ids::{RequestId, SongId, StreamId};
use trill_proto::limits::{MAX_BITRATE, MAX_CONTROL_BYTES, MAX_QUERY_BYTES, MAX_SONG_BYTES};
use trill_proto::message::{
    Credit, End, EndReason, Error, Gain, Goodbye, GoodbyeReason, Group, Header, Hello, Info, List, ListEnd, Message,
    MessageType, PREAMBLE, Ping, Play, Pong, Search, Song, SongGroup, Start, Started, Stop, Welcome,
};
use trill_proto::session::client::{Client, Identity, PlayRequest};
use trill_proto::session::server::{Event as ServerEvent, Server};
use trill_proto::ticks::Ticks;
use trill_proto::time::Instant;

const NOW: Instant = Instant::from_micros(1_000_000);

// ── any message ──

/// Text of at most `bytes` bytes, of characters of every width.
fn text(bytes: usize) -> impl Strategy<Value = &'static str> {
    "\\PC*|[a-z ]{0,300}".prop_map(move |text| &*trill_proto::message::cut(&text, bytes).to_owned().leak())
}

fn hello() -> impl Strategy<Value = Message<'static>> {
    (any::<(u8, u8, u32, u16, [u8; 16])>(), 256_u16.., text(64)).prop_map(|(fields, max_control, name)| {
        let (one, other, features, roles, nonce) = fields;
        let (lowest_version, highest_version) = (one.min(other), one.max(other));
        Message::Hello(Hello { lowest_version, highest_version, max_control, features, roles, nonce, name })
    })
}

fn welcome() -> impl Strategy<Value = Message<'static>> {
    let limits = (256_u16.., 16_384_u32..);
    (any::<(u8, u32)>(), 1_u8.., limits, any::<(u32, u32)>(), text(64)).prop_map(
        |(first, max_streams, limits, second, server_name)| {
            let (version, features) = first;
            let (max_control, max_credit) = limits;
            let (generation, song_count) = second;
            Message::Welcome(Welcome {
                version,
                max_streams,
                max_control,
                features,
                generation,
                song_count,
                max_credit,
                server_name,
            })
        },
    )
}

/// The sample rates of MP3.
const RATES: [u32; 9] = [8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000];

fn rate() -> impl Strategy<Value = u32> {
    proptest::sample::select(RATES.as_slice())
}

/// The most samples that so many bytes can count: a frame has at least 4 bytes, and counts at most 3,456 samples.
fn most_samples(size_bytes: u64) -> u64 {
    (size_bytes / 4).saturating_mul(3_456)
}

fn song() -> impl Strategy<Value = Message<'static>> {
    let numbers = (any::<u32>(), any::<u32>(), 0..=MAX_SONG_BYTES, any::<u16>(), any::<bool>());
    let sound = (0..=MAX_BITRATE, prop_oneof![Just(0), rate()], 0_u8..=2);
    let duration = proptest::option::of(0..u32::MAX);
    let texts = (text(255), text(255), text(255), text(255), text(255), text(255));
    let more = (any::<(u16, u16)>(), gain(), proptest::option::of(any::<(u32, u32)>()), any::<Option<u32>>());
    (numbers, sound, duration, texts, more).prop_map(|(numbers, sound, duration, texts, more)| {
        let (title, artist, album, album_artist, genre, path) = texts;
        let ((year, disc), gain, group, rank) = more;
        let (request, song, size_bytes, track, is_cut) = numbers;
        let (bitrate, rate, channels) = sound;
        let longest = u32::try_from((size_bytes / 4).saturating_mul(144)).unwrap_or(u32::MAX - 1);
        let duration_ms = duration.map(|duration| duration.min(longest));
        let song = Song {
            request: RequestId(request),
            song: SongId(song),
            duration_ms,
            size_bytes,
            bitrate,
            rate,
            channels,
            track,
            is_cut,
            title,
            artist,
            album,
            album_artist,
            genre,
            path,
            year,
            disc,
            gain,
            group: group.map(|(songs, rank)| SongGroup { songs, rank }),
            rank,
        };
        // As a server sends it: six long texts do not fit into a payload.
        Message::Song(song.fitted(MAX_CONTROL_BYTES))
    })
}

fn gain() -> impl Strategy<Value = Gain> {
    let number = || proptest::option::of(i16::MIN + 1..);
    (number(), number(), number(), number()).prop_map(|(track, track_peak, album, album_peak)| Gain {
        track,
        track_peak,
        album,
        album_peak,
    })
}

fn started() -> impl Strategy<Value = Message<'static>> {
    let numbers = any::<(u32, u32, u64, u32, u16, u16, u16)>();
    let sound = (0..=MAX_BITRATE, rate(), 1_u8..=2);
    let positions = (0..=MAX_SONG_BYTES, 0..=MAX_SONG_BYTES);
    (numbers, positions, any::<(u64, u64, u64)>(), sound, gain()).prop_map(
        |(numbers, (one, other), samples, (bitrate, rate, channels), gain)| {
            let (stream, song, content_tag, discard, fraction, encoder_delay, encoder_padding) = numbers;
            let (begin, end, first_heard) = samples;
            let size_bytes = one.max(other).max(4);
            let within = |sample: u64| sample.min(most_samples(size_bytes));
            let discard = discard.min(u32::try_from(within(first_heard)).unwrap_or(u32::MAX));
            Message::Started(Started {
                stream: StreamId(stream),
                song: SongId(song),
                content_tag: content_tag.max(1),
                position: one.min(other),
                size_bytes,
                first_sample: within(first_heard) - u64::from(discard),
                first_fraction: Ticks::new(fraction.into()).after_whole_samples(rate),
                discard,
                begin_sample: within(begin.min(end)),
                end_sample: within(begin.max(end)),
                bitrate,
                rate,
                channels,
                encoder_delay,
                encoder_padding,
                gain,
            })
        },
    )
}

fn play() -> impl Strategy<Value = Message<'static>> {
    any::<(u32, u32, bool, u64, u64, u32)>().prop_map(|(stream, song, is_resume, position, content_tag, credit)| {
        let start = if is_resume { Start::Resume(position) } else { Start::Time(position) };
        Message::Play(Play { stream: StreamId(stream), song: SongId(song), start, content_tag, credit })
    })
}

fn list() -> impl Strategy<Value = Message<'static>> {
    let id = || any::<u32>().prop_map(SongId);
    let group = || prop_oneof![Just(Group::Album), Just(Group::Artist)];
    let (within, numbers) = (proptest::option::of((group(), id())), proptest::option::of((id(), id())));
    let search = (text(MAX_QUERY_BYTES), any::<u32>(), proptest::option::of(group()), within, numbers, any::<bool>());
    let search = proptest::option::of(search);
    (1_u32.., any::<(u32, u32)>(), search).prop_map(|(request, (first, at_most), search)| {
        let search = search.map(|(query, rank, group, within, numbers, is_best)| Search {
            query,
            rank,
            group,
            within,
            numbers,
            is_best,
        });
        Message::List(List { request: RequestId(request), first: SongId(first), at_most, search })
    })
}

fn message() -> impl Strategy<Value = Message<'static>> {
    let id = any::<u32>();
    prop_oneof![
        hello(),
        welcome(),
        song(),
        started(),
        play(),
        list(),
        (1_u32.., any::<u32>())
            .prop_map(|(id, song)| Message::Info(Info { request: RequestId(id), song: SongId(song) })),
        any::<(u32, u32, u32, u32)>().prop_map(|(id, total, next, generation)| {
            let next = (next != 0).then_some(SongId(next));
            Message::ListEnd(ListEnd { request: RequestId(id), total, next, generation })
        }),
        any::<(u32, u32)>().prop_map(|(id, more)| Message::Credit(Credit { stream: StreamId(id), more })),
        id.prop_map(|id| Message::Stop(Stop { stream: StreamId(id) })),
        (id, 0..EndReason::ALL.len())
            .prop_map(|(id, which)| { Message::End(End { stream: StreamId(id), reason: EndReason::ALL[which].1 }) }),
        any::<u64>().prop_map(|token| Message::Ping(Ping { token })),
        any::<(u64, u64, u64)>()
            .prop_map(|(token, received_us, sent_us)| { Message::Pong(Pong { token, received_us, sent_us }) }),
        (id, any::<u16>(), text(200)).prop_map(|(id, code, text)| {
            let code = ErrorCode(code);
            let id = if code.is_fatal() { id } else { id.max(1) };
            Message::Error(Error { id, code, text })
        }),
        prop_oneof![1_u8..=3, any::<u8>()].prop_map(|byte| {
            let known = GoodbyeReason::ALL.iter().find(|(_, reason)| reason.to_byte() == byte);
            Message::Goodbye(Goodbye { reason: known.map_or(GoodbyeReason::Other(byte), |(_, reason)| *reason) })
        }),
        (id, vec(any::<u8>(), 1..600)).prop_map(|(id, bytes)| Message::Data(id, bytes.leak())),
    ]
}

/// Encodes into a buffer full of 0xa5, so that a byte that was left out shows.
fn encode(message: &Message<'_>) -> Vec<u8> {
    let mut out = vec![0xa5; 4_096];
    let length = message.encode(&mut out).expect("every message fits");
    out.truncate(length);
    out
}

// ── any cut ──

/// `bytes` in pieces whose lengths are taken from `lengths`, over and over.
fn pieces<'a>(mut bytes: &'a [u8], lengths: &[usize]) -> Vec<&'a [u8]> {
    let mut found = Vec::new();
    for length in lengths.iter().cycle() {
        if bytes.is_empty() {
            break;
        }
        let (piece, rest) = bytes.split_at((*length).min(bytes.len()));
        found.push(piece);
        bytes = rest;
    }
    found
}

/// What a fresh client with a song under way makes of `input`: its events, with DATA joined, and how it ends.
fn client_log(input: &[u8], lengths: &[usize]) -> Vec<String> {
    let mut client: Client<256> = Client::new(NOW, &Identity { name: "any", nonce: [1; 16], roles: 0 });
    let wanted = PlayRequest { song: SongId(1), start: Start::Time(0), content_tag: 0, capacity: 65_536, occupied: 0 };
    client.play(NOW, &wanted).expect("room");
    let _ = client.poll_transmit(NOW);
    let mut log = Vec::new();
    let mut data = Vec::new();
    for piece in pieces(input, lengths) {
        let mut rest = piece;
        while !rest.is_empty() {
            match client.handle_input(NOW, rest) {
                Ok((taken, event)) => {
                    assert!((1..=rest.len()).contains(&taken), "took {taken} of {}", rest.len());
                    rest = &rest[taken..];
                    match event {
                        Some(trill_proto::session::client::Event::Data { bytes, .. }) => data.extend_from_slice(bytes),
                        Some(event) => log.push(format!("after {} bytes of data: {event:?}", data.len())),
                        None => {}
                    }
                }
                Err(error) => {
                    log.push(format!("after {} bytes of data: {error:?}", data.len()));
                    assert!(client.is_closed());
                    return log;
                }
            }
        }
    }
    log.push(format!("{data:02x?}"));
    log
}

/// What a fresh server makes of `input`: its events, how it ends, and what it says.
fn server_log(input: &[u8], lengths: &[usize]) -> Vec<String> {
    let mut server = Server::new(NOW);
    let mut log = Vec::new();
    let mut said = Vec::new();
    'input: for piece in pieces(input, lengths) {
        let mut rest = piece;
        while !rest.is_empty() {
            match server.handle_input(NOW, rest) {
                Ok((taken, event)) => {
                    assert!((1..=rest.len()).contains(&taken), "took {taken} of {}", rest.len());
                    rest = &rest[taken..];
                    let is_hello = matches!(event, Some(ServerEvent::Hello(_)));
                    let play = if let Some(ServerEvent::Play(play)) = &event { Some(*play) } else { None };
                    log.extend(event.map(|event| format!("{event:?}")));
                    if is_hello {
                        server.welcome(&Welcome::new()).expect("room");
                    }
                    if let Some(play) = play {
                        let started = Started {
                            stream: play.stream,
                            content_tag: 1,
                            size_bytes: 99,
                            rate: 1,
                            channels: 1,
                            ..Started::default()
                        };
                        server.start(&started).expect("room");
                    }
                }
                Err(error) => {
                    log.push(format!("{error:?}"));
                    assert!(server.is_closed());
                    break 'input;
                }
            }
            while let Some(bytes) = server.poll_transmit(NOW) {
                said.extend_from_slice(bytes);
            }
        }
    }
    while let Some(bytes) = server.poll_transmit(NOW) {
        said.extend_from_slice(bytes);
    }
    log.push(format!("{said:02x?}"));
    log
}

/// Bytes that get past the front door: preamble and greeting, then messages with a few bytes changed.
fn almost_valid(greeting: Message<'static>) -> impl Strategy<Value = Vec<u8>> {
    let damage = vec((any::<proptest::sample::Index>(), any::<u8>()), 0..4);
    (vec(message(), 0..12), damage).prop_map(move |(messages, damage)| {
        let mut bytes = [PREAMBLE.to_vec(), encode(&greeting)].concat();
        bytes.extend(messages.iter().flat_map(encode));
        for (place, value) in damage {
            let at = place.index(bytes.len());
            bytes[at] = value;
        }
        bytes
    })
}

fn lengths() -> impl Strategy<Value = Vec<usize>> {
    vec(prop_oneof![Just(1), 1_usize..40, 1_usize..2_000], 1..8)
}

proptest! {
    #[test]
    fn any_message_round_trips(message in message()) {
        let bytes = encode(&message);
        let header = Header::decode(bytes[..8].try_into().expect("8 bytes"));
        prop_assert_eq!(usize::from(header.length), bytes.len() - 8);
        prop_assert_eq!(Message::decode(header, &bytes[8..]), Ok(message));
    }

    #[test]
    fn no_payload_is_longer_than_its_type_says(message in message()) {
        prop_assert!(encode(&message).len() - 8 <= message.kind().max_payload_bytes());
    }

    #[test]
    fn no_buffer_is_written_over_its_end(message in message(), room in 0_usize..900) {
        let whole = encode(&message);
        let mut out = vec![0; room];
        match message.encode(&mut out) {
            Ok(length) => prop_assert_eq!(&out[..length], &whole[..]),
            Err(_) => prop_assert!(room < whole.len()),
        }
    }

    #[test]
    fn any_payload_of_any_kind_is_decoded_or_refused(
        kind in 0..MessageType::ALL.len(), flags: u8, id: u32, payload in vec(any::<u8>(), 0..400)
    ) {
        let length = payload.len().try_into().expect("short");
        let _ = Message::decode(Header { kind: MessageType::ALL[kind].to_byte(), flags, length, id }, &payload);
    }

    #[test]
    fn any_bytes_are_framed_or_refused(bytes in vec(any::<u8>(), 0..3_000)) {
        let mut reader = FrameReader::<300>::new();
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let Ok((taken, part)) = reader.read(rest) else { break };
            prop_assert!(taken <= rest.len());
            if let Some(Part::Control(ControlFrame { header, payload, .. })) = &part {
                prop_assert_eq!(usize::from(header.length), payload.len());
            }
            prop_assert!(taken > 0 || part.is_none());
            rest = &rest[taken..];
        }
    }

    #[test]
    fn a_client_takes_any_bytes_however_they_are_cut(bytes in vec(any::<u8>(), 0..600), lengths in lengths()) {
        prop_assert_eq!(client_log(&bytes, &lengths), client_log(&bytes, &[usize::MAX]));
    }

    #[test]
    fn a_client_takes_almost_valid_bytes_however_they_are_cut(
        bytes in almost_valid(Message::Welcome(Welcome::new())), lengths in lengths()
    ) {
        let whole = client_log(&bytes, &[usize::MAX]);
        prop_assert_eq!(&client_log(&bytes, &lengths), &whole);
        prop_assert_eq!(&client_log(&bytes, &[1]), &whole);
    }

    #[test]
    fn a_server_takes_any_bytes_however_they_are_cut(bytes in vec(any::<u8>(), 0..600), lengths in lengths()) {
        prop_assert_eq!(server_log(&bytes, &lengths), server_log(&bytes, &[usize::MAX]));
    }

    #[test]
    fn a_server_takes_almost_valid_bytes_however_they_are_cut(
        bytes in almost_valid(Message::Hello(Hello::default())), lengths in lengths()
    ) {
        let whole = server_log(&bytes, &[usize::MAX]);
        prop_assert_eq!(&server_log(&bytes, &lengths), &whole);
        prop_assert_eq!(&server_log(&bytes, &[1]), &whole);
    }
}
