use std::thread;

use hound::WavReader;

use super::super::{Controls, Output, OutputSpec};
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

    /// Ends the output and reads what it wrote.
    fn finish(self) -> (WavSpec, Vec<i16>) {
        drop(self.output);
        read(&self.folder.path().join("out.wav"))
    }
}

fn open(path: &Path) -> Result<(Output, Controls), OutputError> {
    Output::open(&OutputSpec::Wav(path.into()), |notice| panic!("{notice}"))
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
fn of_a_discarded_song_the_converter_keeps_nothing() {
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
fn without_a_song_the_file_is_empty_and_valid() {
    let (spec, samples) = Bench::new().finish();
    assert_eq!((spec.channels, samples.len()), (2, 0));
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
    assert_eq!(bench.finish().1, [0; 0]);
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
    assert!(matches!(output.start(STEREO), Err(OutputError::File { .. })));
    assert!(matches!(output.start(STEREO), Err(OutputError::File { .. })));
}

#[test]
fn a_file_ends_at_its_limit_and_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.wav");
    let mut file = WavFile::create(&path, Shared::new()).unwrap();
    file.max_samples = 5_000;
    file.start(STEREO).unwrap();
    assert_eq!(file.write(&ramp(4_000)).unwrap(), Written::All);
    assert!(matches!(file.write(&ramp(4_000)), Err(OutputError::FileFull { .. })));
    drop(file);
    assert_eq!(read(&path).1, ramp(4_000));
}
