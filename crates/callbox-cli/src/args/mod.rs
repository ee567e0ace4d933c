//! Arguments that several commands share; the same flag means the same everywhere.

mod address;
mod output;
mod sends;
mod socket;
mod values;

pub use address::{AddressArgs, FamilyArgs};
pub use output::{Color, OutputArgs};
pub use sends::{Send, Sends};
pub use socket::SocketArgs;
pub use values::{duration, optional, size};
