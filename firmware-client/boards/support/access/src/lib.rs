//! The name and password of a wireless network, parsed from a console line.

#![no_std]
#![forbid(unsafe_code)]

use core::fmt;
use core::str::FromStr;

use heapless::String;

/// Longest name of a network, in bytes (IEEE 802.11-2020, 9.4.2.2).
pub const MAX_NAME_BYTES: usize = 32;

/// Lengths of a passphrase in bytes (IEEE 802.11-2020, annex J.4.1).
const MIN_PASSWORD_BYTES: usize = 8;
const MAX_PASSWORD_BYTES: usize = 63;

/// A network's name and its password. An open network has no password.
///
/// Typed as `NAME PASSWORD`. A name with blanks needs double quotes; a password does not.
// Not `Debug`: logs must not contain passwords.
#[derive(Clone)]
pub struct Access {
    name: String<MAX_NAME_BYTES>,
    password: String<MAX_PASSWORD_BYTES>,
}

/// Why the text is not an [`Access`]. Correct the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoAccess {
    /// The name is empty or too long, or its closing quote is missing.
    Name,
    /// The password is too short or too long.
    Password,
}

impl Access {
    /// A network with this name. An empty password means an open network.
    ///
    /// # Errors
    /// [`NoAccess`]
    pub fn new(name: &str, password: &str) -> Result<Self, NoAccess> {
        let name = String::try_from(name).ok().filter(|name| !name.is_empty()).ok_or(NoAccess::Name)?;
        let is_possible = password.is_empty() || password.len() >= MIN_PASSWORD_BYTES;
        let password = String::try_from(password).ok().filter(|_| is_possible).ok_or(NoAccess::Password)?;
        Ok(Self { name, password })
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The password; `None` for an open network.
    #[must_use]
    pub fn password(&self) -> Option<&str> {
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

impl core::error::Error for NoAccess {}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(typed: &str, expected: Result<(&str, Option<&str>), NoAccess>) {
        let access = typed.parse::<Access>();
        assert_eq!(
            access.as_ref().map(|access| (access.name(), access.password())).map_err(|e| *e),
            expected,
            "{typed}"
        );
    }

    #[test]
    fn names_and_passwords() {
        check("attic", Ok(("attic", None)));
        check("attic  correct horse ", Ok(("attic", Some("correct horse"))));
        check("\"my attic\" 12345678", Ok(("my attic", Some("12345678"))));
        check("\"my attic\"", Ok(("my attic", None)));
        check("attic a\"quoted\"one", Ok(("attic", Some("a\"quoted\"one"))));
    }

    #[test]
    fn what_no_network_has_is_refused() {
        check("", Err(NoAccess::Name));
        check("\"\" 12345678", Err(NoAccess::Name));
        check("\"attic 12345678", Err(NoAccess::Name));
        check("attic 1234567", Err(NoAccess::Password));
        let long = core::str::from_utf8(&[b'x'; 64]).unwrap();
        check(&long[..33], Err(NoAccess::Name));
        check(&long[..32], Ok((&long[..32], None)));
        assert_eq!(Access::new("attic", long).err(), Some(NoAccess::Password));
        assert_eq!(Access::new("attic", &long[..63]).ok().and_then(|a| a.password().map(str::len)), Some(63));
    }
}
