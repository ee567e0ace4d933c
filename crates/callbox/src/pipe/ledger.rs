//! Where the bytes of a pipe are.

/// What became of all bytes of one pipe: `pushed + added == written + dropped + held`, always.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ledger {
    /// Bytes that were pushed.
    pub pushed: u64,
    /// Bytes that faults put in: copies, and what replaces something.
    pub added: u64,
    /// Bytes that were written.
    pub written: u64,
    /// Bytes that faults took out: discarded, replaced, come behind an end.
    pub dropped: u64,
    /// Bytes that are in the pipe.
    pub held: u64,
}
