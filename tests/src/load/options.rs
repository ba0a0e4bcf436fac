//! Command line of the load generator.

use super::{Options, Service};
use std::ffi::OsString;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

/// The usage text.
pub const HELP: &str = "\
Usage: load ADDRESS LISTENERS [--http PATH] [--rate BYTES] [--ramp SECONDS] [--settle SECONDS] [--window SECONDS]
            [--watch PID]...

Run LISTENERS clients that play song 1 of the Trill server at ADDRESS, or with --http that file of a web server. Each
reads at most --rate bytes a second (unlimited). They connect one by one over the --ramp (0). --settle (0) seconds later
the usage of the --watch processes is measured for the --window (10), or until a client reaches the end of its song.
";

/// More than there are ports.
const LISTENERS: RangeInclusive<usize> = 1..=100_000;

/// From slow speech to more than any music. A tick's bytes fit in one read.
const BYTES_PER_SECOND: RangeInclusive<u32> = 1_000..=1_000_000;

/// At most a day.
const SECONDS: RangeInclusive<f64> = 0.0..=86_400.0;

/// Parses the arguments after the program's name.
///
/// # Errors
/// A message that names the wrong argument.
pub fn parse(arguments: Vec<OsString>) -> Result<Options, pico_args::Error> {
    let mut arguments = pico_args::Arguments::from_vec(arguments);
    let seconds = |text: &str| within(SECONDS, text).map(Duration::from_secs_f64);
    let http = arguments.opt_value_from_str("--http")?;
    let bytes_per_second = arguments.opt_value_from_fn("--rate", |text| within(BYTES_PER_SECOND, text))?;
    let mut span = |name| arguments.opt_value_from_fn(name, seconds);
    let (ramp, settle, window) = (span("--ramp")?, span("--settle")?, span("--window")?);
    let watched = arguments.values_from_str("--watch")?;
    let address = arguments.free_from_str()?;
    let listeners = arguments.free_from_fn(|text| within(LISTENERS, text))?;
    let rest = arguments.finish();
    if !rest.is_empty() {
        let cause = format!("unexpected argument {rest:?}");
        return Err(pico_args::Error::ArgumentParsingFailed { cause });
    }
    let service = http.map_or(Service::Trill, Service::Http);
    let unless_told = Options::new(service, address, listeners);
    Ok(Options {
        bytes_per_second,
        ramp: ramp.unwrap_or(unless_told.ramp),
        settle: settle.unwrap_or(unless_told.settle),
        window: window.unwrap_or(unless_told.window),
        watched,
        ..unless_told
    })
}

fn within<T: FromStr + PartialOrd + Display>(range: RangeInclusive<T>, text: &str) -> Result<T, String> {
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| format!("not a number between {} and {}", range.start(), range.end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Options, String> {
        parse(line.split_whitespace().map(OsString::from).collect()).map_err(|error| error.to_string())
    }

    #[test]
    fn what_the_help_offers_is_understood() {
        let address = "127.0.0.1:7455".parse().expect("an address");
        assert_eq!(parsed("127.0.0.1:7455 1"), Ok(Options::new(Service::Trill, address, 1)));
        let all = Options {
            service: Service::Http("/a.mp3".into()),
            address,
            listeners: 500,
            bytes_per_second: Some(16_000),
            ramp: Duration::from_millis(1_500),
            settle: Duration::from_secs(2),
            window: Duration::from_secs(3),
            watched: vec![7, 8],
        };
        let line = "127.0.0.1:7455 500 --http /a.mp3 --rate 16000 --ramp 1.5 --settle 2 --window 3 --watch 7 --watch 8";
        assert_eq!(parsed(line), Ok(all));
    }

    #[test]
    fn everything_else_is_refused() {
        for line in ["", "127.0.0.1:7455", "attic 5", "127.0.0.1:1 2 3", "127.0.0.1:1 2 --speed 3", "127.0.0.1:1 -2"] {
            assert!(parsed(line).is_err(), "{line}");
        }
        for number in ["0", "18446744073709551615"] {
            assert!(parsed(&format!("127.0.0.1:1 {number}")).is_err(), "{number} listeners");
        }
        for option in ["--ramp -1", "--settle nan", "--window 1e300", "--window inf", "--rate 0", "--rate 2000000"] {
            assert!(parsed(&format!("127.0.0.1:1 2 {option}")).is_err(), "{option}");
        }
    }
}
