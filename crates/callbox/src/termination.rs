//! Why a session ended and by whom. Normal endings are data, not errors.

macro_rules! terminations {
    ($($variant:ident $name:literal $doc:literal,)*) => {
        /// Why a session ended and by whom: whose FIN or RST came first, or our own reason.
        ///
        /// More reasons may be added.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        #[non_exhaustive]
        pub enum Termination { $(#[doc = $doc] $variant,)* }

        impl Termination {
            /// Every reason there is so far.
            pub const ALL: &'static [Termination] = &[$(Termination::$variant,)*];

            /// Returns the name of the limit that was hit, as a summary counts it; `None` where the reason is no limit.
            pub fn limit(self) -> Option<&'static str> {
                match self {
                    Termination::IdleTimeout => Some("idle_timeout"),
                    Termination::HalfCloseTimeout => Some("half_close_timeout"),
                    Termination::WriteStall => Some("write_stall"),
                    Termination::FrameTooLarge => Some("frame_too_large"),
                    Termination::TargetDenied => Some("target_denied"),
                    Termination::HandshakeTimeout => Some("handshake_timeout"),
                    Termination::Drained => Some("drain"),
                    _ => None,
                }
            }

            /// Returns the name used in events.
            pub fn name(self) -> &'static str {
                match self { $(Termination::$variant => $name,)* }
            }
        }
    };
}

terminations! {
    ClientClosed "client_closed" "The client's FIN came first.",
    ServerClosed "server_closed" "The server's FIN came first.",
    ClientReset "client_reset" "The client aborted.",
    ServerReset "server_reset" "The server aborted.",
    CountReached "count_reached" "The number of chunks asked for has been received.",
    ExpectMet "expect_met" "Every expected pattern has been seen.",
    LingerOver "linger_over" "The time allowed after our end of stream ran out.",
    Timeout "timeout" "The deadline of the whole run passed.",
    IdleTimeout "idle_timeout" "No byte in either direction for too long.",
    HalfCloseTimeout "half_close_timeout" "One direction had ended, and in the other came no byte for too long.",
    WriteStall "write_stall" "The peer took nothing for too long.",
    FrameTooLarge "frame_too_large" "A frame, or the length it declared, was over the maximum.",
    FrameMalformed "frame_malformed" "What came can be no frame by the framer's rule.",
    UpstreamRefused "upstream_refused" "No upstream accepted the connection.",
    UpstreamTimeout "upstream_timeout" "No upstream answered in time.",
    UpstreamUnreachable "upstream_unreachable" "The network could not get to any upstream.",
    UpstreamNotFound "upstream_not_found" "The upstream's name has no address.",
    UpstreamFailed "upstream_failed" "No upstream could be reached, for another reason.",
    TargetDenied "target_denied" "Where the client wanted to go, nobody is led to.",
    HandshakeTimeout "handshake_timeout" "The client did not say in time where it wants to go.",
    HandshakeFailed "handshake_failed" "What the client said of where it wants to go, or of who it is, was not taken.",
    TlsTruncated "tls_truncated" "The connection ended without TLS's word that the stream does: bytes may be missing.",
    TlsFailed "tls_failed" "The other side broke the rules of TLS, or ended it by an alert.",
    Fault "fault" "A fault ended it, as it was asked to.",
    Drained "drained" "The drain deadline passed.",
    Aborted "aborted" "We aborted.",
    Steered "steered" "Whoever steers us ended it, or the relay that it belongs to.",
    Signal "signal" "A signal ended us.",
    PeerTimeout "peer_timeout" "Keepalive or the user timeout found the peer gone.",
    IoError "io_error" "The system reported another error.",
}
