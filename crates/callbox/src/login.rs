//! A user name with its password, as a proxy of ours asks for them: `user:password`.

use std::fmt;
use std::hint::black_box;
use std::str::FromStr;

use crate::error::Invalid;

/// The longest user name, and the longest password, in bytes: SOCKS has one byte for the length (RFC 1929).
pub const LOGIN_BYTES: usize = 255;

/// Who may use a proxy. It prints without its password.
///
/// Valid: `user:password`, `user:pass:word` (the first colon parts them). Invalid: `user`, `:password`, `user:`, and what is
/// longer than [`LOGIN_BYTES`].
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    user: Box<str>,
    password: Box<str>,
}

impl Login {
    /// Tells whether these are the right ones, in a time that does not say how far they agree.
    pub fn admits(&self, user: &[u8], password: &[u8]) -> bool {
        // Both are always compared.
        same(user, self.user.as_bytes()) & same(password, self.password.as_bytes())
    }
}

/// Compares; how long that takes depends on the length of `own` alone.
fn same(given: &[u8], own: &[u8]) -> bool {
    let mut differs = u8::from(given.len() != own.len());
    for (index, byte) in own.iter().enumerate() {
        differs |= byte ^ given.get(index).copied().unwrap_or(!byte);
    }
    black_box(differs) == 0
}

impl FromStr for Login {
    type Err = Invalid;

    /// # Errors
    ///
    /// What is no login; the error does not repeat it, for it holds a password.
    fn from_str(text: &str) -> Result<Login, Invalid> {
        let invalid = |problem: &str| Invalid::new("login", "...", problem).instead("write USER:PASSWORD");
        let (user, password) = text.split_once(':').ok_or_else(|| invalid("a user name without a password"))?;
        if user.is_empty() || password.is_empty() {
            return Err(invalid("neither the user name nor the password may be empty"));
        }
        if user.len() > LOGIN_BYTES || password.len() > LOGIN_BYTES {
            return Err(invalid("the user name and the password have 255 bytes at most"));
        }
        Ok(Login { user: user.into(), password: password.into() })
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_name_with_the_right_password_is_admitted() {
        let login: Login = "alice:s3:cret".parse().expect("good");
        assert!(login.admits(b"alice", b"s3:cret"));
        for (user, password) in [
            ("alice", "s3:cre"),
            ("alice", "s3:crett"),
            ("alic", "s3:cret"),
            ("alice2", "s3:cret"),
            ("bob", "s3:cret"),
            ("alice", ""),
            ("", "s3:cret"),
            ("", ""),
        ] {
            assert!(!login.admits(user.as_bytes(), password.as_bytes()), "{user} {password}");
        }
    }

    #[test]
    fn a_login_that_cannot_be_read_is_not_repeated() {
        let long = format!("u:{}", "p".repeat(256));
        for text in ["alice", ":secret", "alice:", "", long.as_str()] {
            let invalid = text.parse::<Login>().expect_err("bad");
            assert!(!invalid.to_string().contains("secret"), "{invalid}");
        }
        assert_eq!(format!("{:?}", "a:secret".parse::<Login>().unwrap()), r#"Login { user: "a", .. }"#);
    }
}
