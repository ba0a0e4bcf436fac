//! Stores the figures of each section, and shows all as a table and a picture.

use super::figures::{Figure, Row, Verdict, median};
use super::machine::Machine;
use super::picture;
use super::{SECTIONS, Section};
use serde_json::{Value, json};
use std::fs;
use std::io;
use std::path::Path;

/// The rows of a section with their machine and date.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// The section's name.
    pub section: String,
    /// The machine, the date and the commit.
    pub machine: Machine,
    /// The figures.
    pub rows: Vec<Row>,
}

/// The file of all figures, in the folder of the results.
const FIGURES: &str = "results.json";

/// The table and the picture.
const TABLE: &str = "RESULTS.md";
const PICTURE: &str = "results.svg";

/// All written files.
pub const FILES: [&str; 3] = [FIGURES, TABLE, PICTURE];

/// Replaces the stored figures of each section in `measured`, and redraws table and picture.
///
/// # Errors
/// Errors of the file system; [`io::ErrorKind::InvalidData`] when the stored figures cannot be parsed.
pub fn keep(directory: &Path, measured: Vec<Measured>) -> io::Result<()> {
    let mut all = load(directory)?;
    all.retain(|old| !measured.iter().any(|new| new.section == old.section));
    all.extend(measured);
    all.retain(|kept| place(kept).is_some());
    all.sort_by_key(place);
    let figures: Vec<Value> = all.iter().map(Measured::to_json).collect();
    fs::create_dir_all(directory)?;
    write(directory, FIGURES, &format!("{:#}\n", Value::Array(figures)))?;
    write(directory, TABLE, &document(&all))?;
    write(directory, PICTURE, &picture::draw(&all))
}

/// Replaces a file atomically: half a file of figures could not be read the next time.
fn write(directory: &Path, name: &str, text: &str) -> io::Result<()> {
    let partial = directory.join(format!("{name}.partial"));
    fs::write(&partial, text)?;
    fs::rename(partial, directory.join(name))
}

fn load(directory: &Path) -> io::Result<Vec<Measured>> {
    let text = match fs::read_to_string(directory.join(FIGURES)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        read => read?,
    };
    let not_understood = || io::Error::new(io::ErrorKind::InvalidData, format!("{FIGURES} is not understood"));
    let value: Value = serde_json::from_str(&text)?;
    let sections = value.as_array().ok_or_else(not_understood)?;
    sections.iter().map(|section| Measured::from_json(section).ok_or_else(not_understood)).collect()
}

/// The position of a section in the results; `None` for an unknown name.
fn place(measured: &Measured) -> Option<usize> {
    SECTIONS.iter().position(|section| section.name == measured.section)
}

/// The contents of `RESULTS.md`.
fn document(all: &[Measured]) -> String {
    let mut text = "# Trill beside others\n\n\
        Made by `cargo xtask bench`; do not edit. Each figure is the median of its rounds, followed by the smallest and the\n\
        largest. Trill and the others were measured alternately. A ratio is Trill's figure divided by the other's. The median must\n\
        meet the target; where it says *always*, every round must.\n\n\
        ![Ratios](results.svg)\n"
        .to_owned();
    for measured in all {
        let Some(section) = measured.entry() else { continue };
        text.push_str(&format!(
            "\n## {}\n\n{}\n\n{}.\n\n{}",
            section.title,
            section.about,
            measured.machine,
            table(&measured.rows)
        ));
    }
    text
}

/// The rows as a Markdown table, after the number of rounds.
pub fn table(rows: &[Row]) -> String {
    let usual = usual_rounds(rows);
    let mut text = format!(
        "Rounds: {usual}, unless a figure says otherwise.\n\n\
         | what | Trill | beside | ratio | target | |\n|---|---|---|---|---|---|\n"
    );
    for row in rows {
        let ratio = |rounds: &[f64]| {
            let (own, other) = (median(&row.trill)?, median(rounds)?);
            (other != 0.0).then(|| Figure(own / other).to_string())
        };
        let peers = row.peers.iter().map(|peer| match median(&peer.rounds) {
            None => format!("{}: {}", peer.name, peer.note),
            Some(_) => format!("{}: {}", peer.name, spread(&peer.rounds, usual)),
        });
        let ratios = row.peers.iter().map(|peer| ratio(&peer.rounds).unwrap_or_else(|| "–".into()));
        text.push_str(&format!(
            "| {}{} | {} | {} | {} | {} | {} |\n",
            row.what,
            if row.unit.is_empty() { String::new() } else { format!(" ({})", row.unit) },
            spread(&row.trill, usual),
            lines(peers),
            lines(ratios),
            lines(row.targets.iter().map(ToString::to_string)),
            lines(row.verdicts().iter().map(ToString::to_string)),
        ));
    }
    text
}

/// Joins lines in a table cell.
fn lines(lines: impl Iterator<Item = String>) -> String {
    lines.collect::<Vec<_>>().join("<br>")
}

/// The most common number of rounds of Trill's figures.
fn usual_rounds(rows: &[Row]) -> usize {
    let count = |rounds: usize| rows.iter().filter(|row| row.trill.len() == rounds).count();
    rows.iter().map(|row| row.trill.len()).max_by_key(|&rounds| (count(rounds), rounds)).unwrap_or_default()
}

/// Formats `12.3 (11.9…13.0)`, with `rounds` if it is unusual: `12.3 (11.9…13.0, rounds: 3)`.
fn spread(rounds: &[f64], usual: usize) -> String {
    let Some(middle) = median(rounds) else { return "–".into() };
    let (least, most) = rounds
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), figure| (least.min(*figure), most.max(*figure)));
    let [middle, least, most] = [middle, least, most].map(|figure| Figure(figure).to_string());
    match (least != most, rounds.len() != usual) {
        (false, false) => middle,
        (true, false) => format!("{middle} ({least}…{most})"),
        (false, true) => format!("{middle} (rounds: {})", rounds.len()),
        (true, true) => format!("{middle} ({least}…{most}, rounds: {})", rounds.len()),
    }
}

/// The number of missed targets.
pub fn missed(rows: &[Row]) -> usize {
    rows.iter().flat_map(Row::verdicts).filter(|verdict| *verdict == Verdict::Missed).count()
}

impl Measured {
    /// The section's entry in the table of sections.
    pub(super) fn entry(&self) -> Option<&'static Section> {
        place(self).map(|place| &SECTIONS[place])
    }

    fn to_json(&self) -> Value {
        let rows: Vec<Value> = self.rows.iter().map(Row::to_json).collect();
        json!({ "section": self.section, "machine": self.machine.to_json(), "rows": rows })
    }

    fn from_json(value: &Value) -> Option<Self> {
        Some(Self {
            section: value.get("section")?.as_str()?.to_owned(),
            machine: Machine::from_json(value.get("machine")?)?,
            rows: value.get("rows")?.as_array()?.iter().map(Row::from_json).collect::<Option<_>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::figures::Target;
    use tempfile::TempDir;

    fn measured(section: &str, figure: f64) -> Measured {
        Measured {
            section: section.into(),
            machine: Machine::here(),
            rows: vec![Row::new("speed", "m/s", vec![figure])],
        }
    }

    #[test]
    fn a_section_takes_the_place_of_the_one_of_before_and_leaves_the_others() {
        let directory = TempDir::new().expect("a temporary directory");
        let [wire, list, again] = [measured("wire", 1.0), measured("list", 2.0), measured("wire", 3.0)];
        for section in [&list, &wire, &again, &measured("no such section", 4.0)] {
            keep(directory.path(), vec![section.clone()]).expect("a directory of its own");
        }
        assert_eq!(load(directory.path()).expect("what was just kept"), [again, list]);
        let mut names: Vec<_> = fs::read_dir(directory.path()).expect("it is there").flatten().collect();
        names.sort_by_key(fs::DirEntry::file_name);
        assert_eq!(names.iter().map(fs::DirEntry::file_name).collect::<Vec<_>>(), [TABLE, FIGURES, PICTURE]);
    }

    #[test]
    fn figures_that_are_not_understood_are_left_as_they_are() {
        let directory = TempDir::new().expect("a temporary directory");
        for text in ["", "[{\"section\": \"wire\"", "{}", "[{}]"] {
            fs::write(directory.path().join(FIGURES), text).expect("a directory of its own");
            assert!(keep(directory.path(), vec![measured("wire", 1.0)]).is_err(), "{text}");
            assert_eq!(fs::read_to_string(directory.path().join(FIGURES)).expect("it is there"), text);
        }
    }

    #[test]
    fn a_row_tells_its_rounds_and_a_verdict_for_each_target() {
        let rows = [
            Row::new("speed", "m/s", vec![2.0; 5])
                .beside("a snail", vec![1.0, 3.0, 1.0, 1.0, 1.0])
                .beside("a dog", vec![8.0])
                .beside_none("a stone", "does not move")
                .target(Target::AtLeastTimes(0.9, "a snail".into()))
                .target(Target::AtLeastTimes(0.9, "a dog".into())),
            Row::new("late", "", vec![0.0; 5]).target(Target::Always(0.0)),
            Row::new("falls", "", vec![0.0, 0.0, 1.0]).target(Target::Always(0.0)),
        ];
        let expected = "\
            Rounds: 5, unless a figure says otherwise.\n\n\
            | what | Trill | beside | ratio | target | |\n\
            |---|---|---|---|---|---|\n\
            | speed (m/s) | 2.00 | a snail: 1.00 (1.00…3.00)<br>a dog: 8.00 (rounds: 1)<br>a stone: does not move \
            | 2.00<br>0.250<br>– | ≥ 0.9 × a snail<br>≥ 0.9 × a dog | met<br>**missed** |\n\
            | late | 0 |  |  | always 0 | met |\n\
            | falls | 0 (0…1.00, rounds: 3) |  |  | always 0 | **missed** |\n";
        assert_eq!(table(&rows), expected);
        assert_eq!(missed(&rows), 2);
    }
}
