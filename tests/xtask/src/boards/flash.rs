//! `cargo xtask flash`: copies a program to the USB drive that a board's boot ROM shows.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::{Board, elf, uf2};
use crate::error::Error;

/// The USB drive of a board in its boot ROM.
#[derive(Debug, PartialEq)]
pub(crate) struct Drive {
    /// Its volume label, and the board name in its information file.
    pub(super) label: &'static str,
    /// The UF2 family that it accepts.
    pub(super) family: u32,
}

/// The information file on every such drive (*USB Flashing Format*, "Files exposed by bootloaders").
const ABOUT: &str = "INFO_UF2.TXT";

/// Builds the program of `board` and copies it to the board.
///
/// # Errors
/// [`Error::NoDrive`] when no such drive is mounted, and the errors of building and copying.
pub(crate) fn run(board: &Board) -> Result<(), Error> {
    let Some(drive) = &board.drive else {
        return Err(Error::Usage(format!("{0} is emulated; `cargo xtask qemu --board {0}` runs it", board.name)));
    };
    let program = super::build(board)?;
    let image = uf2::convert(&elf::segments(&program)?, drive.family);
    let path = program.with_extension("uf2");
    fs::write(&path, &image).map_err(Error::io(path.display().to_string()))?;
    let Some(folder) = mounted().into_iter().find(|folder| is_drive(folder, drive.label)) else {
        return Err(Error::NoDrive { label: drive.label, image: path });
    };
    copy(&image, &folder.join("trill.uf2"))?;
    println!("copied {} to {}; the board starts it now", path.display(), folder.display());
    Ok(())
}

/// Writes `image` to the drive.
fn copy(image: &[u8], path: &Path) -> Result<(), Error> {
    let written = fs::File::create(path).and_then(|mut file| {
        file.write_all(image)?;
        // The board restarts after the last block and removes the drive before it acknowledges the write.
        let _ = file.sync_all();
        Ok(())
    });
    written.map_err(Error::io(path.display().to_string()))
}

/// The folders of mounted drives.
fn mounted() -> Vec<PathBuf> {
    match fs::read_to_string("/proc/mounts") {
        Ok(mounts) => fat_folders(&mounts),
        // macOS.
        Err(_) => fs::read_dir("/Volumes").into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect(),
    }
}

/// The mounted folders of FAT drives. Access to other file systems, such as network drives, could block.
fn fat_folders(mounts: &str) -> Vec<PathBuf> {
    let entries = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let folders = entries.filter_map(|words| match words[..] {
        // Spaces and some other characters are octal escapes, proc_pid_mounts(5).
        [_, folder, "vfat" | "msdos", ..] => Some(folder.replace(r"\040", " ").into()),
        _ => None,
    });
    folders.collect()
}

fn is_drive(folder: &Path, label: &str) -> bool {
    fs::read_to_string(folder.join(ABOUT)).is_ok_and(|about| about.contains(label))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drives_are_found_among_mounts() {
        let mounts = "\
/dev/sda2 / ext4 rw,relatime 0 0
attic:/music /mnt/music nfs4 rw 0 0
/dev/sda1 /boot/efi vfat rw 0 0
/dev/sdb1 /run/media/ann\\040lee/RP2350 vfat rw,nosuid 0 0
";
        assert_eq!(fat_folders(mounts), [Path::new("/boot/efi"), Path::new("/run/media/ann lee/RP2350")]);
    }

    #[test]
    fn a_drive_is_what_says_so() {
        let folder = std::env::temp_dir().join(format!("trill-flash-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        assert!(!is_drive(&folder, "RP2350"));
        fs::write(folder.join(ABOUT), "UF2 Bootloader v1.0\r\nModel: Raspberry Pi RP2350\r\nBoard-ID: RP2350\r\n")
            .unwrap();
        assert!(is_drive(&folder, "RP2350"));
        assert!(!is_drive(&folder, "RPI-RP2"));
        fs::remove_dir_all(&folder).unwrap();
    }
}
