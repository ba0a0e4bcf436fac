//! The console: a serial port on USB. Computers need no driver for it.

use embassy_executor::Spawner;
use embassy_rp::Peri;
use embassy_rp::peripherals::USB;
use embassy_rp::usb::Driver;
use embassy_usb::class::cdc_acm::{BufferedReceiver, CdcAcmClass, CdcAcmError, ControlChanged, Sender, State};
use embassy_usb::{Builder, Config, UsbDevice};
use embedded_io_async::{ErrorType, Write};
use static_cell::{ConstStaticCell, StaticCell};

use crate::Interrupts;

/// The USB numbers that Raspberry Pi's SDK uses for a program's serial port.
const VENDOR: u16 = 0x2e8a;
const PRODUCT: u16 = 0x0009;

/// Largest packet of USB at full speed.
const PACKET_BYTES: usize = 64;

/// Memory for the descriptors, which take about 100 bytes.
const DESCRIPTOR_BYTES: usize = 256;

/// The typed bytes.
pub(crate) type Input = BufferedReceiver<'static, Driver<'static, USB>>;

/// The console's output. It is discarded while no terminal has the port open; otherwise the player would wait for one.
pub(crate) struct Output {
    sender: Sender<'static, Driver<'static, USB>>,
    control: ControlChanged<'static>,
}

/// Starts the USB device, a serial port.
pub(crate) fn start(spawner: Spawner, usb: Peri<'static, USB>) -> (Input, Output) {
    static CONFIGURATION: ConstStaticCell<[u8; DESCRIPTOR_BYTES]> = ConstStaticCell::new([0; DESCRIPTOR_BYTES]);
    static CAPABILITIES: ConstStaticCell<[u8; DESCRIPTOR_BYTES]> = ConstStaticCell::new([0; DESCRIPTOR_BYTES]);
    static CONTROL: ConstStaticCell<[u8; PACKET_BYTES]> = ConstStaticCell::new([0; PACKET_BYTES]);
    static PACKET: ConstStaticCell<[u8; PACKET_BYTES]> = ConstStaticCell::new([0; PACKET_BYTES]);
    static STATE: StaticCell<State<'static>> = StaticCell::new();

    let mut config = Config::new(VENDOR, PRODUCT);
    config.manufacturer = Some("Trill");
    config.product = Some("Trill music player");
    let driver = Driver::new(usb, Interrupts);
    // No descriptors of Microsoft's: Windows knows serial ports since version 10.
    let mut builder = Builder::new(driver, config, CONFIGURATION.take(), CAPABILITIES.take(), &mut [], CONTROL.take());
    let port = CdcAcmClass::new(&mut builder, STATE.init_with(State::new), PACKET_BYTES as u16);
    spawner.spawn(run(builder.build()).expect("spawned once"));
    let (sender, receiver, control) = port.split_with_control();
    (receiver.into_buffered(PACKET.take()), Output { sender, control })
}

#[embassy_executor::task]
async fn run(mut device: UsbDevice<'static, Driver<'static, USB>>) -> ! {
    device.run().await
}

impl Output {
    /// Waits until a terminal has opened the port.
    pub(crate) async fn wait_for_terminal(&self) {
        while !self.control.dtr() {
            self.control.control_changed().await;
        }
    }
}

impl ErrorType for Output {
    type Error = CdcAcmError;
}

impl Write for Output {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, CdcAcmError> {
        if self.control.dtr() { self.sender.write(bytes).await } else { Ok(bytes.len()) }
    }

    async fn flush(&mut self) -> Result<(), CdcAcmError> {
        self.sender.flush().await
    }
}
