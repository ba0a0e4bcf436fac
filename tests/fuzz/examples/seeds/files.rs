//! Files of music, alone and with typical surroundings.

use crate::Corpus;
use crate::music::Clip;

/// Bytes per piece of input for the decoder.
const ARRIVAL: u16 = 1_000;

/// A seed for `trill_fuzz::mp3`: the size of the pieces, then the file.
pub(crate) fn for_decoder(clips: &[Clip]) -> Corpus {
    let seed = |bytes: &[u8]| [&ARRIVAL.to_be_bytes(), bytes].concat();
    let mut corpus: Corpus = clips.iter().map(|clip| (clip.name.to_owned(), seed(&clip.bytes))).collect();
    let cbr = &clips[0].bytes;
    // From within a frame, without its bit reservoir; and junk between two files.
    corpus.push(("middle".into(), seed(&cbr[cbr.len() / 2..])));
    corpus.push(("joined".into(), seed(&[&cbr[..2_000], &[0x55; 300], &clips[3].bytes].concat())));
    corpus
}

/// A seed for `trill_fuzz::library`.
pub(crate) fn for_library(clips: &[Clip]) -> Corpus {
    let seed = |bytes: &[u8]| {
        const NAME: &[u8] = b"a name";
        let (first_ms, second_ms, piece_bytes) = (100_u32, 0_u16, 700_u16);
        let mut seed = vec![NAME.len() as u8];
        seed.extend(NAME);
        seed.extend(first_ms.to_be_bytes());
        seed.extend([second_ms.to_be_bytes(), piece_bytes.to_be_bytes()].concat());
        seed.extend(bytes);
        seed
    };
    let mut corpus: Corpus = clips.iter().map(|clip| (clip.name.to_owned(), seed(&clip.bytes))).collect();
    let music = &clips[3].bytes;
    for (name, before, after) in wrappings() {
        corpus.push((name.to_owned(), seed(&[before, music.clone(), after].concat())));
    }
    corpus.push(("empty".into(), seed(&[])));
    corpus
}

/// Content before and after the music.
fn wrappings() -> Vec<(&'static str, Vec<u8>, Vec<u8>)> {
    let none = Vec::new;
    vec![
        ("id3v2-2", id3v2(2, 0, &[frame_2_2(b"TT2", b"\0Old")].concat()), none()),
        ("id3v2-3", id3v2(3, 0, &[frame(b"TIT2", b"\x01\xff\xfeN\0o\0"), frame(b"APIC", &[7; 90])].concat()), none()),
        ("id3v2-4", id3v2(4, 0, &[frame(b"TIT2", "\u{3}Dvě".as_bytes()), frame(b"TRCK", b"\x003/9")].concat()), none()),
        ("id3v2-unsynchronised", id3v2(3, 0x80, &frame(b"TPE1", b"\0a\xff\0b")), none()),
        ("id3v2-extended", id3v2(4, 0x40, &[&[0, 0, 0, 6, 1, 0], &frame(b"TALB", b"\0x")[..]].concat()), none()),
        ("id3v2-twice", [id3v2(4, 0, &[0; 30]), id3v2(4, 0, &[0; 20])].concat(), none()),
        ("id3v1", none(), id3v1()),
        ("ape", none(), ape()),
        ("lyrics", none(), b"LYRICSBEGININD0000200000023LYRICS200".to_vec()),
        ("all-tags", id3v2(3, 0, &frame(b"TIT2", b"\0All")), [ape(), id3v1()].concat()),
        ("junk", vec![0xff; 200], vec![0; 200]),
    ]
}

fn id3v2(version: u8, flags: u8, frames: &[u8]) -> Vec<u8> {
    let mut tag = vec![b'I', b'D', b'3', version, 0, flags];
    tag.extend([21, 14, 7, 0].map(|shift| (frames.len() >> shift & 0x7f) as u8));
    tag.extend(frames);
    tag
}

/// A tag shorter than 128 bytes, because there sizes of versions 3 and 4 are encoded alike.
fn frame(id: &[u8; 4], content: &[u8]) -> Vec<u8> {
    [&id[..], &[0, 0, 0, content.len() as u8, 0, 0], content].concat()
}

fn frame_2_2(id: &[u8; 3], content: &[u8]) -> Vec<u8> {
    [&id[..], &[0, 0, content.len() as u8], content].concat()
}

fn id3v1() -> Vec<u8> {
    let mut tag = b"TAGA title".to_vec();
    tag.resize(128, 0);
    tag
}

fn ape() -> Vec<u8> {
    let end = |flags: u8| [b"APETAGEX\xd0\x07\0\0\x2a\0\0\0\x01\0\0\0\0\0\0", &[flags][..], &[0; 8]].concat();
    [end(0xa0), b"\x01\0\0\0\0\0\0\0x\0".to_vec(), end(0x80)].concat()
}
