//! The yardstick: an epoll server as one would write it in C, with accept4, recv and send and nothing else.
//!
//! `reference-epoll ADDR [--reply TEXT] [--edge] [--threads N]`: sends back what comes, or TEXT once a chunk; closes when
//! the client has ended its stream. No timeouts, no limits, no counting. Each thread has a listener and an epoll set of its own.

use bench_reference::args::Args;
use bench_reference::server::Server;

fn main() {
    let args = Args::of_process();
    let threads: usize = args.value("threads", 1);
    let reply = args.has("reply").then(|| args.value("reply", String::new()).into_bytes());
    let (addr, edge) = (args.addr(), args.has("edge"));
    let servers: Vec<Server> = (0..threads)
        .map(|_| Server::bind(addr, threads > 1, reply.clone(), edge).expect("the address is free"))
        .collect();
    let running: Vec<_> = servers.into_iter().map(|server| std::thread::spawn(move || server.run())).collect();
    for thread in running {
        thread.join().expect("no panic").expect("epoll works");
    }
}
