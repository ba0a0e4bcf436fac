use super::*;

fn noise(seed: u64, frames: usize) -> Pcm {
    let mut random = fastrand::Rng::with_seed(seed);
    Pcm { rate: 44_100, channels: 2, samples: (0..frames * 2).map(|_| random.i16(-20_000..20_000)).collect() }
}

fn silence(frames: usize) -> Pcm {
    Pcm { rate: 44_100, channels: 2, samples: vec![0; frames * 2] }
}

fn join(parts: &[Pcm]) -> Pcm {
    Pcm { rate: 44_100, channels: 2, samples: parts.iter().flat_map(|part| part.samples.clone()).collect() }
}

fn listed(captured: &Pcm, references: &[&Pcm]) -> Vec<(usize, Sound)> {
    stretches(captured, references).into_iter().map(|stretch| (stretch.captured.len(), stretch.what)).collect()
}

const SONG_0_FROM: fn(usize) -> Sound = |from| Sound::Song { song: 0, from };
const SONG_1_FROM: fn(usize) -> Sound = |from| Sound::Song { song: 1, from };

#[test]
fn finds_the_whole_reference_between_silence() {
    let song = noise(1, 5_000);
    let mut captured = join(&[silence(700), song.clone(), silence(80)]);
    let found = compare(&captured, &song).expect("the song is there");
    assert_eq!((found.offset, found.frames, found.max_difference, found.is_whole()), (700, 5_000, 0, true));

    captured.samples[2 * 1_000] += 1;
    let found = compare(&captured, &song).expect("the song is there");
    assert_eq!((found.max_difference, found.is_whole()), (1, true), "one step is tolerated");
}

#[test]
fn tells_the_first_wrong_sample() {
    let song = noise(1, 5_000);
    let mut captured = join(&[silence(10), song.clone()]);
    captured.samples[2 * (10 + 4_000) + 1] ^= 64;
    captured.samples[2 * (10 + 4_500)] ^= 64;
    let found = compare(&captured, &song).expect("the song is there");
    let mismatch = found.first_mismatch.expect("a wrong sample");
    assert_eq!((mismatch.reference_frame, mismatch.captured_frame, mismatch.channel), (4_000, 4_010, 1));
    assert_eq!(mismatch.expected, song.frame(4_000)[1]);
    assert_eq!((found.max_difference, found.is_whole(), found.is_equal()), (64, false, false));
}

#[test]
fn tells_what_is_missing_at_either_end() {
    let song = noise(1, 5_000);
    let check = |captured: &Pcm, offset, missing_at_start, missing_at_end| {
        let found = compare(captured, &song).expect("a part of the song");
        let expected = (offset, missing_at_start, missing_at_end, true, false);
        let found = (found.offset, found.missing_at_start, found.missing_at_end, found.is_equal(), found.is_whole());
        assert_eq!(found, expected);
    };
    check(&song.slice(100..5_000), -100, 100, 0);
    check(&song.slice(0..4_900), 0, 0, 100);
    check(&song.slice(4_000..4_200), -4_000, 4_000, 800);
    check(&join(&[silence(50), song.slice(0..4_999)]), 50, 0, 1);
}

#[test]
fn one_stray_sample_is_not_silence() {
    let song = noise(1, 5_000);
    let mut captured = join(&[silence(100), song.clone(), silence(100)]);
    captured.samples[2 * 5_150] = 2;
    let found = compare(&captured, &song).expect("the song is there");
    assert_eq!((found.is_equal(), found.is_whole(), found.first_stray), (true, false, Some(5_150)));
}

#[test]
fn another_song_is_not_found() {
    assert_eq!(compare(&noise(2, 5_000), &noise(1, 5_000)), None);
    assert_eq!(compare(&silence(5_000), &noise(1, 5_000)), None);
    assert_eq!(compare(&silence(0), &noise(1, 5_000)), None);
}

#[test]
fn compares_at_a_given_frame_and_nowhere_else() {
    let song = noise(1, 5_000);
    let captured = song.slice(1_234..5_000);
    assert_same_from(&captured, &song, 1_234);
    assert!(!compare_at(&captured, &song, 1_233).is_equal());
    assert_eq!(compare_at(&song.slice(1_234..4_000), &song, 1_234).missing_at_end, 1_000);
}

#[test]
#[should_panic(expected = "its frames 2000..4000")]
fn a_failure_tells_of_a_dropout() {
    let song = noise(1, 4_000);
    assert_same(&join(&[song.slice(0..2_000), silence(441), song.slice(2_000..4_000)]), &song);
}

#[test]
fn divides_a_session_into_its_parts() {
    let (a, b) = (noise(1, 5_000), noise(2, 5_000));
    let captured = join(&[
        silence(300),
        a.slice(0..2_000),
        b.slice(0..1_000),
        silence(400),
        b.slice(1_000..1_700),
        noise(3, 150),
        b.slice(4_000..5_000),
        silence(9),
    ]);
    let expected = [
        (300, Sound::Silence),
        (2_000, SONG_0_FROM(0)),
        (1_000, SONG_1_FROM(0)),
        (400, Sound::Silence),
        (700, SONG_1_FROM(1_000)),
        (150, Sound::Unknown),
        (1_000, SONG_1_FROM(4_000)),
        (9, Sound::Silence),
    ];
    assert_eq!(listed(&captured, &[&a, &b]), expected);
}

#[test]
fn a_lost_piece_shows_as_two_parts_that_do_not_join() {
    let song = noise(1, 5_000);
    let captured = join(&[song.slice(0..2_000), song.slice(2_441..5_000)]);
    assert_eq!(listed(&captured, &[&song]), [(2_000, SONG_0_FROM(0)), (2_559, SONG_0_FROM(2_441))]);
}

#[test]
fn silence_alone_is_one_stretch() {
    assert_eq!(listed(&silence(5), &[&noise(1, 500)]), [(5, Sound::Silence)]);
    assert_eq!(listed(&silence(0), &[&noise(1, 500)]), []);
    assert_eq!(listed(&noise(2, 500), &[&noise(1, 500)]), [(500, Sound::Unknown)]);
}
