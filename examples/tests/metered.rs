//! The provider that embeds the meter runs as its reader would run it, with its agent.

use std::process::Command;

#[test]
fn a_provider_meters_its_own_stream_and_its_books_balance() {
    // Cargo puts examples beside the directory of the tests.
    let deps = std::env::current_exe().unwrap().parent().unwrap().to_owned();
    let example = deps.with_file_name("examples").join("provider_meter");
    let output = Command::new(example).arg("--demo").output().unwrap();
    let (told, problem) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{told}{problem}");
    // Ten messages, the close, a top-up, the next ten on another connection, the close.
    assert_eq!(told.matches("{\"tick\":").count(), 20, "{told}");
    assert_eq!(told.matches("{\"tick\":10,").count(), 2, "{told}");
    let close = "CLOSE 4008 \"Session balance exhausted. Re-authorize via x402 to continue.\"";
    assert_eq!(told.matches(close).count(), 2, "{told}");
    assert!(
        told.contains("paid $0.01 for 10 messages") && told.contains("paid $0.01 more: 10 messages"),
        "{told}"
    );
    assert!(told.contains("1 session(s), 20 messages bought = 20 used + 0 held + 0 remaining"), "{told}");
    assert!(told.contains("20000 deposited"), "{told}");
}
