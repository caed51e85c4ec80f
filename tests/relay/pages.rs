//! What web pages may do with the HTTP twin.

use http::Method;
use tollwire_tests::api::Api;
use tollwire_tests::broker::{Broker, BrokerSettings};
use tollwire_tests::http::{Answer, get, try_send};

const PAGE: &str = "https://app.example";

async fn preflight(url: &str, origin: &str) -> Answer {
    let headers = [
        ("origin", origin),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "x-own, payment-signature"),
    ];
    try_send(Method::OPTIONS, url, &headers, Vec::new()).await.unwrap()
}

#[tokio::test]
async fn a_page_that_is_let_in_may_call_and_read() {
    let api = Api::start().await;
    let top = format!("origins = [\"{PAGE}\"]");
    let broker = Broker::start(&BrokerSettings { top, ..BrokerSettings::demo(&api.url("")) }).await;
    let url = broker.url("/relay/demo/headers");

    let allowed = preflight(&url, PAGE).await;
    assert_eq!((allowed.status.as_u16(), allowed.header("access-control-allow-origin")), (204, Some(PAGE)));
    let allow: Vec<String> = allowed
        .headers
        .get_all("access-control-allow-headers")
        .iter()
        .flat_map(|line| line.to_str().unwrap().split(", ").map(str::to_ascii_lowercase))
        .collect();
    for name in
        ["payment-signature", "x-payment", "access-control-expose-headers", "tollwire-session", "x-own"]
    {
        assert!(allow.iter().any(|known| known == name), "{name}: {allow:?}");
    }
    assert!(allowed.header("access-control-allow-methods").unwrap().contains("PATCH"));

    for (path, status) in [("/relay/demo/headers", 200), ("/relay/demo/shop", 402), ("/relay/nobody/", 404)] {
        let answer = get(&broker.url(path), &[("origin", PAGE)]).await;
        assert_eq!(answer.status.as_u16(), status, "{answer:?}");
        assert_eq!(answer.header("access-control-allow-origin"), Some(PAGE), "{path}");
        assert_eq!(answer.header("access-control-expose-headers"), Some("*"));
        assert!(answer.headers.get_all("vary").iter().any(|vary| vary == "Origin"), "{path}");
        assert!(!answer.headers.contains_key("access-control-allow-credentials"));
    }
    // Programs are told nothing about pages; other pages get nothing at all.
    let program = get(&url, &[]).await;
    assert_eq!(program.header("access-control-allow-origin"), None);
    let asked = api.seen().len();
    for refused in [preflight(&url, "https://evil.example").await, get(&url, &[("origin", "null")]).await] {
        assert_eq!((refused.status.as_u16(), refused.header("access-control-allow-origin")), (403, None));
    }
    assert_eq!(api.seen().len(), asked);
}
