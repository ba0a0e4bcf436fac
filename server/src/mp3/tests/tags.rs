//! ID3 tags, written by the `id3` crate or byte by byte.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use id3::frame::{Picture, PictureType};
use id3::{Encoder, Tag, TagLike, Version};

use crate::mp3::source::ReadAt;
use crate::mp3::tags::Tags;

fn tags(title: &str, artist: &str, album: &str, track: u16) -> Tags {
    Tags { title: title.into(), artist: artist.into(), album: album.into(), track }
}

#[track_caller]
fn check_reads(name: &str, file: &[u8], expected: &Tags) {
    assert_eq!(&Tags::read(&file).expect("memory can be read"), expected, "{name}");
}

fn written() -> Tag {
    let mut tag = Tag::new();
    tag.set_title("Žluťoučký kůň");
    tag.set_artist("Anon");
    tag.set_album("小さな曲");
    tag.set_track(12);
    tag.set_total_tracks(20);
    tag
}

fn encoded(tag: &Tag, encoder: Encoder) -> Vec<u8> {
    let mut bytes = Vec::new();
    encoder.encode(tag, &mut bytes).expect("memory can be written");
    bytes
}

fn with_art(bytes: usize) -> Tag {
    let mut tag = Tag::new();
    tag.add_frame(Picture {
        mime_type: "image/jpeg".into(),
        picture_type: PictureType::CoverFront,
        description: String::new(),
        data: vec![0xff; bytes],
    });
    for frame in written().frames() {
        tag.add_frame(frame.clone());
    }
    tag
}

#[test]
fn every_version_is_read() {
    let expected = tags("Žluťoučký kůň", "Anon", "小さな曲", 12);
    for version in [Version::Id3v22, Version::Id3v23, Version::Id3v24] {
        check_reads(&format!("{version}"), &encoded(&written(), Encoder::new().version(version)), &expected);
        let art = encoded(&with_art(100_000), Encoder::new().version(version));
        check_reads(&format!("{version} after art"), &art, &expected);
    }
    for version in [Version::Id3v23, Version::Id3v24] {
        let stuffed = encoded(&with_art(100_000), Encoder::new().version(version).unsynchronisation(true));
        check_reads(&format!("{version}, unsynchronised"), &stuffed, &expected);
    }
}

/// A file that counts what is read of it.
struct Counted {
    file: Vec<u8>,
    read: AtomicU64,
}

impl ReadAt for Counted {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.read.fetch_add(buffer.len() as u64, Ordering::Relaxed);
        self.file.as_slice().read_at(offset, buffer)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.file.len() as u64)
    }
}

#[test]
fn cover_art_is_not_read() {
    let file = Counted { file: encoded(&with_art(5_000_000), Encoder::new()), read: AtomicU64::new(0) };
    assert_eq!(Tags::read(&file).expect("memory can be read").artist, "Anon");
    assert!(file.read.into_inner() < 2_000);
}

/// An ID3v2 tag of these frames: id, flags, content.
fn id3v2(version: u8, frames: &[(&[u8; 4], u16, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (id, flags, content) in frames {
        body.extend_from_slice(*id);
        body.extend((content.len() as u32).to_be_bytes());
        body.extend(flags.to_be_bytes());
        body.extend_from_slice(content);
    }
    let mut tag = vec![b'I', b'D', b'3', version, 0, 0];
    tag.extend([21, 14, 7, 0].map(|shift| (body.len() >> shift & 0x7f) as u8));
    tag.extend(body);
    tag
}

fn id3v1(title: &str, track: u8) -> Vec<u8> {
    let mut tag = [0; 128];
    tag[..3].copy_from_slice(b"TAG");
    tag[3..3 + title.len()].copy_from_slice(title.as_bytes());
    tag[126] = track;
    tag.to_vec()
}

#[test]
fn texts_are_cleaned_of_nuls() {
    let tag = id3v2(4, &[(b"TIT2", 0, b"\x03 Song \0\0"), (b"TPE1", 0, b"\x03One\0Two\0"), (b"TALB", 0, b"\x03\0 \0")]);
    check_reads("NULs", &tag, &tags("Song", "One / Two", "", 0));
}

#[test]
fn what_is_wrong_in_a_text_costs_no_more_than_itself() {
    for version in [3, 4] {
        let tag = id3v2(
            version,
            &[(b"TIT2", 0, b"\x03a\xff\xfeb"), (b"TPE1", 0, b"\x01\xff\xfe\x00\xd8"), (b"TALB", 0, b"\x00Album")],
        );
        check_reads("bad UTF-8, lone surrogate", &tag, &tags("a??b", "", "Album", 0));
    }
    let tag = id3v2(3, &[(b"TRCK", 0, b"\x00seven"), (b"TIT2", 0, b""), (b"TALB", 0, b"\x00Album")]);
    check_reads("no number, no text", &tag, &tags("", "", "Album", 0));
    let tag = id3v2(3, &[(b"TRCK", 0, b"\x0070000/3"), (b"TALB", 0, b"\x00Album")]);
    check_reads("a number too large", &tag, &tags("", "", "Album", 0));
}

#[test]
fn frames_that_are_not_plain_are_passed_over() {
    for (version, flags) in [(3, 0x80), (3, 0x40), (3, 0x20), (4, 0x08), (4, 0x04), (4, 0x40)] {
        let tag = id3v2(version, &[(b"TIT2", flags, b"\x00whatever"), (b"TALB", 0, b"\x00Album")]);
        check_reads("compressed, encrypted or grouped", &tag, &tags("", "", "Album", 0));
    }
}

#[test]
fn a_frame_that_claims_four_gigabytes_ends_the_tag() {
    let mut tag = id3v2(3, &[(b"TALB", 0, b"\x00Album"), (b"TIT2", 0, b"\x00Title")]);
    let at = tag.windows(4).position(|id| id == b"TIT2").expect("it is there");
    tag[at + 4..at + 8].fill(0xff);
    check_reads("4 GB", &tag, &tags("", "", "Album", 0));
}

#[test]
fn an_id3v1_tag_says_what_id3v2_leaves_open() {
    let tag = id3v2(3, &[(b"TALB", 0, b"\x00Album")]);
    let file = [tag, vec![0; 500], id3v1("Title", 3)].concat();
    check_reads("both", &file, &tags("Title", "", "Album", 3));
    check_reads("ID3v1 alone", &[vec![0; 500], id3v1("Title", 3)].concat(), &tags("Title", "", "", 3));
    check_reads("ID3v1 and nothing else", &id3v1("Title", 3), &tags("Title", "", "", 3));
}

#[test]
fn no_tag_says_nothing_and_nothing_panics() {
    let whole = [encoded(&written(), Encoder::new().version(Version::Id3v23)), id3v1("Title", 3)].concat();
    for length in 0..whole.len() - 128 {
        Tags::read(&&whole[..length]).expect("memory can be read");
    }
    for at in 0..whole.len() {
        for byte in [0x00, 0x7f, 0xff] {
            let mut broken = whole.clone();
            broken[at] = byte;
            Tags::read(&&broken[..]).expect("memory can be read");
        }
    }
    check_reads("nothing", &[], &Tags::default());
    check_reads("a version of the future", &id3v2(5, &[(b"TIT2", 0, b"\x00Title")]), &Tags::default());
}
