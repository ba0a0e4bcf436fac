//! From a line to a [`Command`].

use core::str::SplitWhitespace;
use core::time::Duration;

use super::table::{CommandInfo, find};
use super::{Command, MAX_POSITION, MAX_VOLUME, ParseError, Play, Seek, Volume};
use trill_proto::ids::SongId;

/// Reads one line; `None` when it is blank.
///
/// # Errors
///
/// A [`ParseError`], whose `Display` is one line that tells the user what to type instead.
pub fn parse(line: &str) -> Result<Option<Command>, ParseError<'_>> {
    let mut words = line.split_whitespace();
    let Some(name) = words.next() else {
        return Ok(None);
    };
    let info = find(name)?;
    let mut arguments = Arguments { command: info, words };
    let command = (info.parse)(&mut arguments)?;
    match arguments.next() {
        None => Ok(Some(command)),
        Some(word) => Err(ParseError::ExtraWord { command: info, word }),
    }
}

/// The words that follow a command's name.
pub(super) struct Arguments<'a> {
    command: &'static CommandInfo,
    words: SplitWhitespace<'a>,
}

impl<'a> Arguments<'a> {
    pub(super) fn next(&mut self) -> Option<&'a str> {
        self.words.next()
    }

    pub(super) fn required(&mut self) -> Result<&'a str, ParseError<'a>> {
        self.next().ok_or(ParseError::MissingArgument(self.command))
    }
}

pub(super) fn parse_play<'a>(arguments: &mut Arguments<'a>) -> Result<Play, ParseError<'a>> {
    let what = arguments.required()?;
    if what.eq_ignore_ascii_case("all") {
        return Ok(Play::All);
    }
    if let Some((first, last)) = what.split_once('-') {
        return parse_range(what, first, last);
    }
    let song = parse_song(what)?;
    let at = match arguments.next() {
        None => Duration::ZERO,
        Some(word) if word.eq_ignore_ascii_case("at") => parse_time(arguments.required()?)?,
        Some(word) => {
            return Err(ParseError::ExtraWord { command: arguments.command, word });
        }
    };
    Ok(Play::Song { song, at })
}

fn parse_range<'a>(range: &'a str, first: &'a str, last: &'a str) -> Result<Play, ParseError<'a>> {
    if !is_digits(first) || !is_digits(last) {
        return Err(ParseError::NotASongNumber(range));
    }
    let (first, last) = (parse_song(first)?, parse_song(last)?);
    if first > last {
        return Err(ParseError::ReversedRange { first, last });
    }
    Ok(Play::Range { first, last })
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

/// `str::parse` alone would take a sign as well.
fn is_digits(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit())
}
