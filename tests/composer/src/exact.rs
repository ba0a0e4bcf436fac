//! Arithmetic with the same result on every machine.
//!
//! `f64::sin`, `exp2` and `powf` come from the platform's mathematics library and differ in their last bit
//! from one to the next. Addition, multiplication, division, square root and rounding do not (IEEE 754), so
//! everything here is built from those.

use std::f64::consts::{LN_2, TAU};

/// Sine of a phase counted in turns: `sin_turns(0.25)` is 1. Off by less than 1e-9.
pub(crate) fn sin_turns(turns: f64) -> f64 {
    // Fold onto the quarter turn either side of zero, where the Taylor series converges fast.
    let near = turns - turns.round();
    let folded = if near > 0.25 {
        0.5 - near
    } else if near < -0.25 {
        -0.5 - near
    } else {
        near
    };
    let x = folded * TAU;
    let square = x * x;
    let mut sum = 0.0;
    for n in [15.0, 13.0, 11.0, 9.0, 7.0, 5.0, 3.0] {
        sum = (1.0 + sum) * -square / (n * (n - 1.0));
    }
    x * (1.0 + sum)
}

/// Cosine of a phase counted in turns.
pub(crate) fn cos_turns(turns: f64) -> f64 {
    sin_turns(turns + 0.25)
}

/// Two to the power of `x`. Off by less than one part in 1e9; clamped to the range of normal numbers.
pub(crate) fn exp2(x: f64) -> f64 {
    let x = x.clamp(-1000.0, 1000.0);
    let whole = x.round();
    let y = (x - whole) * LN_2;
    let mut sum = 1.0;
    for n in (1..=11).rev() {
        sum = 1.0 + sum * y / f64::from(n);
    }
    // The exponent field of a double is biased by 1023 and starts at bit 52.
    let exponent = (whole as i64 + 1023) as u64;
    sum * f64::from_bits(exponent << 52)
}

/// The factor by which a level given in decibels multiplies an amplitude.
pub(crate) fn from_decibels(db: f64) -> f64 {
    exp2(db / 6.020_599_913_279_624)
}

/// Frequency in hertz of a MIDI pitch, equal temperament, A4 (69) = 440 Hz.
pub(crate) fn hertz(pitch: f64) -> f64 {
    440.0 * exp2((pitch - 69.0) / 12.0)
}

/// The factor per sample that halves a value every `seconds`.
pub(crate) fn halving(seconds: f64, rate: f64) -> f64 {
    exp2(-1.0 / (seconds * rate))
}

/// Rises smoothly from 0 at `x` = 0 to 1 at `x` = 1, level at both ends: an envelope that cannot click.
pub(crate) fn smooth_step(x: f64) -> f64 {
    let x = x.clamp(0.0, 1.0);
    x * x * (3.0 - 2.0 * x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn near(value: f64, expected: f64) {
        assert!((value - expected).abs() <= 1e-9 * expected.abs().max(1.0), "{value} is not {expected}");
    }

    #[test]
    fn agrees_with_the_platform_to_nine_digits() {
        for step in -4000..4000 {
            let x = f64::from(step) / 321.0;
            near(sin_turns(x), (x * TAU).sin());
            near(cos_turns(x), (x * TAU).cos());
            near(exp2(x), x.exp2());
        }
    }

    #[test]
    fn pitches_and_levels() {
        near(hertz(69.0), 440.0);
        near(hertz(57.0), 220.0);
        near(from_decibels(20.0), 10.0);
        near(smooth_step(-1.0), 0.0);
        near(smooth_step(0.5), 0.5);
        near(smooth_step(2.0), 1.0);
    }
}
