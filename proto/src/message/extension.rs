//! Extensions: tag-length-value fields after the fixed fields of HELLO, WELCOME, LIST, PLAY, STARTED and
//! SONG.
//!
//! ```text
//!  0        1                 3
//! +--------+--------+--------+----------------
//! |  tag   |      length     | value …
//! +--------+--------+--------+----------------
//! ```

use crate::codec::{Full, Reader, Writer};
use crate::error::Malformed;

/// The extensions at the end of a payload. A receiver skips the tags that it does not ask for.
#[derive(Clone, Copy, Debug)]
pub struct Extensions<'a> {
    reader: Reader<'a>,
}

impl<'a> Extensions<'a> {
    /// The extensions in `bytes`, which must be whole.
    ///
    /// # Errors
    /// [`Malformed`] if the last one is cut short.
    pub fn new(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut probe = Self { reader: Reader::new(bytes) };
        while probe.read_one()?.is_some() {}
        Ok(Self { reader: Reader::new(bytes) })
    }

    /// The value of the first extension with this tag.
    pub fn find(mut self, wanted: u8) -> Option<&'a [u8]> {
        self.find_map(|(tag, value)| (tag == wanted).then_some(value))
    }

    /// The value of the first extension with each of the tags below `TAGS`, found in one pass.
    pub(super) fn by_tag<const TAGS: usize>(self) -> [Option<&'a [u8]>; TAGS] {
        let mut values = [None; TAGS];
        for (tag, value) in self {
            if let Some(first @ None) = values.get_mut(usize::from(tag)) {
                *first = Some(value);
            }
        }
        values
    }

    fn read_one(&mut self) -> Result<Option<(u8, &'a [u8])>, Malformed> {
        if self.reader.is_empty() {
            return Ok(None);
        }
        let tag = self.reader.u8()?;
        let length = self.reader.u16()?;
        Ok(Some((tag, self.reader.bytes(usize::from(length))?)))
    }
}

/// Tag and value, in the order in which they came.
impl<'a> Iterator for Extensions<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        self.read_one().ok().flatten()
    }
}

/// Writes one extension, or nothing if the value is empty.
pub(super) fn encode(out: &mut Writer<'_>, tag: u8, value: &[u8]) -> Result<(), Full> {
    if value.is_empty() { Ok(()) } else { encode_even_empty(out, tag, value) }
}

/// Writes one extension, even if the value is empty.
pub(super) fn encode_even_empty(out: &mut Writer<'_>, tag: u8, value: &[u8]) -> Result<(), Full> {
    begin(out, tag, value.len())?;
    out.bytes(value)
}

/// Writes what precedes the value of an extension.
pub(super) fn begin(out: &mut Writer<'_>, tag: u8, length: usize) -> Result<(), Full> {
    out.u8(tag)?;
    out.u16(u16::try_from(length).map_err(|_| Full)?)
}

/// The value of an extension that is one number.
pub(super) fn decode_u32(value: &[u8]) -> Result<u32, Malformed> {
    value.try_into().map(u32::from_be_bytes).map_err(|_| Malformed)
}

/// Bytes that an extension takes besides its value.
pub(super) const EXTENSION_HEADER_BYTES: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_tags_are_stepped_over_and_the_first_of_two_counts() {
        let bytes = [9, 0, 1, 0xff, 1, 0, 2, b'h', b'i', 1, 0, 0];
        let extensions = Extensions::new(&bytes).expect("whole");
        assert_eq!(extensions.find(1), Some(b"hi".as_slice()));
        assert_eq!(extensions.find(2), None);
        assert_eq!(extensions.by_tag(), [None, Some(b"hi".as_slice()), None]);
        assert_eq!(extensions.count(), 3);
    }

    #[test]
    fn a_value_cut_short_is_malformed() {
        assert_eq!(Extensions::new(&[1, 0, 2, b'h']).err(), Some(Malformed));
        assert_eq!(Extensions::new(&[1, 0]).err(), Some(Malformed));
    }
}
