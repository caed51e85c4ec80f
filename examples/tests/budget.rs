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
    // Deposits of ten looks each, spread over the day: none before the hours have earned it.
    assert!(hours[0].contains("0 looks, $0.00"), "{told}");
    for (line, hour) in hours.iter().zip(1_u64..) {
        let spent = cents(line.split(", $").nth(1).unwrap());
        assert!(spent <= 50 * hour / 24, "{line}: {told}");
    }
    let last = told.lines().last().unwrap();
    let looks: u64 = last.split(' ').nth(2).unwrap().parse().unwrap();
    let spent = cents(last.split("spent $").nth(1).unwrap());
    assert!(last.starts_with("the day: ") && (20..=50).contains(&spent), "{told}");
    assert!(
        (spent - 10..=spent).contains(&looks),
        "ten looks for ten cents, the last deposit in use: {told}"
    );
}

/// The cents of a text that starts as `0.40` does.
fn cents(text: &str) -> u64 {
    let digits: String =
        text.chars().take_while(|c| !c.is_ascii_whitespace()).filter(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}
