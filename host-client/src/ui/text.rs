//! Text for a terminal: cleaning, measuring, cutting and wrapping; times and sizes as text.

use std::borrow::Cow;
use std::iter;
use std::time::Duration;

use trill_player::command::Clock;
use trill_proto::text::visible;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthChar;

/// The characters that the interface draws with. Song texts are always Unicode, because most terminals show UTF-8 even
/// without a locale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charset {
    /// All of Unicode.
    Unicode,
    /// ASCII only.
    Ascii,
}

impl Charset {
    /// The character set of the user's locale.
    pub fn detect() -> Self {
        // A Windows console shows Unicode and has no such variables.
        if cfg!(windows) { Self::Unicode } else { Self::of_locale(|name| std::env::var(name).ok()) }
    }

    /// The character set of a POSIX locale: the first of `LC_ALL`, `LC_CTYPE` and `LANG` that is not empty decides.
    fn of_locale(variable: impl Fn(&str) -> Option<String>) -> Self {
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .into_iter()
            .filter_map(variable)
            .find(|value| !value.is_empty())
            .unwrap_or_default()
            .to_ascii_lowercase();
        if locale.contains("utf-8") || locale.contains("utf8") { Self::Unicode } else { Self::Ascii }
    }

    /// The mark for text that was cut off.
    pub fn ellipsis(self) -> &'static str {
        match self {
            Self::Unicode => "…",
            Self::Ascii => "...",
        }
    }

    /// The line between two columns.
    pub fn divider(self) -> &'static str {
        match self {
            Self::Unicode => "│",
            Self::Ascii => "|",
        }
    }

    /// The separator between a title and its artist.
    pub fn dash(self) -> &'static str {
        match self {
            Self::Unicode => " — ",
            Self::Ascii => " - ",
        }
    }
}

/// Maximum combining marks per character. Real text needs up to four; more overlap the neighbouring lines.
const MAX_MARKS: usize = 4;

/// Returns `text` without characters that are not [`visible`] and with few combining marks per character.
///
/// All text from the network passes through this before it is shown.
pub fn clean(text: &str) -> String {
    let mut marks = 0;
    let is_kept = |char: &char| {
        marks = if char_width(*char) == 0 { marks + 1 } else { 0 };
        marks <= MAX_MARKS
    };
    visible(text).filter(is_kept).collect()
}

/// The width of [`clean`] text in columns: the sum over its characters, which is the most that any terminal uses.
pub fn width(text: &str) -> usize {
    text.chars().map(char_width).sum()
}

fn char_width(char: char) -> usize {
    char.width().unwrap_or(0)
}

/// Cuts [`clean`] text to at most `columns`, with an ellipsis if it is wider.
pub fn cut(text: &str, columns: usize, charset: Charset) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let ellipsis = charset.ellipsis();
    match columns.checked_sub(width(ellipsis)) {
        Some(columns) => format!("{}{ellipsis}", beginning(text, columns)),
        None => beginning(ellipsis, columns).to_owned(),
    }
}

/// The beginning of `text` that fits `columns`, in whole grapheme clusters.
fn beginning(text: &str, columns: usize) -> &str {
    let mut used = 0;
    let end = text.grapheme_indices(true).find_map(|(start, grapheme)| {
        used += width(grapheme);
        (used > columns).then_some(start)
    });
    &text[..end.unwrap_or(text.len())]
}

/// The end of [`clean`] text that fits `columns`, in whole grapheme clusters.
pub fn end(text: &str, columns: usize) -> &str {
    let mut used = 0;
    let begin = text.grapheme_indices(true).rev().find_map(|(start, grapheme)| {
        used += width(grapheme);
        (used > columns).then_some(start + grapheme.len())
    });
    &text[begin.unwrap_or(0)..]
}

/// Breaks [`clean`] lines that are wider than `columns` at spaces, or within a word that is wider.
pub fn wrapped(text: &str, columns: usize) -> Cow<'_, str> {
    if text.lines().all(|line| width(line) <= columns) {
        return text.into();
    }
    let rows = text.lines().flat_map(|line| {
        let mut rest = Some(line);
        iter::from_fn(move || {
            let (row, after) = first_row(rest?, columns);
            rest = Some(after).filter(|after| !after.is_empty());
            Some(row)
        })
    });
    rows.collect::<Vec<_>>().join("\n").into()
}

/// Splits a line into its first row and the rest.
fn first_row(line: &str, columns: usize) -> (&str, &str) {
    let fitting = beginning(line, columns);
    let is_between_words = line[fitting.len()..].chars().next().is_none_or(|next| next == ' ');
    let last_space = fitting.rfind(' ').filter(|space| !fitting[..*space].trim().is_empty());
    let end = match last_space {
        Some(space) if !is_between_words => space,
        // At least one character, however narrow the terminal.
        _ => fitting.len().max(line.graphemes(true).next().map_or(0, str::len)),
    };
    let (row, after) = line.split_at(end);
    (row.trim_end(), after.trim_start())
}

/// [`cut`], then padded with spaces on the right to exactly `columns`.
pub fn left(text: &str, columns: usize, charset: Charset) -> String {
    let cut = cut(text, columns, charset);
    let padding = columns - width(&cut);
    format!("{cut}{:padding$}", "")
}

/// A length or position as `3:07` or `1:02:03`, in whole seconds; `-:--` when it is unknown.
pub fn time(time: Option<Duration>) -> String {
    match time {
        Some(time) => Clock(Duration::from_secs(time.as_secs())).to_string(),
        None => "-:--".to_owned(),
    }
}

/// The length of a song as in [`time`], or `no audio` if it is zero, the server's answer for a song without audio.
pub fn length(length: Duration) -> String {
    if length.is_zero() { "no audio".to_owned() } else { time(Some(length)) }
}

/// A number of bytes in decimal units, as `987 B` or `4.2 MB`.
pub fn size(bytes: u64) -> String {
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let (mut value, mut unit) = (bytes as f64, "B");
    for larger in ["kB", "MB", "GB", "TB"] {
        // A value that would round to 1000.0 is shown in the larger unit.
        if value < 999.95 {
            break;
        }
        (value, unit) = (value / 1e3, larger);
    }
    format!("{value:.1} {unit}")
}

/// Such as `12 songs`.
pub fn count_songs(count: u32) -> String {
    if count == 1 { "1 song".to_owned() } else { format!("{count} songs") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_clean(text: &str, expected: &str) {
        assert_eq!(clean(text), expected, "{text:?}");
    }

    #[test]
    fn ordinary_text_stays() {
        for text in ["", "Song 2", "Für Elise", "東京", "Привет", "e\u{301}", "می\u{200c}خواهم", "👩🚀", "a \u{fffd} b"]
        {
            check_clean(text, text);
        }
    }

    #[test]
    fn escape_sequences_go_whole() {
        check_clean("\u{1b}[31;1mRed\u{1b}[0m", "Red");
        check_clean("\u{9b}2JRed", "Red");
        check_clean("\u{1b}]0;window\u{7}Title", "Title");
        check_clean("\u{1b}]8;;http://x\u{1b}\\Link\u{1b}]8;;\u{1b}\\", "Link");
        check_clean("\u{9d}0;window\u{9c}Title", "Title");
        check_clean("\u{1b}Pq#0\u{1b}\\Sixel", "Sixel");
        check_clean("\u{1b}]0;window\u{1b}[2JTitle", "Title");
        check_clean("\u{1b}cReset\u{1b}(B", "Reset");
    }

    #[test]
    fn broken_escape_sequences_take_no_text_with_them() {
        check_clean("\u{1b}", "");
        check_clean("\u{1b}[", "");
        check_clean("\u{1b}[31", "");
        check_clean("\u{1b}[31é", "é");
        check_clean("\u{1b}é", "é");
        check_clean("\u{1b}\u{1b}[31mx", "x");
        check_clean("\u{1b}]never ends", "never ends");
    }

    #[test]
    fn white_space_becomes_spaces_and_controls_go() {
        check_clean("a\tb\nc\rd\u{85}e\u{2028}f\u{a0}g", "a b c d e f g");
        check_clean("a\0b\u{7}c\u{8}d\u{7f}e\u{80}f", "abcdef");
    }

    #[test]
    fn invisible_formatting_goes() {
        check_clean("a\u{202e}b\u{2066}c\u{200f}d\u{200b}e\u{feff}f\u{ad}g\u{e0041}h\u{3164}i", "abcdefghi");
        check_clean("👩\u{200d}🚀 ❤\u{fe0f}", "👩🚀 ❤");
    }

    #[test]
    fn a_tower_of_marks_is_cut_down() {
        check_clean(&format!("a{}b", "\u{301}".repeat(50)), "a\u{301}\u{301}\u{301}\u{301}b");
    }

    #[test]
    fn widths() {
        for (text, columns) in
            [("", 0), ("abc", 3), ("é", 1), ("e\u{301}", 1), ("東京", 4), ("👩🚀", 4), ("ﾊﾟ", 2), ("각", 2)]
        {
            assert_eq!(width(text), columns, "{text:?}");
        }
    }

    #[track_caller]
    fn check_cut(text: &str, columns: usize, expected: &str) {
        assert_eq!(cut(text, columns, Charset::Unicode), expected, "{text:?} in {columns}");
    }

    #[test]
    fn cuts_between_what_is_drawn_as_one() {
        check_cut("abcdef", 6, "abcdef");
        check_cut("abcdef", 5, "abcd…");
        check_cut("東京事変", 8, "東京事変");
        check_cut("東京事変", 7, "東京事…");
        check_cut("東京事変", 6, "東京…");
        check_cut("e\u{301}e\u{301}e\u{301}", 2, "e\u{301}…");
        check_cut("👍🏽👍🏽", 5, "👍🏽…");
        check_cut("👍🏽👍🏽", 4, "…");
        check_cut("ab", 1, "…");
        check_cut("ab", 0, "");
        assert_eq!(cut("abcdef", 5, Charset::Ascii), "ab...");
        assert_eq!(cut("abcdef", 2, Charset::Ascii), "..");
    }

    #[track_caller]
    fn check_wrapped(text: &str, columns: usize, rows: &[&str]) {
        assert_eq!(wrapped(text, columns), rows.join("\n"), "{text:?} in {columns}");
    }

    #[test]
    fn lines_are_broken_between_words() {
        check_wrapped("", 5, &[""]);
        check_wrapped("one two", 7, &["one two"]);
        check_wrapped("one two", 6, &["one", "two"]);
        check_wrapped("one two", 3, &["one", "two"]);
        check_wrapped("one   two", 4, &["one", "two"]);
        check_wrapped("may have been disconnected", 15, &["may have been", "disconnected"]);
        check_wrapped("a\nlonger line\n\nb", 8, &["a", "longer", "line", "", "b"]);
        check_wrapped("  indented text", 10, &["  indented", "text"]);
        check_wrapped("東京 事変", 5, &["東京", "事変"]);
    }

    #[test]
    fn a_word_that_is_wider_than_the_terminal_is_broken() {
        check_wrapped("abcdef", 4, &["abcd", "ef"]);
        check_wrapped("x abcdef", 4, &["x", "abcd", "ef"]);
        check_wrapped("    abcdef", 3, &["", "abc", "def"]);
        check_wrapped("東京", 1, &["東", "京"]);
        check_wrapped("ab", 0, &["a", "b"]);
    }

    #[test]
    fn left_fills_columns_not_characters() {
        assert_eq!(left("東京", 6, Charset::Unicode), "東京  ");
        assert_eq!(left("東京事変", 6, Charset::Unicode), "東京… ");
        assert_eq!(left("e\u{301}", 2, Charset::Unicode), "e\u{301} ");
    }

    #[test]
    fn times() {
        for (ms, shown) in [(0, "0:00"), (999, "0:00"), (187_500, "3:07"), (3_599_000, "59:59"), (3_723_000, "1:02:03")]
        {
            assert_eq!(time(Some(Duration::from_millis(ms))), shown);
        }
        assert_eq!(time(None), "-:--");
    }

    #[test]
    fn sizes() {
        for (bytes, shown) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1.0 kB"),
            (999_949, "999.9 kB"),
            (999_950, "1.0 MB"),
            (4_210_000, "4.2 MB"),
            (2_500_000_000, "2.5 GB"),
            (u64::MAX, "18446744.1 TB"),
        ] {
            assert_eq!(size(bytes), shown);
        }
    }

    #[test]
    fn the_first_locale_variable_that_is_set_decides() {
        let detect = |settings: &[(&str, &str)]| {
            Charset::of_locale(|name| settings.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_string()))
        };
        assert_eq!(detect(&[]), Charset::Ascii);
        assert_eq!(detect(&[("LANG", "C")]), Charset::Ascii);
        assert_eq!(detect(&[("LANG", "de_DE.ISO-8859-1")]), Charset::Ascii);
        assert_eq!(detect(&[("LANG", "de_DE.UTF-8")]), Charset::Unicode);
        assert_eq!(detect(&[("LANG", "de_DE.UTF-8"), ("LC_ALL", "C")]), Charset::Ascii);
        assert_eq!(detect(&[("LANG", "C"), ("LC_CTYPE", "C.utf8"), ("LC_ALL", "")]), Charset::Unicode);
    }
}
