//! Arguments that several commands share; the same flag means the same everywhere.

mod address;
mod console;
mod output;
mod sends;
mod socket;
mod text;
mod values;

pub use address::{AddressArgs, FamilyArgs};
pub use console::ConsoleArgs;
pub use output::{Color, OutputArgs};
pub use sends::{Ready, Sends};
pub use socket::SocketArgs;
pub use text::{Seed, TextArgs};
pub use values::{duration, optional, size};
