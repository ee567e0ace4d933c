//! TLS: who is believed and who is not, and how its streams end.

/// Who is believed, by both sides, and what is said of who is not.
mod belief;
/// Ends of stream, one-way ends, truncation.
mod endings;
/// Handshakes that stall, plain text, certificates that are replaced.
mod handshakes;
/// Beside OpenSSL, on either side.
mod openssl;
/// A relay between them: ended here, begun anew there.
mod relayed;
