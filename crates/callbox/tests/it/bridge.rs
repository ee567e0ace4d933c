//! A bridge changes nothing: over every kind of stream and every pair of kinds, whichever side begins.

/// Both ends of a bridged conversation.
mod bridged;
/// What must hold, whatever the streams are.
mod cases;
/// With faults, on real sockets.
mod faulted;
/// The same for the handler, between a real server and a real client: reports, taps, limits.
mod relayed;
/// Long silences, with the clock paused.
mod silence;

use callbox::direction::Role;

use bridged::{Bridged, Kind};

/// Makes each case a test for either side of each pair.
macro_rules! each_pair {
    (($($case:ident),*) $near:ident $far:ident) => { $(
        mod $case {
            use super::*;

            #[tokio::test]
            async fn by_the_client() {
                cases::$case(Bridged::between(Kind::$near, Kind::$far).await, Role::Client).await;
            }

            #[tokio::test]
            async fn by_the_server() {
                cases::$case(Bridged::between(Kind::$near, Kind::$far).await, Role::Server).await;
            }
        }
    )* };
    ($cases:tt; $($name:ident: $near:ident - $far:ident;)*) => { $(
        mod $name {
            use super::*;

            each_pair!($cases $near $far);
        }
    )* };
}

each_pair! {
    (
        an_end_of_stream_leaves_the_other_direction_alone,
        ends_at_the_same_time_cut_no_tail,
        an_end_without_a_byte_passes,
        much_passes_both_ways_at_once,
        every_byte_passes_without_waiting_for_more,
        nobody_waits_for_who_does_not_speak_first,
        who_does_not_read_holds_up_the_sender_and_nobody_else
    );
    tcp_to_tcp: Tcp - Tcp;
    unix_to_unix: Unix - Unix;
    memory_to_memory: Memory - Memory;
    tcp_to_unix: Tcp - Unix;
    unix_to_tcp: Unix - Tcp;
    tcp_to_memory: Tcp - Memory;
    memory_to_tcp: Memory - Tcp;
    unix_to_memory: Unix - Memory;
    memory_to_unix: Memory - Unix;
    tls_to_tls: Tls - Tls;
    tcp_to_tls: Tcp - Tls;
    tls_to_tcp: Tls - Tcp;
    unix_to_tls: Unix - Tls;
    tls_to_unix: Tls - Unix;
    memory_to_tls: Memory - Tls;
    tls_to_memory: Tls - Memory;
}

// Unix sockets have no resets.
each_pair! {
    (
        a_reset_comes_after_every_byte_before_it,
        a_reset_after_one_byte_leaves_that_byte,
        a_reset_before_any_byte_is_no_end_of_stream,
        a_reset_by_who_is_sent_to_is_no_end_of_stream,
        a_reset_after_an_end_of_stream_is_a_reset
    );
    resets_tcp_to_tcp: Tcp - Tcp;
    resets_memory_to_memory: Memory - Memory;
    resets_tcp_to_memory: Tcp - Memory;
    resets_memory_to_tcp: Memory - Tcp;
    resets_tls_to_tls: Tls - Tls;
    resets_tcp_to_tls: Tcp - Tls;
    resets_tls_to_tcp: Tls - Tcp;
    resets_memory_to_tls: Memory - Tls;
    resets_tls_to_memory: Tls - Memory;
}
