//! Which way bytes go, and who is who.

/// Which side of the conversation *we* are; the client is whoever did the active open (RFC 9293).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// We connected.
    Client,
    /// We accepted.
    Server,
}

impl Role {
    /// Returns the name used in events.
    pub fn name(self) -> &'static str {
        match self {
            Role::Client => "client",
            Role::Server => "server",
        }
    }

    /// Returns the other side.
    pub fn other(self) -> Role {
        match self {
            Role::Client => Role::Server,
            Role::Server => Role::Client,
        }
    }

    /// Returns the direction of what we receive.
    pub fn inbound(self) -> Direction {
        match self {
            Role::Client => Direction::ToClient,
            Role::Server => Direction::ToServer,
        }
    }

    /// Returns the direction of what we send.
    pub fn outbound(self) -> Direction {
        self.inbound().opposite()
    }
}

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Direction {
    /// From the client to the server.
    ToServer,
    /// From the server to the client.
    ToClient,
}

impl Direction {
    /// Returns the name used in events and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Direction::ToServer => "to_server",
            Direction::ToClient => "to_client",
        }
    }

    /// Returns the other direction.
    pub fn opposite(self) -> Direction {
        match self {
            Direction::ToServer => Direction::ToClient,
            Direction::ToClient => Direction::ToServer,
        }
    }
}
