//! TLS as one more kind of stream (RFC 8446, RFC 5246).
//!
//! [`ClientTls`] goes into [`ConnectOptions`](crate::net::connect::ConnectOptions), [`ServerTls`] into
//! [`ServerOptions`](crate::server::ServerOptions); everything else, from half-close to taps, is as on any
//! [`Stream`](crate::Stream). The engine is rustls, whose types stay in here; nothing is installed process-wide.
//!
//! # End of stream
//!
//! Our end of stream is a `close_notify` and then TCP's FIN; the peer's is its `close_notify`. A FIN without one may have
//! been forged by anybody on the way, so it is no end of stream: reading gives an error of kind
//! [`Ended`](crate::Kind::Ended) after all bytes before it, and the session's end is
//! [`TlsTruncated`](crate::termination::Termination::TlsTruncated).
//!
//! Each direction ends by itself (RFC 8446, section 6.1). In TLS 1.2 whoever gets a `close_notify` must close at once
//! (RFC 5246, section 7.2.1). This library goes on sending there too, so half-close holds between two of its kind, and with
//! any peer that goes on reading; a peer that keeps to the letter of 1.2 discards what it had still to send.

#[cfg(feature = "tls")]
mod certificate;
#[cfg(feature = "tls")]
mod client;
#[cfg(feature = "tls")]
mod facts;
#[cfg(feature = "tls")]
mod failure;
#[cfg(feature = "tls")]
mod handshake;
#[cfg(feature = "tls")]
mod options;
#[cfg(feature = "tls")]
mod pin;
#[cfg(feature = "tls")]
mod roots;
#[cfg(feature = "tls")]
mod server;
#[cfg(feature = "tls")]
mod stream;
#[cfg(all(test, feature = "tls"))]
mod tests;
#[cfg(feature = "tls")]
mod verify;

#[cfg(not(feature = "tls"))]
mod absent;

#[cfg(feature = "tls")]
pub use certificate::{Certificate, Identity};
#[cfg(feature = "tls")]
pub use client::ClientTls;
#[cfg(feature = "tls")]
pub use options::{ClientTlsOptions, HANDSHAKE_TIMEOUT, KeyLog, Roots, ServerTlsOptions, Versions};
#[cfg(feature = "tls")]
pub use pin::Pin;
#[cfg(feature = "tls")]
pub use server::ServerTls;
#[cfg(feature = "tls")]
pub(crate) use stream::Tls;

#[cfg(not(feature = "tls"))]
pub(crate) use absent::Tls;
#[cfg(not(feature = "tls"))]
pub use absent::{ClientTls, ServerTls};

pub use crate::report::tls::{CertificateFacts, TlsFacts, TlsVersion, Trust};
