//! Incremental framing.
//!
//! An input is a count, as many lengths of pieces, and the bytes that arrive in these pieces.

use trill_proto::codec::Reader;
use trill_proto::error::SessionError;
use trill_proto::frame::{ControlFrame, FrameReader, Part};
use trill_proto::limits::HEADER_BYTES;
use trill_proto::message::{Header, IGNORABLE, MessageType};

/// Largest accepted control payload.
const CONTROL: usize = 64;

/// A parsed element, with DATA joined.
#[derive(Debug, PartialEq)]
enum Found {
    Control(Header, Vec<u8>),
    Data { id: u32, length: u16, bytes: Vec<u8> },
    Error(SessionError),
}

/// Checks that framing in any pieces gives the same result as parsing the whole.
///
/// # Panics
/// If it does not.
pub fn check(input: &[u8]) {
    let mut fields = Reader::new(input);
    let Ok(count) = fields.u8() else { return };
    let Ok(lengths) = fields.bytes(usize::from(count)) else { return };
    let wire = fields.rest();
    let expected = read_plainly(wire);
    assert_eq!(read_in_pieces(wire, &[]), expected, "in one piece");
    assert_eq!(read_in_pieces(wire, lengths), expected, "in pieces");
}

fn read_in_pieces(mut wire: &[u8], lengths: &[u8]) -> Vec<Found> {
    let mut reader = FrameReader::<CONTROL>::new();
    let mut found = Vec::new();
    let mut lengths = lengths.iter().map(|&length| usize::from(length).max(1)).cycle();
    while !wire.is_empty() {
        let (piece, rest) = wire.split_at(lengths.next().unwrap_or(usize::MAX).min(wire.len()));
        wire = rest;
        if let Err(error) = read_piece(&mut reader, piece, &mut found) {
            found.push(Found::Error(error));
            break;
        }
    }
    found
}

fn read_piece(reader: &mut FrameReader<CONTROL>, mut piece: &[u8], found: &mut Vec<Found>) -> Result<(), SessionError> {
    loop {
        let (taken, part) = reader.read(piece)?;
        let is_done = part.is_none();
        match part {
            Some(Part::Control(ControlFrame { kind, header, payload })) => {
                assert_eq!((kind.to_byte(), usize::from(header.length)), (header.kind, payload.len()));
                found.push(Found::Control(header, payload.to_vec()));
            }
            Some(Part::DataBegins { id, length }) => found.push(Found::Data { id, length, bytes: Vec::new() }),
            Some(Part::Data { id, bytes: more }) => {
                let Some(Found::Data { id: begun, length, bytes }) = found.last_mut() else {
                    panic!("DATA unannounced")
                };
                assert!(*begun == id && !more.is_empty() && bytes.len() + more.len() <= usize::from(*length));
                bytes.extend_from_slice(more);
            }
            Some(Part::Ignored) => {}
            None => assert_eq!(taken, piece.len(), "bytes are left that nothing was found in"),
        }
        piece = &piece[taken..];
        if is_done {
            return Ok(());
        }
    }
}

/// Parses a complete buffer as `wire-format.md` describes frames.
fn read_plainly(mut wire: &[u8]) -> Vec<Found> {
    let mut found = Vec::new();
    while let Some((header, rest)) = wire.split_first_chunk::<HEADER_BYTES>() {
        let header = Header::decode(*header);
        let payload = rest.get(..usize::from(header.length));
        wire = &rest[payload.map_or(rest.len(), <[u8]>::len)..];
        if header.kind & IGNORABLE != 0 {
            continue;
        }
        let Some(kind) = MessageType::from_byte(header.kind) else {
            found.push(Found::Error(SessionError::UnknownType(header.kind)));
            break;
        };
        if kind == MessageType::Data {
            if header.length == 0 {
                found.push(Found::Error(SessionError::Malformed(kind)));
                break;
            }
            let bytes = payload.unwrap_or(rest).to_vec();
            found.push(Found::Data { id: header.id, length: header.length, bytes });
        } else if usize::from(header.length) > CONTROL {
            found.push(Found::Error(SessionError::TooLarge { kind, length: header.length }));
            break;
        } else if let Some(payload) = payload {
            found.push(Found::Control(header, payload.to_vec()));
        }
    }
    found
}
