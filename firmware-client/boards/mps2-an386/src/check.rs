//! Runs tests on the target that also run on a laptop: every byte vector of `wire-format.md`, and the decoder's output. Also
//! counts the decoder's cycles.
//!
//! The arguments are files on the host: the vectors, each after its length in two bytes; the frames of an MP3 file; the log.
//! A test compares the printed results. An error is a fault, and its address is in the log.

#![no_std]
#![no_main]

mod faults;

use core::ffi::CStr;

use cortex_m::Peripherals;
use cortex_m::peripheral::SYST;
use cortex_m::peripheral::syst::SystClkSource;
use cortex_m_rt::entry;
use semihosting::fs::File;
use semihosting::io::Read as _;
use semihosting::println;
use static_cell::ConstStaticCell;
use trill_decoder::Decoder;
use trill_proto::decoder::{Decoded, FrameDecoder, PCM_SAMPLES};
use trill_proto::limits::HEADER_BYTES;
use trill_proto::message::{Header, Message};
use trill_semihosting::Arguments;

/// The checks use no interrupts, but the linker script needs a table.
#[expect(unsafe_code, reason = "the linker script finds it by its name")]
#[unsafe(link_section = ".vector_table.interrupts")]
#[unsafe(no_mangle)]
static __INTERRUPTS: usize = 0;

/// Largest value of the cycle counter: it has 24 bits and counts down.
const COUNTER_MASK: u32 = 0x00ff_ffff;

const BUFFER_BYTES: usize = 12 * 1024;

#[entry]
fn main() -> ! {
    let mut arguments = Arguments::ask();
    let _name = arguments.take();
    let mut vectors = open(arguments.take());
    let mut audio = open(arguments.take());
    if let Some(path) = arguments.take() {
        trill_semihosting::log_to(path).expect("the log's path can be written");
    }
    check_vectors(&mut vectors);
    check_decoder(&mut audio);
    semihosting::process::exit(0)
}

/// Decodes every vector, encodes it again and compares.
fn check_vectors(vectors: &mut File) {
    let mut count = 0;
    let (mut length, mut bytes, mut written) = ([0; 2], [0; 1024], [0; 1024]);
    while read(vectors, &mut length) == length.len() {
        let vector = &mut bytes[..usize::from(u16::from_be_bytes(length))];
        assert_eq!(read(vectors, vector), vector.len(), "the file is whole");
        let (header, payload) = vector.split_first_chunk::<HEADER_BYTES>().expect("a header");
        let header = Header::decode(*header);
        assert_eq!(usize::from(header.length), payload.len(), "vector {count}");
        let message = Message::decode(header, payload).expect("a message");
        written.fill(0xa5);
        let length = message.encode(&mut written).expect("room");
        assert!(written[..length] == *vector, "vector {count}");
        count += 1;
    }
    println!("vectors {count}");
}

/// Decodes a whole file. Prints the number of frames and of samples, the samples' Adler-32 checksum (RFC 1950), and the
/// clock cycles that the decoder took.
fn check_decoder(audio: &mut File) {
    static DECODER: ConstStaticCell<Decoder> = ConstStaticCell::new(Decoder::new());
    static SAMPLES: ConstStaticCell<[i16; PCM_SAMPLES]> = ConstStaticCell::new([0; PCM_SAMPLES]);
    static BUFFER: ConstStaticCell<[u8; BUFFER_BYTES]> = ConstStaticCell::new([0; BUFFER_BYTES]);
    let (decoder, samples, buffer) = (DECODER.take(), SAMPLES.take(), BUFFER.take());
    let clock = start_clock();
    let (mut held, mut frames, mut total, mut cycles) = (0, 0, 0, 0_u64);
    let mut sum = (1_u32, 0_u32);
    loop {
        let count = read(audio, &mut buffer[held..]);
        let at_end = count < BUFFER_BYTES - held;
        held += count;
        let before = clock.cvr.read();
        let step = decoder.decode(&buffer[..held], at_end, samples);
        cycles += u64::from(before.wrapping_sub(clock.cvr.read()) & COUNTER_MASK);
        let consumed = match step {
            Decoded::Frame(frame) => {
                frames += 1;
                total += frame.samples;
                let bytes = samples[..frame.samples * usize::from(frame.channels)].iter().flat_map(|s| s.to_le_bytes());
                sum = bytes.fold(sum, |(a, b), byte| {
                    let a = (a + u32::from(byte)) % 65_521;
                    (a, (b + a) % 65_521)
                });
                frame.consumed
            }
            Decoded::Junk { consumed } => consumed,
            Decoded::NeedMore => break,
        };
        buffer.copy_within(consumed..held, 0);
        held -= consumed;
    }
    println!("frames {frames} samples {total} sum {} cycles {cycles}", sum.1 << 16 | sum.0);
}

fn start_clock() -> SYST {
    let mut clock = Peripherals::take().expect("taken once").SYST;
    clock.set_clock_source(SystClkSource::Core);
    clock.set_reload(COUNTER_MASK);
    clock.clear_current();
    clock.enable_counter();
    clock
}

fn open(path: Option<&str>) -> File {
    let path = path.expect("two files");
    let mut terminated = [0; 256];
    terminated[..path.len()].copy_from_slice(path.as_bytes());
    File::open(CStr::from_bytes_until_nul(&terminated).expect("a path")).expect("a file that can be read")
}

/// Reads until `bytes` is full or the file ends. Returns how many bytes were read.
fn read(file: &mut File, bytes: &mut [u8]) -> usize {
    let mut filled = 0;
    while let Ok(count @ 1..) = file.read(&mut bytes[filled..]) {
        filled += count;
    }
    filled
}
