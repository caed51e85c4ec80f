//! `GET /close-codes`: what a close means and whether to connect again, for programs.

use super::answer::{Answer, json};
use http::StatusCode;
use serde_json::{Value, json as value};
use tollwire_x402::close::CloseCode;

pub(super) fn get() -> Answer {
    json(StatusCode::OK, &value!({ "codes": table() }))
}

fn table() -> Vec<Value> {
    CloseCode::ALL
        .iter()
        .map(|code| value!({ "code": code.code(), "reason": code.reason(), "reconnect": code.reconnect().as_str() }))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_says_whether_to_come_back() {
        let table = table();
        let of = |code: u16| &table.iter().find(|row| row["code"] == code).unwrap()["reconnect"];
        for (code, reconnect) in [
            (1000, "no"),
            (1001, "yes"),
            (1008, "no"),
            (1009, "no"),
            (1011, "backoff"),
            (1013, "backoff"),
            (4001, "no"),
            (4008, "after-payment"),
            (4012, "yes"),
            (4013, "yes"),
            (4029, "backoff"),
        ] {
            assert_eq!(of(code), reconnect, "{code}");
        }
    }
}
