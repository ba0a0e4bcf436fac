//! Every message. An input is one frame; its length field is corrected.

use trill_proto::codec::Full;
use trill_proto::limits::{
    HEADER_BYTES, MAX_CONTROL_BYTES, MAX_EXPLANATION_BYTES, MAX_NAME_BYTES, MAX_PAYLOAD_BYTES, MAX_TEXT_BYTES,
    MIN_CONTROL_BYTES,
};
use trill_proto::message::{Header, Message, Song, Started};

/// Checks that a decoded message has one encoding, keeps the limits, and decodes to the same again.
///
/// # Panics
/// If it does not.
pub fn check(input: &[u8]) {
    let Some((header, payload)) = input.split_first_chunk::<HEADER_BYTES>() else { return };
    let payload = &payload[..payload.len().min(MAX_PAYLOAD_BYTES)];
    let header = Header { length: payload.len() as u16, ..Header::decode(*header) };
    let Ok(message) = Message::decode(header, payload) else { return };

    let canonical = encode(&message);
    let (again, length) = decode(&canonical);
    assert_eq!(again, message, "the encoding means something else");
    assert_eq!(encode(&again), canonical, "there are two encodings");
    assert!(length <= payload.len(), "the encoding says more than the message did");
    check_limits(&message, length);
    match message {
        Message::Song(song) => check_fitted(&song, header.id),
        Message::Started(started) => check_times(&started),
        _ => {}
    }
}

fn decode(frame: &[u8]) -> (Message<'_>, usize) {
    let (header, payload) = frame.split_first_chunk::<HEADER_BYTES>().expect("a frame has a header");
    let header = Header::decode(*header);
    assert_eq!(usize::from(header.length), payload.len());
    (Message::decode(header, payload).expect("what is encoded can be decoded"), payload.len())
}

/// Encodes into a buffer of the exact size, and into one that is a byte too small.
fn encode(message: &Message<'_>) -> Vec<u8> {
    let mut out = vec![0xa5; HEADER_BYTES + MAX_PAYLOAD_BYTES];
    let length = message.encode(&mut out).expect("there is room for any frame");
    out.truncate(length);
    let mut tight = vec![0x5a; length];
    assert_eq!(message.encode(&mut tight), Ok(length));
    assert_eq!(tight, out, "bytes are left as they were");
    assert_eq!(message.encode(&mut tight[1..]), Err(Full));
    out
}

fn check_limits(message: &Message<'_>, length: usize) {
    let largest = message.kind().max_payload_bytes();
    assert!(length <= largest, "{} bytes of {}", length, message.kind());
    let (text, limit) = match message {
        Message::Hello(hello) => (hello.name, MAX_NAME_BYTES),
        Message::Welcome(welcome) => (welcome.server_name, MAX_NAME_BYTES),
        Message::Error(error) => (error.text, MAX_EXPLANATION_BYTES),
        Message::Song(song) => {
            let texts = [song.title, song.artist, song.album];
            (texts.into_iter().max_by_key(|text| text.len()).unwrap_or_default(), MAX_TEXT_BYTES)
        }
        _ => return,
    };
    assert!(text.len() <= limit, "{} bytes of text", text.len());
}

/// Checks that a song is cut to any client's limits, and only if necessary.
fn check_fitted(song: &Song<'_>, any: u32) {
    let max_control = MIN_CONTROL_BYTES + any as usize % (MAX_CONTROL_BYTES - MIN_CONTROL_BYTES + 1);
    let fitted = song.fitted(max_control);
    let frame = encode(&Message::Song(fitted));
    let (decoded, length) = decode(&frame);
    assert!(length <= max_control, "{length} bytes for a client that takes {max_control}");
    assert_eq!(decoded, Message::Song(fitted));
    for (cut, text) in [(fitted.title, song.title), (fitted.artist, song.artist), (fitted.album, song.album)] {
        assert!(text.starts_with(cut) && (cut == text || fitted.is_cut));
    }
}

/// Checks that a player's arithmetic on STARTED never overflows.
fn check_times(started: &Started) {
    assert!(started.position <= started.size_bytes && started.begin_sample <= started.end_sample);
    let _ = started.first_sample + u64::from(started.discard);
    let duration = started.duration_ms();
    for sample in [0, started.begin_sample, started.first_sample, started.end_sample, u64::MAX] {
        assert!(started.millis_at(started.position_of(sample)) <= duration);
    }
    assert!(started.bytes_per_second() > 0);
}
