//! What was measured: kept in a file per section, and shown as a table and a picture.

use super::SECTIONS;
use super::figures::{Figure, Row, Verdict, median};
use super::machine::Machine;
use super::picture;
use serde_json::{Value, json};
use std::fs;
use std::io;
use std::path::Path;

/// The rows of one section, with where and when they were taken.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// The section's name.
    pub section: String,
    /// The machine, the date and the commit.
    pub machine: Machine,
    /// The figures.
    pub rows: Vec<Row>,
}

/// The file with everything, in the folder of the results.
const FIGURES: &str = "results.json";

/// What it is drawn up to.
const TABLE: &str = "RESULTS.md";
const PICTURE: &str = "results.svg";

/// Puts `measured` in the place of what `directory` holds of that section, and draws table and picture anew.
///
/// # Errors
/// The file system's; [`io::ErrorKind::InvalidData`] when the figures of before cannot be read.
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

/// Puts a file in the place of the one of before, whole: half of the figures would be worth nothing the next time.
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

/// Where a section comes in the results; `None` if there is none of this name any more.
fn place(measured: &Measured) -> Option<usize> {
    SECTIONS.iter().position(|section| section.name == measured.section)
}

/// The whole of `RESULTS.md`.
fn document(all: &[Measured]) -> String {
    let mut text = "# Trill beside others\n\n\
        Made by `cargo xtask bench`; do not edit. Each figure is the median of its rounds, with the least and the greatest of\n\
        them behind it; Trill and the others were measured in turn. Ratios are Trill's figure by the other's.\n\n\
        ![Ratios](results.svg)\n"
        .to_owned();
    for measured in all {
        let Some(section) = place(measured).map(|place| &SECTIONS[place]) else { continue };
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

/// The rows as a table, in Markdown.
pub fn table(rows: &[Row]) -> String {
    let mut text = "| what | Trill | beside | ratio | target | |\n|---|---|---|---|---|---|\n".to_owned();
    for row in rows {
        let ratio = |rounds: &[f64]| {
            let (own, other) = (median(&row.trill)?, median(rounds)?);
            (other != 0.0).then(|| Figure(own / other).to_string())
        };
        let peers = row.peers.iter().map(|peer| match median(&peer.rounds) {
            _ if peer.rounds.is_empty() => format!("{}: {}", peer.name, peer.note),
            _ => format!("{}: {}", peer.name, spread(&peer.rounds)),
        });
        let ratios = row.peers.iter().map(|peer| ratio(&peer.rounds).unwrap_or_else(|| "–".into()));
        let (peers, ratios): (Vec<_>, Vec<_>) = (peers.collect(), ratios.collect());
        let targets: Vec<String> = row.targets.iter().map(ToString::to_string).collect();
        let verdicts: Vec<String> = row.verdicts().iter().map(ToString::to_string).collect();
        text.push_str(&format!(
            "| {} ({}) | {} | {} | {} | {} | {} |\n",
            row.what,
            row.unit,
            spread(&row.trill),
            peers.join("<br>"),
            ratios.join("<br>"),
            targets.join("<br>"),
            verdicts.join("<br>"),
        ));
    }
    text
}

/// `12.3 (11.9…13.0)`.
fn spread(rounds: &[f64]) -> String {
    let Some(middle) = median(rounds) else { return "–".into() };
    let (least, most) = rounds
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), figure| (least.min(*figure), most.max(*figure)));
    let (shown, least, most) = (Figure(middle).to_string(), Figure(least).to_string(), Figure(most).to_string());
    if least == most { shown } else { format!("{shown} ({least}…{most})") }
}

/// Targets that were missed.
pub fn missed(rows: &[Row]) -> usize {
    rows.iter().flat_map(Row::verdicts).filter(|verdict| *verdict == Verdict::Missed).count()
}

impl Measured {
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
}
