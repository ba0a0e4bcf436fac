//! The example files of `wire-format.md` are what it says that they are.

use super::corpus::decode;
use crate::mp3::duration::{Measured, count};
use crate::mp3::header::FrameHeader;
use crate::mp3::seek::locate;

const DOCUMENT: &str = include_str!("../../../../wire-format.md");

/// The bytes of the file that stands in the fence `audio NAME`.
#[track_caller]
fn example(name: &str) -> Vec<u8> {
    let fence = format!("```audio {name}\n");
    let (_, after) = DOCUMENT.split_once(&fence).unwrap_or_else(|| panic!("no file {name}"));
    let (lines, _) = after.split_once("```").expect("the fence ends");
    lines.lines().flat_map(bytes).collect()
}

/// The bytes of a line: `12 x ff f3 00*9 ; remark`.
fn bytes(line: &str) -> Vec<u8> {
    let (line, _) = line.split_once(';').unwrap_or((line, ""));
    let (times, words) = line.split_once(" x ").map_or((1, line), |(times, words)| (times.parse().unwrap(), words));
    words.split_whitespace().flat_map(word).collect::<Vec<u8>>().repeat(times)
}

fn word(word: &str) -> Vec<u8> {
    let (digits, times) = word.split_once('*').map_or((word, 1), |(digits, times)| (digits, times.parse().unwrap()));
    let digits: Vec<_> = digits.chars().map(|digit| digit.to_digit(16).unwrap() as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect::<Vec<_>>().repeat(times)
}

/// The cells of the table with this heading, without its first two lines.
#[track_caller]
fn rows(heading: &str) -> Vec<Vec<&'static str>> {
    let rows = DOCUMENT.lines().skip_while(|line| *line != heading).skip(2).take_while(|line| line.starts_with('|'));
    let rows: Vec<Vec<_>> = rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect();
    assert!(!rows.is_empty(), "no table {heading}");
    rows
}

fn number(cell: &str) -> u64 {
    cell.replace(',', "").parse().unwrap_or_else(|_| panic!("not a number: {cell:?}"))
}

#[test]
fn example_files_have_the_numbers_of_the_document() {
    let heading = "| file | offset | `size_bytes` | *total* | `begin_sample` | `end_sample` | `rate` | `bitrate` | `duration_ms` |";
    for row in rows(heading) {
        let file = example(row[0]);
        let (song, _) = count(&&file[..]).expect("memory can be read");
        let Measured { audio_offset, size_bytes, total_samples, begin_sample, end_sample, rate, bitrate, .. } = song;
        let found = [audio_offset, size_bytes, total_samples, begin_sample, end_sample, rate.into(), bitrate.into()];
        let expected: Vec<_> = row[1..].iter().map(|cell| number(cell)).collect();
        assert_eq!([&found[..], &[song.duration_ms().into()]].concat(), expected, "{}", row[0]);
        let sent = &file[audio_offset as usize..(audio_offset + size_bytes) as usize];
        assert_eq!(decode(sent).duration().samples(song.rate), total_samples, "{}, decoded", row[0]);
    }
}

#[test]
fn starts_in_the_example_files_are_where_the_document_says() {
    for row in rows("| file | *t* | `position` | `first_sample` | `first_fraction` | `discard` |") {
        let file = example(row[0]);
        let (song, index) = count(&&file[..]).expect("memory can be read");
        let ms = number(row[1]).try_into().expect("a time has 32 bits");
        let found = locate(&&file[..], &song, &index, ms).expect("memory can be read");
        let found =
            found.map(|found| [found.position, found.first_sample, found.first_fraction.into(), found.discard.into()]);
        let expected = (row[2] != "BAD_POSITION").then(|| [2, 3, 4, 5].map(|column| number(row[column])));
        // The server answers a start at 0 without looking for it: everything is sent.
        let is_beginning = ms == 0 && expected == Some([0, 0, 0, song.begin_sample]);
        assert!(found == expected || is_beginning, "{} at {ms} ms: {found:?}", row[0]);
    }
}

/// A header of this version and layer, as its second byte says, with these indices of bit rate and sample rate.
fn header(versions: u8, bit_rate: usize, sample_rate: usize) -> Option<FrameHeader> {
    FrameHeader::parse(&[0xff, versions, (bit_rate << 4 | sample_rate << 2) as u8, 0])
}

#[test]
fn the_tables_of_rates_are_those_of_the_document() {
    // MPEG-1, 2 and 2.5 in Layers I, II and III.
    const VERSIONS: [(&str, u8); 7] = [
        ("MPEG-1 Layer I", 0xff),
        ("MPEG-1 Layer II", 0xfd),
        ("MPEG-1 Layer III", 0xfb),
        ("MPEG-2 Layer I", 0xf7),
        ("MPEG-2 Layer II", 0xf5),
        ("MPEG-2 Layer III", 0xf3),
        ("MPEG-2.5 Layer III", 0xe3),
    ];
    let bit_rates = rows("| index | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 | 11 | 12 | 13 | 14 |");
    let sample_rates = rows("| sample rate index | 0 | 1 | 2 |");
    for (name, versions) in VERSIONS {
        let row = bit_rates.iter().find(|row| row[0] == format!("kbit/s, {name}")).or(bit_rates.last());
        for (index, cell) in row.expect("a row").iter().enumerate().skip(1) {
            let header = header(versions, index, 0).expect("a valid header");
            assert_eq!(u64::from(header.bitrate()), 1_000 * number(cell), "{name}, index {index}");
        }
        let (version, _) = name.split_once(' ').expect("version and layer");
        let row = sample_rates.iter().find(|row| row[0] == format!("Hz, {version}")).expect("a row");
        for (index, cell) in row.iter().skip(1).enumerate() {
            let header = header(versions, 1, index).expect("a valid header");
            assert_eq!(u64::from(header.sample_rate()), number(cell), "{name}, index {index}");
        }
    }
    assert!(header(0xfb, 15, 0).is_none() && header(0xfb, 1, 3).is_none());
}
