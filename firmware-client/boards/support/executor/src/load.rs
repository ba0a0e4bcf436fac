//! The processor's load: all time in which it does not sleep, interrupts included.

use core::cell::Cell;
use core::fmt;

use critical_section::{CriticalSection, Mutex};
use embassy_time::Instant;
use trill_firmware::board::Commands;

/// Times in microseconds.
static TIMES: Mutex<Cell<Times>> = Mutex::new(Cell::new(Times { idle: 0, lap: 0 }));

#[derive(Clone, Copy)]
struct Times {
    /// The time asleep.
    idle: u64,
    /// The time busy until the last [`lap`].
    lap: u64,
}

/// Calls `sleep` and counts the time that it takes.
pub(crate) fn sleep(section: CriticalSection<'_>, sleep: impl FnOnce()) {
    let asleep = Instant::now();
    sleep();
    let times = TIMES.borrow(section);
    times.update(|times| Times { idle: times.idle + asleep.elapsed().as_micros(), ..times });
}

/// Remembers for how long the processor was busy until now. A board calls this when its sound begins. So the cost of a
/// song before it is heard is known to the microsecond.
pub fn lap() {
    critical_section::with(|section| {
        let times = TIMES.borrow(section);
        times.update(|times| Times { lap: times.busy(), ..times });
    });
}

impl Times {
    fn busy(self) -> u64 {
        Instant::now().as_micros() - self.idle
    }
}

/// The console command `load`. It shows for how long the processor was busy since the start, in microseconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Load;

impl Commands for Load {
    fn run(&mut self, line: &str, tell: &mut dyn FnMut(fmt::Arguments<'_>)) -> bool {
        let is_meant = line.eq_ignore_ascii_case("load");
        if is_meant {
            let times = critical_section::with(|section| TIMES.borrow(section).get());
            let (busy, all) = (times.busy(), Instant::now().as_micros());
            tell(format_args!("processor: busy {busy} of {all} us, {} when sound began", times.lap));
        }
        is_meant
    }

    fn help(&self, tell: &mut dyn FnMut(fmt::Arguments<'_>)) {
        tell(format_args!("load tells for how long the processor was busy"));
    }
}
