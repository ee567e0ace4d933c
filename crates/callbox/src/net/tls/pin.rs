//! A certificate or a key that is trusted by itself.

use std::fmt;
use std::str::FromStr;

use super::Certificate;
use crate::error::Invalid;

/// What [`Pin::from_str`] takes.
const ADVICE: &str = "write sha256: or spki-sha256: and 64 hex digits, colons between them or not";

/// A certificate or a key that is trusted by itself, whoever signed it.
///
/// As written: `sha256:HEX`, the hash of the DER certificate, which `openssl x509 -fingerprint -sha256` prints; or
/// `spki-sha256:HEX`, that of its public key (RFC 7469), which outlives the certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pin {
    /// The SHA-256 of the certificate.
    Certificate([u8; 32]),
    /// The SHA-256 of the certificate's `SubjectPublicKeyInfo`.
    Key([u8; 32]),
}

impl Pin {
    /// Tells whether it is this certificate that is meant.
    pub fn fits(&self, certificate: &Certificate) -> bool {
        match self {
            Pin::Certificate(hash) => *hash == certificate.sha256(),
            Pin::Key(hash) => certificate.key_sha256() == Some(*hash),
        }
    }
}

impl FromStr for Pin {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Pin, Invalid> {
        let invalid = |at, problem: &str| Invalid::new("pin", text, problem).at(at).instead(ADVICE);
        let (kind, digits) = text.split_once(':').ok_or_else(|| invalid(0, "it does not say what is pinned"))?;
        let begin = kind.len() + 1;
        let mut hash = [0; 32];
        let mut found = 0;
        for (at, byte) in digits.bytes().enumerate() {
            if byte == b':' {
                continue;
            }
            let digit = (byte as char).to_digit(16).ok_or_else(|| invalid(begin + at, "not a hex digit"))?;
            let place = hash.get_mut(found / 2).ok_or_else(|| invalid(begin + at, "too many digits"))?;
            *place = *place << 4 | digit as u8;
            found += 1;
        }
        if found != 64 {
            return Err(invalid(text.len(), "too few digits"));
        }
        match kind {
            "sha256" => Ok(Pin::Certificate(hash)),
            "spki-sha256" => Ok(Pin::Key(hash)),
            _ => Err(invalid(0, "this kind of pin is not known")),
        }
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, hash) = match self {
            Pin::Certificate(hash) => ("sha256", hash),
            Pin::Key(hash) => ("spki-sha256", hash),
        };
        write!(f, "{kind}:")?;
        hash.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_are_read_as_openssl_prints_them_and_as_we_do() {
        let pin = Pin::Key(std::array::from_fn(|index| index as u8 * 7));
        assert_eq!(pin.to_string().parse(), Ok(pin));
        let colons = ["AB"; 32].join(":");
        assert_eq!(format!("sha256:{colons}").parse(), Ok(Pin::Certificate([0xab; 32])));
    }

    #[test]
    fn a_bad_pin_is_pointed_at() {
        for (text, at) in [("abcd", 0), ("sha256:ab", 9), ("sha256:xy", 7), ("md5:", 4)] {
            assert_eq!(text.parse::<Pin>().expect_err(text).at, Some(at), "{text}");
        }
        assert_eq!(format!("md5:{}", "0".repeat(64)).parse::<Pin>().expect_err("no such").at, Some(0));
        assert_eq!(format!("sha256:{}", "0".repeat(65)).parse::<Pin>().expect_err("long").at, Some(7 + 64));
    }
}
