//! Detects growth of a measurement.
//!
//! Memory use fluctuates: stacks are touched for the first time, buffers fill, allocators keep memory. So growth
//! compares the medians of quarters of a run. Spikes, and sawtooths with a period well below a quarter, do not move a
//! median. The first quarter does not count, because there everything is touched for the first time. A leak has half a
//! run, from the middle of the second quarter to the middle of the last, to exceed a tenth and the series' floor. A
//! short run finds only a fast leak; an hour finds one of 1 % a minute.

/// The smallest growth that counts, as a fraction of the second quarter's median.
const PART: f64 = 0.1;

/// The medians of the four quarters of a run; `None` for fewer than four values.
pub(super) fn quarters(values: &[f64]) -> Option<[f64; 4]> {
    let length = values.len() / 4;
    // The first values beyond a multiple of four are left out.
    let mut quarters = values[values.len() % 4..].chunks_exact(length.max(1));
    let mut next = || quarters.next().and_then(median);
    Some([next()?, next()?, next()?, next()?])
}

/// The median; `None` without values.
pub(super) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}

/// Whether the last quarter's median exceeds the second's by more than a tenth and more than `floor`, the normal
/// fluctuation.
pub(super) fn has_grown(values: &[f64], floor: f64) -> bool {
    quarters(values).is_some_and(|[_, second, _, last]| last - second > (PART * second).max(floor))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLOOR: f64 = 512.0;

    /// An hour of measurements in KiB, one per second, of a process with 8 MiB plus `more`, with noise.
    #[track_caller]
    fn check(name: &str, has: bool, more: impl Fn(f64) -> f64) {
        let mut random = fastrand::Rng::with_seed(1);
        let values: Vec<f64> = (0..3_600).map(|s| 8_192.0 + more(f64::from(s) / 60.0) + random.f64() * 300.0).collect();
        assert_eq!(has_grown(&values, FLOOR), has, "{name}: {:?}", quarters(&values));
    }

    #[test]
    fn a_leak_is_found() {
        check("1 % a minute", true, |minute| 81.92 * minute);
        check("1 % a minute under a sawtooth", true, |minute| 81.92 * minute + 200.0 * (minute % 5.0));
        check("1 % a minute, from the middle on", true, |minute| 81.92 * (minute - 30.0).max(0.0));
        check("a step that is never undone", true, |minute| if minute > 40.0 { 1_000.0 } else { 0.0 });
    }

    #[test]
    fn what_comes_and_goes_is_no_growth() {
        check("nothing", false, |_| 0.0);
        check("a sawtooth", false, |minute| 800.0 * (minute % 5.0));
        check("a beginning", false, |minute| 4_000.0 * (1.0 - (-minute / 3.0).exp()));
        check("a spike at the end", false, |minute| if minute > 55.0 { 50_000.0 } else { 0.0 });
        check("a fall", false, |minute| -81.92 * minute);
        check("a little", false, |minute| 8.0 * minute);
    }

    #[test]
    fn small_numbers_may_grow_by_the_floor() {
        let counts = |last| [[6.0; 30], [6.0; 30], [7.0; 30], [last; 30]].concat();
        assert!(!has_grown(&counts(10.0), 4.0));
        assert!(has_grown(&counts(11.0), 4.0));
    }

    #[test]
    fn few_values_have_no_quarters() {
        assert_eq!(quarters(&[]), None);
        assert_eq!(quarters(&[1.0, 2.0, 3.0]), None);
        assert_eq!(quarters(&[9.0, 1.0, 2.0, 3.0, 4.0]), Some([1.0, 2.0, 3.0, 4.0]));
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert!(!has_grown(&[1.0, 2.0], 0.0));
    }
}
