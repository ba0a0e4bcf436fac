//! SONG: one song, in the answer to LIST or INFO. The frame's id is the request id; flag bit 0 says that a text was
//! cut.
//!
//! ```text
//!  0        1        2        3        4        5        6        7
//! +--------+--------+--------+--------+--------+--------+--------+--------+
//! |                song               |           duration in ms          |
//! +--------+--------+--------+--------+--------+--------+--------+--------+
//! |                             size in bytes                             |
//! +--------+--------+--------+--------+--------+--------+--------+--------+
//! |          bitrate in bit/s         |        sample rate in Hz          |
//! +--------+--------+--------+--------+--------+--------+--------+--------+
//! |channels|    0   |      track      | extensions: 1 = title, 2 = artist, 3 = album,
//! +--------+--------+--------+--------+  4 = album artist, 5 = genre, 6 = path, 7 = year, 8 = disc, 9 = gain,
//!                                        10 = group, 11 = rank
//! ```

use super::extension::{self, EXTENSION_HEADER_BYTES, Extensions};
use super::gain::{GAIN_BYTES, Gain};
use super::{Decode, Encode, Header, MessageType, audio, cut, exact, text};
use crate::codec::{Full, Reader, Writer};
use crate::error::Malformed;
use crate::ids::{RequestId, SongId};
use crate::limits::{HEADER_BYTES, MAX_BITRATE, MAX_CONTROL_BYTES, MAX_SONG_BYTES, MAX_TEXT_BYTES};

const TITLE: u8 = 1;
const ARTIST: u8 = 2;
const ALBUM: u8 = 3;
const ALBUM_ARTIST: u8 = 4;
const GENRE: u8 = 5;
const PATH: u8 = 6;
const YEAR: u8 = 7;
const DISC: u8 = 8;
const GAIN: u8 = 9;
const GROUP: u8 = 10;
const RANK: u8 = 11;
const TAGS: usize = 12;
const GROUP_BYTES: usize = 8;
const RANK_BYTES: usize = 4;
const FLAG_CUT: u8 = 1;
const UNKNOWN_DURATION: u32 = u32::MAX;
const FIXED_BYTES: usize = 28;
const NUMBER_BYTES: usize = 2;
const TEXT_TAGS: [u8; 6] = [TITLE, ARTIST, ALBUM, ALBUM_ARTIST, GENRE, PATH];

/// One song. A server encodes it [`fitted`](Self::fitted).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Song<'a> {
    /// The request that this answers.
    pub request: RequestId,
    /// The song.
    pub song: SongId,
    /// How long the music is, in milliseconds; `None` until the server has measured it. Exact in answer to INFO.
    pub duration_ms: Option<u32>,
    /// Bytes of audio; the file's size until the server has measured it.
    pub size_bytes: u64,
    /// Mean bit rate in bit/s; 0 if unknown.
    pub bitrate: u32,
    /// Sample rate in Hz; 0 if unknown.
    pub rate: u32,
    /// 1 or 2; 0 if unknown.
    pub channels: u8,
    /// Number of the track on its album; 0 if unknown.
    pub track: u16,
    /// A text is shorter here than in the file.
    pub is_cut: bool,
    /// Title; never empty, because the file's name stands in for a missing title.
    pub title: &'a str,
    /// Artist; may be empty.
    pub artist: &'a str,
    /// Album; may be empty.
    pub album: &'a str,
    /// Artist of the whole album; may be empty. This and what follows come in answer to INFO.
    pub album_artist: &'a str,
    /// Genre; may be empty.
    pub genre: &'a str,
    /// Path of the file below the server's directory, for people; may be empty.
    pub path: &'a str,
    /// Year; 0 if unknown.
    pub year: u16,
    /// Number of the disc in its album; 0 if unknown.
    pub disc: u16,
    /// How loud it is.
    pub gain: Gain,
    /// The group that this song stands for, if groups were asked for.
    pub group: Option<SongGroup>,
    /// In a search, how many of the songs or groups that are found precede this one.
    pub rank: Option<u32>,
}

/// A group of the songs that a query finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct SongGroup {
    /// How many songs it has.
    pub songs: u32,
    /// How many of the songs that the query finds precede its first song.
    pub rank: u32,
}

impl<'a> Song<'a> {
    /// Length in bytes of the shortest frame.
    pub const MIN_FRAME_BYTES: usize = HEADER_BYTES + FIXED_BYTES;

    /// The same song with its texts cut so that the payload has at most `max_control` bytes, the longest text first.
    #[must_use]
    pub fn fitted(self, max_control: usize) -> Self {
        let room = max_control.saturating_sub(FIXED_BYTES + self.extension_bytes());
        let mut limit = MAX_TEXT_BYTES;
        // The largest limit, the same for all texts, that makes them fit; at most 255 steps, and none normally.
        while self.texts().map(|text| text.len().min(limit)).iter().sum::<usize>() > room {
            limit -= 1;
        }
        if self.texts().iter().all(|text| text.len() <= limit) {
            return self;
        }
        let texts = self.texts().map(|text| cut(text, limit));
        let [title, artist, album, album_artist, genre, path] = texts;
        Self { title, artist, album, album_artist, genre, path, is_cut: true, ..self }
    }

    const fn texts(&self) -> [&'a str; 6] {
        [self.title, self.artist, self.album, self.album_artist, self.genre, self.path]
    }

    const fn numbers(&self) -> [(u8, u16); 2] {
        [(YEAR, self.year), (DISC, self.disc)]
    }

    /// Length in bytes of the extensions, apart from the texts in them.
    fn extension_bytes(&self) -> usize {
        let texts = self.texts().iter().filter(|text| !text.is_empty()).count();
        let numbers = self.numbers().iter().filter(|(_, number)| *number > 0).count();
        let (gains, groups) = (usize::from(self.gain != Gain::UNKNOWN), usize::from(self.group.is_some()));
        let ranks = usize::from(self.rank.is_some());
        let values = numbers * NUMBER_BYTES + gains * GAIN_BYTES + groups * GROUP_BYTES + ranks * RANK_BYTES;
        (texts + numbers + gains + groups + ranks) * EXTENSION_HEADER_BYTES + values
    }
}

impl SongGroup {
    fn decode(value: &[u8]) -> Result<Self, Malformed> {
        let mut fields = Reader::new(value);
        let group = Self { songs: fields.u32()?, rank: fields.u32()? };
        exact(fields, group)
    }
}

impl<'a> Decode<'a> for Song<'a> {
    fn decode(header: Header, payload: &'a [u8]) -> Result<Self, Malformed> {
        let mut fields = Reader::new(payload);
        let song = SongId(fields.u32()?);
        let duration = fields.u32()?;
        let size_bytes = fields.u64()?;
        let bitrate = fields.u32()?;
        let rate = fields.u32()?;
        let channels = fields.u8()?;
        let _reserved = fields.u8()?;
        let track = fields.u16()?;
        let values: [_; TAGS] = Extensions::new(fields.rest())?.by_tag();
        let value = |tag: u8| values.get(usize::from(tag)).copied().flatten();
        let text = |tag| text::decode(value(tag).unwrap_or_default(), MAX_TEXT_BYTES);
        let number = |tag| match value(tag) {
            Some(number) => number.try_into().map(u16::from_be_bytes).map_err(|_| Malformed),
            None => Ok(0),
        };
        let is_rate = rate == 0 || audio::is_rate(rate);
        let is_duration = duration == UNKNOWN_DURATION || u64::from(duration) <= audio::most_millis(size_bytes);
        if !is_rate || !is_duration || channels > 2 || bitrate > MAX_BITRATE || size_bytes > MAX_SONG_BYTES {
            return Err(Malformed);
        }
        Ok(Self {
            request: RequestId(header.id),
            song,
            duration_ms: (duration != UNKNOWN_DURATION).then_some(duration),
            size_bytes,
            bitrate,
            rate,
            channels,
            track,
            is_cut: header.flags & FLAG_CUT != 0,
            title: text(TITLE)?,
            artist: text(ARTIST)?,
            album: text(ALBUM)?,
            album_artist: text(ALBUM_ARTIST)?,
            genre: text(GENRE)?,
            path: text(PATH)?,
            year: number(YEAR)?,
            disc: number(DISC)?,
            gain: Gain::decode(value(GAIN))?,
            group: value(GROUP).map(SongGroup::decode).transpose()?,
            rank: value(RANK).map(extension::decode_u32).transpose()?,
        })
    }
}

impl Encode for Song<'_> {
    const TYPE: MessageType = MessageType::Song;
    // See `fitted`.
    const MAX_PAYLOAD_BYTES: usize = MAX_CONTROL_BYTES;

    fn id(&self) -> u32 {
        self.request.0
    }

    fn flags(&self) -> u8 {
        if self.is_cut { FLAG_CUT } else { 0 }
    }

    fn encode_payload(&self, out: &mut Writer<'_>) -> Result<(), Full> {
        out.u32(self.song.0)?;
        out.u32(self.duration_ms.unwrap_or(UNKNOWN_DURATION))?;
        out.u64(self.size_bytes)?;
        out.u32(self.bitrate)?;
        out.u32(self.rate)?;
        out.u8(self.channels)?;
        out.u8(0)?;
        out.u16(self.track)?;
        for (tag, text) in TEXT_TAGS.into_iter().zip(self.texts()) {
            extension::encode(out, tag, cut(text, MAX_TEXT_BYTES).as_bytes())?;
        }
        for (tag, number) in self.numbers().into_iter().filter(|(_, number)| *number > 0) {
            extension::encode(out, tag, &number.to_be_bytes())?;
        }
        self.gain.encode(out, GAIN)?;
        if let Some(SongGroup { songs, rank }) = self.group {
            extension::begin(out, GROUP, GROUP_BYTES)?;
            out.u32(songs)?;
            out.u32(rank)?;
        }
        self.rank.map_or(Ok(()), |rank| extension::encode(out, RANK, &rank.to_be_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_to_the_smallest_control_payload_and_say_so() {
        let long = "ř".repeat(200);
        let song = Song { title: &long, artist: "x", album: &long, ..Song::default() };
        let fitted = song.fitted(256);
        let mut out = [0; 300];
        let length = fitted.encode(&mut out).expect("fits");
        assert!((255..=264).contains(&length), "{length} bytes");
        assert_eq!((fitted.artist, fitted.is_cut), ("x", true));
        assert_eq!(fitted.title, fitted.album);
    }

    #[test]
    fn a_song_with_everything_fits_into_the_smallest_and_the_largest_control_payload() {
        let long = "x".repeat(MAX_TEXT_BYTES);
        let (text, gain) = (long.as_str(), Gain { track: Some(-650), ..Gain::default() });
        let texts = Song { title: text, artist: text, album: text, album_artist: text, ..Song::default() };
        let song = Song {
            genre: text,
            path: text,
            year: 1997,
            disc: 2,
            gain,
            group: Some(SongGroup::default()),
            rank: Some(1),
            ..texts
        };
        for limit in [256, MAX_CONTROL_BYTES] {
            let mut out = [0; 2_000];
            let length = song.fitted(limit).encode(&mut out).expect("fits") - HEADER_BYTES;
            assert!((limit - 6..=limit).contains(&length), "{length} of {limit} bytes");
        }
    }

    #[test]
    fn short_texts_are_left_alone() {
        let song = Song { title: "Nocturne", artist: "Anon", album: "", ..Song::default() };
        assert_eq!(song.fitted(256), song);
    }
}
