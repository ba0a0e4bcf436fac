//! Counting, trimming and seeking, against the decoder.

use super::corpus::{self, Decoded, Random, decode, file, lame};
use super::frames;
use crate::mp3::duration::{Measured, count, from_info_tag};
use crate::mp3::extent::Extent;
use crate::mp3::seek::{Location, SeekIndex};
use crate::mp3::source::ReadAt;
use std::sync::atomic::{AtomicUsize, Ordering};
use trill_proto::ticks::Ticks;

/// The bytes that a client is sent, from `position` on.
pub(super) fn audio<'a>(file: &'a [u8], song: &Measured, position: u64) -> &'a [u8] {
    &file[(song.audio_offset + position) as usize..(song.audio_offset + song.size_bytes) as usize]
}

fn locate(file: &dyn ReadAt, song: &Measured, index: &SeekIndex, ms: u32) -> Option<Location> {
    crate::mp3::seek::locate(file, song, index, ms).expect("memory can be read")
}

/// The parts one after the other.
fn joined(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

fn noise(bytes: usize) -> Vec<u8> {
    let mut random = Random(3);
    (0..bytes).map(|_| random.below(256) as u8).collect()
}

/// An ID3v2.4 tag of so many bytes, header included.
fn id3v2(bytes: usize) -> Vec<u8> {
    let size = bytes - 10;
    let mut tag = b"ID3\x04\0\0".to_vec();
    tag.extend([21, 14, 7, 0].map(|shift| (size >> shift & 0x7f) as u8));
    tag.resize(bytes, 0);
    tag
}

fn id3v1() -> Vec<u8> {
    let mut tag = b"TAG".to_vec();
    tag.resize(128, 0);
    tag
}

#[track_caller]
pub(super) fn check_counts_as_the_decoder_does(name: &str, file: &[u8]) -> Measured {
    let (song, _) = count(&file).expect("memory can be read");
    let decoded = decode(audio(file, &song, 0)).duration().samples(song.rate);
    assert_eq!(song.total_samples, decoded, "{name}");
    song
}

#[test]
fn every_kind_of_file_has_as_many_samples_as_the_decoder_puts_out() {
    for file in corpus::files() {
        let song = check_counts_as_the_decoder_does(file.name, &file.bytes);
        assert!(song.total_samples > file.input_samples * u64::from(song.rate) / 48_000, "{}", file.name);
    }
}

#[test]
fn what_the_encoder_added_is_told_exactly() {
    for name in ["cbr 128", "vbr", "cbr 64 at 22.05 kHz, mono", "cbr 320 at 48 kHz, with CRC"] {
        let file = file(name);
        let (song, _) = count(&&file.bytes[..]).expect("memory can be read");
        assert_eq!(song.begin_sample, 576 + 529, "{name}: LAME's delay and the decoder's");
        assert_eq!(song.end_sample - song.begin_sample, file.input_samples, "{name}");
    }
}

#[test]
fn a_vbr_file_without_information_frame_lasts_as_long_as_it_decodes() {
    let file = file("vbr without information frame");
    let (song, _) = count(&&file.bytes[..]).expect("memory can be read");
    let decoded = decode(&file.bytes);
    assert_eq!(u64::from(song.duration_ms()), decoded.duration().samples(44_100) * 1_000 / 44_100);
    assert_eq!((song.audio_offset, song.begin_sample), (0, 0));
}

#[track_caller]
fn check_tags_do_not_count(name: &str, before: &[u8], after: &[u8]) {
    let music = &file("cbr 128").bytes;
    let tagged = joined(&[before, music, after]);
    let (plain, _) = count(&&music[..]).expect("memory can be read");
    let moved = Measured { audio_offset: plain.audio_offset + before.len() as u64, ..plain };
    let (counted, _) = count(&&tagged[..]).expect("memory can be read");
    assert_eq!(counted, moved, "{name}");
    assert_eq!(from_info_tag(&&tagged[..]).expect("memory can be read"), Some(moved), "{name}, without counting");
}

#[test]
fn tags_around_the_audio_are_cut_off() {
    let mut ape = b"APETAGEX\xd0\x07\0\0\x2c\x01\0\0\x05\0\0\0\0\0\0\xa0\0\0\0\0\0\0\0\0".to_vec();
    ape.resize(32 + 300 - 32, 7);
    ape.extend(b"APETAGEX\xd0\x07\0\0\x2c\x01\0\0\x05\0\0\0\0\0\0\x80\0\0\0\0\0\0\0\0");
    let lyrics = b"LYRICSBEGININD0000200000023LYRICS200".to_vec();
    check_tags_do_not_count("nothing", &[], &[]);
    check_tags_do_not_count("ID3v2", &id3v2(5_000), &[]);
    check_tags_do_not_count("ID3v2 of 2 MB", &id3v2(2_000_000), &[]);
    check_tags_do_not_count("two ID3v2", &joined(&[&id3v2(500), &id3v2(700)]), &[]);
    check_tags_do_not_count("ID3v1", &[], &id3v1());
    check_tags_do_not_count("APEv2", &[], &ape);
    check_tags_do_not_count("Lyrics3", &[], &joined(&[&lyrics[..27], b"000027LYRICS200"]));
    check_tags_do_not_count("ID3v2, APEv2 and ID3v1", &id3v2(4_096), &joined(&[&ape, &id3v1()]));
}

#[test]
fn a_size_of_lyrics_is_made_of_digits_alone() {
    let music = &file("cbr 128").bytes;
    let audio_bytes = |size: &str| {
        let file = joined(&[music, b"LYRICSBEGININD0000200", size.as_bytes(), b"LYRICS200"]);
        Extent::of(&&file[..]).expect("memory can be read").audio.end - music.len() as u64
    };
    assert_eq!(audio_bytes("000021"), 0);
    for size in ["+00021", "-00021", " 00021", "00002 ", "0x0015"] {
        assert_eq!(audio_bytes(size), 36, "{size}");
    }
}

#[test]
fn a_tag_that_claims_more_than_the_file_has_does_not_silence_it() {
    let music = &file("cbr 128").bytes;
    let mut broken = id3v2(100);
    broken[6] = 0x7f;
    let song = check_counts_as_the_decoder_does("broken ID3v2", &joined(&[&broken, music]));
    assert_eq!(song.size_bytes, music.len() as u64 - 417);
}

#[test]
fn a_frame_that_is_cut_at_the_end_does_not_count() {
    let music = &file("cbr 128").bytes;
    for missing in [1, 2, 3, 4, 5, 100, 416, 417, 418, 419, 900] {
        let cut = &music[..music.len() - missing];
        let song = check_counts_as_the_decoder_does(&format!("{missing} bytes missing"), cut);
        assert!(song.end_sample == song.total_samples, "what is missing cannot have been padding");
    }
}

/// Frames of 72 bytes at 8 kHz, and the header of one of 1,440 that is never there whole.
#[test]
fn a_frame_before_a_cut_one_counts_if_another_follows() {
    let mut frame = [0; 72];
    frame[..4].copy_from_slice(&[0xff, 0xe3, 0x18, 0xc4]);
    let (cut, junk) = ([0xff, 0xe3, 0xe8, 0x3b], [0; 100]);
    let damaged = [&frame[..], &cut, &junk, &frame, &cut, &junk].concat();
    let followed = check_counts_as_the_decoder_does("followed", &[&damaged[..], &frame, &frame].concat());
    assert_eq!(followed.total_samples, 4 * 576);
    check_counts_as_the_decoder_does("not followed", &damaged);
}

#[test]
fn junk_has_no_audio() {
    for junk in [&[][..], &[0xff], &noise(100_000), &[0; 300_000], &[0xff; 70_000], &id3v2(3_000), &id3v1()] {
        let (song, _) = count(&junk).expect("memory can be read");
        assert_eq!((song.size_bytes, song.total_samples, song.rate, song.duration_ms()), (0, 0, 0, 0));
        assert_ne!(song.content_tag, 0);
        assert_eq!(from_info_tag(&junk).expect("memory can be read"), Some(song));
    }
}

#[test]
fn a_file_of_few_frames_is_counted() {
    let music = &file("cbr 320 at 48 kHz, with CRC").bytes;
    for frames in 1..14 {
        let song = check_counts_as_the_decoder_does(&format!("{frames} frames"), &music[..960 * frames]);
        assert_eq!(song.total_samples, 1_152 * (frames as u64 - 1), "one is the information frame");
    }
}

#[test]
fn junk_before_between_and_after_the_frames_is_skipped_as_the_decoder_does() {
    let music = &file("cbr 128").bytes[..40_000];
    let other = &file("vbr").bytes[..40_000];
    let mono = &file("cbr 64 at 22.05 kHz, mono").bytes[..20_000];
    for (name, parts) in [
        ("noise first", &[&noise(5_000), music][..]),
        ("noise between", &[music, &noise(50_000), other]),
        ("zeros between, more than is read at a time", &[music, &[0; 300_000], other]),
        ("three bytes between", &[&music[..417 * 20], b"abc", &music[417 * 20..]]),
        ("noise after", &[music, &noise(5_000)]),
        ("two files in one", &[music, other]),
        ("two files in one, with tags", &[&id3v2(1_000), music, &id3v1(), &id3v2(9_000), other, &id3v1()]),
        ("another sample rate", &[music, mono]),
        ("nine frames between junk", &[music, &noise(500), &music[418..418 * 10], &noise(3_000), other]),
        ("six frames and junk at the end", &[music, &noise(500), &music[418..418 * 7], &noise(30_000)]),
    ] {
        check_counts_as_the_decoder_does(name, &joined(parts));
    }
}

/// Frames of 72 bytes at 8 kHz without data. The ways to damage one of them: its blocks switch to none, there are more large
/// values than lines, or more data than it has room for.
#[test]
fn a_damaged_frame_counts_and_the_few_that_follow_it_do_not() {
    const FRAME: [u8; 4] = [0xff, 0xe3, 0x18, 0xc4];
    // The side information is behind the header: 9 bits, then 12 of length, 9 of large values, 17 more, and the switch.
    for (damage, at, byte) in [("blocks", 9, 0x01), ("values", 6, 0x05), ("length", 5, 0x7f)] {
        for (after, expected) in [(5, 12 + 12), (20, 12 + 19 + 12)] {
            let mut frames = [FRAME.as_slice(), &[0; 68]].concat().repeat(12 + after);
            frames[11 * 72..][at] |= byte;
            let rest = [FRAME.as_slice(), &[0; 68]].concat().repeat(12);
            let name = format!("{damage}, {after} more");
            let song = check_counts_as_the_decoder_does(&name, &joined(&[&frames, &[0; 100], &rest]));
            assert_eq!(song.total_samples, expected * 576, "{name}");
        }
    }
}

#[test]
fn a_frame_at_the_end_counts_though_the_one_before_it_is_damaged() {
    let mut frames = [[0xff, 0xe3, 0x18, 0xc4].as_slice(), &[0; 68]].concat().repeat(13);
    frames[11 * 72..][5] = 0x7f;
    assert_eq!(check_counts_as_the_decoder_does("the last but one", &frames).total_samples, 13 * 576);
}

/// Removes, inserts and overwrites stretches, so long that no frame is damaged inside and yet stays a frame.
fn mutilated(file: &[u8], random: &mut Random) -> Vec<u8> {
    let mut file = file.to_vec();
    for _ in 0..=random.below(3) {
        let at = random.below(file.len() as u64) as usize;
        let length = (1_500 + random.below(4_000) as usize).min(file.len() - at);
        match random.below(3) {
            0 => drop(file.drain(at..at + length)),
            1 => drop(file.splice(at..at, noise(random.below(4_000) as usize))),
            _ => file[at..at + length].copy_from_slice(&noise(length)),
        }
    }
    file
}

#[test]
fn mutilated_files_are_counted_and_sought_as_the_decoder_sees_them() {
    let mut random = Random(11);
    let files = [&file("vbr").bytes[..20_000], &file("cbr 64 at 22.05 kHz, mono").bytes[..12_000]];
    for round in 0..60 {
        let file = mutilated(files[round % 2], &mut random);
        let song = check_counts_as_the_decoder_does(&format!("round {round}"), &file);
        let whole = decode(audio(&file, &song, 0));
        let ms = random.below(u64::from(song.duration_ms()) + 1) as u32;
        check_seek(&format!("round {round}"), &file, &song, &whole, ms);
    }
}

#[track_caller]
pub(super) fn check_seek(name: &str, file: &[u8], song: &Measured, whole: &Decoded, ms: u32) {
    let (_, index) = count(&file).expect("memory can be read");
    let location = locate(&file, song, &index, ms).expect("a time within the song");
    let target = song.begin_sample + u64::from(ms) * u64::from(song.rate) / 1_000;
    assert_eq!(location.first_sample + u64::from(location.discard), target, "{name} at {ms} ms");

    // Decoding takes long; what is right after so many bytes stays so.
    let rest = audio(file, song, location.position);
    let part = decode(&rest[..rest.len().min(20_000)]);
    let begins =
        Ticks::of_samples(location.first_sample, song.rate).saturating_add(Ticks::new(location.first_fraction.into()));
    let target = Ticks::of_samples(target, song.rate);
    let (expected, actual) = (whole.after(target), part.after(target.saturating_sub(begins)));
    assert!(actual.len() == expected.len() || rest.len() > 20_000, "{name} at {ms} ms: {location:?}");
    let wrong = actual.iter().zip(expected).position(|(a, b)| a != b);
    assert_eq!(wrong, None, "{name} at {ms} ms: {location:?}");
}

#[track_caller]
fn check_seeks(name: &str) {
    let file = &file(name).bytes[..];
    let (song, _) = count(&file).expect("memory can be read");
    let whole = decode(audio(file, &song, 0));
    let mut random = Random(7);
    let times = [0, 1, 24, 50, song.duration_ms() - 1, song.duration_ms()];
    let random = std::iter::repeat_with(|| random.below(u64::from(song.duration_ms())) as u32).take(20);
    for ms in times.into_iter().chain(random) {
        check_seek(name, file, &song, &whole, ms);
    }
}

#[test]
fn a_seek_in_a_cbr_file_is_exact() {
    check_seeks("cbr 128");
    check_seeks("cbr 320 at 48 kHz, with CRC");
}

#[test]
fn a_seek_in_a_vbr_file_is_exact() {
    check_seeks("vbr");
    check_seeks("vbr without information frame");
    check_seeks("abr 96 at 32 kHz, with CRC");
}

#[test]
fn a_seek_in_a_file_at_22_05_khz_is_exact() {
    check_seeks("cbr 64 at 22.05 kHz, mono");
}

#[test]
fn a_seek_in_a_file_of_32_kbit_is_exact() {
    check_seeks("cbr 32, mono");
}

#[test]
fn a_seek_in_a_file_of_8_kbit_is_exact() {
    check_seeks("cbr 8 at 8 kHz, mono");
    check_seeks("cbr 8 at 24 kHz, mono");
}

#[test]
fn a_seek_to_right_behind_a_checkpoint_of_the_index_is_exact() {
    // The frames there take from the reservoir what five or six frames before them put there.
    let name = "vbr";
    let file = &file(name).bytes[..];
    let (song, _) = count(&file).expect("memory can be read");
    let whole = decode(audio(file, &song, 0));
    for frame in 254..272 {
        check_seek(name, file, &song, &whole, frame * 1_152_000 / 44_100);
    }
}

#[test]
fn a_seek_goes_back_no_further_than_it_must() {
    let file = &file("cbr 128").bytes[..];
    let (song, index) = count(&file).expect("memory can be read");
    let mut furthest = 0;
    for ms in (0..song.duration_ms()).step_by(100) {
        furthest = furthest.max(locate(&file, &song, &index, ms).expect("a time within the song").discard);
    }
    // One frame for the filters and what is left of another, two or three for the reservoir.
    assert!(furthest < 5 * 1_152, "{furthest} samples are thrown away");
}

#[test]
fn a_seek_beyond_the_end_is_refused() {
    let file = &file("cbr 128").bytes[..];
    let (song, index) = count(&file).expect("memory can be read");
    for ms in [song.duration_ms() + 1, u32::MAX] {
        assert!(locate(&file, &song, &index, ms).is_none());
    }
}

#[test]
fn a_seek_in_junk_finds_its_beginning_only() {
    let junk = &noise(1_000)[..];
    let (song, index) = count(&junk).expect("memory can be read");
    let start = locate(&junk, &song, &index, 0).expect("a time within the song");
    assert_eq!((start.position, start.first_sample, start.discard), (0, 0, 0));
}

#[test]
fn an_information_frame_is_believed_where_it_fits_the_file() {
    for name in ["cbr 128", "vbr", "cbr 64 at 22.05 kHz, mono", "abr 96 at 32 kHz, with CRC"] {
        let file = &file(name).bytes[..];
        let (counted, _) = count(&file).expect("memory can be read");
        assert_eq!(from_info_tag(&file).expect("memory can be read"), Some(counted), "{name}");
    }
}

#[test]
fn an_information_frame_is_not_believed_where_it_does_not_fit() {
    let music = &file("cbr 128").bytes;
    let middle = music.len() / 2;
    for (name, file) in [
        ("cut", music[..middle].to_vec()),
        ("joined", joined(&[music, music])),
        ("without one", file("cbr 32, mono").bytes.clone()),
        ("junk at the end", joined(&[&music[..music.len() - 900], &noise(900)])),
        ("junk inside", joined(&[&music[..middle], &noise(90), &music[middle..]])),
    ] {
        assert_eq!(from_info_tag(&&file[..]).expect("memory can be read"), None, "{name}");
    }
}

#[test]
fn the_content_tag_is_of_the_audio_alone_and_stable() {
    let music = lame(44_100, 1, 44_100, &["-b", "64"]);
    let tag = |file: &[u8]| count(&file).expect("memory can be read").0.content_tag;
    assert_eq!(tag(&music), tag(&joined(&[&id3v2(1_000), &music, &id3v1()])), "tags do not matter");
    let mut other = music.clone();
    other[1_000] ^= 1;
    assert_ne!(tag(&music), tag(&other), "the audio does");
    // Computed with the reference implementation of XXH3. They must never change, or no song can be resumed elsewhere.
    assert_eq!(tag(&[]), 0xc77b_3abb_6f87_acd9);
    assert_eq!(tag(&frames(20, 7)), 0xdd5d_30aa_67dc_4828);
}

#[test]
fn what_is_longer_than_can_be_said_is_not_unknown() {
    for end_sample in [u64::from(u32::MAX), u64::MAX] {
        let song = Measured { end_sample, rate: 1_000, ..Measured::default() };
        assert_eq!(song.duration_ms(), u32::MAX - 1);
    }
}

/// Memory that counts how often it is read.
struct Counted<'a>(&'a [u8], AtomicUsize);

impl ReadAt for Counted<'_> {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.read_at(offset, buffer)
    }

    fn length(&self) -> std::io::Result<u64> {
        self.0.length()
    }
}

#[test]
fn tags_without_end_are_passed_over_like_junk() {
    const TAGS: usize = 10_000;
    let music = &file("vbr").bytes;
    let expected = count(&&music[..]).expect("memory can be read").0;
    let tags = [id3v2(10).repeat(TAGS), b"000000LYRICS200".repeat(TAGS)];
    for file in [joined(&[&tags[0], music]), joined(&[music, &tags[1]])] {
        let source = Counted(&file, AtomicUsize::new(0));
        let (song, _) = count(&source).expect("memory can be read");
        assert_eq!((song.content_tag, song.total_samples), (expected.content_tag, expected.total_samples));
        let reads = source.1.into_inner();
        assert!(reads < TAGS / 10, "{reads} reads of {} bytes", file.len());
    }
}
