//! The ratios as a picture: an SVG that needs nothing else.

use super::figures::{Figure, Row, Verdict, median};
use super::results::Measured;

/// Widths in pixels: of the labels, of the bars, of what stands behind them.
const LABELS: f64 = 430.0;
const BARS: f64 = 420.0;
const BEHIND: f64 = 210.0;

/// Height of a line in pixels.
const LINE: f64 = 19.0;

/// The ends of the scale, as powers of ten.
const DECADES: (f64, f64) = (-3.0, 2.0);

const MET: &str = "#2b8a57";
const MISSED: &str = "#c0392b";
const NO_TARGET: &str = "#7f8c8d";

/// One bar: Trill's figure by that of a peer.
struct Bar<'a> {
    row: &'a Row,
    peer: &'a str,
    ratio: f64,
}

/// Draws each ratio from 1 on a logarithmic scale: a bar to the left is a Trill that takes less.
pub(super) fn draw(all: &[Measured]) -> String {
    let bars: Vec<Bar<'_>> = all.iter().flat_map(|measured| &measured.rows).flat_map(bars).collect();
    let (width, height) = (LABELS + BARS + BEHIND, LINE * (bars.len() as f64 + 2.0) + 30.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"11\" fill=\"#333\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n\
         <text x=\"16\" y=\"22\" font-size=\"15\">Trill by others, figure by figure</text>\n"
    );
    let bottom = height - LINE;
    for decade in DECADES.0 as i32..=DECADES.1 as i32 {
        let x = x_of(10_f64.powi(decade));
        svg.push_str(&format!(
            "<path d=\"M{x:.1} 34V{bottom}\" stroke=\"{}\"/><text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n",
            if decade == 0 { "#333" } else { "#ddd" },
            bottom + 14.0,
            Figure(10_f64.powi(decade))
        ));
    }
    for (index, bar) in bars.iter().enumerate() {
        svg.push_str(&line(bar, 36.0 + LINE * index as f64));
    }
    svg.push_str("</svg>\n");
    svg
}

fn bars(row: &Row) -> impl Iterator<Item = Bar<'_>> {
    row.peers.iter().filter_map(|peer| {
        let ratio = median(&row.trill)? / median(&peer.rounds)?;
        (ratio.is_finite() && ratio > 0.0).then_some(Bar { row, peer: &peer.name, ratio })
    })
}

fn line(bar: &Bar<'_>, y: f64) -> String {
    let (one, end) = (x_of(1.0), x_of(bar.ratio));
    let verdicts = bar.row.verdicts_beside(bar.peer);
    let colour = match &verdicts[..] {
        [] => NO_TARGET,
        all if all.contains(&Verdict::Missed) => MISSED,
        _ => MET,
    };
    format!(
        "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
         <rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{}\" fill=\"{colour}\"/>\
         <text x=\"{}\" y=\"{:.1}\">{} × {}</text>\n",
        LABELS - 10.0,
        y + 13.0,
        escaped(&bar.row.what),
        one.min(end),
        y + 3.0,
        (end - one).abs().max(1.0),
        LINE - 6.0,
        LABELS + BARS + 8.0,
        y + 13.0,
        Figure(bar.ratio),
        escaped(bar.peer)
    )
}

/// Where a ratio lies; what is off the scale lies at its end.
fn x_of(ratio: f64) -> f64 {
    let (from, to) = DECADES;
    LABELS + (ratio.log10().clamp(from, to) - from) / (to - from) * BARS
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
