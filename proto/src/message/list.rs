//! LIST: asks for a page of the song list. The frame's id is the request id.
//!
//! ```text
//!  0        1        2        3        4        5        6        7
//! +--------+--------+--------+--------+--------+--------+--------+--------+
//! |             first song            |             at most               |
//! +--------+--------+--------+--------+--------+--------+--------+--------+
//! | extensions: 1 = query, 2 = rank, 3 = group
//! +--------
//! ```

use super::extension::{EXTENSION_HEADER_BYTES, Extensions, encode_even_empty};
use super::{Decode, Encode, Header, MessageType, cut, text};
use crate::codec::{Full, Reader, Writer};
use crate::error::Malformed;
use crate::ids::{RequestId, SongId};
use crate::limits::{HEADER_BYTES, MAX_QUERY_BYTES};

const QUERY: u8 = 1;
const RANK: u8 = 2;
const FIXED_BYTES: usize = 8;
const GROUP: u8 = 3;
const RANK_BYTES: usize = 4;
const GROUP_BYTES: usize = 1;

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

/// Which songs are wanted in library order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Search<'a> {
    /// Words between white space. A song matches if every word occurs in its texts or path. Without words every song matches.
    /// A longer query than [`MAX_QUERY_BYTES`] is cut.
    pub query: &'a str,
    /// How many matches precede the page. Counts only if the song at which the page begins is 0 or no longer in the library.
    pub rank: u32,
    /// `Some` to list the albums or artists of the songs: one SONG for each.
    pub group: Option<Group>,
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

impl<'a> Decode<'a> for List<'a> {
    fn decode(header: Header, payload: &'a [u8]) -> Result<Self, Malformed> {
        if header.id == 0 {
            return Err(Malformed);
        }
        let mut fields = Reader::new(payload);
        let (first, at_most) = (SongId(fields.u32()?), fields.u32()?);
        let extensions = Extensions::new(fields.rest())?;
        let rank = match extensions.find(RANK) {
            Some(rank) => u32::from_be_bytes(rank.try_into().map_err(|_| Malformed)?),
            None => 0,
        };
        let group = match extensions.find(GROUP) {
            None => None,
            Some([1]) => Some(Group::Album),
            Some([2]) => Some(Group::Artist),
            Some(_) => return Err(Malformed),
        };
        let search = match extensions.find(QUERY) {
            Some(query) => Some(Search { query: text::decode(query, MAX_QUERY_BYTES)?, rank, group }),
            None => None,
        };
        Ok(Self { request: RequestId(header.id), first, at_most, search })
    }
}

impl Encode for List<'_> {
    const TYPE: MessageType = MessageType::List;
    const MAX_PAYLOAD_BYTES: usize =
        FIXED_BYTES + 3 * EXTENSION_HEADER_BYTES + MAX_QUERY_BYTES + RANK_BYTES + GROUP_BYTES;

    fn id(&self) -> u32 {
        self.request.0
    }

    fn encode_payload(&self, out: &mut Writer<'_>) -> Result<(), Full> {
        out.u32(self.first.0)?;
        out.u32(self.at_most)?;
        let Some(Search { query, rank, group }) = self.search else { return Ok(()) };
        encode_even_empty(out, QUERY, cut(query, MAX_QUERY_BYTES).as_bytes())?;
        if rank > 0 {
            encode_even_empty(out, RANK, &rank.to_be_bytes())?;
        }
        match group {
            None => Ok(()),
            Some(Group::Album) => encode_even_empty(out, GROUP, &[1]),
            Some(Group::Artist) => encode_even_empty(out, GROUP, &[2]),
        }
    }
}
