//! Arguments that several commands share; the same flag means the same everywhere.

mod access;
mod address;
mod bound;
mod console;
mod faults;
mod leads;
mod listen;
mod output;
mod proxy;
mod sends;
mod server;
mod socket;
mod text;
mod through;
mod tls;
mod upstream;
mod values;

pub use access::AccessArgs;
pub use address::{AddressArgs, FamilyArgs};
pub use bound::BoundArgs;
pub use console::ConsoleArgs;
pub use faults::{FaultArgs, free_name};
pub use leads::{AsProxy, Choice, Leads, Upstream};
pub use listen::{Listen, Listening};
pub use output::{Color, OutputArgs};
pub use proxy::ProxyArgs;
pub use sends::{Ready, Sends};
pub use server::ServerArgs;
pub use socket::SocketArgs;
pub use text::{Seed, TemplateArgs, TextArgs};
pub use through::ThroughArgs;
pub use tls::{ClientTlsArgs, ServerTlsArgs, TlsArgs, TrustArgs, UpstreamTlsArgs};
pub use upstream::{UpstreamArgs, retry_of};
pub use values::{duration, optional, size};
