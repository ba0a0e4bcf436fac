//! Measures the boards' client for `cargo xtask size`. Prints one line per board: peak stack in bytes; instructions of
//! the decoder for a second of a 128 kbit/s song (0 if not measured alone); instructions of everything for it; and
//! instructions from `play N` to the first sample.
#![forbid(unsafe_code)]

#[cfg(target_os = "linux")]
fn main() {
    use trill_tests::board::{Kind, costs};

    for kind in [Kind::Mps2An386, Kind::VexpressA9] {
        let decoder = if kind == Kind::Mps2An386 { costs::decoder() } else { 0 };
        let costs::Costs { stack, second, first_sample } = costs::measure(kind);
        println!("{} {stack} {decoder} {second} {first_sample}", kind.name());
    }
}

#[cfg(not(target_os = "linux"))]
fn main() {}
