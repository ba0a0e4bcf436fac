use std::process::Command;

use trill_proto::decoder::LOOKAHEAD_BYTES;

use super::*;

/// Ten seconds of a sweep over noise: long enough to fill the bit reservoir, loud enough to use every band.
fn synthesise(rate: u32, channels: u16) -> Vec<i16> {
    let mut noise = Random(7);
    (0..10 * rate)
        .flat_map(|n| {
            let t = f64::from(n) / f64::from(rate);
            let sweep = (2.0 * std::f64::consts::PI * (100.0 + 300.0 * t) * t).sin() * 12_000.0;
            (0..channels)
                .map(|channel| {
                    let hiss = f64::from(noise.next() as i16) / 8.0;
                    let level = if channel == 0 { 1.0 } else { 0.6 };
                    (sweep * level + hiss) as i16
                })
                .collect::<Vec<_>>()
        })
        .collect()
}

/// The same through LAME, with `options`.
fn encode(rate: u32, channels: u16, options: &[&str]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let (wav, mp3) = (folder.path().join("in.wav"), folder.path().join("out.mp3"));
    let spec =
        hound::WavSpec { channels, sample_rate: rate, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let mut writer = hound::WavWriter::create(&wav, spec).unwrap();
    for sample in synthesise(rate, channels) {
        writer.write_sample(sample).unwrap();
    }
    writer.finalize().unwrap();
    let run = Command::new("lame").args(["--quiet"]).args(options).arg(&wav).arg(&mp3).status();
    assert!(run.expect("these tests need the package `lame`").success());
    std::fs::read(mp3).unwrap()
}

/// Decodes a stream that arrives `arrival` bytes at a time, the way a player does.
fn decode_arriving(mp3: &[u8], arrival: usize) -> (Vec<i16>, Vec<Frame>) {
    let (mut decoder, mut pcm) = (Decoder::new(), [0; PCM_SAMPLES]);
    let (mut samples, mut frames) = (Vec::new(), Vec::new());
    let (mut start, mut end) = (0, 0);
    loop {
        match decoder.decode(&mp3[start..end], end == mp3.len(), &mut pcm) {
            Decoded::Frame(frame) => {
                start += frame.consumed;
                samples.extend_from_slice(&pcm[..frame.samples * usize::from(frame.channels)]);
                frames.push(frame);
            }
            Decoded::Junk { consumed } => start += consumed,
            Decoded::NeedMore if end == mp3.len() => return (samples, frames),
            Decoded::NeedMore => end = mp3.len().min(end + arrival),
        }
    }
}

fn decode_with_nanomp3(mut mp3: &[u8]) -> Vec<i16> {
    let mut decoder = nanomp3::Decoder::new_minimp3_compat();
    let (mut samples, mut pcm) = (Vec::new(), [0i16; PCM_SAMPLES]);
    while !mp3.is_empty() {
        let (consumed, result) = decoder.decode(mp3, &mut pcm);
        mp3 = &mp3[consumed..];
        if let Ok(frame) = result {
            let length = frame.samples_produced * usize::from(frame.channels.num());
            samples.extend_from_slice(&pcm[..length]);
        }
    }
    samples
}

#[track_caller]
fn assert_within_one_lsb(got: &[i16], expected: &[i16]) {
    assert_eq!(got.len(), expected.len(), "sample count");
    let worst = got.iter().zip(expected).map(|(a, b)| a.abs_diff(*b)).max();
    assert!(worst <= Some(1), "samples differ by {worst:?}");
    assert!(got.iter().any(|&s| s.unsigned_abs() > 5_000), "nothing but silence was decoded");
}

#[track_caller]
fn check(rate: u32, channels: u16, options: &[&str], nominal_samples: usize) {
    let mp3 = encode(rate, channels, options);
    let expected = decode_with_nanomp3(&mp3);
    let (samples, frames) = decode_arriving(&mp3, mp3.len());
    assert_within_one_lsb(&samples, &expected);
    for frame in &frames {
        assert_eq!(frame.rate, rate);
        assert_eq!(u16::from(frame.channels), channels);
        assert_eq!(frame.nominal_samples, nominal_samples);
        assert_eq!(frame.samples, nominal_samples, "a whole stream decodes wholly");
    }
    assert!(frames.len() * nominal_samples >= 10 * rate as usize);
    // However it arrives, the same comes out: no partial frame is taken for junk, no state is lost.
    for arrival in [1, 417, LOOKAHEAD_BYTES] {
        assert!(decode_arriving(&mp3, arrival).0 == samples, "arriving by {arrival} bytes");
    }
}

#[test]
fn cbr_stereo_equals_nanomp3() {
    check(44_100, 2, &["-b", "128"], 1152);
}

#[test]
fn vbr_stereo_equals_nanomp3() {
    check(44_100, 2, &["-V", "2"], 1152);
}

#[test]
fn mono_at_22_050_hz_equals_nanomp3() {
    check(22_050, 1, &["-b", "48"], 576);
}

#[test]
fn highest_bitrate_and_rate_equals_nanomp3() {
    check(48_000, 2, &["-b", "320"], 1152);
}

#[test]
fn lowest_bitrate_mpeg_2_5_equals_nanomp3() {
    check(8_000, 1, &["-b", "8"], 576);
}

#[test]
fn a_start_in_the_middle_counts_frames_that_decode_to_nothing() {
    let mp3 = encode(32_000, 1, &["-b", "32", "--resample", "32"]);
    let (_, whole) = decode_arriving(&mp3, mp3.len());
    let skipped = whole.len() / 2;
    let offset: usize = whole[..skipped].iter().map(|frame| frame.consumed).sum();

    let (samples, frames) = decode_arriving(&mp3[offset..], mp3.len());
    assert_eq!(frames.len(), whole.len() - skipped);
    let silent = frames.iter().take_while(|frame| frame.samples == 0).count();
    assert!((1..20).contains(&silent), "{silent} frames without their bit reservoir");
    assert!(frames.iter().all(|frame| frame.nominal_samples == 1152 && frame.rate == 32_000));
    assert_eq!(samples.len(), (frames.len() - silent) * 1152);
}

#[test]
fn junk_between_frames_is_stepped_over() {
    let mp3 = encode(44_100, 2, &["-b", "128", "-t"]);
    let (whole, frames) = decode_arriving(&mp3, mp3.len());
    let half: usize = frames[..frames.len() / 2].iter().map(|frame| frame.consumed).sum();
    let with_junk = [&mp3[..half], &[0x55; 50_000], &mp3[half..]].concat();
    let (samples, found) = decode_arriving(&with_junk, 1000);
    assert!(found.len() >= frames.len() - 2, "{} of {} frames", found.len(), frames.len());
    assert!(samples.len() >= whole.len() - 4 * PCM_SAMPLES);
}

#[test]
fn less_than_the_lookahead_is_left_alone_until_the_end() {
    let mp3 = encode(44_100, 2, &["-b", "128", "-t"]);
    let (mut decoder, mut pcm) = (Decoder::new(), [0; PCM_SAMPLES]);
    let short = &mp3[..LOOKAHEAD_BYTES - 1];
    assert_eq!(decoder.decode(short, false, &mut pcm), Decoded::NeedMore);
    assert!(matches!(decoder.decode(short, true, &mut pcm), Decoded::Frame(_)));
    assert_eq!(decoder.decode(&[], true, &mut pcm), Decoded::NeedMore);
}

#[test]
fn random_bytes_never_panic_and_always_progress() {
    let mut random = Random(42);
    let (mut decoder, mut pcm) = (Decoder::new(), [0; PCM_SAMPLES]);
    for round in 0..300 {
        let length = random.next() as usize % 20_000;
        let mut bytes: Vec<u8> = (0..length).map(|_| random.next() as u8).collect();
        // Half of the rounds are full of headers, so that frames are found and their bodies are random.
        if round % 2 == 0 {
            for header in bytes.chunks_exact_mut(418) {
                header[..4].copy_from_slice(&[0xFF, 0xFB, 0x92, (random.next() as u8) & 0xF0]);
            }
        }
        check_progress(&mut decoder, &bytes, &mut pcm);
    }
}

#[track_caller]
fn check_progress(decoder: &mut Decoder, mut input: &[u8], pcm: &mut [i16; PCM_SAMPLES]) {
    for at_end in [false, true] {
        loop {
            let consumed = match decoder.decode(input, at_end, pcm) {
                Decoded::Frame(frame) => frame.consumed,
                Decoded::Junk { consumed } => consumed,
                Decoded::NeedMore => break,
            };
            assert!((1..=input.len()).contains(&consumed), "{consumed} of {}", input.len());
            input = &input[consumed..];
        }
    }
    assert!(input.is_empty(), "{} bytes left at the end", input.len());
}

/// xorshift64*, so that a failure repeats.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32
    }
}

/// Fills the stack that the decoder will use.
#[inline(never)]
fn soil_stack(with: u8) {
    let mut area = [with; 64 * 1024];
    std::hint::black_box(&mut area);
}

/// Decodes a damaged stream with these bytes on the stack before each frame.
fn decode_damaged(mut mp3: &[u8], soil: u8) -> Vec<i16> {
    let (mut decoder, mut pcm) = (Decoder::new(), [0; PCM_SAMPLES]);
    let mut samples = Vec::new();
    loop {
        soil_stack(soil);
        match decoder.decode(mp3, true, &mut pcm) {
            Decoded::Frame(frame) => {
                samples.extend_from_slice(&pcm[..frame.samples * usize::from(frame.channels)]);
                mp3 = &mp3[frame.consumed..];
            }
            Decoded::Junk { consumed } => mp3 = &mp3[consumed..],
            Decoded::NeedMore => return samples,
        }
    }
}

#[test]
fn a_damaged_song_sounds_the_same_whatever_ran_before() {
    let sources = [
        encode(44_100, 2, &["-b", "128", "-m", "j"]),
        encode(44_100, 2, &["-V", "4", "-t"]),
        encode(22_050, 1, &["-b", "64"]),
        encode(8_000, 1, &["-b", "8"]),
    ];
    let mut random = Random(40);
    for number in 0..200 {
        let source = &sources[number % sources.len()];
        let mut damaged = source[..source.len().min(12_000)].to_vec();
        for _ in 0..20 << (number % 5) {
            let place = random.next() as usize % damaged.len();
            damaged[place] = random.next() as u8;
        }
        let clean = decode_damaged(&damaged, 0);
        for soil in [0xff, 0x55, 0x80] {
            assert!(decode_damaged(&damaged, soil) == clean, "song {number} with {soil:#x} on the stack");
        }
    }
}

/// The four bits that hold the block types in a 72-byte frame at 8 kHz, mono, without data.
#[test]
fn mixed_blocks_at_8_khz_are_kept_from_minimp3() {
    for (blocks, samples) in [(0b1101, 0), (0b0000, 576), (0b1100, 576), (0b1111, 576)] {
        let mut frame = [0; 72];
        frame[..4].copy_from_slice(&[0xff, 0xe3, 0x18, 0xc4]);
        (frame[9], frame[10]) = (blocks >> 3, blocks << 5);
        let frames = [&b"junk"[..], &frame, &frame, &frame].concat();
        let expected = Frame { consumed: 76, samples, nominal_samples: 576, rate: 8_000, channels: 1 };
        let decoded = Decoder::new().decode(&frames, true, &mut [0; PCM_SAMPLES]);
        assert_eq!(decoded, Decoded::Frame(expected), "{blocks:04b}");
    }
}
