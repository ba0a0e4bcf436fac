//! The Wi-Fi chip. It joins its network again whenever the network is lost.

use core::cell::Cell;
use core::fmt;

use cyw43::{Control, JoinError, JoinOptions, NetDriver, PowerManagementMode, SpiBus};
use cyw43_pio::{PioSpi, RM2_CLOCK_DIVIDER};
use embassy_futures::select::{Either, select};
use embassy_net::Stack;
use embassy_rp::gpio::{Level, Output};
use embassy_rp::peripherals::{DMA_CH0, PIN_23, PIN_24, PIN_25, PIN_29, PIO0};
use embassy_rp::pio::Pio;
use embassy_rp::{Peri, dma};
use embassy_sync::blocking_mutex::CriticalSectionMutex;
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::signal::Signal;
use embassy_time::{Duration, TimeoutError, Timer, with_timeout};
use static_cell::StaticCell;
use trill_access::Access;
use trill_firmware::board;

use crate::Interrupts;

/// How long an access point may take to answer.
const JOIN_TIMEOUT: Duration = Duration::from_secs(20);

/// Time between two attempts. A scan takes the chip about as long.
const RETRY: Duration = Duration::from_secs(3);

/// The network device, for embassy-net.
pub(crate) type Device = NetDriver<'static>;

/// The chip's driver task. Nothing else works unless its `run` runs.
pub(crate) type Chip = cyw43::Runner<'static, SpiBus<Output<'static>, PioSpi<'static, PIO0, 0>>>;

/// The chip's pins on the board.
pub(crate) struct Pins {
    pub(crate) power: Peri<'static, PIN_23>,
    pub(crate) data: Peri<'static, PIN_24>,
    pub(crate) select: Peri<'static, PIN_25>,
    pub(crate) clock: Peri<'static, PIN_29>,
}

/// Powers the chip and loads its program.
pub(crate) async fn start(
    pio: Peri<'static, PIO0>,
    dma: Peri<'static, DMA_CH0>,
    pins: Pins,
) -> (Device, Control<'static>, Chip) {
    static STATE: StaticCell<cyw43::State> = StaticCell::new();

    let power = Output::new(pins.power, Level::Low);
    let select = Output::new(pins.select, Level::High);
    let mut pio = Pio::new(pio, Interrupts);
    let dma = dma::Channel::new(dma, Interrupts);
    // At the driver's default clock, 37.5 MHz at 150 MHz, some boards do not answer.
    let divider = RM2_CLOCK_DIVIDER;
    let spi = PioSpi::new(&mut pio.common, pio.sm0, divider, pio.irq0, select, pins.data, pins.clock, dma);
    cyw43::new(STATE.init_with(cyw43::State::new), power, spi, &cyw43_setup::FW, &cyw43_setup::NVRAM).await
}

/// The wanted network and its status. A static, because the console sets it and another task joins it.
pub(crate) struct Wifi {
    wanted: Signal<CriticalSectionRawMutex, Access>,
    status: CriticalSectionMutex<Cell<Status>>,
}

#[derive(Clone, Copy)]
enum Status {
    Unnamed,
    Joining,
    Joined,
    NotFound,
    WrongPassword,
    Silent,
    Refused(u8),
    Lost,
}

impl Wifi {
    pub(crate) const fn new() -> Self {
        Self { wanted: Signal::new(), status: CriticalSectionMutex::new(Cell::new(Status::Unnamed)) }
    }

    /// Leaves the current network, if any, and joins this one.
    pub(crate) fn change(&self, access: Access) {
        self.set_status(Status::Joining);
        self.wanted.signal(access);
    }

    /// Keeps the chip in the wanted network, for ever.
    pub(crate) async fn run(&self, mut control: Control<'static>, stack: Stack<'static>) -> ! {
        control.init(cyw43_setup::CLM).await;
        // With sleep between packets, each could be up to 100 ms late.
        control.set_power_management(PowerManagementMode::None).await;
        let mut access = self.wanted.wait().await;
        loop {
            // A new network is tried at once, in whatever state this one is.
            let ended = select(self.stay_in(&mut control, stack, &access), self.wanted.wait()).await;
            if let Either::Second(other) = ended {
                access = other;
            }
            control.leave().await;
        }
    }

    /// Joins a network and waits until it is lost. If the attempt fails, waits until the next is due.
    async fn stay_in(&self, control: &mut Control<'static>, stack: Stack<'static>, access: &Access) {
        self.set_status(Status::Joining);
        let status = join(control, stack, access).await;
        self.set_status(status);
        if let Status::Joined = status {
            stack.wait_link_down().await;
            self.set_status(Status::Lost);
        } else {
            Timer::after(RETRY).await;
        }
    }

    fn set_status(&self, status: Status) {
        self.status.lock(|cell| cell.set(status));
        defmt::info!("Wi-Fi: {}", defmt::Display2Format(&status));
    }
}

async fn join(control: &mut Control<'static>, stack: Stack<'static>, access: &Access) -> Status {
    let joined = async {
        let options = access.password().map(|password| JoinOptions::new(password.as_bytes()));
        control.join(access.name(), options.unwrap_or_else(JoinOptions::new_open)).await?;
        stack.wait_link_up().await;
        Ok(())
    };
    match with_timeout(JOIN_TIMEOUT, joined).await {
        Ok(Ok(())) => Status::Joined,
        Ok(Err(JoinError::NetworkNotFound)) => Status::NotFound,
        Ok(Err(JoinError::AuthenticationFailure)) => Status::WrongPassword,
        Ok(Err(JoinError::JoinFailure(code))) => Status::Refused(code),
        Err(TimeoutError) => Status::Silent,
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unnamed => "no network; type: wifi NAME PASSWORD",
            Self::Joining => "joining; `wifi` tells how it goes",
            Self::Joined => "joined",
            Self::NotFound => "there is no such network here; still trying",
            Self::WrongPassword => "the network does not take the password; still trying",
            Self::Silent => "the network does not answer; still trying",
            Self::Refused(code) => return write!(f, "the network refuses, status {code}; still trying"),
            Self::Lost => "lost; joining again",
        })
    }
}

/// The board's own console commands: `wifi`, and `memory`.
pub(crate) struct Commands(&'static Wifi);

impl Commands {
    pub(crate) const fn new(wifi: &'static Wifi) -> Self {
        Self(wifi)
    }
}

impl board::Commands for Commands {
    fn run(&mut self, line: &str, tell: &mut dyn FnMut(fmt::Arguments<'_>)) -> bool {
        let (name, argument) = line.split_once(' ').unwrap_or((line, ""));
        if !name.eq_ignore_ascii_case("wifi") {
            return trill_stack::Memory.run(line, tell);
        }
        if !argument.is_empty() {
            match argument.parse() {
                Ok(access) => self.0.change(access),
                Err(error) => {
                    tell(format_args!("{error}"));
                    return true;
                }
            }
        }
        tell(format_args!("{}", self.0.status.lock(Cell::get)));
        true
    }

    fn help(&self, tell: &mut dyn FnMut(fmt::Arguments<'_>)) {
        tell(format_args!("wifi [NAME PASSWORD] joins a network, or tells how it stands with it"));
        trill_stack::Memory.help(tell);
    }
}
