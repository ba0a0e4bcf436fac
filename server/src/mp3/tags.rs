//! Title, artist, album and track of a song, from its ID3 tags.
//!
//! Only text frames are read, each up to a limit: a tag may hold megabytes of pictures and state wrong sizes. Files that
//! violate the standards are read as ffprobe and mutagen read them.

mod id3v1;
mod id3v2;
mod text;

use std::io;

use super::extent::Extent;
use super::source::ReadAt;

/// A song's tags. A text that is missing is empty.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct Tags {
    pub(crate) title: String,
    pub(crate) artist: String,
    pub(crate) album: String,
    /// Track number; 0 if unknown.
    pub(crate) track: u16,
}

impl Tags {
    /// Reads the ID3v2 tags at the beginning of a file, and the ID3v1 tag at its end for missing texts. Broken tags are read as
    /// far as possible.
    ///
    /// # Errors
    /// The file system's.
    pub(crate) fn read(source: &dyn ReadAt) -> io::Result<Self> {
        let extent = Extent::of(source)?;
        let mut tags = Self::default();
        for tag in &extent.id3v2 {
            if tags.is_complete() {
                break;
            }
            id3v2::read(source, tag.clone(), |name, text| tags.learn(name, text))?;
        }
        if let Some(tag) = extent.id3v1.filter(|_| !tags.is_complete()) {
            tags.complete_from(id3v1::read(source, tag)?);
        }
        Ok(tags)
    }

    fn is_complete(&self) -> bool {
        !self.title.is_empty() && !self.artist.is_empty() && !self.album.is_empty() && self.track != 0
    }

    /// Takes a text frame, unless there was an earlier one of its kind.
    fn learn(&mut self, name: id3v2::Text, text: String) {
        let field = match name {
            id3v2::Text::Title => &mut self.title,
            id3v2::Text::Artist => &mut self.artist,
            id3v2::Text::Album => &mut self.album,
            id3v2::Text::Track => {
                if self.track == 0 {
                    self.track = text::leading_number(&text);
                }
                return;
            }
        };
        if field.is_empty() {
            *field = text;
        }
    }

    fn complete_from(&mut self, other: Self) {
        for (text, more) in
            [(&mut self.title, other.title), (&mut self.artist, other.artist), (&mut self.album, other.album)]
        {
            if text.is_empty() {
                *text = more;
            }
        }
        if self.track == 0 {
            self.track = other.track;
        }
    }
}
