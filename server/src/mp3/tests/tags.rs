//! ID3 tags, written by the `id3` crate or byte by byte.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use id3::frame::{Picture, PictureType};
use id3::{Encoder, Tag, TagLike, Version};

use trill_proto::message::Gain;

use crate::mp3::source::ReadAt;
use crate::mp3::tags::Tags;

fn tags(title: &str, artist: &str, album: &str, track: u16) -> Tags {
    Tags { title: title.into(), artist: artist.into(), album: album.into(), track, ..Tags::default() }
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

#[test]
fn what_an_album_shares_and_gains_are_read_in_every_version() {
    let mut tag = written();
    tag.set_album_artist("Various");
    tag.set_genre("(17)");
    tag.set_disc(2);
    for (description, value) in
        [("REPLAYGAIN_TRACK_GAIN", "-6.50 dB"), ("replaygain_album_peak", "0.5"), ("other", "1")]
    {
        let (description, value) = (description.into(), value.into());
        tag.add_frame(id3::frame::ExtendedText { description, value });
    }
    let gain = Gain { track: Some(-650), album_peak: Some(-602), ..Gain::default() };
    let shared = tags("Žluťoučký kůň", "Anon", "小さな曲", 12);
    let expected = Tags { album_artist: "Various".into(), genre: "Rock".into(), disc: 2, year: 1997, gain, ..shared };
    for version in [Version::Id3v22, Version::Id3v23, Version::Id3v24] {
        let mut tag = tag.clone();
        match version {
            Version::Id3v24 => tag.set_text("TDRC", "1997-09-22"),
            _ => tag.set_text("TYER", "1997"),
        }
        check_reads(&format!("{version}"), &encoded(&tag, Encoder::new().version(version)), &expected);
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

/// An ID3v2 tag whose frames are given byte by byte.
fn raw(version: u8, flags: u8, frames: &[u8]) -> Vec<u8> {
    [&[b'I', b'D', b'3', version, 0, flags][..], &syncsafe(frames.len()), frames].concat()
}

fn syncsafe(size: usize) -> [u8; 4] {
    [21, 14, 7, 0].map(|shift| (size >> shift & 0x7f) as u8)
}

fn plain(size: usize) -> [u8; 4] {
    (size as u32).to_be_bytes()
}

/// A frame with a size of four bytes and no flags.
fn frame(name: &[u8; 4], size: fn(usize) -> [u8; 4], content: &[u8]) -> Vec<u8> {
    [name, &size(content.len())[..], &[0, 0], content].concat()
}

/// A frame of version 2.2.
fn short_frame(name: &[u8; 3], content: &[u8]) -> Vec<u8> {
    [name, &plain(content.len())[1..], content].concat()
}

/// Two texts with a frame of `size` bytes before and between them, which is filled with one character.
fn around(size: usize, filling: u8, sizes: fn(usize) -> [u8; 4]) -> Vec<u8> {
    let comment = frame(b"COMM", sizes, &[&b"\x03eng"[..], &vec![filling; size - 4]].concat());
    [&comment, &frame(b"TIT2", sizes, b"\x03Title")[..], &comment, &frame(b"TPE1", sizes, b"\x03Artist")].concat()
}

#[test]
fn sizes_are_read_in_the_form_after_which_a_frame_follows() {
    let expected = tags("Title", "Artist", "", 0);
    for size in (4..300).chain([16_383, 16_384, 16_511, 20_000, 100_000]) {
        // "UUUU" could be the name of a frame, but not of one that ends within the tag.
        for (padding, filling) in [(0, b'c'), (1, b'U'), (9, b'c'), (500, b'U'), (0, b'U')] {
            for (version, sizes) in [(4, syncsafe as fn(usize) -> _), (4, plain), (3, plain), (3, syncsafe)] {
                let file = raw(version, 0, &[around(size, filling, sizes), vec![0; padding]].concat());
                check_reads(&format!("2.{version}, {size} bytes, {padding} of padding"), &file, &expected);
            }
        }
    }
}

#[test]
fn a_long_title_in_the_last_frame_is_whole() {
    for length in [126, 127, 128, 200, 254, 255, 256, 1_000] {
        let title = "x".repeat(length);
        let content = [b"\x03", title.as_bytes()].concat();
        for (version, sizes) in [(4, syncsafe as fn(usize) -> _), (4, plain), (3, plain), (3, syncsafe)] {
            let file = raw(version, 0, &frame(b"TIT2", sizes, &content));
            check_reads(&format!("2.{version}, {length} bytes"), &file, &tags(&title, "", "", 0));
        }
    }
}

#[test]
fn of_a_very_long_text_the_beginning_is_read() {
    let frames = frame(b"TIT2", plain, &[b"\0", [b't'; 5_000].as_slice()].concat());
    let artist = frame(b"TPE1", plain, b"\0Artist");
    check_reads("TIT2", &raw(3, 0, &[frames, artist].concat()), &tags(&"t".repeat(4_095), "Artist", "", 0));
}

#[test]
fn names_and_headers_of_another_version_are_read() {
    let expected = tags("Title", "Artist", "Album", 3);
    let texts: [(&[u8; 4], &[u8]); 4] =
        [(b"TIT2", b"\x00Title"), (b"TPE1", b"\x00Artist"), (b"TALB", b"\x00Album"), (b"TRCK", b"\x003/9")];
    let filled: [&[u8; 4]; 4] = [b"TT2\0", b"TP1\0", b"TAL\0", b"TRK\0"];
    let spaced: [&[u8; 4]; 4] = [b"TT2 ", b"TP1 ", b"TAL ", b"TRK "];
    for version in [2, 3, 4] {
        for names in [filled, spaced, texts.map(|(name, _)| name)] {
            let frames = names.iter().zip(texts).map(|(name, (_, text))| frame(name, plain, text));
            check_reads("four letters", &raw(version, 0, &frames.collect::<Vec<_>>().concat()), &expected);
        }
        let frames = filled.iter().zip(texts).map(|(name, (_, text))| short_frame(name.first_chunk().unwrap(), text));
        check_reads("three letters", &raw(version, 0, &frames.collect::<Vec<_>>().concat()), &expected);
    }
}

/// UTF-16 of a text, with a mark or without.
fn utf_16(text: &str, is_marked: bool, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    let mark = is_marked.then_some(0xfeff);
    mark.into_iter().chain(text.encode_utf16()).flat_map(bytes).collect()
}

#[test]
fn text_is_decoded_as_it_is_and_not_as_it_says() {
    for version in [2, 3, 4] {
        let check = |name: &str, encoding: u8, text: &[u8], expected: &str| {
            for end in [&b""[..], b"\0", b"\0\0", b"\0\0\0"] {
                let content = [&[encoding], text, end].concat();
                let frames = if version == 2 { short_frame(b"TT2", &content) } else { frame(b"TIT2", plain, &content) };
                check_reads(&format!("{name} in 2.{version}"), &raw(version, 0, &frames), &tags(expected, "", "", 0));
            }
        };
        let (little, big) = (u16::to_le_bytes as fn(u16) -> _, u16::to_be_bytes as fn(u16) -> _);
        for text in ["S", "So", "Für Elise", "Don’t 🎹"] {
            for encoding in [1, 2] {
                check("UTF-16LE, marked", encoding, &utf_16(text, true, little), text);
                check("UTF-16BE, marked", encoding, &utf_16(text, true, big), text);
                check("UTF-16BE", encoding, &utf_16(text, false, big), text);
                // One character alone in encoding 2, which is big-endian, is what it is declared to be.
                if encoding == 1 || text.len() > 1 {
                    check("UTF-16LE", encoding, &utf_16(text, false, little), text);
                }
            }
            check("UTF-8", 3, text.as_bytes(), text);
            check("UTF-8, marked", 3, &[b"\xef\xbb\xbf", text.as_bytes()].concat(), text);
            check("UTF-16LE in Latin-1", 0, &utf_16(text, true, little), text);
        }
        check("no zeros, as encoding 1", 1, &utf_16("小さな曲", false, little), "小さな曲");
        check("no zeros, as encoding 2", 2, &utf_16("小さな曲", false, big), "小さな曲");
        for text in ["一番", "一期一会", "最高の一日", "Привет мир", "Приветмир"] {
            check("zeros of other characters, as encoding 1", 1, &utf_16(text, false, little), text);
            check("zeros of other characters, as encoding 2", 2, &utf_16(text, false, big), text);
        }
        check("one character, as encoding 2", 2, &utf_16("一", false, big), "一");
        for text in ["Приветмир", "U2"] {
            check("another order, as encoding 1", 1, &utf_16(text, false, big), text);
            check("another order, as encoding 2", 2, &utf_16(text, false, little), text);
        }
        let values = [utf_16("One", true, little), vec![0, 0], utf_16("Two", true, big)].concat();
        check("a mark a value", 1, &values, "One / Two");
        check("Latin-1", 0, b"caf\xe9", "café");
        check("CP1252", 0, b"\x8cuvre, Don\x92t, Song \x9b \x9c \x80", "Œuvre, Don’t, Song › œ €");
        check("nothing to see", 0, b"\x01\x1b \x7f", "");
        check("undefined in CP1252", 0, b"a\x81b", "a?b");
    }
}

#[test]
fn id3v1_is_cp1252_too() {
    let mut tag = id3v1("", 7);
    tag[3..13].copy_from_slice(b"\x8cuvre d\x92\0x");
    check_reads("ID3v1", &tag, &tags("Œuvre d’", "", "", 7));
    tag[125] = 1; // a comment of 30 bytes: no track
    check_reads("ID3v1.0", &tag, &tags("Œuvre d’", "", "", 0));
}

#[test]
fn the_extension_of_id3v1_continues_its_texts() {
    let mut tag = id3v1(&"t".repeat(30), 1);
    tag[33..39].copy_from_slice(b"Artist");
    let mut extension = b"TAG+".to_vec();
    extension.resize(227, 0);
    extension[4..9].copy_from_slice(b"itle ");
    extension[64..70].copy_from_slice(b"Nobody"); // the artist's 30 bytes are not used up
    let title = format!("{}itle", "t".repeat(30));
    check_reads("TAG+", &[vec![0; 500], extension, tag].concat(), &tags(&title, "Artist", "", 1));
}

#[test]
fn a_track_is_the_number_that_its_text_starts_with() {
    for (text, track) in [
        ("3", 3),
        (" 3", 3),
        ("3 ", 3),
        ("03", 3),
        ("3/12", 3),
        (" 3 / 12", 3),
        ("3.", 3),
        ("3 of 12", 3),
        ("A3", 0),
        ("/12", 0),
        ("-1", 0),
        ("", 0),
        ("65535", 65_535),
        ("65536", 0),
    ] {
        let frames = frame(b"TRCK", plain, &[b"\0", text.as_bytes()].concat());
        check_reads(text, &raw(3, 0, &frames), &tags("", "", "", track));
    }
}

/// An APEv2 tag of so many bytes, items filled with `TAG`.
fn ape(bytes: usize, has_header: bool) -> Vec<u8> {
    let items_bytes = bytes - 32 - if has_header { 32 } else { 0 };
    let mark = |flags: u32| {
        let size = (items_bytes + 32) as u32;
        [&b"APETAGEX\xd0\x07\0\0"[..], &size.to_le_bytes(), &1_u32.to_le_bytes(), &flags.to_le_bytes(), &[0; 8]]
            .concat()
    };
    let items: Vec<u8> = b"TAG".iter().copied().cycle().take(items_bytes).collect();
    let (header, footer) = if has_header { (mark(0xa000_0000), mark(0x8000_0000)) } else { (Vec::new(), mark(0)) };
    [header, items, footer].concat()
}

#[test]
fn an_ape_tag_is_not_taken_for_id3v1() {
    let music = super::frames(20, 7);
    let head = id3v2(3, &[(b"TPE1", 0, b"\x00Artist")]);
    for bytes in 64..400 {
        for has_header in [false, true] {
            let tag = ape(bytes, has_header);
            let name = format!("APEv2 of {bytes} bytes, header {has_header}");
            check_reads(&name, &[&music[..], &tag].concat(), &Tags::default());
            check_reads(&name, &[&head[..], &music, &tag].concat(), &tags("", "Artist", "", 0));
            check_reads(&name, &[&music[..], &tag, &id3v1("Title", 3)].concat(), &tags("Title", "", "", 3));
            check_reads(&name, &[&music[..], &id3v1("Title", 3), &tag].concat(), &tags("Title", "", "", 3));
        }
    }
    let lyrics = [&b"LYRICSBEGIN"[..], &b"TAG".repeat(60), b"000191LYRICS200"].concat();
    check_reads("Lyrics3v2", &[&music[..], &lyrics].concat(), &Tags::default());
    check_reads("Lyrics3v2", &[&music[..], &lyrics, &id3v1("Title", 3)].concat(), &tags("Title", "", "", 3));
}

#[test]
fn extended_headers_and_footers_are_passed_over() {
    let expected = tags("Title", "", "", 0);
    let title = |sizes| frame(b"TIT2", sizes, b"\x03Title");
    for (name, version, header) in [
        ("2.3, 6 bytes", 3, &b"\0\0\0\x06\0\0\0\0\0\0"[..]),
        ("2.3, 10 bytes", 3, b"\0\0\0\x0a\x80\0\0\0\0\0\x12\x34\x56\x78"),
        ("2.3, counting itself", 3, b"\0\0\0\x0a\0\0\0\0\0\0"),
        ("2.4", 4, b"\0\0\0\x06\x01\0"),
        ("2.4, not counting itself", 4, b"\0\0\0\x02\x01\0"),
        ("2.3, announced and not there", 3, b""),
        ("2.4, announced and not there", 4, b""),
    ] {
        let sizes = if version == 3 { plain } else { syncsafe };
        check_reads(name, &raw(version, 0x40, &[header, &title(sizes)].concat()), &expected);
    }
    let mut with_footer = raw(4, 0x10, &title(syncsafe));
    with_footer.extend(b"3DI\x04\0\x10\0\0\0\x10");
    check_reads("a footer", &with_footer, &expected);
    let second = id3v2(3, &[(b"TPE1", 0, b"\x00Artist"), (b"TIT2", 0, b"\x00Other")]);
    check_reads("a second tag", &[with_footer, second].concat(), &tags("Title", "Artist", "", 0));
}

#[test]
fn stuffing_is_taken_out() {
    // An announced stuffing of the whole tag, in 2.3 and 2.2 before the frames are found, in 2.4 within each.
    let title = utf_16("ÿ", true, u16::to_le_bytes);
    let stuffed = [&b"\x01"[..], b"\xff\x00\xfe\xff\x00\x00"].concat();
    let content = [&b"\x01"[..], &title].concat();
    let expected = tags("ÿ", "", "", 0);
    let in_2_3 = [&b"TIT2"[..], &plain(content.len()), &[0, 0], &stuffed].concat();
    check_reads("2.3", &raw(3, 0x80, &in_2_3), &expected);
    let in_2_2 = [&b"TT2"[..], &plain(content.len())[1..], &stuffed].concat();
    check_reads("2.2", &raw(2, 0x80, &in_2_2), &expected);
    check_reads("2.4, the tag", &raw(4, 0x80, &frame(b"TIT2", syncsafe, &stuffed)), &expected);
    let flagged = id3v2(4, &[(b"TIT2", 2, &stuffed)]);
    check_reads("2.4, the frame", &flagged, &expected);
    let with_length = id3v2(4, &[(b"TIT2", 3, &[&b"\0\0\0\x05"[..], &stuffed].concat())]);
    check_reads("2.4, with its length", &with_length, &expected);
    let grouped = [(3, 0x20), (4, 0x40)].map(|(version, flags)| id3v2(version, &[(b"TIT2", flags, b"g\x00Title")]));
    grouped.iter().for_each(|tag| check_reads("grouped", tag, &tags("Title", "", "", 0)));
}

#[test]
fn a_tag_that_is_longer_than_the_file_is_read() {
    let mut tag = raw(4, 0, &frame(b"TIT2", syncsafe, b"\x03x"));
    tag[6..10].copy_from_slice(&syncsafe(200_000_000));
    check_reads("too long", &[tag, super::frames(5, 7)].concat(), &tags("x", "", "", 0));
}
