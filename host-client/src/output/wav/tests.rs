use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::thread;

use hound::{WavReader, WavSpec};

use super::super::Written;
use super::super::{Controls, Output, OutputTarget};
use super::*;

const STEREO: PcmFormat = PcmFormat { rate: 44_100, channels: 2 };

struct Bench {
    folder: tempfile::TempDir,
    output: Output,
    controls: Controls,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (output, controls) = open(&folder.path().join("out.wav")).unwrap();
        Self { folder, output, controls }
    }

    fn write(&mut self, samples: &[i16]) {
        assert_eq!(self.output.write(samples).unwrap(), Written::All);
    }

    /// Ends the output and reads its file.
    fn finish(self) -> (WavSpec, Vec<i16>) {
        drop(self.output);
        read(&self.folder.path().join("out.wav"))
    }
}

fn open(path: &Path) -> Result<(Output, Controls), OutputError> {
    Output::open(&OutputTarget::Wav(path.into()), |notice| panic!("{notice}"))
}

fn read(path: &Path) -> (WavSpec, Vec<i16>) {
    let reader = WavReader::open(path).unwrap();
    (reader.spec(), reader.into_samples().collect::<Result<_, _>>().unwrap())
}

fn ramp(count: i16) -> Vec<i16> {
    (0..count).collect()
}

#[test]
fn the_file_has_exactly_the_samples_written() {
    let mut bench = Bench::new();
    bench.controls.set_volume(10);
    bench.output.start(STEREO).unwrap();
    bench.write(&ramp(10_000));
    assert_eq!(bench.controls.position_frames(), 5_000);
    assert_eq!(bench.controls.queued_frames(), 0);
    assert_eq!(bench.output.drain().unwrap(), Drained::Heard);
    bench.output.start(STEREO).unwrap();
    assert_eq!(bench.controls.position_frames(), 0);
    bench.write(&ramp(500));
    let (spec, samples) = bench.finish();
    assert_eq!((spec.sample_rate, spec.channels, spec.bits_per_sample), (44_100, 2, 16));
    assert_eq!(samples, [ramp(10_000), ramp(500)].concat());
}

#[test]
fn half_a_frame_at_the_end_is_dropped() {
    let mut bench = Bench::new();
    bench.output.start(STEREO).unwrap();
    bench.write(&[1, 2, 3]);
    bench.write(&[5, 6]);
    assert_eq!(bench.finish().1, [1, 2, 5, 6]);
}

#[test]
fn later_songs_are_converted_to_the_format_of_the_first() {
    let mut bench = Bench::new();
    bench.output.start(STEREO).unwrap();
    bench.write(&ramp(100));
    bench.output.start(PcmFormat { rate: 22_050, channels: 1 }).unwrap();
    bench.write(&[5_000; 2_000]);
    assert_eq!(bench.output.drain().unwrap(), Drained::Heard);
    bench.output.start(STEREO).unwrap();
    bench.write(&ramp(100));
    let (spec, samples) = bench.finish();
    assert_eq!((spec.sample_rate, spec.channels), (44_100, 2));
    assert_eq!(samples.len(), 100 + 8_000 + 100);
    assert_eq!(samples[..100], ramp(100));
    assert_eq!(samples[8_100..], ramp(100));
    assert!(samples[2_000..6_000].iter().all(|sample| sample.abs_diff(5_000) < 5));
}

#[test]
fn the_tail_of_a_converted_song_comes_before_the_next() {
    let mut bench = Bench::new();
    bench.output.start(STEREO).unwrap();
    bench.output.start(PcmFormat { rate: 22_050, channels: 2 }).unwrap();
    bench.write(&[5_000; 1_000]);
    bench.output.start(STEREO).unwrap();
    bench.write(&ramp(10));
    let (_, samples) = bench.finish();
    assert_eq!(samples.len(), 2_000 + 10);
    assert_eq!(samples[2_000..], ramp(10));
}

#[test]
fn the_converter_drops_a_discarded_song() {
    let mut bench = Bench::new();
    bench.output.start(STEREO).unwrap();
    bench.output.start(PcmFormat { rate: 22_050, channels: 2 }).unwrap();
    bench.write(&[5_000; 100]);
    bench.output.discard();
    bench.output.start(STEREO).unwrap();
    bench.write(&ramp(10));
    assert_eq!(bench.finish().1, ramp(10));
}

#[test]
fn a_killed_program_leaves_all_but_the_last_second() {
    let mut bench = Bench::new();
    bench.output.start(STEREO).unwrap();
    bench.write(&ramp(30_000).repeat(10));
    let (_, samples) = read(&bench.folder.path().join("out.wav"));
    assert!(samples.len() >= 300_000 - 2 * 44_100, "{} samples", samples.len());
    assert_eq!(bench.finish().1.len(), 300_000);
}

#[test]
fn without_a_sample_nothing_is_touched() {
    let mut bench = Bench::new();
    let path = bench.folder.path().join("out.wav");
    bench.output.start(STEREO).unwrap();
    bench.write(&[]);
    assert_eq!(bench.output.drain().unwrap(), Drained::Heard);
    drop(bench.output);
    assert!(!path.exists());

    fs::write(&path, "as it was").unwrap();
    let (mut output, _) = open(&path).unwrap();
    output.start(STEREO).unwrap();
    drop(output);
    assert_eq!(fs::read(&path).unwrap(), b"as it was");
}

/// Writes a WAV to `path`. Checks that it replaces the old file at the end of the first song, and that its directory holds
/// `others` more files.
#[track_caller]
fn check_replaced(path: &Path, others: usize) {
    let (mut output, _) = open(path).unwrap();
    output.start(STEREO).unwrap();
    let old = fs::read(path).ok();
    assert_eq!(output.write(&ramp(100)).unwrap(), Written::All);
    assert!(old.is_none() || fs::read(path).ok() == old);
    assert_eq!(output.drain().unwrap(), Drained::Heard);
    assert_eq!(read(path).1, ramp(100));
    assert_eq!(output.write(&ramp(100)).unwrap(), Written::All);
    drop(output);
    assert_eq!(read(path).1, ramp(100).repeat(2));
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1 + others);
}

#[test]
fn an_existing_file_is_replaced_at_the_end_of_the_first_song() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.wav");
    fs::write(&path, [7; 100_000]).unwrap();
    check_replaced(&path, 0);
}

#[cfg(unix)]
#[test]
fn a_file_that_is_replaced_keeps_its_permissions_and_its_links() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let (folder, links) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (path, link) = (folder.path().join("out.wav"), links.path().join("link.wav"));
    symlink(&path, &link).unwrap();
    check_replaced(&link, 0);
    fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
    check_replaced(&link, 0);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[cfg(unix)]
#[test]
fn a_pipe_gets_a_wav_without_an_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = fifo(folder.path());
    let (mut output, _) = open(&path).unwrap();
    thread::scope(|scope| {
        let reader = scope.spawn(|| fs::read(&path).unwrap());
        output.start(STEREO).unwrap();
        // More than a pipe holds at a time.
        assert_eq!(output.write(&ramp(30_000).repeat(10)).unwrap(), Written::All);
        assert_eq!(output.drain().unwrap(), Drained::Heard);
        drop(output);
        let bytes = reader.join().unwrap();
        let (header, sound) = bytes.split_at(bytes.len() - 600_000);
        assert_eq!((&header[..4], &header[4..8], &header[8..12]), (&b"RIFF"[..], &[0xff; 4][..], &b"WAVE"[..]));
        assert_eq!(header[header.len() - 8..], *b"data\xff\xff\xff\xff");
        let expected: Vec<u8> = ramp(30_000).repeat(10).into_iter().flat_map(i16::to_le_bytes).collect();
        assert!(sound == expected);
    });
}

#[cfg(unix)]
#[test]
fn a_pipe_that_nobody_reads_can_be_interrupted() {
    let folder = tempfile::tempdir().unwrap();
    let path = fifo(folder.path());
    let (mut output, controls) = open(&path).unwrap();
    output.start(STEREO).unwrap();
    controls.interrupt();
    assert!(matches!(output.write(&ramp(100)).unwrap(), Written::Interrupted { taken: 0 }));
    thread::scope(|scope| {
        let writer = scope.spawn(|| output.write(&ramp(100)).unwrap());
        controls.interrupt();
        assert!(matches!(writer.join().unwrap(), Written::Interrupted { .. }));
    });
    // Now with a reader, which reads only the beginning.
    thread::scope(|scope| {
        let writer = scope.spawn(|| output.write(&ramp(30_000).repeat(10)).unwrap());
        let mut reader = fs::File::open(&path).unwrap();
        reader.read_exact(&mut [0; 44]).unwrap();
        controls.interrupt();
        assert!(matches!(writer.join().unwrap(), Written::Interrupted { .. }));
    });
}

#[cfg(unix)]
fn fifo(folder: &Path) -> PathBuf {
    let path = folder.join("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    path
}

#[test]
fn a_pause_holds_the_writer_until_it_ends() {
    let mut bench = Bench::new();
    bench.output.start(STEREO).unwrap();
    bench.controls.set_paused(true);
    let controls = bench.controls.clone();
    thread::scope(|scope| {
        let writer = scope.spawn(|| bench.output.write(&[1, 2, 3, 4]));
        assert_eq!(controls.position_frames(), 0);
        controls.set_paused(false);
        assert_eq!(writer.join().unwrap().unwrap(), Written::All);
    });
    assert_eq!(bench.finish().1, [1, 2, 3, 4]);
}

#[test]
fn an_interrupt_reaches_a_writer_that_is_paused() {
    let mut bench = Bench::new();
    bench.output.start(STEREO).unwrap();
    bench.controls.set_paused(true);
    let controls = bench.controls.clone();
    thread::scope(|scope| {
        let writer = scope.spawn(|| bench.output.write(&[1, 2, 3, 4]));
        controls.interrupt();
        assert_eq!(writer.join().unwrap().unwrap(), Written::Interrupted { taken: 0 });
    });
    bench.controls.set_paused(false);
    bench.write(&[5, 6]);
    assert_eq!(bench.finish().1, [5, 6]);
}

#[test]
fn errors_name_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("no such folder/out.wav");
    let error = open(&path).unwrap_err();
    assert!(matches!(&error, OutputError::File { path: failed, .. } if *failed == path));
    assert!(error.to_string().starts_with(&format!("cannot write {}: ", path.display())));

    let mut bench = Bench::new();
    assert!(matches!(bench.output.write(&[1, 2]), Err(OutputError::NotStarted)));
    assert!(matches!(bench.output.drain(), Err(OutputError::NotStarted)));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error() {
    let (mut output, _) = open(Path::new("/dev/full")).unwrap();
    output.start(STEREO).unwrap();
    let mut write = || (0..10).try_for_each(|_| output.write(&ramp(10_000)).map(drop));
    assert!(matches!(write(), Err(OutputError::File { .. })));
    assert!(matches!(write(), Err(OutputError::File { .. })));
}

#[test]
fn a_file_ends_at_its_limit_and_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.wav");
    let mut wav = Wav::new(Destination::Path(path.clone()), OutputState::new()).unwrap();
    wav.start(STEREO).unwrap();
    assert_eq!(wav.write(&ramp(2_000)).unwrap(), Written::All);
    let LazyDestination::Open(open) = &mut wav.destination else { panic!("it was written to") };
    open.max_samples = 5_000;
    assert_eq!(wav.write(&ramp(2_000)).unwrap(), Written::All);
    assert!(matches!(wav.write(&ramp(2_000)), Err(OutputError::FileFull { .. })));
    drop(wav);
    assert_eq!(read(&path).1, ramp(2_000).repeat(2));
}
