//! Multiplication and division without overflow.

use core::time::Duration;

/// `value` × `times` ÷ `by`, rounded down. Exact if the product of `times` and `by` fits into 64 bits; otherwise it may
/// be less.
///
/// It avoids 128-bit numbers: each of their divisions takes 700 bytes of a board's flash.
// Not inlined: its two divisions would be in many places.
#[inline(never)]
pub(crate) const fn mul_div(value: u64, times: u64, by: u64) -> u64 {
    let (whole, rest) = (value / by, value % by);
    whole.saturating_mul(times).saturating_add(rest.saturating_mul(times) / by)
}

/// A span in microseconds.
pub(crate) const fn micros(span: Duration) -> u64 {
    span.as_secs().saturating_mul(1_000_000).saturating_add(span.subsec_micros() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_exact_as_far_as_64_bits_go() {
        let numbers = [0, 1, 999, 44_100, 1 << 20, u64::from(u32::MAX)];
        for value in numbers.into_iter().chain([1 << 40, u64::MAX / 3, u64::MAX]) {
            for times in numbers {
                for by in &numbers[1..] {
                    let exact = u128::from(value) * u128::from(times) / u128::from(*by);
                    let expected = u64::try_from(exact).unwrap_or(u64::MAX);
                    assert_eq!(mul_div(value, times, *by), expected, "{value} * {times} / {by}");
                }
            }
        }
    }

    #[test]
    fn a_span_is_as_long_as_it_is() {
        assert_eq!(micros(Duration::from_nanos(1_234_567_890)), 1_234_567);
        assert_eq!(micros(Duration::MAX), u64::MAX);
    }
}
