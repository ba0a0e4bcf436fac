//! Many short texts in little memory.

use std::borrow::Cow;
use std::ffi::OsStr;

/// Texts, one behind the other: each costs its bytes and 4 more, where a `String` of its own costs 40.
#[derive(Clone, Debug, Default)]
pub(super) struct Texts {
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<u32>,
}

impl Texts {
    /// How many there are.
    pub(super) const fn len(&self) -> usize {
        self.ends.len()
    }

    /// Takes one more; its number is how many there were.
    ///
    /// # Panics
    /// If they are more than 4 GiB.
    pub(super) fn push(&mut self, text: &[u8]) {
        reserve(&mut self.bytes, text.len());
        self.bytes.extend_from_slice(text);
        reserve(&mut self.ends, 1);
        self.ends.push(self.bytes.len().try_into().expect("less than 4 GiB of text"));
    }

    /// The text of this number.
    ///
    /// # Panics
    /// If there is none.
    pub(super) fn at(&self, number: usize) -> &[u8] {
        let start = number.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[start as usize..self.ends[number] as usize]
    }

    /// In the order of their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map(|number| self.at(number))
    }

    /// The number of this text, if it is among them. Looks through all.
    pub(super) fn find(&self, text: &[u8]) -> Option<usize> {
        self.iter().position(|other| other == text)
    }

    /// That of the highest number.
    pub(super) fn last(&self) -> Option<&[u8]> {
        self.len().checked_sub(1).map(|last| self.at(last))
    }
}

/// Makes room for so many more. By a sixteenth, not by doubling: it is for long, and seldom grows.
fn reserve<T>(list: &mut Vec<T>, more: usize) {
    if list.capacity() - list.len() < more {
        list.reserve_exact(more.max(list.len() / 16));
    }
}

/// A name or path as bytes, from which [`from_bytes`] makes it again.
#[cfg(unix)]
pub(super) fn to_bytes(name: &OsStr) -> Cow<'_, [u8]> {
    std::os::unix::ffi::OsStrExt::as_bytes(name).into()
}

#[cfg(unix)]
pub(super) fn from_bytes(bytes: &[u8]) -> Cow<'_, OsStr> {
    Cow::Borrowed(std::os::unix::ffi::OsStrExt::from_bytes(bytes))
}

/// In UTF-16, which may be no valid Unicode, and which the standard library makes a name of.
#[cfg(not(unix))]
pub(super) fn to_bytes(name: &OsStr) -> Cow<'_, [u8]> {
    std::os::windows::ffi::OsStrExt::encode_wide(name).flat_map(u16::to_ne_bytes).collect()
}

#[cfg(not(unix))]
pub(super) fn from_bytes(bytes: &[u8]) -> Cow<'_, OsStr> {
    let units: Vec<u16> = bytes.chunks_exact(2).map(|unit| u16::from_ne_bytes([unit[0], unit[1]])).collect();
    let name: std::ffi::OsString = std::os::windows::ffi::OsStringExt::from_wide(&units);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back_as_they_were() {
        let mut texts = Texts::default();
        let all: [&[u8]; 5] = [b"", b"one", b"", b"\xff\0", "zwölf".as_bytes()];
        all.into_iter().for_each(|text| texts.push(text));
        assert_eq!(texts.len(), all.len());
        for (number, text) in all.into_iter().enumerate() {
            assert_eq!(texts.at(number), text);
            assert_eq!(texts.find(text).map(|found| texts.at(found)), Some(text));
        }
        for absent in [&b"on"[..], b"ne", b"oneone", b"\xff"] {
            assert_eq!(texts.find(absent), None);
        }
    }

    #[test]
    fn little_is_reserved_for_texts_that_may_never_come() {
        let mut texts = Texts::default();
        (0..1_000).for_each(|number: i32| texts.push(number.to_string().as_bytes()));
        assert!(
            texts.bytes.capacity() <= texts.bytes.len() * 17 / 16 && texts.ends.capacity() <= texts.len() * 17 / 16
        );
    }

    #[test]
    fn names_come_back_as_they_were_even_if_they_are_no_unicode() {
        // No UTF-8, and in UTF-16 the first halves of two characters.
        let strange = from_bytes(&[b'a', 0xd8, b'b', 0xd8]).into_owned();
        assert_eq!(strange.to_str(), None);
        for name in ["", "a.mp3", "zwölf/🎵.mp3"].map(OsStr::new).into_iter().chain([&*strange]) {
            assert_eq!(from_bytes(&to_bytes(name)), name);
        }
    }
}
