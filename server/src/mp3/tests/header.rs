use crate::mp3::header::{FrameHeader, Layer, MAX_FIXED_FRAME_BYTES};
use crate::mp3::info_tag::{EncoderGap, InfoTag};

/// sample rate, bitrate, channels, frame bytes, samples, side information, main data
type Facts = (u32, u32, u8, usize, u32, usize, usize);

#[track_caller]
fn check_header(bytes: [u8; 4], expected: Facts) {
    let h = FrameHeader::parse(&bytes).expect("a header");
    let length = h.fixed_bytes().expect("a bitrate");
    let facts = (
        h.sample_rate(),
        h.bitrate(),
        h.channels(),
        length,
        h.samples(),
        h.side_info_bytes(),
        h.main_data_bytes(&vec![0; length]),
    );
    assert_eq!(facts, expected);
}

#[test]
fn headers_are_read() {
    // The four bytes as encoders write them: 128 kbit/s joint stereo, the same padded, and so on.
    check_header([0xff, 0xfb, 0x90, 0x64], (44_100, 128_000, 2, 417, 1_152, 32, 381));
    check_header([0xff, 0xfb, 0x92, 0x64], (44_100, 128_000, 2, 418, 1_152, 32, 382));
    check_header([0xff, 0xfb, 0x10, 0xc4], (44_100, 32_000, 1, 104, 1_152, 17, 83));
    check_header([0xff, 0xfa, 0x10, 0xc4], (44_100, 32_000, 1, 104, 1_152, 17, 81));
    check_header([0xff, 0xfb, 0xea, 0x00], (32_000, 320_000, 2, 1_441, 1_152, 32, 1_405));
    check_header([0xff, 0xfb, 0xe4, 0x00], (48_000, 320_000, 2, 960, 1_152, 32, 924));
    check_header([0xff, 0xf3, 0x80, 0xc4], (22_050, 64_000, 1, 208, 576, 9, 195));
    check_header([0xff, 0xf3, 0x14, 0x00], (24_000, 8_000, 2, 24, 576, 17, 3));
    check_header([0xff, 0xf2, 0x14, 0x00], (24_000, 8_000, 2, 24, 576, 17, 1));
    check_header([0xff, 0xe3, 0x18, 0xc4], (8_000, 8_000, 1, 72, 576, 9, 59));
    check_header([0xff, 0xe3, 0xea, 0x00], (8_000, 160_000, 2, 1_441, 576, 17, 1_420));
    // Layers II and I, which have neither side information nor a reservoir: the rest is of no use.
    check_header([0xff, 0xfd, 0xea, 0x00], (32_000, 384_000, 2, 1_729, 1_152, 32, 0));
    check_header([0xff, 0xf5, 0x84, 0xc0], (24_000, 64_000, 1, 384, 1_152, 9, 0));
    check_header([0xff, 0xff, 0xc2, 0x00], (44_100, 384_000, 2, 420, 384, 32, 0));
}

#[test]
fn other_bytes_are_no_headers() {
    for bytes in [
        [0xfe, 0xfb, 0x90, 0x64], // no sync
        [0xff, 0xdb, 0x90, 0x64], // no sync
        [0xff, 0xeb, 0x90, 0x64], // reserved version
        [0xff, 0xe5, 0x90, 0x64], // Layer II of MPEG 2.5
        [0xff, 0xf9, 0x90, 0x64], // reserved layer
        [0xff, 0xfb, 0xf0, 0x64], // forbidden bitrate
        [0xff, 0xfb, 0x9c, 0x64], // reserved sample rate
    ] {
        assert_eq!(FrameHeader::parse(&bytes), None, "{bytes:02x?}");
    }
    assert_eq!(FrameHeader::parse(&[0xff, 0xfb, 0x90]), None, "cut short");
}

#[test]
fn every_header_has_a_length_within_the_limits() {
    let mut headers = 0;
    for word in 0..=0x001f_ffff_u32 {
        let bytes = (0xffe0_0000 | word).to_be_bytes();
        if let Some(header) = FrameHeader::parse(&bytes) {
            headers += 1;
            let Some(length) = header.fixed_bytes() else { continue };
            assert!((24..=MAX_FIXED_FRAME_BYTES).contains(&length), "{header:?}");
            assert!(header.stream_bytes(false).contains(&length), "{header:?}");
            assert!(header.stream_bytes(true).contains(&length), "{header:?}");
            let has_main_data = header.main_data_bytes(&vec![0; length]) >= 1;
            assert_eq!(has_main_data, header.layer() == Layer::Three, "{header:?}");
        }
    }
    // 7 versions and layers × CRC × 15 bitrates × 3 rates × padding and private bit × the last byte.
    assert_eq!(headers, 7 * 2 * 15 * 3 * 4 * 256);
}

#[test]
fn a_stream_keeps_its_standard_and_sample_rate() {
    let header = |bytes: [u8; 4]| FrameHeader::parse(&bytes).expect("a header");
    let first = header([0xff, 0xfb, 0x90, 0x64]);
    assert!(first.is_continued_by(&header([0xff, 0xfa, 0x32, 0xc4])), "another bitrate, CRC and mono");
    assert!(!first.is_continued_by(&header([0xff, 0xfb, 0x94, 0x64])), "48 kHz");
    assert!(!first.is_continued_by(&header([0xff, 0xf3, 0x90, 0x64])), "MPEG 2");
    assert!(!first.is_continued_by(&header([0xff, 0xfd, 0x90, 0x64])), "Layer II");
    assert!(!first.is_continued_by(&header([0xff, 0xfb, 0x00, 0x64])), "free format");
}

#[track_caller]
fn check_main_data_begin(beginning: &[u8], expected: usize) {
    let frame = [beginning, &[0; 32]].concat();
    assert_eq!(FrameHeader::parse(&frame).expect("a header").main_data_begin(&frame), Some(expected));
}

#[test]
fn main_data_begin_is_nine_bits_or_eight() {
    check_main_data_begin(&[0xff, 0xfb, 0x90, 0x64, 0xff, 0x80], 511);
    check_main_data_begin(&[0xff, 0xfb, 0x90, 0x64, 0x01, 0x7f], 2);
    check_main_data_begin(&[0xff, 0xfa, 0x90, 0x64, 9, 9, 0x01, 0x80], 3);
    check_main_data_begin(&[0xff, 0xf3, 0x80, 0xc4, 0xff, 0xff], 255);
    // Shorter than the side information.
    for frame in [&[0xff, 0xfb, 0x90, 0x64, 0x01][..], &[0xff, 0xf3, 0x04, 0xc4, 5, 0, 0, 0, 0, 0, 0, 0]] {
        assert_eq!(FrameHeader::parse(frame).expect("a header").main_data_begin(frame), None);
    }
}

/// A frame of 417 bytes with `parts` after the first `at` bytes.
fn frame(header: [u8; 4], at: usize, parts: &[&[u8]]) -> Vec<u8> {
    let mut frame = vec![0; 417];
    frame[..4].copy_from_slice(&header);
    let tag = parts.concat();
    frame[at..at + tag.len()].copy_from_slice(&tag);
    frame
}

#[track_caller]
fn check_tag(frame: &[u8], expected: Option<InfoTag>) {
    assert_eq!(InfoTag::parse(&FrameHeader::parse(frame).expect("a header"), frame), expected);
}

const STEREO: [u8; 4] = [0xff, 0xfb, 0x90, 0x64];
const STEREO_CRC: [u8; 4] = [0xff, 0xfa, 0x90, 0x64];
const MONO: [u8; 4] = [0xff, 0xfb, 0x90, 0xc4];

#[test]
fn a_tag_by_lame_tells_all() {
    let lame: &[&[u8]] = &[
        b"Xing\0\0\0\x0f\0\x01\x02\x03\0\x10\x20\x30",
        &[0; 100],
        &[0, 0, 0, 78],
        b"LAME3.100",
        &[0; 12],
        &[0x24, 0x06, 0x5a],
        &[0; 12],
    ];
    let gap = Some(EncoderGap { delay: 576, padding: 0x65a });
    let expected = Some(InfoTag { frames: Some(0x01_0203), bytes: Some(0x10_2030), gap, is_constant: false });
    check_tag(&frame(STEREO, 36, lame), expected);
    check_tag(&frame(MONO, 21, lame), expected);
    check_tag(&frame(STEREO_CRC, 36, lame), expected);
    check_tag(&frame(STEREO_CRC, 38, lame), expected);
    check_tag(&frame(STEREO, 38, lame), None);
    check_tag(&frame(STEREO, 36, lame)[..416], None);
}

#[test]
fn fields_that_are_not_flagged_are_not_there() {
    let tag = |flags: u8, rest: &[u8]| frame(STEREO, 36, &[b"Info\0\0\0", &[flags], rest]);
    let constant = InfoTag { is_constant: true, ..InfoTag::default() };
    check_tag(&tag(0, &[]), Some(constant));
    check_tag(&tag(1, &[0, 0, 0, 7]), Some(InfoTag { frames: Some(7), ..constant }));
    check_tag(&tag(2, &[0, 0, 0, 7]), Some(InfoTag { bytes: Some(7), ..constant }));
}

#[test]
fn a_tag_by_fraunhofer_has_no_gap() {
    let vbri = frame(MONO, 36, &[b"VBRI\0\x01\x0d\x31\0\x4b", &[0, 1, 0, 0], &[0, 0, 2, 0]]);
    check_tag(&vbri, Some(InfoTag { frames: Some(512), bytes: Some(65_536), ..InfoTag::default() }));
}

#[test]
fn a_frame_of_music_is_no_tag() {
    check_tag(&frame(STEREO, 36, &[b"Xin"]), None);
    check_tag(&frame(STEREO, 36, &[]), None);
}

#[test]
fn a_tag_cut_anywhere_neither_panics_nor_reads_on() {
    // 8 kbit/s at 24 kHz: the tag does not fit in the 24 bytes of the frame.
    for length in 0..=24 {
        let mut frame = vec![0xff, 0xf3, 0x14, 0xc4];
        frame.resize(13, 0);
        frame.extend_from_slice(b"Xing\0\0\0\x0f\0\0\0\x01\0\0\0\x02");
        frame.truncate(length);
        if let Some(header) = FrameHeader::parse(&frame) {
            assert_eq!(InfoTag::parse(&header, &frame), None);
        }
    }
}
