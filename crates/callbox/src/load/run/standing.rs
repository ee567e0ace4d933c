//! How the workers of a run stand, at a moment.

/// What a worker has counted, and how it stands.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Standing {
    pub(super) waiting: u64,
    pub(super) behind: u64,
    /// As far as they count.
    pub(super) to_server_bytes: u64,
    pub(super) to_client_bytes: u64,
}

impl Standing {
    /// Returns the bytes to the server and from it.
    pub(super) fn bytes(&self) -> (u64, u64) {
        (self.to_server_bytes, self.to_client_bytes)
    }

    /// Adds another worker's.
    pub(super) fn add(&mut self, other: &Standing) {
        self.waiting += other.waiting;
        self.behind += other.behind;
        self.to_server_bytes += other.to_server_bytes;
        self.to_client_bytes += other.to_client_bytes;
    }
}
