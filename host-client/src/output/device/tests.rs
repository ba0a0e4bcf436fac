use super::*;

fn range(channels: u16, rates: (u32, u32), format: SampleFormat) -> SupportedStreamConfigRange {
    let buffer = SupportedBufferSize::Range { min: 64, max: 8192 };
    SupportedStreamConfigRange::new(channels, rates.0, rates.1, buffer, format)
}

#[track_caller]
fn check_choice(configs: &[SupportedStreamConfigRange], rate: u32, expected: Option<(u16, SampleFormat)>) {
    let chosen = choose(configs, rate).map(|choice| (choice.range.channels(), choice.range.sample_format()));
    assert_eq!(chosen, expected);
}

#[test]
fn stereo_of_16_bits_is_preferred() {
    use SampleFormat::{F32, F64, I16, I32};
    let all = (8_000, 192_000);
    let any = [range(1, all, I16), range(8, all, I16), range(2, all, F32), range(2, all, I16)];
    check_choice(&any, 44_100, Some((2, I16)));
    check_choice(&[range(2, all, F32), range(2, all, I32), range(1, all, I16)], 44_100, Some((2, I32)));
    check_choice(&[range(8, all, I16), range(6, all, I16), range(1, all, F32)], 44_100, Some((1, F32)));
    check_choice(&[range(8, all, I16), range(6, all, I16)], 44_100, Some((6, I16)));
    check_choice(&[range(2, all, F64)], 44_100, None);
    check_choice(&[], 44_100, None);
}

#[test]
fn an_unsupported_rate_is_not_requested() {
    let configs = [range(2, (48_000, 48_000), SampleFormat::I16), range(1, (44_100, 48_000), SampleFormat::F32)];
    check_choice(&configs, 48_000, Some((2, SampleFormat::I16)));
    check_choice(&configs, 44_100, Some((1, SampleFormat::F32)));
    check_choice(&configs, 22_050, None);
}

#[test]
fn at_most_20_ms_are_asked_for_if_the_device_can() {
    let between = |min, max| SupportedBufferSize::Range { min, max };
    assert_eq!(period(44_100, &between(1, u32::MAX)), 882);
    assert_eq!(period(48_000, &SupportedBufferSize::Unknown), 960);
    assert_eq!(period(44_100, &between(1024, 4096)), 1024);
    assert_eq!(period(44_100, &between(64, 512)), 512);
}

/// Checks the number of underruns for callbacks of 10 ms at these times, each with the device's latency, in ms.
#[track_caller]
fn check_gaps(sounding: bool, broke_off_before: Option<u64>, times_and_latencies: &[(u64, u64)], underruns: u64) {
    let state = OutputState::new();
    state.sounding.store(sounding, SeqCst);
    let mut detector = UnderrunDetector::new(44_100, 2);
    let start = Instant::now();
    for &(time, latency) in times_and_latencies {
        if broke_off_before == Some(time) {
            note_error(&state, ErrorKind::Xrun);
        }
        detector.note(&state, start + Duration::from_millis(time), Duration::from_millis(latency), 882);
    }
    assert_eq!(state.underruns.load(SeqCst), underruns);
}

#[test]
fn a_device_called_too_late_counts_as_an_underrun() {
    check_gaps(true, None, &[(0, 0), (10, 20), (20, 20), (30, 20)], 0);
    check_gaps(true, None, &[(0, 0), (0, 10), (0, 20), (25, 5), (25, 15), (54, 0)], 0);
    check_gaps(true, None, &[(0, 20), (10, 20), (41, 0)], 1);
    check_gaps(true, None, &[(0, 20), (10, 20), (41, 20)], 0);
    check_gaps(true, None, &[(0, 0), (500, 0), (1000, 9)], 2);
    check_gaps(false, None, &[(0, 0), (500, 0), (1000, 0)], 0);
}

#[test]
fn a_reported_underrun_counts_once() {
    check_gaps(true, Some(20), &[(0, 20), (10, 20), (20, 20), (30, 20)], 1);
    check_gaps(true, Some(500), &[(0, 20), (10, 20), (500, 0), (510, 10)], 1);
    check_gaps(false, Some(20), &[(0, 20), (10, 20), (20, 0), (30, 20)], 0);
}

#[test]
fn any_error_can_mean_a_lost_device() {
    let state = OutputState::new();
    let lost_and_failed = || (state.lost.load(SeqCst), state.has_failed.load(SeqCst));
    note_error(&state, ErrorKind::DeviceChanged);
    note_error(&state, ErrorKind::RealtimeDenied);
    note_error(&state, ErrorKind::Xrun);
    assert_eq!(lost_and_failed(), (false, false));
    note_error(&state, ErrorKind::BackendError);
    assert_eq!(lost_and_failed(), (false, true));
    note_error(&state, ErrorKind::DeviceNotAvailable);
    assert_eq!(lost_and_failed(), (true, true));
}

/// The buffer sizes that are requested from a device with this answer.
#[track_caller]
fn check_fallback(refusals: &[ErrorKind], expected: &[BufferSize]) {
    let mut asked = Vec::new();
    let built = with_fallback(882, |size| {
        asked.push(size);
        refusals.get(asked.len() - 1).map_or(Ok(()), |&kind| Err(cpal::Error::new(kind)))
    });
    assert_eq!(asked, expected);
    assert_eq!(built.is_ok(), refusals.len() < expected.len());
}

#[test]
fn a_device_that_refuses_a_buffer_is_asked_for_its_own() {
    use BufferSize::{Default, Fixed};
    use ErrorKind::{DeviceBusy, InvalidInput, UnsupportedConfig};
    check_fallback(&[], &[Fixed(882)]);
    check_fallback(&[UnsupportedConfig], &[Fixed(882), Default]);
    check_fallback(&[InvalidInput], &[Fixed(882), Default]);
    check_fallback(&[DeviceBusy], &[Fixed(882)]);
    check_fallback(&[UnsupportedConfig, UnsupportedConfig], &[Fixed(882), Default]);
}
