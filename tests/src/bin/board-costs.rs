//! Prints what the boards' client costs, for `cargo xtask size`: a board a line, its stack in bytes at its deepest; then, in
//! instructions, what the decoder takes for a second of a song of 128 kbit/s (0 where it is not counted alone), what everything
//! takes for it, and what it takes from `play N` to the first sample.
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
