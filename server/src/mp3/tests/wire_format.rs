//! The example files of `wire-format.md` are what it says that they are.

use super::corpus::decode;
use crate::mp3::duration::{Measured, count};
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
        assert_eq!(decode(sent).length, total_samples, "{}, decoded", row[0]);
    }
}

#[test]
fn starts_in_the_example_files_are_where_the_document_says() {
    for row in rows("| file | *t* | `position` | `first_sample` | `discard` |") {
        let file = example(row[0]);
        let (song, index) = count(&&file[..]).expect("memory can be read");
        let ms = number(row[1]).try_into().expect("a time has 32 bits");
        let found = locate(&&file[..], &song, &index, ms).expect("memory can be read");
        let found = found.map(|found| [found.position, found.first_sample, found.discard.into()]);
        let expected = (row[2] != "BAD_POSITION").then(|| [2, 3, 4].map(|column| number(row[column])));
        // The server answers a start at 0 without looking for it: everything is sent.
        let is_beginning = ms == 0 && expected == Some([0, 0, song.begin_sample]);
        assert!(found == expected || is_beginning, "{} at {ms} ms: {found:?}", row[0]);
    }
}
