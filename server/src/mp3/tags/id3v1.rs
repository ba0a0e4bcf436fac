//! The ID3v1 tag: 128 bytes at the end of a file.
//!
//! ```text
//!  [ "TAG+"  title 60  artist 60  album 60  speed 1  genre 30  times 12 ]      enhanced: the texts continue
//!    "TAG"   title 30  artist 30  album 30  year 4  comment 28  0  track 1  genre 1      ID3v1.1
//! ```

use std::io;
use std::ops::Range;

use super::super::source::{ReadAt, read_vec_at};
use super::{TextFrame, genre, text};

/// Length of the tag.
const TAG_BYTES: usize = 128;

/// Reads the tag in this part of the file, and its extension if the part begins with one.
///
/// # Errors
/// The file system's.
pub(super) fn read(source: &dyn ReadAt, range: Range<u64>) -> io::Result<Vec<(TextFrame, String)>> {
    let bytes = read_vec_at(source, range.start, (range.end - range.start) as usize)?;
    let Some((extension, tag)) = bytes.split_last_chunk::<TAG_BYTES>() else { return Ok(Vec::new()) };
    let field = |number: usize| {
        let begin = &tag[3 + 30 * number..][..30];
        let more = extension.get(4 + 60 * number..).and_then(|rest| rest.get(..60)).unwrap_or_default();
        let text = [begin, if begin.contains(&0) { &[] } else { more }].concat();
        let end = text.iter().position(|&byte| byte == 0).unwrap_or(text.len());
        text::join_values(&text::latin_1(&text[..end]))
    };
    let track = if tag[125] == 0 { tag[126] } else { 0 };
    // The number of Blues is more often a byte that nobody set.
    let genre = Some(tag[127]).filter(|genre| *genre > 0).and_then(|genre| genre::numbered(&genre.to_string()));
    Ok(vec![
        (TextFrame::Title, field(0)),
        (TextFrame::Artist, field(1)),
        (TextFrame::Album, field(2)),
        (TextFrame::Year, text::latin_1(&tag[93..97])),
        (TextFrame::Track, track.to_string()),
        (TextFrame::Genre, genre.unwrap_or_default().into()),
    ])
}
