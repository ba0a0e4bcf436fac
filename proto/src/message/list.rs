//! LIST: asks for a page of the song list. The frame's id is the request id.
//!
//! ```text
//!  0        1        2        3        4        5        6        7
//! +--------+--------+--------+--------+--------+--------+--------+--------+
//! |             first song            |             at most               |
//! +--------+--------+--------+--------+--------+--------+--------+--------+
//! | extensions: 1 = query, 2 = rank, 3 = group, 4 = within, 5 = numbers, 6 = best
//! +--------
//! ```

use super::extension::{self, EXTENSION_HEADER_BYTES, Extensions, encode_even_empty};
use super::{Decode, Encode, Header, MessageType, cut, exact, text};
use crate::codec::{Full, Reader, Writer};
use crate::error::Malformed;
use crate::ids::{RequestId, SongId};
use crate::limits::{HEADER_BYTES, MAX_QUERY_BYTES};

const QUERY: u8 = 1;
const RANK: u8 = 2;
const GROUP: u8 = 3;
const WITHIN: u8 = 4;
const NUMBERS: u8 = 5;
const BEST: u8 = 6;
const TAGS: usize = 7;
const FIXED_BYTES: usize = 8;
const RANK_BYTES: usize = 4;
const GROUP_BYTES: usize = 1;
const WITHIN_BYTES: usize = 5;
const NUMBERS_BYTES: usize = 8;

/// Asks for songs: all of them by id, or the matches of a query in library order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct List<'a> {
    /// Names this request in its answer.
    pub request: RequestId,
    /// The first song that is wanted: by id the lowest one, in a search the one at which the page begins, or 0.
    pub first: SongId,
    /// How many songs the client takes now.
    pub at_most: u32,
    /// `None` for all songs in the order of their ids.
    pub search: Option<Search<'a>>,
}

/// Which songs are wanted in library order. The default is all songs, from the first on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Search<'a> {
    /// Words between white space. A song matches if every word occurs in its texts or path. Without words every song matches.
    /// A longer query than [`MAX_QUERY_BYTES`] is cut.
    pub query: &'a str,
    /// How many matches precede the page. Counts only if the song at which the page begins is 0 or no longer in the library.
    pub rank: u32,
    /// `Some` to list the albums or artists of the songs: one SONG for each.
    pub group: Option<Group>,
    /// `Some` for only the songs in the same album, or by the same artist, as this song. Nothing is found if the song is in no
    /// such group.
    pub within: Option<(Group, SongId)>,
    /// `Some` for only the songs from the first id to the last.
    pub numbers: Option<(SongId, SongId)>,
    /// Only the best match is wanted: the page holds one song or group at most, whatever the rank. A title, or name of a
    /// group, that equals the query is best. The next best contains the query, then all of its words.
    pub is_best: bool,
}

/// What songs are grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Songs with the same album and the same artist of the album.
    Album,
    /// Songs with the same artist.
    Artist,
}

impl List<'_> {
    /// Length in bytes of the frame of a list by id.
    pub(crate) const FRAME_BYTES_WITHOUT_SEARCH: usize = HEADER_BYTES + FIXED_BYTES;
}

impl<'a> Search<'a> {
    /// The search in the values of the extensions. Without a query the others have no meaning, but are checked.
    fn decode(values: [Option<&'a [u8]>; TAGS]) -> Result<Option<Self>, Malformed> {
        let [_, query, rank, group, within, numbers, best] = values;
        let search = Self {
            query: text::decode(query.unwrap_or_default(), MAX_QUERY_BYTES)?,
            rank: rank.map(extension::decode_u32).transpose()?.unwrap_or(0),
            group: group.map(decode_group).transpose()?,
            within: within.map(decode_within).transpose()?,
            numbers: numbers.map(decode_numbers).transpose()?,
            is_best: best.is_some(),
        };
        match best {
            None | Some([]) => Ok(query.map(|_| search)),
            Some(_) => Err(Malformed),
        }
    }

    fn encode(&self, out: &mut Writer<'_>) -> Result<(), Full> {
        encode_even_empty(out, QUERY, cut(self.query, MAX_QUERY_BYTES).as_bytes())?;
        if self.rank > 0 {
            encode_even_empty(out, RANK, &self.rank.to_be_bytes())?;
        }
        if let Some(group) = self.group {
            encode_even_empty(out, GROUP, &[group.to_byte()])?;
        }
        if let Some((group, song)) = self.within {
            extension::begin(out, WITHIN, WITHIN_BYTES)?;
            out.u8(group.to_byte())?;
            out.u32(song.0)?;
        }
        if let Some((first, last)) = self.numbers {
            extension::begin(out, NUMBERS, NUMBERS_BYTES)?;
            out.u32(first.0)?;
            out.u32(last.0)?;
        }
        if self.is_best { encode_even_empty(out, BEST, &[]) } else { Ok(()) }
    }
}

fn decode_group(value: &[u8]) -> Result<Group, Malformed> {
    let mut fields = Reader::new(value);
    let group = Group::from_byte(fields.u8()?)?;
    exact(fields, group)
}

fn decode_within(value: &[u8]) -> Result<(Group, SongId), Malformed> {
    let mut fields = Reader::new(value);
    let within = (Group::from_byte(fields.u8()?)?, SongId(fields.u32()?));
    exact(fields, within)
}

fn decode_numbers(value: &[u8]) -> Result<(SongId, SongId), Malformed> {
    let mut fields = Reader::new(value);
    let numbers = (SongId(fields.u32()?), SongId(fields.u32()?));
    exact(fields, numbers)
}

impl Group {
    const fn to_byte(self) -> u8 {
        match self {
            Self::Album => 1,
            Self::Artist => 2,
        }
    }

    const fn from_byte(byte: u8) -> Result<Self, Malformed> {
        match byte {
            1 => Ok(Self::Album),
            2 => Ok(Self::Artist),
            _ => Err(Malformed),
        }
    }
}

impl<'a> Decode<'a> for List<'a> {
    fn decode(header: Header, payload: &'a [u8]) -> Result<Self, Malformed> {
        if header.id == 0 {
            return Err(Malformed);
        }
        let mut fields = Reader::new(payload);
        let (first, at_most) = (SongId(fields.u32()?), fields.u32()?);
        let search = Search::decode(Extensions::new(fields.rest())?.by_tag())?;
        Ok(Self { request: RequestId(header.id), first, at_most, search })
    }
}

impl Encode for List<'_> {
    const TYPE: MessageType = MessageType::List;
    const MAX_PAYLOAD_BYTES: usize = FIXED_BYTES
        + (TAGS - 1) * EXTENSION_HEADER_BYTES
        + MAX_QUERY_BYTES
        + RANK_BYTES
        + GROUP_BYTES
        + WITHIN_BYTES
        + NUMBERS_BYTES;

    fn id(&self) -> u32 {
        self.request.0
    }

    fn encode_payload(&self, out: &mut Writer<'_>) -> Result<(), Full> {
        out.u32(self.first.0)?;
        out.u32(self.at_most)?;
        self.search.map_or(Ok(()), |search| search.encode(out))
    }
}
