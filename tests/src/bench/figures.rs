//! Figures of several rounds, and their targets.

use serde_json::{Value, json};
use std::fmt;

/// One row of the results: a quantity, measured for Trill and its peers, and its targets.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The quantity and its conditions.
    pub what: String,
    /// The unit of all figures.
    pub unit: String,
    /// Trill's figures, one per round.
    pub trill: Vec<f64>,
    /// The peers' figures.
    pub peers: Vec<Peer>,
    /// The targets of Trill's figures. All must be met.
    pub targets: Vec<Target>,
}

/// A program for the same purpose.
#[derive(Clone, Debug, PartialEq)]
pub struct Peer {
    /// Its name and unusual settings.
    pub name: String,
    /// Its figures, one per round. Empty if it could not be measured; `note` says why.
    pub rounds: Vec<f64>,
    /// A remark on its figures.
    pub note: String,
}

/// A target for the median, unless the variant says otherwise.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// At most this multiple of the peer's figure.
    AtMostTimes(f64, String),
    /// At least this multiple of the peer's figure.
    AtLeastTimes(f64, String),
    /// At most this, in the row's unit.
    AtMost(f64),
    /// Exactly this in every round. A median would hide a single failure.
    Always(f64),
}

/// The result of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The target was met.
    Met,
    /// The target was missed.
    Missed,
    /// The peer has no figure.
    Unknown,
}

impl Row {
    /// A row without peers and targets.
    pub fn new(what: impl Into<String>, unit: impl Into<String>, trill: Vec<f64>) -> Self {
        Self { what: what.into(), unit: unit.into(), trill, peers: Vec::new(), targets: Vec::new() }
    }

    /// Adds a peer's figures.
    #[must_use]
    pub fn beside(mut self, name: impl Into<String>, rounds: Vec<f64>) -> Self {
        self.peers.push(Peer { name: name.into(), rounds, note: String::new() });
        self
    }

    /// Adds a peer that could not be measured.
    #[must_use]
    pub fn beside_none(mut self, name: impl Into<String>, note: impl Into<String>) -> Self {
        self.peers.push(Peer { name: name.into(), rounds: Vec::new(), note: note.into() });
        self
    }

    /// Adds a target.
    #[must_use]
    pub fn target(mut self, target: Target) -> Self {
        self.targets.push(target);
        self
    }

    /// The verdict of each target, in their order.
    pub fn verdicts(&self) -> Vec<Verdict> {
        self.targets.iter().map(|target| self.verdict_on(target)).collect()
    }

    /// The [`Self::verdicts`] of the targets that name `peer`.
    pub fn verdicts_beside(&self, peer: &str) -> Vec<Verdict> {
        let names_it = |target: &&Target| target.peer() == Some(peer);
        self.targets.iter().filter(names_it).map(|target| self.verdict_on(target)).collect()
    }

    fn verdict_on(&self, target: &Target) -> Verdict {
        let of_peer = |name: &String| median(&self.peers.iter().find(|peer| peer.name == *name)?.rounds);
        let is_met = || {
            let own = median(&self.trill)?;
            Some(match target {
                Target::AtMostTimes(times, peer) => own <= times * of_peer(peer)?,
                Target::AtLeastTimes(times, peer) => own >= times * of_peer(peer)?,
                Target::AtMost(most) => own <= *most,
                Target::Always(figure) => self.trill.iter().all(|round| round == figure),
            })
        };
        match is_met() {
            Some(true) => Verdict::Met,
            Some(false) => Verdict::Missed,
            None => Verdict::Unknown,
        }
    }

    /// Converts the row to JSON.
    pub fn to_json(&self) -> Value {
        let peers: Vec<Value> = self
            .peers
            .iter()
            .map(|peer| json!({ "name": peer.name, "rounds": peer.rounds, "note": peer.note }))
            .collect();
        let targets: Vec<Value> = self.targets.iter().map(Target::to_json).collect();
        json!({ "what": self.what, "unit": self.unit, "trill": self.trill, "peers": peers, "targets": targets })
    }

    /// Parses the output of [`Self::to_json`]; `None` for anything else.
    pub fn from_json(value: &Value) -> Option<Self> {
        let peer = |value: &Value| {
            Some(Peer { name: text(value, "name")?, rounds: numbers(value, "rounds")?, note: text(value, "note")? })
        };
        Some(Self {
            what: text(value, "what")?,
            unit: text(value, "unit")?,
            trill: numbers(value, "trill")?,
            peers: value.get("peers")?.as_array()?.iter().map(peer).collect::<Option<_>>()?,
            targets: value.get("targets")?.as_array()?.iter().map(Target::from_json).collect::<Option<_>>()?,
        })
    }
}

impl Target {
    /// The peer of the target, if any.
    pub fn peer(&self) -> Option<&str> {
        match self {
            Self::AtMostTimes(_, peer) | Self::AtLeastTimes(_, peer) => Some(peer),
            Self::AtMost(_) | Self::Always(_) => None,
        }
    }

    fn to_json(&self) -> Value {
        match self {
            Self::AtMostTimes(times, peer) => json!({ "at most": times, "times": peer }),
            Self::AtLeastTimes(times, peer) => json!({ "at least": times, "times": peer }),
            Self::AtMost(most) => json!({ "at most": most }),
            Self::Always(figure) => json!({ "always": figure }),
        }
    }

    fn from_json(value: &Value) -> Option<Self> {
        let number = |key| value.get(key).and_then(Value::as_f64);
        Some(match (number("at most"), number("at least"), number("always"), text(value, "times")) {
            (Some(times), None, None, Some(peer)) => Self::AtMostTimes(times, peer),
            (None, Some(times), None, Some(peer)) => Self::AtLeastTimes(times, peer),
            (Some(most), None, None, None) => Self::AtMost(most),
            (None, None, Some(figure), None) => Self::Always(figure),
            _ => return None,
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMostTimes(times, peer) => write!(f, "≤ {times} × {peer}"),
            Self::AtLeastTimes(times, peer) => write!(f, "≥ {times} × {peer}"),
            Self::AtMost(most) => write!(f, "≤ {}", Figure(*most)),
            Self::Always(figure) => write!(f, "always {}", Figure(*figure)),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Met => "met",
            Self::Missed => "**missed**",
            Self::Unknown => "not comparable",
        })
    }
}

/// Formats a number with three significant digits. Large numbers are rounded to integers.
#[derive(Clone, Copy, Debug)]
pub struct Figure(pub f64);

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.0.abs();
        let digits = match size {
            _ if size >= 100.0 || size == 0.0 => 0,
            _ if size >= 10.0 => 1,
            _ if size >= 1.0 => 2,
            _ => 3,
        };
        let digits = if size < 0.1 && size > 0.0 { digits + 1 } else { digits };
        let whole = format!("{:.digits$}", self.0);
        let (before, after) = whole.split_once('.').map_or((whole.as_str(), None), |(a, b)| (a, Some(b)));
        f.write_str(&in_thousands(before))?;
        after.map_or(Ok(()), |after| write!(f, ".{after}"))
    }
}

/// Formats `12345` as `12,345`.
fn in_thousands(digits: &str) -> String {
    let mut grouped = String::new();
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) && !grouped.ends_with('-') {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// The median of `figures`. For an even count, the mean of the two middle values.
pub fn median(figures: &[f64]) -> Option<f64> {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(sorted[middle]),
        _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}

fn text(value: &Value, key: &str) -> Option<String> {
    value.get(key)?.as_str().map(str::to_owned)
}

fn numbers(value: &Value, key: &str) -> Option<Vec<f64>> {
    value.get(key)?.as_array()?.iter().map(Value::as_f64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(trill: &[f64], peer: &[f64]) -> Row {
        Row::new("speed", "m/s", trill.to_vec()).beside("a snail", peer.to_vec())
    }

    #[test]
    fn a_target_is_met_by_the_median() {
        let check = |row: Row, expected| assert_eq!(row.verdicts(), [expected], "{row:?}");
        let at_most = |times| Target::AtMostTimes(times, "a snail".into());
        check(row(&[1.0, 9.0, 2.0], &[2.0, 2.0, 0.1]).target(at_most(1.0)), Verdict::Met);
        check(row(&[1.0, 9.0, 2.1], &[2.0, 2.0, 0.1]).target(at_most(1.0)), Verdict::Missed);
        check(row(&[1.0], &[2.0]).target(Target::AtLeastTimes(0.5, "a snail".into())), Verdict::Met);
        check(row(&[1.0], &[2.0]).target(Target::AtMost(0.9)), Verdict::Missed);
        check(row(&[1.0], &[]).target(at_most(1.0)), Verdict::Unknown);
        check(row(&[], &[1.0]).target(at_most(1.0)), Verdict::Unknown);
        check(row(&[1.0], &[1.0]).target(Target::AtMostTimes(1.0, "a dog".into())), Verdict::Unknown);
        assert_eq!(row(&[1.0], &[1.0]).verdicts(), []);
    }

    #[test]
    fn what_is_always_so_is_so_in_the_worst_round() {
        let check = |rounds: &[f64], always, expected| {
            assert_eq!(row(rounds, &[1.0]).target(Target::Always(always)).verdicts(), [expected], "{rounds:?}");
        };
        check(&[0.0; 5], 0.0, Verdict::Met);
        check(&[0.0, 0.0, 0.0, 50.0, 90.0], 0.0, Verdict::Missed);
        check(&[10_000.0; 3], 10_000.0, Verdict::Met);
        check(&[10_000.0, 9_999.0, 10_000.0], 10_000.0, Verdict::Missed);
        check(&[10_000.0, 10_001.0, 10_000.0], 10_000.0, Verdict::Missed);
        check(&[], 0.0, Verdict::Unknown);
    }

    #[test]
    fn each_target_has_a_verdict_of_its_own() {
        let row = row(&[2.0], &[1.0])
            .beside("a dog", vec![8.0])
            .target(Target::AtMost(2.0))
            .target(Target::AtMostTimes(1.0, "a snail".into()))
            .target(Target::AtMostTimes(0.5, "a dog".into()));
        assert_eq!(row.verdicts(), [Verdict::Met, Verdict::Missed, Verdict::Met]);
        assert_eq!(row.verdicts_beside("a snail"), [Verdict::Missed]);
        assert_eq!(row.verdicts_beside("a dog"), [Verdict::Met]);
        assert_eq!(row.verdicts_beside("a cat"), []);
    }

    #[test]
    fn a_row_comes_back_from_its_file() {
        let row = row(&[1.5, 2.0], &[0.0])
            .beside_none("a stone", "does not move")
            .target(Target::AtMostTimes(1.0, "a snail".into()))
            .target(Target::AtLeastTimes(0.5, "a snail".into()))
            .target(Target::AtMost(3.0))
            .target(Target::Always(0.0));
        assert_eq!(Row::from_json(&row.to_json()), Some(row));
        assert_eq!(Row::from_json(&json!({ "what": "speed" })), None);
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }

    #[test]
    fn figures_have_three_digits() {
        let check = |figure: f64, expected: &str| assert_eq!(Figure(figure).to_string(), expected);
        check(0.0, "0");
        check(0.012_34, "0.0123");
        check(0.123_4, "0.123");
        check(1.234, "1.23");
        check(12.34, "12.3");
        check(123.4, "123");
        check(1_234.4, "1,234");
        check(-1_234_567.0, "-1,234,567");
        check(-123.0, "-123");
    }
}
