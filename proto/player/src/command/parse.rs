//! From a line to a [`Command`].

use core::time::Duration;

use super::table::{CommandInfo, find};
use super::{Command, MAX_POSITION, MAX_VOLUME, ParseError, Seek, Selection, Sleep, Volume};
use trill_proto::ids::SongId;
use trill_proto::limits::MAX_QUERY_BYTES;

/// Reads one line; `None` when it is blank.
///
/// # Errors
///
/// A [`ParseError`], whose `Display` is one line that tells the user what to type instead.
pub fn parse(line: &str) -> Result<Option<Command<'_>>, ParseError<'_>> {
    let (name, rest) = split_word(line.trim());
    if name.is_empty() {
        return Ok(None);
    }
    if is_digits(name) && rest.is_empty() {
        return Ok(Some(Command::Play(parse_selected_song(name, Duration::ZERO)?)));
    }
    let info = find(name)?;
    let mut arguments = Arguments { command: info, rest };
    let command = (info.parse)(&mut arguments)?;
    match arguments.next() {
        None => Ok(Some(command)),
        Some(word) => Err(ParseError::ExtraWord { command: info, word }),
    }
}

/// What follows a command's name: trimmed, and not taken yet.
pub(super) struct Arguments<'a> {
    command: &'static CommandInfo,
    rest: &'a str,
}

impl<'a> Arguments<'a> {
    /// Takes the next word.
    pub(super) fn next(&mut self) -> Option<&'a str> {
        let (word, rest) = split_word(self.rest);
        self.rest = rest;
        (!word.is_empty()).then_some(word)
    }

    /// Takes the next word. The command cannot do without it.
    pub(super) fn required(&mut self) -> Result<&'a str, ParseError<'a>> {
        self.next().ok_or(ParseError::MissingArgument(self.command))
    }

    /// Takes the next word, if any, and returns its value.
    pub(super) fn keyword<T: Copy>(&mut self, values: &[(&str, T)]) -> Result<Option<T>, ParseError<'a>> {
        let Some(word) = self.next() else { return Ok(None) };
        let value = values.iter().find(|(keyword, _)| keyword.eq_ignore_ascii_case(word));
        value.map(|(_, value)| Some(*value)).ok_or(ParseError::ExtraWord { command: self.command, word })
    }

    /// Takes the rest as words to search for.
    pub(super) fn words(&mut self) -> Result<&'a str, ParseError<'a>> {
        let words = unquoted(core::mem::take(&mut self.rest));
        if words.len() <= MAX_QUERY_BYTES { Ok(words) } else { Err(ParseError::QueryTooLong) }
    }

    fn required_words(&mut self) -> Result<&'a str, ParseError<'a>> {
        let words = self.words()?;
        if words.is_empty() { Err(ParseError::MissingArgument(self.command)) } else { Ok(words) }
    }

    /// Takes the rest as songs. Without a rest, the result is `None`.
    pub(super) fn selection(&mut self) -> Result<Option<Selection<'a>>, ParseError<'a>> {
        if self.rest.is_empty() { Ok(None) } else { self.required_selection().map(Some) }
    }

    /// Takes the rest as songs.
    pub(super) fn required_selection(&mut self) -> Result<Selection<'a>, ParseError<'a>> {
        if let Some(selection) = parse_numbers(self.rest)? {
            self.rest = "";
            return Ok(selection);
        }
        let (head, tail) = split_word(self.rest);
        if head.eq_ignore_ascii_case("all") && tail.is_empty() {
            self.rest = "";
            Ok(Selection::All)
        } else if head.eq_ignore_ascii_case("album") {
            self.rest = tail;
            self.required_words().map(Selection::Album)
        } else if head.eq_ignore_ascii_case("artist") {
            self.rest = tail;
            self.required_words().map(Selection::Artist)
        } else {
            self.required_words().map(Selection::Best)
        }
    }
}

/// The first word of trimmed text and the rest, trimmed.
fn split_word(text: &str) -> (&str, &str) {
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (word, rest.trim_start())
}

/// The text within quotes, if quotes enclose all of `text`.
fn unquoted(text: &str) -> &str {
    let inner = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    inner.filter(|inner| !inner.contains('"')).map_or(text, str::trim)
}

/// `N`, `N-N` or `N at TIME`. Text with other words is `None`, such as `99 luftballons`.
fn parse_numbers(text: &str) -> Result<Option<Selection<'_>>, ParseError<'_>> {
    if !is_numeric(text) {
        return Ok(None);
    }
    if let Some((first, last)) = parse_range(text, |digits| parse_song(digits).map(|SongId(number)| number))? {
        return Ok(Some(Selection::Range { first: SongId(first), last: SongId(last) }));
    }
    let (song, rest) = split_word(text);
    let (at, time) = split_word(rest);
    let at = match at {
        "" => Duration::ZERO,
        at if at.eq_ignore_ascii_case("at") && is_digits(song) && !time.is_empty() => parse_time(time)?,
        _ => return Err(ParseError::NotASelection(text)),
    };
    if is_digits(song) { parse_selected_song(song, at).map(Some) } else { Err(ParseError::NotASelection(text)) }
}

/// Whether `text` is meant as numbers: it has digits, no word but `at` and no quotes.
fn is_numeric(text: &str) -> bool {
    let is_word = |word: &str| word.bytes().any(|byte| byte == b'"' || byte.is_ascii_alphabetic() || !byte.is_ascii());
    let mut words = text.split_whitespace();
    words.all(|word| word.eq_ignore_ascii_case("at") || !is_word(word))
        && text.bytes().any(|byte| byte.is_ascii_digit())
}

fn parse_selected_song(word: &str, at: Duration) -> Result<Selection<'_>, ParseError<'_>> {
    Ok(Selection::Song { song: parse_song(word)?, at })
}

/// `N-N` with the numbers that `parse_number` reads. Other text is `None`.
fn parse_range<'a>(
    text: &'a str,
    parse_number: impl Fn(&'a str) -> Result<u32, ParseError<'a>>,
) -> Result<Option<(u32, u32)>, ParseError<'a>> {
    let Some((first, last)) = text.split_once('-').filter(|(first, last)| is_digits(first) && is_digits(last)) else {
        return Ok(None);
    };
    let (first, last) = (parse_number(first)?, parse_number(last)?);
    if first > last { Err(ParseError::ReversedRange { first, last }) } else { Ok(Some((first, last))) }
}

/// A place in the queue, or some: `N` or `N-N`.
pub(super) fn parse_places(word: &str) -> Result<(u32, u32), ParseError<'_>> {
    let place = |digits| parse_place(digits).map_err(|_| ParseError::NotAPlace(word));
    match parse_range(word, place)? {
        Some(places) => Ok(places),
        None => place(word).map(|place| (place, place)),
    }
}

pub(super) fn parse_place(word: &str) -> Result<u32, ParseError<'_>> {
    match parse_song(word) {
        Ok(SongId(place)) => Ok(place),
        Err(_) => Err(ParseError::NotAPlace(word)),
    }
}

pub(super) fn parse_song(word: &str) -> Result<SongId, ParseError<'_>> {
    if !is_digits(word) {
        return Err(ParseError::NotASongNumber(word));
    }
    match word.parse() {
        Ok(0) => Err(ParseError::SongZero),
        Ok(number) => Ok(SongId(number)),
        // Digits alone can fail in no other way.
        Err(_) => Err(ParseError::SongNumberTooLarge(word)),
    }
}

pub(super) fn parse_seek(word: &str) -> Result<Seek, ParseError<'_>> {
    if let Some(distance) = word.strip_prefix('+') {
        parse_time(distance).map(Seek::Forward)
    } else if let Some(distance) = word.strip_prefix('-') {
        parse_time(distance).map(Seek::Back)
    } else {
        parse_time(word).map(Seek::To)
    }
}

/// `S`, `M:SS` or `H:MM:SS`, each with up to three decimals.
fn parse_time(word: &str) -> Result<Duration, ParseError<'_>> {
    let (clock, decimals) = word.split_once('.').unwrap_or((word, "0"));
    let millis = parse_decimals(decimals).ok_or(ParseError::NotATime(word))?;
    let mut fields = clock.split(':');
    let leading = fields.next().filter(|field| is_digits(field)).ok_or(ParseError::NotATime(word))?;
    // A number that does not fit is above the limit.
    let mut seconds: u32 = leading.parse().unwrap_or(u32::MAX);
    for (index, field) in fields.enumerate() {
        let sixtieths = parse_sixtieths(field).filter(|_| index < 2).ok_or(ParseError::NotATime(word))?;
        seconds = seconds.saturating_mul(60).saturating_add(sixtieths);
    }
    let time = Duration::from_secs(seconds.into()) + millis;
    if time <= MAX_POSITION { Ok(time) } else { Err(ParseError::TimeTooLong(word)) }
}

/// Minutes or seconds after a colon: two digits below 60. One digit could mean 1:05 as well as 1:50.
fn parse_sixtieths(field: &str) -> Option<u32> {
    if field.len() != 2 || !is_digits(field) {
        return None;
    }
    field.parse().ok().filter(|value| *value < 60)
}

/// What follows the decimal point of a second: one to three digits.
fn parse_decimals(digits: &str) -> Option<Duration> {
    if !is_digits(digits) {
        return None;
    }
    let unit_ms = match digits.len() {
        1 => 100,
        2 => 10,
        3 => 1,
        _ => return None,
    };
    digits.parse::<u32>().ok().map(|value| Duration::from_millis((value * unit_ms).into()))
}

pub(super) fn parse_volume(word: &str) -> Result<Volume, ParseError<'_>> {
    let percent = |digits: &str| {
        let digits = digits.strip_suffix('%').unwrap_or(digits);
        let value = if is_digits(digits) { digits.parse().ok() } else { None };
        value.filter(|percent| *percent <= MAX_VOLUME).ok_or(ParseError::NotAVolume(word))
    };
    if let Some(step) = word.strip_prefix('+') {
        percent(step).map(Volume::Up)
    } else if let Some(step) = word.strip_prefix('-') {
        percent(step).map(Volume::Down)
    } else {
        percent(word).map(Volume::To)
    }
}

/// `90s`, `30m`, `1h` or `off`.
pub(super) fn parse_sleep(word: &str) -> Result<Sleep, ParseError<'_>> {
    if word.eq_ignore_ascii_case("off") {
        return Ok(Sleep::Off);
    }
    let (digits, unit) = word.split_at_checked(word.len().saturating_sub(1)).unwrap_or((word, ""));
    let unit_seconds = match unit {
        "s" | "S" => 1,
        "m" | "M" => 60,
        "h" | "H" => 3_600,
        _ => return Err(ParseError::NotATimer(word)),
    };
    // A number that does not fit is above the limit.
    let count: u64 = if is_digits(digits) { digits.parse().unwrap_or(u64::MAX) } else { 0 };
    let time = Duration::from_secs(count.saturating_mul(unit_seconds));
    match time {
        Duration::ZERO => Err(ParseError::NotATimer(word)),
        time if time > MAX_POSITION => Err(ParseError::TimeTooLong(word)),
        time => Ok(Sleep::After(time)),
    }
}

/// `str::parse` alone would take a sign as well.
fn is_digits(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit())
}
