//! What the ID3 tags of a song say about it.
//!
//! Only text frames are read, each up to a limit: a tag may hold megabytes of pictures and state wrong sizes. Files that
//! violate the standards are read as ffprobe and mutagen read them.

mod genre;
mod id3v1;
mod id3v2;
mod replay_gain;
mod text;

use std::io;

use trill_proto::message::Gain;

use super::extent::Extent;
use super::source::ReadAt;

/// A song's tags. A text that is missing is empty.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct Tags {
    pub(crate) title: String,
    pub(crate) artist: String,
    pub(crate) album: String,
    pub(crate) album_artist: String,
    pub(crate) genre: String,
    /// Track number; 0 if unknown.
    pub(crate) track: u16,
    /// Number of the disc in its album; 0 if unknown.
    pub(crate) disc: u16,
    /// 0 if unknown.
    pub(crate) year: u16,
    pub(crate) gain: Gain,
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
            id3v2::read(source, tag.clone(), |frame, text| tags.learn(frame, text))?;
        }
        if let Some(tag) = extent.id3v1 {
            id3v1::read(source, tag)?.into_iter().for_each(|(frame, text)| tags.learn(frame, text));
        }
        Ok(tags)
    }

    /// Takes the text of a frame, unless an earlier one of its kind had text.
    fn learn(&mut self, frame: TextFrame, text: String) {
        let field = match frame {
            TextFrame::Title => &mut self.title,
            TextFrame::Artist => &mut self.artist,
            TextFrame::Album => &mut self.album,
            TextFrame::AlbumArtist => &mut self.album_artist,
            TextFrame::Genre => {
                if self.genre.is_empty() {
                    self.genre = genre::name(&text);
                }
                return;
            }
            TextFrame::Track => return learn_number(&mut self.track, &text),
            TextFrame::Disc => return learn_number(&mut self.disc, &text),
            TextFrame::Year => return learn_number(&mut self.year, &text),
            TextFrame::UserDefined => return replay_gain::learn(&mut self.gain, &text),
        };
        if field.is_empty() {
            *field = text;
        }
    }
}

/// Text that is wanted of a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TextFrame {
    Title,
    Artist,
    Album,
    AlbumArtist,
    Genre,
    Track,
    Disc,
    Year,
    /// A description and a value.
    UserDefined,
}

fn learn_number(number: &mut u16, text: &str) {
    if *number == 0 {
        *number = text::leading_number(text);
    }
}
