//! What it takes to get into a wireless network.

use core::fmt;
use core::str::FromStr;

use heapless::String;

/// Of IEEE 802.11-2020: a name's length, and those of a passphrase.
const MAX_NAME_BYTES: usize = 32;
const MIN_PASSWORD_BYTES: usize = 8;
const MAX_PASSWORD_BYTES: usize = 63;

/// A network's name and its password; none for an open network.
///
/// Typed as `NAME PASSWORD`. A name with blanks is put in double quotes; a password may have any.
#[derive(Clone)]
pub(crate) struct Access {
    name: String<MAX_NAME_BYTES>,
    password: String<MAX_PASSWORD_BYTES>,
}

/// Why it cannot be a network: correct it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoAccess {
    /// The name is empty, longer than any name, or without its closing quote.
    Name,
    /// The password is shorter or longer than any password.
    Password,
}

impl Access {
    pub(crate) fn new(name: &str, password: &str) -> Result<Self, NoAccess> {
        let name = String::try_from(name).ok().filter(|name| !name.is_empty()).ok_or(NoAccess::Name)?;
        let is_possible = password.is_empty() || password.len() >= MIN_PASSWORD_BYTES;
        let password = String::try_from(password).ok().filter(|_| is_possible).ok_or(NoAccess::Password)?;
        Ok(Self { name, password })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn password(&self) -> Option<&str> {
        Some(self.password.as_str()).filter(|password| !password.is_empty())
    }
}

impl FromStr for Access {
    type Err = NoAccess;

    fn from_str(text: &str) -> Result<Self, NoAccess> {
        let text = text.trim();
        let (name, password) = match text.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').ok_or(NoAccess::Name)?,
            None => text.split_once(' ').unwrap_or((text, "")),
        };
        Self::new(name, password.trim())
    }
}

impl fmt::Display for NoAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => {
                "a network's name has 1 to 32 characters, and double quotes around it if there are blanks in it"
            }
            Self::Password => "a network's password has 8 to 63 characters",
        })
    }
}
