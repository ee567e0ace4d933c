//! TLS as a program has it: files, a CA of its own, secrets for Wireshark, warnings.

pub mod ca;
pub mod client;
pub mod expiry;
pub mod keylog;
pub mod leaf;
pub mod names;
pub mod server;

use callbox::Error;
use callbox::error::Kind;

use crate::exit::{self, Failure};

/// What went wrong with a file or with what is in it: what cannot be read is this machine's, what is no certificate the
/// user's.
fn unready(error: Error) -> Failure {
    let code = if error.kind() == Kind::Invalid { exit::USAGE } else { exit::LOCAL };
    Failure { code, ..Failure::from(error) }
}
