//! The instruction counts as a file, and their comparison with earlier ones.

use std::fmt;
use std::io;
use std::str::FromStr;

/// Percent by which a count may exceed the stored one with the same toolchain. Ten of the twelve benchmarks repeat
/// exactly. The other two depend on memory addresses and vary by 0.2 %.
const TOLERANCE: u64 = 2;

/// The same with another toolchain, which optimises differently (up to 1.6 % between rustc 1.95 and 1.96), or another
/// processor, for which libraries choose other routines.
const TOLERANCE_OF_ANOTHER_TOOLCHAIN: u64 = 10;

/// A count that is lower by so many percent should be stored. Otherwise a later loss within the gain would go
/// unnoticed.
const GAIN: u64 = 10;

/// The header of the file.
const HEAD: &str = "\
# Accepted instruction counts. `cargo xtask instructions` counts again and fails if a count is higher. The benchmarks are in
# tests/benches/instructions. `cargo xtask instructions --accept` writes this file.
";

/// The counts of one run.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Record {
    pub(super) toolchain: Toolchain,
    pub(super) counts: Vec<Count>,
}

/// The toolchain and machine of a run.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Toolchain {
    /// The host triple. Counts of different hosts are not comparable.
    pub(super) host: String,
    /// Compilers, libc and processor.
    pub(super) versions: String,
}

/// The count of one benchmark.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Count {
    pub(super) name: String,
    pub(super) instructions: u64,
}

impl Record {
    /// Compares this record, the stored one, with what was `counted` now.
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

/// A comparison of two records.
pub(super) struct Comparison {
    rows: Vec<Row>,
    /// Allowed excess in percent.
    tolerance: u64,
    /// The stored record's toolchain, if it differs.
    stored_with: Option<String>,
}

struct Row {
    name: String,
    counted: Option<u64>,
    stored: Option<u64>,
}

impl Comparison {
    /// One line per benchmark whose count is too high, missing or new.
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
                is_over.then(|| format!("{name} executes {} instructions instead of {stored}", counted))
            }
            (_, None) => Some(format!("{name} is not stored")),
            (None, _) => Some(format!("{name} is stored, but does not exist")),
        }
    }

    /// Whether the count fell so much that it should be stored.
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
            writeln!(f, "the stored counts are from {versions}: up to {tolerance} % more is allowed")?;
        }
        let gains: Vec<_> = self.rows.iter().filter(|row| row.is_gain()).map(|row| row.name.as_str()).collect();
        if !gains.is_empty() {
            let gains = gains.join(", ");
            writeln!(f, "lower counts, to store with `cargo xtask instructions --accept`: {gains}")?;
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

    /// Compares two counts of one benchmark. The stored one is from rustc 1.
    #[track_caller]
    fn check(rustc: &str, counted: u64, stored: u64, objects: bool, gains: bool) {
        let comparison = record("rustc 1", &[("a", stored)]).compare(&record(rustc, &[("a", counted)]));
        assert_eq!(comparison.objections().len(), usize::from(objects), "{counted} for {stored}");
        assert_eq!(comparison.to_string().contains("--accept"), gains, "{counted} for {stored}");
    }

    #[test]
    fn two_percent_more_is_the_limit() {
        check("rustc 1", 10_000, 10_000, false, false);
        check("rustc 1", 10_200, 10_000, false, false);
        check("rustc 1", 10_201, 10_000, true, false);
        check("rustc 1", 30_000, 10_000, true, false);
    }

    #[test]
    fn a_lower_count_passes_and_a_much_lower_one_is_reported() {
        check("rustc 1", 9_000, 10_000, false, false);
        check("rustc 1", 8_999, 10_000, false, true);
    }

    #[test]
    fn another_compiler_has_a_higher_limit_and_is_named() {
        check("rustc 2", 11_000, 10_000, false, false);
        check("rustc 2", 11_001, 10_000, true, false);
        let comparison = record("rustc 1", &[("a", 1)]).compare(&record("rustc 2", &[("a", 1)]));
        assert!(comparison.to_string().contains("rustc 1"), "{comparison}");
    }

    #[test]
    fn a_missing_or_new_benchmark_is_an_objection() {
        let stored = record("rustc 1", &[("a", 1), ("gone", 1)]);
        let objections = stored.compare(&record("rustc 1", &[("new", 1), ("a", 1)])).objections();
        assert_eq!(objections, ["new is not stored", "gone is stored, but does not exist"]);
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let record = record("rustc 1 (a b)", &[("a", 1), ("a-name-that-is-longer-than-its-column", 123_456_789_012)]);
        assert_eq!(record.to_string().parse::<Record>().unwrap(), record);
    }

    #[test]
    fn a_malformed_line_is_named() {
        for line in ["a", "a b", "a 0", "a -1", "a 1 2"] {
            let error = line.parse::<Record>().unwrap_err().to_string();
            assert!(error.contains(line), "{error}");
        }
    }
}
