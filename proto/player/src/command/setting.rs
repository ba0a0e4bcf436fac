//! Settings of the player that have a keyword for each value.

use core::fmt;

/// A setting with a keyword for each of its values. `Display` writes the keyword.
pub trait Setting: Copy + PartialEq + 'static {
    /// The keywords and their values.
    const KEYWORDS: &'static [(&'static str, Self)];

    /// The value with this keyword, in lower case.
    fn from_keyword(word: &str) -> Option<Self> {
        Self::KEYWORDS.iter().find(|(keyword, _)| *keyword == word).map(|(_, value)| *value)
    }

    /// The keyword of this value.
    fn keyword(self) -> &'static str {
        Self::KEYWORDS.iter().find(|(_, value)| *value == self).map_or("", |(keyword, _)| keyword)
    }
}

/// The order in which the queue plays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shuffle {
    /// As it was queued.
    #[default]
    Off,
    /// Song by song in random order.
    Songs,
    /// Album by album in random order, each in the order of its songs.
    Albums,
}

/// What plays again when it has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Repeat {
    /// Nothing.
    #[default]
    Off,
    /// The queue.
    All,
    /// The present song.
    One,
}

/// Which gain evens out the loudness of songs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GainMode {
    /// None: the samples stay as they are.
    #[default]
    Off,
    /// That of the song.
    Track,
    /// That of its album.
    Album,
    /// That of the album while an album plays in order, else that of the song.
    Auto,
}

impl Setting for Shuffle {
    const KEYWORDS: &'static [(&'static str, Self)] =
        &[("on", Self::Songs), ("album", Self::Albums), ("off", Self::Off)];
}

impl Setting for Repeat {
    const KEYWORDS: &'static [(&'static str, Self)] = &[("off", Self::Off), ("all", Self::All), ("one", Self::One)];
}

impl Setting for GainMode {
    const KEYWORDS: &'static [(&'static str, Self)] =
        &[("off", Self::Off), ("track", Self::Track), ("album", Self::Album), ("auto", Self::Auto)];
}

impl fmt::Display for Shuffle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.keyword())
    }
}

impl fmt::Display for Repeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.keyword())
    }
}

impl fmt::Display for GainMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.keyword())
    }
}
