//! Draws the ratios as a self-contained SVG.

use super::figures::{Figure, Row, Target, Verdict, median};
use super::results::Measured;

/// Pixels: height of a line and of a title, average width of a letter (no 11-pixel font is wider), width of the bars.
const LINE: f64 = 18.0;
const TITLE: f64 = 28.0;
const LETTER: f64 = 6.5;
const BARS: f64 = 420.0;

/// Margins around everything and between a bar and its labels.
const MARGIN: f64 = 20.0;
const GAP: f64 = 10.0;

/// Height of title and legend.
const HEAD: f64 = 88.0;

/// Minimum and maximum extent of the scale in either direction, in decades.
const DECADES: (i32, i32) = (1, 4);

const MET: &str = "#2f8f5b";
const MISSED: &str = "#c8452f";
const NO_TARGET: &str = "#a3abb2";

/// Style of a text that crosses grid lines.
const OVER_LINES: &str = " fill=\"#666\" stroke=\"#fff\" stroke-width=\"4\" paint-order=\"stroke\"";

const LEGEND: [(&str, &str); 3] =
    [(MET, "target beside this one met"), (MISSED, "missed"), (NO_TARGET, "no target beside this one")];

/// A line of the picture.
enum Line<'a> {
    /// The title of a section.
    Title(&'a str),
    /// The machine and date of the sections below.
    Machine(String),
    Bar(Bar<'a>),
}

impl Line<'_> {
    const fn height(&self) -> f64 {
        match self {
            Self::Title(_) | Self::Machine(_) => TITLE,
            Self::Bar(_) => LINE,
        }
    }
}

/// The ratio of Trill's figure to a peer's.
struct Bar<'a> {
    /// The row's label; empty after its first bar.
    label: String,
    peer: &'a str,
    ratio: f64,
    colour: &'static str,
}

/// Draws all ratios on a logarithmic scale, section by section.
pub(super) fn draw(all: &[Measured]) -> String {
    let lines = lines(all);
    let plot = Plot::of(&lines);
    let mut svg = plot.frame(HEAD + lines.iter().map(Line::height).sum::<f64>());
    let mut bottom = HEAD;
    for line in &lines {
        bottom += line.height();
        svg.push_str(&plot.line(line, bottom));
    }
    svg.push_str("</svg>\n");
    svg
}

fn lines(all: &[Measured]) -> Vec<Line<'_>> {
    let (mut lines, mut last_machine) = (Vec::new(), None);
    for measured in all {
        let mut bars = measured.rows.iter().flat_map(bars).peekable();
        if bars.peek().is_none() {
            continue;
        }
        if last_machine.replace(&measured.machine) != Some(&measured.machine) {
            lines.push(Line::Machine(measured.machine.to_string()));
        }
        lines.extend(measured.entry().map(|section| Line::Title(section.title)));
        lines.extend(bars.map(Line::Bar));
    }
    lines
}

/// One bar for each peer with a comparable figure.
fn bars(row: &Row) -> impl Iterator<Item = Bar<'_>> {
    let is_count = row.targets.iter().any(|target| matches!(target, Target::Always(_)));
    let compared = row.peers.iter().filter(move |_| !is_count).filter_map(|peer| {
        let ratio = median(&row.trill)? / median(&peer.rounds)?;
        (ratio.is_finite() && ratio > 0.0).then_some((peer, ratio))
    });
    compared.enumerate().map(|(index, (peer, ratio))| Bar {
        label: if index == 0 { label(row) } else { String::new() },
        peer: &peer.name,
        ratio,
        colour: colour(row, &peer.name),
    })
}

fn label(row: &Row) -> String {
    let is_better_more = row.targets.iter().any(|target| matches!(target, Target::AtLeastTimes(..)));
    let what = row.what.replace('`', "");
    if is_better_more { format!("{what} (more is better)") } else { what }
}

/// The colour of the worst verdict among the targets that name `peer`.
fn colour(row: &Row, peer: &str) -> &'static str {
    match &row.verdicts_beside(peer)[..] {
        [] => NO_TARGET,
        all if all.contains(&Verdict::Missed) => MISSED,
        _ => MET,
    }
}

/// The layout of the picture.
struct Plot {
    /// Left edge of the bars, and right edge of their labels.
    left: f64,
    width: f64,
    /// The ends of the scale, as powers of ten.
    decades: (i32, i32),
}

impl Plot {
    /// A layout in which all `lines` fit.
    fn of(lines: &[Line<'_>]) -> Self {
        let bars = || lines.iter().filter_map(|line| if let Line::Bar(bar) = line { Some(bar) } else { None });
        let longest =
            |text: fn(&Bar<'_>) -> String| bars().map(|bar| text(bar).chars().count()).max().unwrap_or_default();
        let left = MARGIN + longest(|bar| bar.label.clone()) as f64 * LETTER + GAP;
        let behind = GAP + longest(behind) as f64 * LETTER + MARGIN;
        let (at_least, at_most) = DECADES;
        let reach =
            |end: fn(f64) -> f64| bars().map(move |bar| (end(bar.ratio.log10()) as i32).clamp(-at_most, at_most));
        let decades = (reach(f64::floor).fold(-at_least, i32::min), reach(f64::ceil).fold(at_least, i32::max));
        Self { left, width: left + BARS + behind, decades }
    }

    /// Title, legend and scale of a picture whose last line ends at `end`.
    fn frame(&self, end: f64) -> String {
        let Self { width, decades, .. } = *self;
        let (top, bottom) = (HEAD, end + 6.0);
        let height = bottom + LINE + MARGIN;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
             height=\"{height:.0}\" font-family=\"sans-serif\" font-size=\"11\" fill=\"#333\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
             <text x=\"{MARGIN}\" y=\"{}\" font-size=\"17\" font-weight=\"bold\">Trill by others: ratios of figures</text>\n",
            MARGIN + 14.0
        );
        svg.push_str(&legend(MARGIN + 28.0));
        for decade in decades.0..=decades.1 {
            let (x, stroke) = (self.x_of(10_f64.powi(decade)), if decade == 0 { "#333" } else { "#e3e6e8" });
            svg.push_str(&format!("<path d=\"M{x:.1} {top}V{bottom}\" stroke=\"{stroke}\"/>\n"));
            svg.push_str(&text(x, bottom + 14.0, "middle", "", &format!("× {}", 10_f64.powi(decade))));
        }
        let one = self.x_of(1.0);
        svg.push_str(&text(one - GAP, top - 6.0, "end", " fill=\"#666\"", "◂ Trill is less"));
        svg.push_str(&text(one + GAP, top - 6.0, "start", " fill=\"#666\"", "Trill is more ▸"));
        svg
    }

    fn line(&self, line: &Line<'_>, bottom: f64) -> String {
        let baseline = bottom - 5.0;
        match line {
            Line::Title(title) => text(MARGIN, baseline, "start", " font-weight=\"bold\" font-size=\"13\"", title),
            Line::Machine(machine) => text(MARGIN, baseline, "start", OVER_LINES, machine),
            Line::Bar(bar) => {
                let (one, end) = (self.x_of(1.0), self.x_of(bar.ratio));
                let label = text(self.left - GAP, baseline, "end", "", &bar.label);
                let rectangle = format!(
                    "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{}\" fill=\"{}\"/>\n",
                    one.min(end),
                    bottom - LINE + 3.0,
                    (end - one).abs().max(1.0),
                    LINE - 6.0,
                    bar.colour
                );
                label + &rectangle + &text(self.left + BARS + GAP, baseline, "start", "", &behind(bar))
            }
        }
    }

    /// The position of a ratio. Ratios beyond the scale are at its end.
    fn x_of(&self, ratio: f64) -> f64 {
        let (from, to) = (f64::from(self.decades.0), f64::from(self.decades.1));
        self.left + (ratio.log10().clamp(from, to) - from) / (to - from) * BARS
    }
}

/// The text after a bar.
fn behind(bar: &Bar<'_>) -> String {
    format!("{} × {}", Figure(bar.ratio), bar.peer)
}

fn legend(top: f64) -> String {
    let (mut svg, mut x) = (String::new(), MARGIN);
    for (colour, meaning) in LEGEND {
        svg.push_str(&format!(
            "<rect x=\"{x:.1}\" y=\"{:.1}\" width=\"12\" height=\"12\" fill=\"{colour}\"/>\n",
            top + 3.0
        ));
        svg.push_str(&text(x + 18.0, top + 13.0, "start", "", meaning));
        x += 18.0 + meaning.chars().count() as f64 * LETTER + 2.0 * GAP;
    }
    svg.push_str(&text(x, top + 13.0, "start", "", "Less is better, unless a row says otherwise."));
    svg
}

fn text(x: f64, baseline: f64, anchor: &str, style: &str, text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    format!("<text x=\"{x:.1}\" y=\"{baseline:.1}\" text-anchor=\"{anchor}\"{style}>{text}</text>\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Row {
        Row::new("`speed`", "m/s", vec![2.0]).beside("a snail", vec![1.0]).beside("a dog", vec![8.0])
    }

    #[test]
    fn a_bar_has_the_colour_of_its_own_target() {
        let colours = |row: Row| bars(&row).map(|bar| bar.colour).collect::<Vec<_>>();
        let at_most = |peer: &str| Target::AtMostTimes(1.0, peer.into());
        assert_eq!(colours(row()), [NO_TARGET, NO_TARGET]);
        assert_eq!(colours(row().target(Target::AtMost(1.0))), [NO_TARGET, NO_TARGET]);
        assert_eq!(colours(row().target(at_most("a snail"))), [MISSED, NO_TARGET]);
        assert_eq!(colours(row().target(at_most("a snail")).target(at_most("a dog"))), [MISSED, MET]);
    }

    #[test]
    fn a_row_is_named_once_and_says_which_way_is_better() {
        let labels = |row: Row| bars(&row).map(|bar| bar.label).collect::<Vec<_>>();
        assert_eq!(labels(row()), ["speed", ""]);
        let more = row().target(Target::AtLeastTimes(1.0, "a dog".into()));
        assert_eq!(labels(more), ["speed (more is better)", ""]);
    }

    #[test]
    fn counts_that_are_always_the_same_are_no_ratios() {
        assert_eq!(bars(&row().target(Target::Always(2.0))).count(), 0);
        assert_eq!(bars(&Row::new("late", "", vec![0.0]).beside("a snail", vec![0.0])).count(), 0);
    }
}
