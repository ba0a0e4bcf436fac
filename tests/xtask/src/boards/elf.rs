//! Reads the load segments of a linked program (System V ABI, *Object Files*, 32-bit, little-endian).

use std::fs;
use std::ops::Range;
use std::path::Path;

use crate::error::Error;

const LOAD: u32 = 1;
const WRITABLE: u32 = 2;

/// A load segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    /// Address at which it is stored.
    pub(crate) stored_at: u32,
    /// Its bytes in the file.
    pub(crate) bytes: Vec<u8>,
    /// Its size in memory, in bytes.
    pub(crate) memory_bytes: u32,
    /// Whether it lies in RAM while the program runs.
    pub(crate) is_writable: bool,
}

/// The load segments of the program at `path`.
///
/// # Errors
/// [`Error::Io`] when the file cannot be read or is not a 32-bit little-endian ELF file.
pub(crate) fn segments(path: &Path) -> Result<Vec<Segment>, Error> {
    let file = fs::read(path).map_err(Error::io(path.display().to_string()))?;
    parse(&file).ok_or_else(|| Error::io(path.display().to_string())(std::io::ErrorKind::InvalidData.into()))
}

fn parse(file: &[u8]) -> Option<Vec<Segment>> {
    if file.get(..6)? != b"\x7fELF\x01\x01" {
        return None;
    }
    let table = word(file, 28)? as usize;
    let (size, count) = (half(file, 42)? as usize, half(file, 44)? as usize);
    let mut segments = Vec::new();
    for index in 0..count {
        segments.extend(parse_segment(file, file.get(table + index * size..)?)?);
    }
    Some(segments)
}

/// Reads a segment; `Some(None)` for one that is not loaded.
fn parse_segment(file: &[u8], header: &[u8]) -> Option<Option<Segment>> {
    let offset = word(header, 4)? as usize;
    let range: Range<usize> = offset..offset.checked_add(word(header, 16)? as usize)?;
    if word(header, 0)? != LOAD {
        return Some(None);
    }
    Some(Some(Segment {
        stored_at: word(header, 12)?,
        bytes: file.get(range)?.to_vec(),
        memory_bytes: word(header, 20)?,
        is_writable: word(header, 24)? & WRITABLE != 0,
    }))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with one segment of each kind: a note, code, and partly zeroed data.
    fn program() -> Vec<u8> {
        let mut file = vec![0; 52 + 3 * 32];
        file[..6].copy_from_slice(b"\x7fELF\x01\x01");
        file[28] = 52;
        file[42] = 32;
        file[44] = 3;
        let headers: [[u32; 8]; 3] = [
            [4, 148, 0, 0, 4, 4, 4, 4],
            [LOAD, 148, 0x1000, 0x1000, 4, 4, 5, 4],
            [LOAD, 152, 0x2000_0000, 0x1004, 2, 10, 6, 4],
        ];
        for (header, place) in headers.iter().zip(file[52..].chunks_exact_mut(32)) {
            let bytes: Vec<u8> = header.iter().flat_map(|word| word.to_le_bytes()).collect();
            place.copy_from_slice(&bytes);
        }
        file.extend([1, 2, 3, 4, 5, 6]);
        file
    }

    #[test]
    fn what_is_loaded_is_found() {
        let code = Segment { stored_at: 0x1000, bytes: vec![1, 2, 3, 4], memory_bytes: 4, is_writable: false };
        let data = Segment { stored_at: 0x1004, bytes: vec![5, 6], memory_bytes: 10, is_writable: true };
        assert_eq!(parse(&program()), Some(vec![code, data]));
    }

    #[test]
    fn a_file_that_is_cut_or_something_else_is_refused() {
        let program = program();
        for length in 0..program.len() {
            assert_eq!(parse(&program[..length]), None, "{length} bytes");
        }
        assert_eq!(parse(b"#!/bin/sh\n"), None);
    }
}
