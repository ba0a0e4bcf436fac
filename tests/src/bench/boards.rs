//! Compares the boards' client with C decoders on the same processor.

use super::figures::{Row, Target};
use super::{Plan, Section};
use crate::process::Process;
use std::env;
use std::ffi::OsString;
use std::process::Command;
use std::time::Duration;

pub(super) const SECTION: Section = Section {
    name: "boards",
    title: "On a board",
    about: "Counted in an emulated Cortex-M4F and Cortex-A9 by `cargo xtask size`, and compared with the budgets in \
        `firmware-client/boards/budget.txt`. Instructions are given for a second of a song of 128 kbit/s, for the \
        decoder alone and for everything, and from `play` to the first sample. The C decoders were counted once, on \
        a Cortex-M4F at 128 kbit/s, 44.1 kHz, stereo: minimp3, and Helix in fixed point, both with `-O3`.",
    measure,
};

/// Includes the build.
const PATIENCE: Duration = Duration::from_secs(1_800);

/// The board with a Cortex-M4F, and the C decoders' millions of instructions for a second of music on it.
const CORTEX_M4F: &str = "mps2-an386";
const MINIMP3: f64 = 10.6;
const HELIX: f64 = 12.5;

fn measure(_: &Plan) -> Vec<Row> {
    let mut size = Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    size.current_dir(env!("CARGO_MANIFEST_DIR")).args(["run", "--quiet", "--package", "xtask", "--", "size"]);
    // `xtask size` fails if a budget is exceeded. The rows report that.
    let output = Process::spawn("cargo xtask size", size).wait(PATIENCE);
    let boards: Vec<Board> = output.stdout.lines().filter_map(board).collect();
    assert!(!boards.is_empty(), "no board in {output:?}");
    boards.iter().flat_map(rows).collect()
}

/// A line of the table: each figure and its budget.
#[derive(Debug, PartialEq)]
struct Board {
    name: String,
    figures: Vec<Option<(f64, f64)>>,
}

/// The columns, their units in the results, and the divisors.
const COLUMNS: [(&str, &str, f64); 6] = [
    ("flash", "bytes", 1.0),
    ("static RAM", "bytes", 1.0),
    ("peak stack", "bytes", 1.0),
    ("decoder, a second of music", "million instructions", 1e6),
    ("everything, a second of music", "million instructions", 1e6),
    ("to the first sample", "million instructions", 1e6),
];

fn rows(board: &Board) -> Vec<Row> {
    let named = COLUMNS.iter().zip(&board.figures);
    let rows = named.filter_map(|((what, unit, divisor), figure)| {
        let (taken, budget) = (*figure)?;
        let row = Row::new(format!("{}: {what}", board.name), *unit, vec![taken / divisor])
            .target(Target::AtMost(budget / divisor));
        Some(match what.starts_with("decoder") && board.name == CORTEX_M4F {
            true => row.beside("minimp3, C", vec![MINIMP3]).beside("Helix, C", vec![HELIX]),
            false => row,
        })
    });
    rows.collect()
}

/// Parses `mps2-an386 124304/131072 …` with any separators; `None` for other lines. A dash means no figure.
fn board(line: &str) -> Option<Board> {
    let mut words = line.split(|c: char| c.is_whitespace() || c == '|').filter(|word| !word.is_empty());
    let name = words.next()?.to_owned();
    let figures: Vec<Option<(f64, f64)>> = words.map(figure).collect::<Option<_>>()?;
    (figures.len() == COLUMNS.len()).then_some(Board { name, figures })
}

fn figure(word: &str) -> Option<Option<(f64, f64)>> {
    if word.chars().all(|c| c == '-' || c == '–') {
        return Some(None);
    }
    let (taken, budget) = word.split_once('/')?;
    let number = |text: &str| text.replace(',', "").parse().ok();
    Some(Some((number(taken)?, number(budget)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_table_is_understood() {
        let line = "mps2-an386   124304/131072  58524/58880 5368/6656  14632363/15000000 18499837/20500000  -";
        let read = board(line).expect("a board");
        assert_eq!((read.name.as_str(), read.figures.len()), ("mps2-an386", 6));
        assert_eq!(read.figures[1], Some((58_524.0, 58_880.0)));
        assert_eq!(read.figures[5], None);
        let rows = rows(&read);
        assert_eq!((rows.len(), rows[3].peers.len()), (5, 2));
        let other_core = Board { name: "vexpress-a9".into(), ..read };
        assert!(super::rows(&other_core).iter().all(|row| row.peers.is_empty()));
        for other in ["", "taken/budget   flash   static RAM", "    Finished `release` profile", "mps2-an386 1/2"] {
            assert_eq!(board(other), None, "{other}");
        }
    }
}
