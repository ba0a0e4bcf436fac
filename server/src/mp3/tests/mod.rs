mod audio;
pub(crate) mod corpus;
mod formats;
mod header;
mod tags;
mod wire_format;

/// So many frames of silence, 26 ms and 417 bytes each; different for each `fill`.
pub(crate) fn frames(count: usize, fill: u8) -> Vec<u8> {
    let mut frame = vec![0xff, 0xfb, 0x90, 0x64];
    frame.resize(36, 0);
    frame.resize(417, fill);
    frame.repeat(count)
}
