//! Incremental framing: bytes go in as they arrive, and parts of frames come out.
//!
//! A control frame is gathered whole in a fixed buffer. The payload of DATA is handed on piece by piece, and the
//! payload of a frame that may be ignored is dropped. Neither is ever held.

use crate::error::SessionError;
use crate::limits::HEADER_BYTES;
use crate::message::{Decode, Header, IGNORABLE, MessageType};
use heapless::Vec;

/// A part of a frame.
#[derive(Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// A whole frame that is neither DATA nor ignorable.
    Control(ControlFrame<'a>),
    /// The header of a DATA frame; its payload follows in [`Part::Data`] pieces.
    DataBegins {
        /// The stream.
        id: u32,
        /// Payload bytes to come.
        length: u16,
    },
    /// Some bytes of a DATA frame, at least one.
    Data {
        /// The stream.
        id: u32,
        /// The bytes.
        bytes: &'a [u8],
    },
    /// The header of a frame that may be ignored. Its payload is dropped.
    Ignored,
}

/// A whole frame that is neither DATA nor ignorable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlFrame<'a> {
    /// Its type.
    pub kind: MessageType,
    /// Its header.
    pub header: Header,
    /// Its payload, `header.length` bytes.
    pub payload: &'a [u8],
}

impl<'a> ControlFrame<'a> {
    /// The message in this frame. `M` must be the message of the frame's type.
    ///
    /// # Errors
    /// [`SessionError::Malformed`] if the payload does not have the message's form.
    pub fn decode<M: Decode<'a>>(&self) -> Result<M, SessionError> {
        M::decode(self.header, self.payload).map_err(|_| SessionError::Malformed(self.kind))
    }
}

#[derive(Debug)]
enum State {
    Header,
    Control { kind: MessageType, header: Header },
    Data { id: u32, left: u16 },
    Skip { left: u16 },
}

/// Takes frames apart. `CONTROL` is the largest control payload it takes, in bytes.
#[derive(Debug)]
pub struct FrameReader<const CONTROL: usize> {
    state: State,
    header: Vec<u8, HEADER_BYTES>,
    payload: Vec<u8, CONTROL>,
}

impl<const CONTROL: usize> FrameReader<CONTROL> {
    /// A reader that expects a frame header.
    pub const fn new() -> Self {
        Self { state: State::Header, header: Vec::new(), payload: Vec::new() }
    }

    /// Takes bytes off the front of `input` until a part is complete or the input is used up.
    ///
    /// Returns how many bytes were taken and the part, if there is one. `None` means that all of `input` was taken
    /// and more is needed. Call again with what was not taken.
    ///
    /// # Errors
    /// [`SessionError::UnknownType`] and [`SessionError::TooLarge`], as soon as the header shows it, and
    /// [`SessionError::Malformed`] for DATA without a byte. The reader is of no further use then.
    pub fn read<'a>(&'a mut self, input: &'a [u8]) -> Result<(usize, Option<Part<'a>>), SessionError> {
        let mut rest = input;
        loop {
            match self.state {
                State::Header => {
                    let Some(header) = gather(&mut self.header, HEADER_BYTES, &mut rest) else {
                        return Ok((input.len(), None));
                    };
                    let header = Header::decode(header.try_into().unwrap_or_default());
                    self.header.clear();
                    self.state = self.after_header(header)?;
                    let taken = input.len() - rest.len();
                    match self.state {
                        State::Data { id, left } => return Ok((taken, Some(Part::DataBegins { id, length: left }))),
                        State::Skip { .. } => return Ok((taken, Some(Part::Ignored))),
                        State::Header | State::Control { .. } => {}
                    }
                }
                State::Control { kind, header } => {
                    if gather(&mut self.payload, usize::from(header.length), &mut rest).is_none() {
                        return Ok((input.len(), None));
                    }
                    self.state = State::Header;
                    let taken = input.len() - rest.len();
                    let frame = ControlFrame { kind, header, payload: &self.payload };
                    return Ok((taken, Some(Part::Control(frame))));
                }
                State::Data { id, left } => {
                    let bytes = take(&mut rest, left);
                    if bytes.is_empty() {
                        return Ok((input.len(), None));
                    }
                    self.state = match left - length_of(bytes) {
                        0 => State::Header,
                        left => State::Data { id, left },
                    };
                    return Ok((input.len() - rest.len(), Some(Part::Data { id, bytes })));
                }
                State::Skip { left } => {
                    let skipped = length_of(take(&mut rest, left));
                    self.state = match left - skipped {
                        0 => State::Header,
                        left => State::Skip { left },
                    };
                    if rest.is_empty() {
                        return Ok((input.len(), None));
                    }
                }
            }
        }
    }

    fn after_header(&mut self, header: Header) -> Result<State, SessionError> {
        if header.kind & IGNORABLE != 0 {
            return Ok(State::Skip { left: header.length });
        }
        let kind = MessageType::from_byte(header.kind).ok_or(SessionError::UnknownType(header.kind))?;
        match kind {
            MessageType::Data if header.length == 0 => Err(SessionError::Malformed(kind)),
            MessageType::Data => Ok(State::Data { id: header.id, left: header.length }),
            _ if usize::from(header.length) > CONTROL => Err(SessionError::TooLarge { kind, length: header.length }),
            _ => {
                self.payload.clear();
                Ok(State::Control { kind, header })
            }
        }
    }
}

impl<const CONTROL: usize> Default for FrameReader<CONTROL> {
    fn default() -> Self {
        Self::new()
    }
}

/// Moves bytes from `rest` until `buffer` has `wanted`, and returns them once it has.
fn gather<'b, const N: usize>(buffer: &'b mut Vec<u8, N>, wanted: usize, rest: &mut &[u8]) -> Option<&'b [u8]> {
    let missing = wanted.saturating_sub(buffer.len());
    let (taken, left) = rest.split_at(missing.min(rest.len()));
    // Cannot overflow: `wanted` was checked against N before the first byte was gathered.
    buffer.extend_from_slice(taken).ok()?;
    *rest = left;
    (buffer.len() == wanted).then_some(buffer)
}

/// Splits at most `limit` bytes off the front of `rest`.
fn take<'a>(rest: &mut &'a [u8], limit: u16) -> &'a [u8] {
    let (taken, left) = rest.split_at(usize::from(limit).min(rest.len()));
    *rest = left;
    taken
}

/// The length of a slice that [`take`] bounded by a `u16`.
fn length_of(bytes: &[u8]) -> u16 {
    u16::try_from(bytes.len()).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::String;
    use std::vec::Vec;
    use std::{format, vec};

    /// Reads `wire` in pieces of at most `step` bytes and writes down what was found; DATA pieces are joined.
    fn read_all(wire: &[u8], step: usize) -> Result<Vec<String>, SessionError> {
        let mut reader = FrameReader::<16>::new();
        let mut found = Vec::new();
        let mut data: Vec<u8> = vec![];
        for piece in wire.chunks(step) {
            let mut rest = piece;
            loop {
                let (taken, part) = reader.read(rest)?;
                rest = &rest[taken..];
                match part {
                    None => break,
                    Some(Part::Control(ControlFrame { kind, header, payload })) => {
                        found.push(format!("{kind} {} {payload:02x?}", header.id));
                    }
                    Some(Part::DataBegins { id, length }) => {
                        data.clear();
                        found.push(format!("DATA {id} of {length}"));
                    }
                    Some(Part::Data { bytes, .. }) => {
                        data.extend_from_slice(bytes);
                        if data.len() == 5 {
                            found.push(format!("{data:02x?}"));
                        }
                    }
                    Some(Part::Ignored) => found.push("ignored".into()),
                }
            }
            assert!(rest.is_empty());
        }
        Ok(found)
    }

    #[test]
    fn the_parts_are_the_same_however_the_input_is_cut_up() {
        let wire = [
            &[0x06, 0, 0, 0, 0, 0, 0, 9][..],            // STOP 9, no payload
            &[0x85, 0, 0, 3, 0, 0, 0, 0, 1, 2, 3],       // unknown, may be ignored
            &[0x15, 0, 0, 5, 0, 0, 0, 2, 5, 4, 3, 2, 1], // DATA
            &[0x81, 0, 0, 0, 0, 0, 0, 0],                // NOTICE, empty
            &[0x05, 0, 0, 4, 0, 0, 0, 2, 0, 0, 1, 0],    // CREDIT
        ]
        .concat();
        let expected =
            vec!["STOP 9 []", "ignored", "DATA 2 of 5", "[05, 04, 03, 02, 01]", "ignored", "CREDIT 2 [00, 00, 01, 00]"];
        for step in 1..=wire.len() {
            assert_eq!(read_all(&wire, step).expect("valid"), expected, "in pieces of {step}");
        }
    }

    #[test]
    fn a_frame_that_cannot_be_taken_is_refused_at_its_header() {
        let unknown = [0x7f, 0, 0, 1, 0, 0, 0, 0];
        assert_eq!(read_all(&unknown, 8), Err(SessionError::UnknownType(0x7f)));
        let large = [0x12, 0, 0, 17, 0, 0, 0, 0];
        assert_eq!(read_all(&large, 8), Err(SessionError::TooLarge { kind: MessageType::Song, length: 17 }));
        let empty = [0x15, 0, 0, 0, 0, 0, 0, 1];
        assert_eq!(read_all(&empty, 8), Err(SessionError::Malformed(MessageType::Data)));
    }
}
