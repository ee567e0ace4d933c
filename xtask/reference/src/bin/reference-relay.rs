//! The yardstick of relays: `reference-relay ADDR UPSTREAM [--mode copy|splice] [--threads N]`.
//!
//! Each thread has a listener, an epoll set and sessions of its own.

use bench_reference::args::Args;
use bench_reference::relay::{Mode, Relay};

fn main() {
    let args = Args::of_process();
    let threads: usize = args.value("threads", 1);
    let upstream = args.word(1).parse().expect("an upstream such as 127.0.0.1:8849");
    let relays: Vec<Relay> = (0..threads)
        .map(|_| {
            Relay::bind(args.addr(), upstream, args.value("mode", Mode::Copy), threads > 1)
                .expect("the address is free")
        })
        .collect();
    let running: Vec<_> = relays.into_iter().map(|relay| std::thread::spawn(move || relay.run())).collect();
    for thread in running {
        thread.join().expect("no panic").expect("epoll works");
    }
}
