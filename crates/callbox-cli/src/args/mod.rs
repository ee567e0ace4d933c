//! Arguments that several commands share; the same flag means the same everywhere.

mod address;
mod console;
mod faults;
mod output;
mod proxy;
mod sends;
mod server;
mod socket;
mod text;
mod upstream;
mod values;

pub use address::{AddressArgs, FamilyArgs};
pub use console::ConsoleArgs;
pub use faults::{FaultArgs, free_name};
pub use output::{Color, OutputArgs};
pub use proxy::ProxyArgs;
pub use sends::{Ready, Sends};
pub use server::ServerArgs;
pub use socket::SocketArgs;
pub use text::{Seed, TemplateArgs, TextArgs};
pub use upstream::{UpstreamArgs, retry_of};
pub use values::{duration, optional, size};
