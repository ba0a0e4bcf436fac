//! The server's library on a directory with one hostile file.
//!
//! An input has the length of the file's name, the name, two times to seek to, the size of reads, and the file's
//! content.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use nanomp3_core::{DecodeError, Decoder, FrameInfo, MAX_SAMPLES_PER_FRAME};
use tempfile::TempDir;
use trill_proto::codec::Reader;
use trill_proto::ids::SongId;
use trill_proto::limits::MAX_TEXT_BYTES;
use trill_proto::message::{Message, Song, cut};
use trill_proto::ticks::Ticks;
use trill_server::library::{Library, Listing, Location, Measured, OpenSong, SongError, Source};

use crate::withheld::{Next, next};

/// A generous deadline to read a file.
const PATIENCE: Duration = Duration::from_secs(30);

/// Sample rate of frames that are not decoded.
const WITHHELD_RATE: u32 = 8_000;

/// Longest file name of common file systems, in bytes.
const MAX_NAME_BYTES: usize = 255;

/// Checks that the file is listed correctly, and that its audio matches what the server reports.
///
/// # Panics
/// If it does not.
pub fn check(input: &[u8]) {
    let _ = check_file(input);
}

/// `None` if the input ends before the file begins.
fn check_file(input: &[u8]) -> Option<()> {
    let mut fields = Reader::new(input);
    let name_bytes = fields.u8().ok()?;
    let name = file_name(fields.bytes(usize::from(name_bytes)).ok()?);
    let times = [fields.u32().ok()?, u32::from(fields.u16().ok()?)];
    let piece_bytes = usize::from(fields.u16().ok()?).max(1);
    let file = fields.rest();

    let threads = threads();
    let path = directory().join(name);
    fs::write(&path, file).expect("a file of any name that `file_name` makes");
    let library = Library::open(Source::directory(directory())).expect("a directory");
    assert_eq!(library.wait_until_scanned(), 1);
    assert!(library.wait_until_read_for(PATIENCE), "a file that is never read to its end");
    let page = library.page(SongId(1), usize::MAX);
    let listed: Vec<Listing> = page.songs().collect();
    assert_eq!((listed.len(), page.total, page.next), (1, 1, None));
    check_listing(&listed[0]);

    let song = library.open_song(SongId(1)).expect("a regular file");
    let listing = library.info(&song).expect("it is still there");
    check_listing(&listing);
    check_estimate(&listed[0], &listing, file);
    check_measured(song.measured(), &listing, file.len());
    let audio = read_all(&song, piece_bytes);
    let measured = song.measured();
    let start = measured.audio_offset as usize;
    assert!(audio == file[start..start + audio.len()], "something else is sent than is in the file");
    assert_eq!(library.find_tag(measured.content_tag), Some(SongId(1)));
    check_samples(&song, &audio, &times);
    drop((song, library));
    fs::remove_file(path).expect("it was written above");
    wait_for_threads(threads);
    Some(())
}

/// Number of threads of this process.
fn threads() -> usize {
    fs::read_dir("/proc/self/task").expect("Linux").count()
}

/// Waits for the library's threads, so that their late work does not count for the next input.
fn wait_for_threads(before: usize) {
    let start = Instant::now();
    while threads() > before {
        assert!(start.elapsed() < PATIENCE, "threads outlive their library");
        thread::yield_now();
    }
}

/// The directory for the files of this process, one at a time.
fn directory() -> &'static Path {
    static DIRECTORY: OnceLock<TempDir> = OnceLock::new();
    DIRECTORY.get_or_init(|| tempfile::tempdir().expect("a directory")).path()
}

/// A valid name that ends in `.mp3`, from any bytes.
fn file_name(bytes: &[u8]) -> PathBuf {
    let bytes = &bytes[..bytes.len().min(MAX_NAME_BYTES - 4)];
    let mut name: Vec<u8> = bytes.iter().map(|&byte| if matches!(byte, 0 | b'/') { b'_' } else { byte }).collect();
    if name.starts_with(b"._") {
        name[0] = b'_'; // macOS's own files are not songs
    }
    name.extend(b".mp3");
    OsString::from_vec(name).into()
}

/// Checks that the list entry can be encoded.
fn check_listing(listing: &Listing) {
    assert!(!listing.title.is_empty());
    let song = Song {
        song: listing.id,
        duration_ms: listing.duration_ms,
        title: cut(&listing.title, MAX_TEXT_BYTES),
        artist: cut(&listing.artist, MAX_TEXT_BYTES),
        album: cut(&listing.album, MAX_TEXT_BYTES),
        ..Song::default()
    };
    assert!(Message::Song(song).encode(&mut [0; 1_024]).is_ok());
}

/// Checks that the list entry before the first PLAY equals the later count, except for lengths from an information
/// frame, which the server trusts.
fn check_estimate(listed: &Listing, counted: &Listing, file: &[u8]) {
    let told = listed.clone();
    let is_informed = [b"Xing", b"Info"].iter().any(|tag| file.windows(4).any(|bytes| bytes == *tag));
    let lengths = if is_informed { listed } else { counted };
    let Listing { duration_ms, size_bytes, bitrate, .. } = *lengths;
    assert!(listed.duration_ms.is_some(), "{listed:?}");
    assert_eq!(told, Listing { duration_ms, size_bytes, bitrate, ..counted.clone() });
}

fn check_measured(measured: &Measured, listing: &Listing, file_bytes: usize) {
    let Measured { audio_offset, size_bytes, total_samples, begin_sample, end_sample, rate, channels, .. } = *measured;
    assert_ne!(measured.content_tag, 0);
    assert!(audio_offset + size_bytes <= file_bytes as u64, "{measured:?} of {file_bytes} bytes");
    assert!(begin_sample <= end_sample && end_sample <= total_samples, "{measured:?}");
    assert_eq!((size_bytes == 0, total_samples == 0), (rate == 0, channels == 0), "{measured:?}");
    assert_eq!(size_bytes == 0, rate == 0, "{measured:?}");
    assert_eq!((listing.size_bytes, listing.duration_ms), (size_bytes, Some(measured.duration_ms())));
}

fn read_all(song: &OpenSong, piece_bytes: usize) -> Vec<u8> {
    let size = song.measured().size_bytes as usize;
    let mut audio = vec![0; size];
    let mut filled = 0;
    while filled < size {
        let end = size.min(filled + piece_bytes);
        let count = song.read_at(filled as u64, &mut audio[filled..end]).expect("a file that nobody writes to");
        assert!((1..=end - filled).contains(&count));
        filled += count;
    }
    for position in [size as u64, u64::MAX] {
        assert!(matches!(song.read_at(position, &mut [0; 1]), Ok(0)), "there is something after the end");
    }
    audio
}

/// Checks that a decoder gets the counted samples, and after any seek the same ones as from the start.
fn check_samples(song: &OpenSong, audio: &[u8], times: &[u32]) {
    let measured = song.measured();
    let whole = decode(audio, measured.rate, Ticks::default());
    for &ms in times {
        let target = measured.begin_sample + u64::from(ms) * u64::from(measured.rate) / 1_000;
        let location = match song.locate(ms) {
            Ok(location) => location,
            Err(SongError::BeyondEnd) => {
                assert!(target > measured.end_sample);
                continue;
            }
            Err(error) => panic!("{error}"),
        };
        assert!(target <= measured.end_sample);
        assert_eq!(location.first_sample + u64::from(location.discard), target, "{location:?}");
        assert!(location.position <= measured.size_bytes, "{location:?}");
        if let Some(whole) = &whole {
            check_seek(&audio[location.position as usize..], measured.rate, &location, whole);
        }
    }
    if let Some(whole) = &whole {
        assert_eq!(measured.total_samples, whole.ends.samples(measured.rate), "counted, and decoded");
    }
}

fn check_seek(rest: &[u8], rate: u32, location: &Location, whole: &Decoded) {
    let begins = Ticks::of_samples(location.first_sample, rate);
    let begins = begins.saturating_add(Ticks::new(location.first_fraction.into()));
    let Some(part) = decode(rest, rate, begins) else { return };
    assert_eq!(part.ends, whole.ends, "{location:?}");
    let first = begins.samples_rounded_up(rate) as usize;
    let target = location.first_sample as usize + location.discard as usize;
    // A damaged frame may use more of the reservoir than exists, and the remainder depends on earlier frames.
    let damage = whole.silences.iter().copied().find(|silence| *silence >= first).unwrap_or(whole.samples.len());
    let heard = target.checked_sub(first).and_then(|discard| part.samples.get(discard..)).unwrap_or_default();
    let expected = whole.samples.get(target..damage).unwrap_or_default();
    let differs = heard.iter().zip(expected).position(|(one, other)| one != other);
    assert_eq!(differs, None, "samples after a seek that are not those without one: {location:?}");
}

/// The first channel of the decoded song. Frames without decodable sound are silent.
struct Decoded {
    samples: Vec<i16>,
    /// The end of the last frame in the song.
    ends: Ticks,
    /// The starts of the silent frames in `samples`, in order.
    silences: Vec<usize>,
}

impl Decoded {
    /// Appends a frame of `length` samples at the rate `own`. Sample values are their indices.
    fn push(&mut self, rate: u32, length: usize, own: u32, sample: impl Fn(usize) -> i16) {
        let begins = self.ends;
        self.ends = begins.saturating_add(Ticks::of_samples(length as u64, own));
        let absolute = begins.samples_rounded_up(rate)..self.ends.samples_rounded_up(rate);
        let within = |number| Ticks::of_samples(number, rate).saturating_sub(begins).samples(own) as usize;
        self.samples.extend(absolute.map(|number| sample(within(number))));
    }
}

/// `None` for frames of Layer I or II or of free format. After damage in one, the decoder may lose synchronisation,
/// which the server does not imitate.
fn decode(mut mp3: &[u8], rate: u32, begins: Ticks) -> Option<Decoded> {
    let mut decoder = Box::new(Decoder::new());
    let mut pcm = Box::new([0_i16; MAX_SAMPLES_PER_FRAME]);
    let mut decoded = Decoded { samples: Vec::new(), ends: begins, silences: Vec::new() };
    while !mp3.is_empty() {
        mp3 = match next(&mut decoder, mp3) {
            Next::Decodable(frame) => frame,
            Next::Withheld(rest) => {
                decoded.silences.push(decoded.samples.len());
                decoded.push(rate, 576, WITHHELD_RATE, |_| 0);
                mp3 = rest;
                continue;
            }
        };
        let (consumed, result) = decoder.decode(mp3, &mut pcm[..]);
        mp3 = &mp3[consumed..];
        let (info, is_heard) = match result {
            Ok(info) => (info, true),
            Err(DecodeError::NoFrame) => continue,
            Err(error) => (*error.frame_info()?, false),
        };
        if info.layer != 3 || info.bitrate == 0 {
            return None;
        }
        let step = usize::from(info.channels.num());
        if !is_heard {
            decoded.silences.push(decoded.samples.len());
        }
        decoded.push(rate, nominal_samples(&info), info.sample_rate, |at| if is_heard { pcm[at * step] } else { 0 });
    }
    Some(decoded)
}

const fn nominal_samples(info: &FrameInfo) -> usize {
    if info.sample_rate < 32_000 { 576 } else { 1_152 }
}
