//! What was counted, as a file and beside what was counted before.

use std::fmt;
use std::io;
use std::str::FromStr;

/// How many percent more a bench may execute than is stored. Of the same toolchain's programs ten of the twelve execute the
/// same to the instruction each time, and the other two, for whom memory comes to lie otherwise, within 0.2 %.
const TOLERANCE: u64 = 2;

/// The same where another toolchain has built it, which optimises otherwise: by up to 1.6 % from rustc 1.95 to 1.96; or where
/// another processor runs it, for which libraries choose other routines.
const TOLERANCE_OF_ANOTHER_TOOLCHAIN: u64 = 10;

/// So many percent less are worth storing: else half of them might be lost again, and nobody would see it.
const GAIN: u64 = 10;

/// What stands above the counts in a file.
const HEAD: &str = "\
# What a piece of work takes, in instructions: `cargo xtask instructions` counts them again, and fails above it. The pieces
# are in tests/benches/instructions. `cargo xtask instructions --accept` writes this file.
";

/// What was counted at one time.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Record {
    pub(super) toolchain: Toolchain,
    pub(super) counts: Vec<Count>,
}

/// What has turned sources into instructions.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Toolchain {
    /// The machine, in rustc's words. Counts of two kinds of machine have nothing to do with each other.
    pub(super) host: String,
    /// Compilers, libc, and the processor.
    pub(super) versions: String,
}

/// One bench.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Count {
    pub(super) name: String,
    pub(super) instructions: u64,
}

impl Record {
    /// This, which is stored, beside what was `counted` now.
    pub(super) fn compare(&self, counted: &Self) -> Comparison {
        let changed = Some((self, counted)).filter(|_| self.toolchain != counted.toolchain);
        let of = |record: &Self, name: &str| {
            record.counts.iter().find(|count| count.name == name).map(|count| count.instructions)
        };
        let now = counted.counts.iter().map(|count| (count, Some(count.instructions)));
        let gone = self.counts.iter().filter(|count| of(counted, &count.name).is_none()).map(|count| (count, None));
        let row =
            |(count, counted): (&Count, _)| Row { name: count.name.clone(), counted, stored: of(self, &count.name) };
        Comparison {
            rows: now.chain(gone).map(row).collect(),
            tolerance: changed.map_or(TOLERANCE, |_| TOLERANCE_OF_ANOTHER_TOOLCHAIN),
            stored_with: changed.map(|(stored, _)| stored.toolchain.versions.clone()),
        }
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { toolchain: Toolchain { host, versions }, counts } = self;
        write!(f, "{HEAD}\nhost {host}\ntoolchain {versions}\n\n")?;
        counts.iter().try_for_each(|count| writeln!(f, "{:<20} {:>11}", count.name, count.instructions))
    }
}

impl FromStr for Record {
    type Err = io::Error;

    fn from_str(text: &str) -> Result<Self, io::Error> {
        let invalid = |line: &str| io::Error::new(io::ErrorKind::InvalidData, format!("`{line}`"));
        let mut record = Self { toolchain: Toolchain { host: String::new(), versions: String::new() }, counts: vec![] };
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            match line.split_once(' ').ok_or_else(|| invalid(line))? {
                ("host", host) => record.toolchain.host = host.to_owned(),
                ("toolchain", versions) => record.toolchain.versions = versions.to_owned(),
                (name, count) => {
                    let instructions = count.trim().parse().ok().filter(|count| *count > 0);
                    let instructions = instructions.ok_or_else(|| invalid(line))?;
                    record.counts.push(Count { name: name.to_owned(), instructions });
                }
            }
        }
        Ok(record)
    }
}

/// Two records side by side.
pub(super) struct Comparison {
    rows: Vec<Row>,
    /// In percent.
    tolerance: u64,
    /// The toolchain of what is stored, if it is another.
    stored_with: Option<String>,
}

struct Row {
    name: String,
    counted: Option<u64>,
    stored: Option<u64>,
}

impl Comparison {
    /// What is not as it should be, a bench each.
    pub(super) fn objections(&self) -> Vec<String> {
        self.rows.iter().filter_map(|row| row.objection(self.tolerance)).collect()
    }
}

impl Row {
    fn objection(&self, tolerance: u64) -> Option<String> {
        let name = &self.name;
        match (self.counted, self.stored) {
            (Some(counted), Some(stored)) => {
                let is_over = counted * 100 > stored * (100 + tolerance);
                is_over.then(|| format!("{name} takes {} instead of {stored}", counted))
            }
            (_, None) => Some(format!("{name} is not stored")),
            (None, _) => Some(format!("{name} is stored, and there is no such bench")),
        }
    }

    /// Whether it takes so much less that this should be stored.
    fn is_gain(&self) -> bool {
        let (Some(counted), Some(stored)) = (self.counted, self.stored) else { return false };
        counted * 100 < stored * (100 - GAIN)
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<20}{:>14}{:>14}{:>9}", "bench", "instructions", "stored", "ratio")?;
        for row in &self.rows {
            let number = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
            let ratio = row.counted.zip(row.stored).map(|(counted, stored)| counted as f64 / stored as f64);
            let ratio = ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.3}"));
            writeln!(f, "{:<20}{:>14}{:>14}{ratio:>9}", row.name, number(row.counted), number(row.stored))?;
        }
        if let Some(versions) = &self.stored_with {
            let tolerance = self.tolerance;
            writeln!(f, "what is stored was built with {versions}: {tolerance} % more are taken for the compiler's")?;
        }
        let gains: Vec<_> = self.rows.iter().filter(|row| row.is_gain()).map(|row| row.name.as_str()).collect();
        if !gains.is_empty() {
            let gains = gains.join(", ");
            writeln!(f, "less than before, and worth keeping with `cargo xtask instructions --accept`: {gains}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(versions: &str, counts: &[(&str, u64)]) -> Record {
        let toolchain = Toolchain { host: "pdp11".into(), versions: versions.into() };
        let count = |(name, instructions): &(&str, u64)| Count { name: (*name).into(), instructions: *instructions };
        Record { toolchain, counts: counts.iter().map(count).collect() }
    }

    /// What is said of one bench with these counts, stored by rustc 1.
    #[track_caller]
    fn check(rustc: &str, counted: u64, stored: u64, objects: bool, gains: bool) {
        let comparison = record("rustc 1", &[("a", stored)]).compare(&record(rustc, &[("a", counted)]));
        assert_eq!(comparison.objections().len(), usize::from(objects), "{counted} for {stored}");
        assert_eq!(comparison.to_string().contains("--accept"), gains, "{counted} for {stored}");
    }

    #[test]
    fn two_percent_more_are_taken_and_an_instruction_on_top_is_not() {
        check("rustc 1", 10_000, 10_000, false, false);
        check("rustc 1", 10_200, 10_000, false, false);
        check("rustc 1", 10_201, 10_000, true, false);
        check("rustc 1", 30_000, 10_000, true, false);
    }

    #[test]
    fn less_is_no_reason_to_fail_and_much_less_is_to_be_stored() {
        check("rustc 1", 9_000, 10_000, false, false);
        check("rustc 1", 8_999, 10_000, false, true);
    }

    #[test]
    fn another_compiler_is_named_and_given_more_room() {
        check("rustc 2", 11_000, 10_000, false, false);
        check("rustc 2", 11_001, 10_000, true, false);
        let comparison = record("rustc 1", &[("a", 1)]).compare(&record("rustc 2", &[("a", 1)]));
        assert!(comparison.to_string().contains("rustc 1"), "{comparison}");
    }

    #[test]
    fn a_bench_that_is_on_one_side_only_is_an_objection() {
        let stored = record("rustc 1", &[("a", 1), ("gone", 1)]);
        let objections = stored.compare(&record("rustc 1", &[("new", 1), ("a", 1)])).objections();
        assert_eq!(objections, ["new is not stored", "gone is stored, and there is no such bench"]);
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let record = record("rustc 1 (a b)", &[("a", 1), ("a-name-that-is-longer-than-its-column", 123_456_789_012)]);
        assert_eq!(record.to_string().parse::<Record>().unwrap(), record);
    }

    #[test]
    fn a_line_that_is_no_count_is_named() {
        for line in ["a", "a b", "a 0", "a -1", "a 1 2"] {
            let error = line.parse::<Record>().unwrap_err().to_string();
            assert!(error.contains(line), "{error}");
        }
    }
}
