//! The budget agent runs as its reader would run it, beside a facilitator of its own.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::process::Command;

#[test]
fn the_budget_agent_stays_within_its_budget_all_day() {
    // Cargo puts examples beside the directory of the tests.
    let deps = std::env::current_exe().unwrap().parent().unwrap().to_owned();
    assert!(
        deps.with_file_name("facilitator").is_file(),
        "run `cargo build --bins` first, or `cargo xtask test`"
    );
    let output = Command::new(deps.with_file_name("examples").join("budget_agent")).output().unwrap();
    let (told, problem) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{told}{problem}");
    let hours: Vec<&str> = told.lines().filter(|line| line.contains(":00  ")).collect();
    assert_eq!(hours.len(), 24, "{told}");
    // Five deposits of ten looks each, spread over the day: none before the hours have earned it.
    assert!(hours[0].contains("0 looks, $0.00"), "{told}");
    assert!(hours[11].ends_with("$0.20 of $0.50 spent"), "{told}");
    let last = told.lines().last().unwrap();
    assert_eq!(last, "the day: 43 looks, 29 forgone, spent $0.50 of $0.50", "{told}");
}
