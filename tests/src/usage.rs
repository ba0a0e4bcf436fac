//! The resource use of a process, from `/proc`.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

/// The resource use of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Resident memory in bytes (`VmRSS`).
    pub resident_bytes: u64,
    /// Threads that exist.
    pub threads: usize,
    /// Open file descriptors.
    pub open_files: usize,
    /// CPU time since the start, user and system, with a resolution of 10 ms. Includes threads that have ended.
    pub cpu_time: Duration,
}

/// Reads the resource use of process `pid`.
///
/// # Errors
/// [`io::ErrorKind::NotFound`] when there is no such process; [`io::ErrorKind::InvalidData`] when the kernel's
/// files are not understood.
pub fn of(pid: u32) -> io::Result<Usage> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (resident_kib, threads) = (status_field(&status, "VmRSS")?, status_field(&status, "Threads")?);
    Ok(Usage {
        resident_bytes: resident_kib * 1024,
        threads: usize::try_from(threads).map_err(io::Error::other)?,
        open_files: fs::read_dir(format!("/proc/{pid}/fd"))?.count(),
        cpu_time: cpu_time(&stat)?,
    })
}

/// The CPU time of the living threads of process `pid`, in nanoseconds. For a process with permanent threads and too
/// little work for the 10 ms resolution of [`cpu_time_of`].
///
/// # Errors
/// As [`of`].
pub fn running_time(pid: u32) -> io::Result<Duration> {
    running_time_of(pid, |_| true)
}

/// The CPU time of the living threads with `wanted` names, cut to 15 bytes.
///
/// # Errors
/// As [`of`].
pub fn running_time_of(pid: u32, wanted: impl Fn(&str) -> bool) -> io::Result<Duration> {
    let of_thread = |task: &Path| {
        let name = fs::read_to_string(task.join("comm"))?;
        let times = fs::read_to_string(task.join("schedstat"))?;
        let nanoseconds = first_number(&times).ok_or_else(|| not_understood("schedstat"))?;
        Ok(if wanted(name.trim_end()) { Duration::from_nanos(nanoseconds) } else { Duration::ZERO })
    };
    Ok(each_thread(pid, of_thread)?.into_iter().sum())
}

/// The peak resident memory of process `pid`, in bytes (`VmHWM`).
///
/// # Errors
/// As [`of`]; [`io::ErrorKind::InvalidData`] also for a process that has ended but was not reaped.
pub fn peak_resident_bytes(pid: u32) -> io::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    Ok(status_field(&status, "VmHWM")? * 1024)
}

/// The resident memory of process `pid` that is not a part of a file, in bytes (`RssAnon`): without code and libraries, which
/// other processes may share.
///
/// # Errors
/// As [`of`].
pub fn anonymous_bytes(pid: u32) -> io::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    Ok(status_field(&status, "RssAnon")? * 1024)
}

/// Bytes that process `pid` has written with write, writev and sendfile (`wchar` of proc(5)), but not with send.
///
/// # Errors
/// As [`of`].
pub fn written_bytes(pid: u32) -> io::Result<u64> {
    let counts = fs::read_to_string(format!("/proc/{pid}/io"))?;
    status_field(&counts, "wchar")
}

/// Bytes that process `pid` has read from files and pipes (`rchar` of proc(5)), but not with recv.
///
/// # Errors
/// As [`of`].
pub fn read_bytes(pid: u32) -> io::Result<u64> {
    let counts = fs::read_to_string(format!("/proc/{pid}/io"))?;
    status_field(&counts, "rchar")
}

/// The CPU time of process `pid`, as in [`Usage`], including threads that have ended. Also works for an ended process
/// that was not reaped.
///
/// # Errors
/// As [`of`].
pub fn cpu_time_of(pid: u32) -> io::Result<Duration> {
    cpu_time(&fs::read_to_string(format!("/proc/{pid}/stat"))?)
}

/// The names of all threads of process `pid`; the kernel cuts them to 15 bytes.
///
/// # Errors
/// [`io::ErrorKind::NotFound`] when there is no such process.
pub fn thread_names(pid: u32) -> io::Result<Vec<String>> {
    each_thread(pid, |task| Ok(fs::read_to_string(task.join("comm"))?.trim_end().to_owned()))
}

/// Calls `read` for the `/proc` directory of each thread. Skips threads that have ended.
fn each_thread<T>(pid: u32, read: impl Fn(&Path) -> io::Result<T>) -> io::Result<Vec<T>> {
    let mut all = Vec::new();
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        match read(&task?.path()) {
            Ok(one) => all.push(one),
            // It has ended since the directory was read.
            Err(e) if e.kind() == io::ErrorKind::NotFound || e.raw_os_error() == Some(ESRCH) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(all)
}

/// The error of reading a file of a thread that has just ended.
const ESRCH: i32 = 3;

/// The number in a line such as `VmRSS: 5012 kB` of `/proc/PID/status`.
fn status_field(status: &str, name: &str) -> io::Result<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(first_number).ok_or_else(|| not_understood(name))
}

fn first_number(text: &str) -> Option<u64> {
    text.split_whitespace().next()?.parse().ok()
}

/// `utime` and `stime`, fields 14 and 15 of `/proc/PID/stat` (proc(5)), as a duration.
fn cpu_time(stat: &str) -> io::Result<Duration> {
    // Field 2 is the program's name in parentheses and may hold spaces and parentheses itself.
    let (_, after_name) = stat.rsplit_once(')').ok_or_else(|| not_understood("stat"))?;
    let times: Vec<u64> =
        after_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
    let [user, system] = times[..] else { return Err(not_understood("stat")) };
    let milliseconds_a_tick = 1000 / rustix::param::clock_ticks_per_second();
    Ok(Duration::from_millis((user + system) * milliseconds_a_tick))
}

fn not_understood(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("/proc: {what} is not understood"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::process;

    #[test]
    fn reads_the_fields() {
        let stat = "7 (a (b) c) S 1 7 7 0 -1 0 0 0 0 0 120 30 0 0 20 0 3 0 1 0 0";
        assert_eq!(cpu_time(stat).expect("a stat line"), Duration::from_millis(1500));
        let status = "Name:\tx\nVmRSS:\t    5012 kB\nThreads:\t3\n";
        assert_eq!(status_field(status, "VmRSS").expect("a field"), 5012);
        assert_eq!(status_field(status, "Vm").map_err(|e| e.kind()), Err(io::ErrorKind::InvalidData));
    }

    #[test]
    fn counts_the_time_of_a_thread_that_works() {
        let before = running_time(process::id()).expect("a reading of this process");
        let is_more = || running_time(process::id()).is_ok_and(|now| now > before + Duration::from_millis(1));
        // Reading takes CPU time too.
        crate::wait::wait_for(Duration::from_secs(10), "a millisecond of work", is_more);
        assert!(anonymous_bytes(process::id()).expect("a reading of this process") > 0);
        assert!(peak_resident_bytes(process::id()).expect("a reading of this process") > 1 << 20);
    }

    #[test]
    fn tells_the_time_of_one_thread() {
        const WORK: Duration = Duration::from_millis(50);
        let of = |name: &str| running_time_of(process::id(), |thread| thread == name).expect("a reading");
        let (ask, asked) = std::sync::mpsc::channel::<()>();
        let works = move || {
            while of("busy") < WORK {}
            asked.recv()
        };
        let thread = std::thread::Builder::new().name("busy".into()).spawn(works).expect("a thread");
        crate::wait::wait_for(Duration::from_secs(10), "the thread's work", || of("busy") >= WORK);
        assert_eq!(of("nobody"), Duration::ZERO);
        assert!(of("busy") <= running_time(process::id()).expect("a reading"));
        drop(ask);
        assert!(thread.join().expect("no panic").is_err());
    }

    #[test]
    fn the_time_of_a_thread_that_has_ended_stays() {
        const WORK: Duration = Duration::from_millis(50);
        let own = || cpu_time_of(process::id()).expect("a reading of this process");
        let before = own();
        let worker = std::thread::Builder::new().name("a worker".into());
        let work = move || while own() < before + WORK {};
        worker.spawn(work).expect("a thread").join().expect("no panic");
        let is_gone = || thread_names(process::id()).is_ok_and(|names| !names.iter().any(|name| name == "a worker"));
        crate::wait::wait_for(Duration::from_secs(10), "the thread's end", is_gone);
        assert!(own() >= before + WORK, "{before:?}, then {:?}", own());
    }

    #[test]
    fn tells_the_names_of_threads() {
        let named = std::thread::Builder::new().name("a named thread".into());
        let (ask, asked) = std::sync::mpsc::channel::<()>();
        let thread = named.spawn(move || asked.recv()).expect("a thread");
        let is_there =
            || thread_names(process::id()).is_ok_and(|names| names.iter().any(|name| name == "a named thread"));
        crate::wait::wait_for(Duration::from_secs(10), "the thread's name", is_there);
        drop(ask);
        assert!(thread.join().expect("no panic").is_err());
        crate::wait::wait_for(Duration::from_secs(10), "the thread's end", || !is_there());
    }

    #[test]
    fn counts_open_files_of_a_live_process() {
        let before = of(process::id()).expect("a reading of this process");
        let files: Vec<File> = (0..50).map(|_| File::open("/dev/null").expect("/dev/null")).collect();
        let after = of(process::id()).expect("a reading of this process");
        drop(files);
        // Other tests of this process open and close files too, but not fifty.
        assert!(after.open_files >= before.open_files + 25, "{before:?}, then {after:?}");
        assert!(after.resident_bytes > 1 << 20 && after.threads >= 1, "{after:?}");
    }
}
