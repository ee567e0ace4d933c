//! Socket options, alike on all commands.

use std::time::Duration;

use callbox::net::socket::Options;
use callbox::units::Size;

use super::values::{duration, optional, size};

/// Options of the connection's socket.
#[derive(Debug, Clone, clap::Args)]
pub struct SocketArgs {
    /// Let the kernel gather small chunks (Nagle's algorithm)
    #[arg(long, help_heading = "Socket")]
    pub no_nodelay: bool,
    /// Probe a silent peer after this time, then every 10 s, six times; 0 is off
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "60s", help_heading = "Socket")]
    pub keepalive: Duration,
    /// Give up when sent bytes stay unacknowledged for this long; 0 is off
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "0", help_heading = "Socket")]
    pub user_timeout: Duration,
    /// Size of the kernel's send buffer; the kernel doubles it [default: the kernel's]
    #[arg(long, value_name = "SIZE", value_parser = size, help_heading = "Socket")]
    pub send_buffer: Option<Size>,
    /// Size of the kernel's receive buffer; the kernel doubles it [default: the kernel's]
    #[arg(long, value_name = "SIZE", value_parser = size, help_heading = "Socket")]
    pub receive_buffer: Option<Size>,
    /// Let several listeners share the address
    #[arg(long, help_heading = "Socket")]
    pub reuse_port: bool,
    /// Time to live of sent segments, 1 to 255 [default: the kernel's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..), help_heading = "Socket")]
    pub ttl: Option<u8>,
    /// Type of service (traffic class) of sent segments, decimal or 0x.. [default: the kernel's]
    #[arg(long, value_name = "N", value_parser = tos, help_heading = "Socket")]
    pub tos: Option<u8>,
    /// Where we close first, end the connection with a reset instead of FIN
    #[arg(long, help_heading = "Socket")]
    pub zero_linger: bool,
}

impl SocketArgs {
    /// Returns the options as the library takes them.
    pub fn options(&self) -> Options {
        let bytes = |size: Option<Size>| size.map(|size| usize::try_from(size.0).unwrap_or(usize::MAX));
        Options {
            nodelay: !self.no_nodelay,
            keepalive: optional(self.keepalive),
            user_timeout: optional(self.user_timeout),
            send_buffer: bytes(self.send_buffer),
            receive_buffer: bytes(self.receive_buffer),
            reuse_port: self.reuse_port,
            ttl: self.ttl,
            tos: self.tos,
            zero_linger: self.zero_linger,
            urgent_inline: false,
            ..Options::default()
        }
    }
}

fn tos(text: &str) -> Result<u8, String> {
    let number = match text.strip_prefix("0x") {
        Some(hex) => u8::from_str_radix(hex, 16),
        None => text.parse(),
    };
    number.map_err(|_| format!("{text:?} is no number from 0 to 255 (or 0x00 to 0xff)"))
}
