//! The sockets of this user's players.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use std::{env, process};

/// A socket's name is this and the player's process id.
const PREFIX: &str = "ctl.";

/// The directory of this user's sockets, which only the user can enter. Creates it if it is missing.
///
/// # Errors
/// The directory cannot be created, it is not the user's own, or its name is too long.
pub(super) fn directory() -> io::Result<PathBuf> {
    let user = rustix::process::geteuid().as_raw();
    let runtime = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).and_then(|path| in_runtime(&path, user));
    let path = runtime.unwrap_or_else(|| env::temp_dir().join(format!("trill-{user}")));
    let checked = own_directory(&path, user).and_then(|()| check_length(&path));
    checked.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
    Ok(path)
}

/// The directory in the one that `XDG_RUNTIME_DIR` names; `None` if that cannot be used. The specification wants it to be the
/// user's own: after `sudo`, it may be that of another user.
fn in_runtime(runtime: &Path, user: u32) -> Option<PathBuf> {
    let is_own = fs::metadata(runtime).is_ok_and(|metadata| metadata.is_dir() && metadata.uid() == user);
    let path = runtime.join("trill");
    (runtime.is_absolute() && is_own && check_length(&path).is_ok()).then_some(path)
}

/// A socket's name has about a hundred bytes at most.
fn check_length(directory: &Path) -> io::Result<()> {
    SocketAddr::from_pathname(directory.join(format!("{PREFIX}{}", u32::MAX))).map(drop)
}

fn own_directory(path: &Path, user: u32) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    // Not through a symbolic link: anybody can make one in a shared directory.
    let metadata = fs::symlink_metadata(path)?;
    if !metadata.is_dir() || metadata.uid() != user {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is not a directory of this user"));
    }
    if metadata.mode() & 0o777 != 0o700 {
        fs::set_permissions(path, Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// Makes the socket of this process in `directory`, in place of one that an earlier process with the same id has left.
pub(super) fn listen(directory: &Path) -> io::Result<(UnixListener, PathBuf)> {
    let id = process::id();
    // A socket under its final name accepts connections. Otherwise a client could take it for one that was left behind.
    let unfinished = directory.join(format!("new.{id}"));
    let path = directory.join(format!("{PREFIX}{id}"));
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&unfinished)?;
    fs::set_permissions(&unfinished, Permissions::from_mode(0o600))?;
    fs::rename(&unfinished, &path)?;
    Ok((listener, path))
}

/// The process ids of the players, the newest first. Some may have died.
pub(super) fn players(directory: &Path) -> io::Result<Vec<u32>> {
    let mut players: Vec<(SystemTime, u32)> = fs::read_dir(directory)?
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let id = entry.file_name().to_str()?.strip_prefix(PREFIX)?.parse().ok()?;
            Some((entry.metadata().ok()?.modified().ok()?, id))
        })
        .collect();
    players.sort_unstable();
    Ok(players.into_iter().rev().map(|(_, id)| id).collect())
}

/// Connects to a player; `None` if it has died. Then its socket is removed.
pub(super) fn connect(directory: &Path, player: u32) -> io::Result<Option<UnixStream>> {
    let path = directory.join(format!("{PREFIX}{player}"));
    match UnixStream::connect(&path) {
        Ok(stream) => Ok(Some(stream)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            // Another client may have removed it.
            fs::remove_file(&path).or_else(|error| match error.kind() {
                io::ErrorKind::NotFound => Ok(()),
                _ => Err(error),
            })?;
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn the_directory_and_the_socket_belong_to_the_user_alone() {
        let runtime = tempfile::tempdir().unwrap();
        let (directory, user) = (runtime.path().join("trill"), rustix::process::geteuid().as_raw());
        own_directory(&directory, user).unwrap();
        assert_eq!(mode(&directory), 0o700);
        fs::set_permissions(&directory, Permissions::from_mode(0o777)).unwrap();
        own_directory(&directory, user).unwrap();
        assert_eq!(mode(&directory), 0o700);
        let (_listener, socket) = listen(&directory).unwrap();
        assert_eq!(mode(&socket), 0o600);
    }

    #[test]
    fn a_directory_of_another_user_or_a_link_to_one_is_refused() {
        let runtime = tempfile::tempdir().unwrap();
        let user = rustix::process::geteuid().as_raw();
        let [directory, link, file] = ["directory", "link", "file"].map(|name| runtime.path().join(name));
        fs::create_dir(&directory).unwrap();
        std::os::unix::fs::symlink(&directory, &link).unwrap();
        fs::write(&file, "").unwrap();
        for (path, user) in [(&directory, user + 1), (&link, user), (&file, user)] {
            let error = own_directory(path, user).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::PermissionDenied, "{path:?}: {error}");
        }
    }

    #[test]
    fn only_a_runtime_directory_of_the_user_with_a_short_name_is_used() {
        let runtime = tempfile::tempdir().unwrap();
        let user = rustix::process::geteuid().as_raw();
        let long = runtime.path().join("x".repeat(90));
        fs::create_dir(&long).unwrap();
        assert_eq!(in_runtime(runtime.path(), user), Some(runtime.path().join("trill")));
        for (path, user) in
            [(runtime.path(), user + 1), (&long, user), (Path::new("."), user), (Path::new("/nowhere"), user)]
        {
            assert_eq!(in_runtime(path, user), None, "{path:?}");
        }
    }

    #[test]
    fn the_socket_of_a_dead_player_is_replaced_or_removed() {
        let directory = tempfile::tempdir().unwrap();
        let (listener, socket) = listen(directory.path()).unwrap();
        drop(listener);
        assert!(socket.exists());
        let (listener, _) = listen(directory.path()).unwrap();
        assert!(connect(directory.path(), process::id()).unwrap().is_some());
        drop(listener);
        assert!(connect(directory.path(), process::id()).unwrap().is_none());
        assert!(!socket.exists());
        assert!(connect(directory.path(), process::id()).unwrap().is_none());
    }

    #[test]
    fn the_newest_player_comes_first() {
        let directory = tempfile::tempdir().unwrap();
        let second = |number| SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(number);
        for (player, made) in [(30, 1), (4, 3), (200, 2)] {
            let file = fs::File::create(directory.path().join(format!("{PREFIX}{player}"))).unwrap();
            file.set_modified(second(made)).unwrap();
        }
        fs::write(directory.path().join("ctl.x"), "").unwrap();
        fs::write(directory.path().join("new.5"), "").unwrap();
        assert_eq!(players(directory.path()).unwrap(), [4, 200, 30]);
    }
}
