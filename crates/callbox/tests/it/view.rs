//! A hexdump beside that of `xxd`, byte for byte.

use std::io::Write;
use std::process::{Command, Stdio};

use callbox::view::{Hexdump, Layout};
use callbox_testkit::requires;

fn xxd(bytes: &[u8]) -> String {
    let mut child = Command::new("xxd").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("xxd starts");
    let mut input = child.stdin.take().expect("its input is a pipe");
    let output = std::thread::scope(|scope| {
        // On a thread of its own: more comes out than goes in.
        scope.spawn(move || input.write_all(bytes).expect("xxd takes the bytes"));
        child.wait_with_output().expect("xxd ends")
    });
    assert!(output.status.success());
    String::from_utf8(output.stdout).expect("a dump is ASCII")
}

fn dump(bytes: &[u8], chunk: usize) -> String {
    let mut dump = Hexdump::new(Layout { ascii: true, ..Layout::default() });
    let mut out = Vec::new();
    bytes.chunks(chunk).for_each(|chunk| dump.push(chunk, &mut out));
    dump.finish(&mut out);
    String::from_utf8(out).expect("a dump is ASCII")
}

#[test]
fn a_dump_is_that_of_xxd() {
    requires!(tool("xxd"));
    // Every byte beside many others.
    let bytes: Vec<u8> = (0..100_003u32).map(|n| (n.wrapping_mul(n) / 251 + n) as u8).collect();
    for len in (0..=33).chain([255, 256, 65_537, bytes.len()]) {
        let (own, theirs) = (dump(&bytes[..len], 1000), xxd(&bytes[..len]));
        // Not `assert_eq`, which would print megabytes.
        assert!(
            own == theirs,
            "{len} bytes: {:?}",
            own.lines().zip(theirs.lines()).find(|(own, theirs)| own != theirs)
        );
    }
}
