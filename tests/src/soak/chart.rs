//! Draws the measurements as a self-contained SVG.

use super::samples::{Samples, Series};
use std::time::Duration;

/// Panels per row, and the size of each in pixels.
const COLUMNS: usize = 3;
const PANEL: (f64, f64) = (400.0, 210.0);

/// The plot area of a panel: left, top, width, height.
const PLOT: (f64, f64, f64, f64) = (58.0, 34.0, 322.0, 142.0);

/// Points of a line: time is divided into so many intervals, each drawn from its minimum to its maximum, so that no
/// spike is lost.
const STRETCHES: usize = 150;

/// Draws every series over time. Every axis begins at 0, so that a small change looks small.
pub(super) fn draw(samples: &Samples, title: &str) -> String {
    let rows = samples.series.len().div_ceil(COLUMNS);
    let (width, height) = (PANEL.0 * COLUMNS as f64, PANEL.1 * rows as f64 + 40.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"11\" fill=\"#333\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n\
         <text x=\"16\" y=\"25\" font-size=\"16\">{title}</text>\n"
    );
    let end = samples.times.last().copied().unwrap_or_default();
    for (index, series) in samples.series.iter().enumerate() {
        let (x, y) = ((index % COLUMNS) as f64 * PANEL.0, (index / COLUMNS) as f64 * PANEL.1 + 40.0);
        svg.push_str(&format!("<g transform=\"translate({x} {y})\">\n{}</g>\n", panel(series, &samples.times, end)));
    }
    svg.push_str("</svg>\n");
    svg
}

fn panel(series: &Series, times: &[Duration], end: Duration) -> String {
    let (left, top, width, height) = PLOT;
    let (right, bottom) = (left + width, top + height);
    let greatest = series.values.iter().copied().fold(0.0, f64::max);
    let (y_step, x_step) = (step(greatest), step(end.as_secs_f64() / 60.0));
    let most = (greatest / y_step).ceil().max(1.0) * y_step;
    let minutes = (end.as_secs_f64() / 60.0).max(f64::EPSILON);
    let unit = if series.unit.is_empty() { String::new() } else { format!(", {}", series.unit) };
    let mut panel = format!("<text x=\"{left}\" y=\"{}\" font-size=\"12\">{}{unit}</text>\n", top - 10.0, series.name);
    for tick in ticks(y_step, most) {
        let y = bottom - tick / most * height;
        panel.push_str(&format!(
            "<path d=\"M{left} {y:.1}H{right}\" stroke=\"#ddd\"/><text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{tick}</text>\n",
            left - 6.0,
            y + 4.0
        ));
    }
    for tick in ticks(x_step, minutes) {
        let x = left + tick / minutes * width;
        panel.push_str(&format!(
            "<path d=\"M{x:.1} {bottom}v4\" stroke=\"#999\"/><text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{tick}</text>\n",
            bottom + 17.0
        ));
    }
    panel.push_str(&format!("<text x=\"{right}\" y=\"{}\" text-anchor=\"end\">min</text>\n", bottom + 30.0));
    let point = |time: Duration, value: f64| {
        let (x, y) = (time.as_secs_f64() / 60.0 / minutes, value / most);
        format!("{:.1},{:.1}", left + x * width, bottom - y * height)
    };
    let points: Vec<String> = envelope(times, &series.values).map(|(time, value)| point(time, value)).collect();
    panel.push_str(&format!("<polyline points=\"{}\" fill=\"none\" stroke=\"#06c\"/>\n", points.join(" ")));
    panel
}

/// The minimum and the maximum of every interval, in their order in time.
fn envelope<'a>(times: &'a [Duration], values: &'a [f64]) -> impl Iterator<Item = (Duration, f64)> + 'a {
    let length = times.len().div_ceil(STRETCHES).max(1);
    times.chunks(length).zip(values.chunks(length)).flat_map(|(times, values)| {
        let points = || times.iter().copied().zip(values.iter().copied());
        let least = points().min_by(|a, b| a.1.total_cmp(&b.1));
        let greatest = points().max_by(|a, b| a.1.total_cmp(&b.1));
        let mut both: Vec<_> = least.into_iter().chain(greatest).collect();
        both.sort_by_key(|(time, _)| *time);
        both.dedup();
        both
    })
}

/// A round tick interval, 1, 2 or 5 times a power of ten, such that a few ticks reach `most`.
fn step(most: f64) -> f64 {
    let rough = (most / 6.0).max(0.1);
    let power = 10f64.powf(rough.log10().floor());
    [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power).into_iter().find(|step| *step >= rough).unwrap_or(rough)
}

/// The ticks from 0 on, rounded because repeated addition accumulates error.
fn ticks(step: f64, most: f64) -> impl Iterator<Item = f64> {
    (0..=100).map(move |index| (f64::from(index) * step * 10.0).round() / 10.0).take_while(move |tick| *tick <= most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round_and_few() {
        for (most, expected) in [(0.0, 0.1), (3.0, 0.5), (10.0, 2.0), (60.0, 10.0), (8_900.0, 2_000.0), (4.0, 1.0)] {
            assert_eq!(step(most), expected, "{most}");
        }
        assert_eq!(ticks(0.1, 0.35).collect::<Vec<_>>(), [0.0, 0.1, 0.2, 0.3]);
    }

    #[test]
    fn an_hour_of_readings_is_a_short_line_that_keeps_its_spikes() {
        let times: Vec<Duration> = (0..3_600).map(Duration::from_secs).collect();
        let values: Vec<f64> = (0..3_600).map(|s| if s == 1_777 { 99.0 } else { f64::from(s % 2) }).collect();
        let points: Vec<_> = envelope(&times, &values).collect();
        assert!(points.len() <= 2 * STRETCHES && points.is_sorted_by_key(|(time, _)| *time), "{}", points.len());
        assert!(points.contains(&(Duration::from_secs(1_777), 99.0)));
    }
}
