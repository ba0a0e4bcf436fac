//! Valid and invalid tags.

use id3::frame::{Picture, PictureType};
use id3::{Encoder, Tag, TagLike, Version};

/// The fields of a tag. Empty fields are left out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tags<'a> {
    /// Title.
    pub title: &'a str,
    /// Artist.
    pub artist: &'a str,
    /// Album.
    pub album: &'a str,
    /// Number on the album; 0 is none.
    pub track: u32,
}

impl Tags<'_> {
    /// The bytes of an ID3v2 tag.
    pub fn id3v2(&self, version: Version) -> Vec<u8> {
        encode(&self.to_tag(), version)
    }

    /// The bytes of an ID3v2.3 tag with a picture of `size` bytes.
    pub fn id3v2_with_picture(&self, size: usize) -> Vec<u8> {
        let mut tag = self.to_tag();
        // Random bytes contain apparent frame headers. A scan that does not skip the tag finds them.
        let mut data = vec![0; size];
        fastrand::Rng::with_seed(size as u64).fill(&mut data);
        tag.add_frame(Picture {
            mime_type: "image/jpeg".to_owned(),
            picture_type: PictureType::CoverFront,
            description: String::new(),
            data,
        });
        encode(&tag, Version::Id3v23)
    }

    /// The bytes of an ID3v1.1 tag. Text is cut at 30 bytes.
    pub fn id3v1(&self) -> [u8; 128] {
        let mut tag = [0; 128];
        tag[..3].copy_from_slice(b"TAG");
        for (start, text) in [(3, self.title), (33, self.artist), (63, self.album)] {
            let text = &text.as_bytes()[..text.len().min(30)];
            tag[start..start + text.len()].copy_from_slice(text);
        }
        tag[126] = self.track.try_into().unwrap_or(0);
        tag
    }

    fn to_tag(self) -> Tag {
        let mut tag = Tag::new();
        if !self.title.is_empty() {
            tag.set_title(self.title);
        }
        if !self.artist.is_empty() {
            tag.set_artist(self.artist);
        }
        if !self.album.is_empty() {
            tag.set_album(self.album);
        }
        if self.track > 0 {
            tag.set_track(self.track);
        }
        tag
    }
}

/// The bytes of an ID3v2.4 tag with exactly these bytes in its frames, for content that no correct encoder writes.
///
/// The first byte of a text frame (`TIT2`, `TPE1`, …) is the encoding it claims: 0 Latin-1, 1 UTF-16, 3 UTF-8.
///
/// # Panics
/// When a name has not four bytes, or the tag would not fit its 28-bit length.
pub fn raw_id3v24(frames: &[(&str, &[u8])]) -> Vec<u8> {
    raw_id3v2(4, syncsafe, frames)
}

/// Builds a tag like [`raw_id3v24`] for any version, with frame sizes encoded by `size`: [`syncsafe`] is right for 2.4
/// and [`plain`] for 2.3.
///
/// # Panics
/// As [`raw_id3v24`].
pub fn raw_id3v2(version: u8, size: fn(usize) -> [u8; 4], frames: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, content) in frames {
        assert_eq!(name.len(), 4, "the name of a frame: {name:?}");
        body.extend(name.bytes());
        body.extend(size(content.len()));
        body.extend([0, 0]);
        body.extend(*content);
    }
    [&id3v2_header(version, 0, body.len())[..], &body].concat()
}

/// The ten header bytes of an ID3v2 tag that claims `size` more bytes.
///
/// # Panics
/// When the size takes more than 28 bits.
pub fn id3v2_header(version: u8, flags: u8, size: usize) -> Vec<u8> {
    [b"ID3".as_slice(), &[version, 0, flags], &syncsafe(size)].concat()
}

/// An APEv2 tag of `size` bytes, with 32 bytes each of header and footer, and an invalid item between them.
///
/// # Panics
/// When `size` is below 64.
pub fn ape(size: usize) -> Vec<u8> {
    const MARK: usize = 32;
    let mark = |flags: u32| {
        // The size field excludes the header.
        let counted = u32::try_from(size - MARK).expect("a small tag");
        let numbers = [2_000, counted, 1, flags].map(u32::to_le_bytes).concat();
        [b"APETAGEX".as_slice(), &numbers, &[0; 8]].concat()
    };
    [mark(0xa000_0000), vec![b'x'; size - 2 * MARK], mark(0x8000_0000)].concat()
}

fn encode(tag: &Tag, version: Version) -> Vec<u8> {
    let mut bytes = Vec::new();
    Encoder::new().version(version).encode(tag, &mut bytes).expect("memory takes any tag");
    bytes
}

/// A size as four bytes.
pub fn plain(size: usize) -> [u8; 4] {
    u32::try_from(size).expect("a size of four bytes").to_be_bytes()
}

/// A size as four bytes of seven bits each.
///
/// # Panics
/// When it takes more than 28 bits.
pub fn syncsafe(size: usize) -> [u8; 4] {
    assert!(size < 1 << 28, "too large for a tag: {size}");
    [21, 14, 7, 0].map(|shift| (size >> shift) as u8 & 0x7f)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAGS: Tags<'_> = Tags { title: "Für Elise", artist: "Beethoven", album: "A", track: 3 };

    #[test]
    fn every_version_reads_back() {
        for version in [Version::Id3v22, Version::Id3v23, Version::Id3v24] {
            let bytes = TAGS.id3v2(version);
            let tag = Tag::read_from2(std::io::Cursor::new(&bytes)).expect("a tag");
            assert_eq!((tag.version(), tag.title(), tag.track()), (version, Some("Für Elise"), Some(3)));
            assert_eq!((tag.artist(), tag.album()), (Some("Beethoven"), Some("A")));
        }
    }

    #[test]
    fn raw_frames_keep_their_bytes() {
        let bytes = raw_id3v24(&[("TIT2", b"\x03fine"), ("TPE1", b"\x03not \xff\xfe UTF-8")]);
        assert!(bytes.ends_with(b"\xff\xfe UTF-8"));
        let fine = raw_id3v24(&[("TIT2", b"\x03fine")]);
        assert_eq!(Tag::read_from2(std::io::Cursor::new(&fine)).expect("a tag").title(), Some("fine"));
    }

    #[test]
    fn sizes_are_written_as_asked() {
        let text = [b"\x03".as_slice(), &[b'x'; 200]].concat();
        for (version, size, written) in [(4, syncsafe as fn(usize) -> _, [0, 0, 1, 73]), (3, plain, [0, 0, 0, 201])] {
            let tag = raw_id3v2(version, size, &[("TIT2", &text)]);
            assert_eq!((tag[3], &tag[14..18]), (version, written.as_slice()));
            assert_eq!(Tag::read_from2(std::io::Cursor::new(&tag)).expect("a tag").title().map(str::len), Some(200));
        }
        assert_eq!(ape(131).len(), 131);
    }

    #[test]
    fn id3v1_is_cut_to_its_fields() {
        let tag = Tags { title: "0123456789012345678901234567890123456789", ..TAGS }.id3v1();
        let read = id3::v1::Tag::read_from(std::io::Cursor::new(&tag)).expect("a tag");
        assert_eq!((read.title.len(), read.artist.as_str(), read.track), (30, "Beethoven", Some(3)));
    }
}
