//! The section `list`: the list of all songs, next to MPD's `listallinfo`.

use super::figures::{Figure, Row, Target};
use super::lister::{Listed, Lister};
use super::peers::mpd::{Mpd, USUAL_OUTPUT_KIB};
use super::{Plan, Section, trees};
use crate::server::ServerProcess;
use std::io;
use std::iter;
use std::time::Duration;

/// The section.
pub const SECTION: Section = Section {
    name: "list",
    title: "The list of all songs",
    about: "A connected client asks for all songs with title, artist, album, track and duration, and parses the answer. \
        Time runs from the request to the first entry and to the last. Trill's client asks for pages of 500, as the \
        laptop's does. Before each list the server checks its directories, so that recently added files are in the \
        answer. These lists follow each other within seconds; after a pause of ten seconds the check runs on another \
        thread, which takes some tenths of a millisecond more. After a list the server scans all files in the \
        background; the next measurement waits for the end of that. MPD answers `listallinfo` from its database. It \
        closes the connection if an answer exceeds its `max_output_buffer_size`, 8 MiB by default; *raised* is an \
        MPD with a limit of 1 GiB. Every entry must arrive. A *search* is for a text that only the last song \
        contains, in all tags; Trill searches the path, too.",
    measure,
};

/// Number of songs.
const SIZES: [usize; 3] = [100, 10_000, 100_000];

/// Deadline of any list.
const RAISED_OUTPUT_KIB: u32 = 1_024 * 1_024;

/// A person who types takes a longer answer for a delay.
const MOST_OF_SEARCH_MS: f64 = 25.0;

const USUAL: &str = "MPD";
const RAISED: &str = "MPD, raised";

fn measure(plan: &Plan) -> Vec<Row> {
    SIZES.into_iter().flat_map(|songs| measure_size(plan, songs)).collect()
}

fn measure_size(plan: &Plan, songs: usize) -> Vec<Row> {
    let music = trees::small(songs);
    let server = ServerProcess::start(&music);
    server.usage_at_rest();
    let mut usual = Mpd::start(&music, USUAL_OUTPUT_KIB);
    usual.wait_until_updated(songs);
    let mut raised = Mpd::start(&music, RAISED_OUTPUT_KIB);
    raised.wait_until_updated(songs);

    let (mut trill, mut of_usual, mut of_raised) = (Lists::default(), Lists::default(), Lists::default());
    // The first list is not counted: later ones find warm memory and caches.
    for is_counted in iter::once(false).chain(iter::repeat_n(true, plan.rounds)) {
        let lists =
            [(&mut trill, Ok(list_of(&server))), (&mut of_usual, usual.list()), (&mut of_raised, raised.list())];
        for (kept, list) in lists.into_iter().filter(|_| is_counted) {
            kept.note(list);
        }
    }
    let mut rows = rows(songs, &trill, [(USUAL, &of_usual), (RAISED, &of_raised)]);
    rows.push(measure_search(plan, songs, &server, &mut usual));
    rows
}

/// A search for the last song.
fn measure_search(plan: &Plan, songs: usize, server: &ServerProcess, mpd: &mut Mpd) -> Row {
    let text = trees::title(songs - 1);
    let milliseconds = |listed: Listed| {
        assert_eq!(listed.entries, 1, "{text}");
        listed.first.as_secs_f64() * 1_000.0
    };
    let (trill, of_mpd) = (0..=plan.rounds)
        .map(|_| {
            let trill = milliseconds(Lister::connect(server.address()).search(&text));
            server.usage_at_rest();
            (trill, milliseconds(mpd.search(&text).expect("an answer")))
        })
        .skip(1)
        .unzip();
    Row::new(format!("{} songs: a search, its only entry", Figure(songs as f64)), "ms", trill)
        .beside(USUAL, of_mpd)
        .target(Target::AtMost(MOST_OF_SEARCH_MS))
}

/// Lists over an open connection and waits until the server is idle. After a list the server checks every file, which
/// would take CPU time from the next measurement.
fn list_of(server: &ServerProcess) -> Listed {
    let listed = Lister::connect(server.address()).list();
    server.usage_at_rest();
    listed
}

/// The lists of all rounds.
#[derive(Debug, Default)]
struct Lists {
    whole: Vec<Listed>,
    /// The error of the last list that failed.
    failure: Option<io::Error>,
}

impl Lists {
    fn note(&mut self, list: io::Result<Listed>) {
        match list {
            Ok(listed) => self.whole.push(listed),
            Err(error) => self.failure = Some(error),
        }
    }

    fn milliseconds(&self, time: impl Fn(&Listed) -> Duration) -> Vec<f64> {
        self.whole.iter().map(|listed| time(listed).as_secs_f64() * 1_000.0).collect()
    }

    fn entries(&self) -> Vec<f64> {
        self.whole.iter().map(|listed| listed.entries as f64).collect()
    }
}

fn rows(songs: usize, trill: &Lists, peers: [(&str, &Lists); 2]) -> Vec<Row> {
    let songs_text = Figure(songs as f64);
    let row = |what: &str, unit: &str, figures: &dyn Fn(&Lists) -> Vec<f64>| {
        let row = Row::new(format!("{songs_text} songs: {what}"), unit, figures(trill));
        peers.iter().fold(row, |row, (name, lists)| match &lists.failure {
            None => row.beside(*name, figures(lists)),
            Some(error) => row.beside_none(*name, format!("closes the connection ({error})")),
        })
    };
    let ahead = |row: Row| {
        let comes = |peer: &&(&str, &Lists)| peer.1.failure.is_none();
        peers.iter().filter(comes).fold(row, |row, (name, _)| row.target(Target::AtMostTimes(1.0, (*name).to_owned())))
    };
    vec![
        ahead(row("first entry", "ms", &|lists| lists.milliseconds(|listed| listed.first))),
        ahead(row("last entry", "ms", &|lists| lists.milliseconds(|listed| listed.last))),
        row("entries received", "entries", &Lists::entries).target(Target::Always(songs as f64)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::figures::Verdict;

    fn lists(entries: &[usize], failure: Option<io::ErrorKind>) -> Lists {
        let listed = |&entries: &usize| {
            let [first, last] = [10, 20].map(Duration::from_millis);
            Listed { first, last, entries, measured: entries }
        };
        Lists { whole: entries.iter().map(listed).collect(), failure: failure.map(Into::into) }
    }

    #[test]
    fn a_peer_that_gives_up_is_no_target_and_one_wrong_list_is_missed() {
        let (whole, lost) = (lists(&[1_000; 3], None), lists(&[], Some(io::ErrorKind::UnexpectedEof)));
        let verdicts = |trill: &Lists| {
            let rows = rows(1_000, trill, [(USUAL, &lost), (RAISED, &whole)]);
            rows.iter().flat_map(Row::verdicts).collect::<Vec<_>>()
        };
        assert_eq!(verdicts(&whole), [Verdict::Met; 3]);
        assert_eq!(verdicts(&lists(&[1_000, 999, 1_000], None)), [Verdict::Met, Verdict::Met, Verdict::Missed]);
        assert_eq!(verdicts(&lists(&[1_000, 1_000, 1_001], None)), [Verdict::Met, Verdict::Met, Verdict::Missed]);
    }
}
