//! What answers say of themselves: nobody may store them, any page may read them, and no secret stands in them.

use http::Method;
use std::process::Command;
use tollwire_testkit::feed::{Mode, SampleFeed};
use tollwire_tests::agent::Agent;
use tollwire_tests::facilitator::{ADMIN_TOKEN, Facilitator};
use tollwire_tests::http::{Answer, get, post, try_send};
use tollwire_tests::raw::{Raw, head, upgrade_lines};
use tollwire_tests::settings::{ANVIL_KEY, Feed, Settings};
use tollwire_tests::world::World;

#[tokio::test]
async fn no_answer_may_be_stored() {
    let world = World::start(Mode::Echo, |_| {}).await;
    let url = |path: &str| world.facilitator.url(path);
    let token = world.token(1).await;
    let bearer = format!("Bearer {token}");
    let auth = [("authorization", bearer.as_str())];
    let payment = Agent::new().payment(&url("/feeds/ticks/session"), 10_000).await;
    let pay = [(payment.header, payment.value.as_str())];
    let paid = get(&url("/feeds/ticks/session"), &pay).await;
    assert_eq!(paid.header("cache-control"), Some("private, no-store"));
    let none: &[(&str, &str)] = &[];
    let mut answers: Vec<(String, Answer)> = Vec::new();
    for (path, headers) in [
        ("/feeds/ticks/session", none),
        ("/feeds/ticks/session", &[(payment.header, "!")]),
        ("/feeds/ticks/ws", none),
        ("/feeds/ticks/ws?token=x", none),
        ("/feeds/ticks/ws?token=x", &auth),
        ("/session", none),
        ("/session", &auth),
        ("/feeds", none),
        ("/feeds/none/session", none),
        ("/nothing", none),
        ("/verify", none),
    ] {
        answers.push((path.to_owned(), get(&url(path), headers).await));
    }
    for path in ["/verify", "/settle"] {
        answers.push((path.to_owned(), post(&url(path), &[], &serde_json::json!({})).await));
    }
    for path in ["/admin/feeds", "/admin/ledger", "/admin/sessions", "/readyz"] {
        answers.push((path.to_owned(), world.admin(Method::GET, path, "").await));
        answers.push((path.to_owned(), get(&world.facilitator.admin_url(path), &[]).await));
    }
    for (path, answer) in answers {
        let rule = answer.header("cache-control").unwrap_or_default();
        assert!(rule.contains("no-store"), "{path}: {answer:?}");
        let shown = format!("{:?}{}", answer.headers, answer.text());
        assert!(!shown.contains(&token) && !shown.contains(payment.value.as_str()), "{path}: {shown}");
        assert!(answer.header("set-cookie").is_none() && answer.header("server").is_none(), "{path}");
    }
}

#[tokio::test]
async fn pages_of_any_origin_may_ask_but_never_with_cookies() {
    let world = World::start(Mode::Echo, |_| {}).await;
    let origin = ("origin", "https://page.example");
    for path in ["/feeds/ticks/session", "/feeds/ticks/ws", "/session", "/verify", "/settle", "/feeds"] {
        let preflight = try_send(
            Method::OPTIONS,
            &world.facilitator.url(path),
            &[
                origin,
                ("access-control-request-method", "GET"),
                ("access-control-request-headers", "payment-signature"),
            ],
            "",
        )
        .await
        .unwrap();
        assert_eq!(preflight.status, 204, "{path}: {preflight:?}");
        let allowed = preflight.header("access-control-allow-headers").unwrap().to_ascii_lowercase();
        for name in [
            "payment-signature",
            "x-payment",
            "authorization",
            "content-type",
            "tollwire-claim",
            "sign-in-with-x",
        ] {
            assert!(allowed.split(", ").any(|allowed| allowed == name), "{path}: {name} in {allowed}");
        }
        let answer = get(&world.facilitator.url(path), &[origin]).await;
        for answer in [&preflight, &answer] {
            assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{path}");
            assert_eq!(answer.header("access-control-allow-credentials"), None, "{path}");
        }
        let exposed = answer.header("access-control-expose-headers").unwrap().to_ascii_lowercase();
        for name in ["payment-required", "payment-response", "x-payment-response", "retry-after"] {
            assert!(exposed.contains(name), "{path}: {name}");
        }
    }
    // The operator's listener is for no page at all.
    let admin = get(&world.facilitator.admin_url("/admin/feeds"), &[origin]).await;
    assert_eq!(admin.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn a_token_in_the_query_reaches_no_log_and_no_upstream() {
    let feed = SampleFeed::start(Mode::Echo).await.unwrap();
    let settings = Settings::dev(vec![Feed::ticks(feed.url("/stream"))]);
    let facilitator = Facilitator::start_logging(settings, "trace").await;
    let token = tollwire_tests::world::token(&facilitator, 10).await;
    let secret = token.rsplit('.').next().unwrap().to_owned();
    let encoded = token.replace('.', "%2E");
    let targets = [
        World::target(&token),
        World::target(&encoded),
        format!("/feeds/ticks/ws?tok%65n={token}"),
        format!("/feeds/none/ws?token={token}"),
        format!("/feeds/ticks/session?token={token}"),
        format!("/nothing?token={token}&x=\u{0}"),
        format!("http://h{}", World::target(&token)),
    ];
    for target in targets {
        let mut raw = Raw::connect(facilitator.port()).await;
        raw.send(head(&format!("GET {target} HTTP/1.1"), &upgrade_lines()).as_bytes()).await;
        let answer = raw.head().await;
        assert!(!answer.is_empty() && !answer.contains(&secret), "{answer}");
    }
    // One that breaks the connection in the middle of its head.
    let mut raw = Raw::connect(facilitator.port()).await;
    raw.send(format!("GET {}\r\nAuthorization: Bearer {token}\r\nX", World::target(&token)).as_bytes()).await;
    drop(raw);
    assert!(!format!("{:?}", feed.requests()).contains(&secret), "the upstream saw it");
    let log = facilitator.output();
    let line = log.lines().find(|line| line.contains(&secret));
    assert!(log.contains("TRACE") || log.contains("DEBUG"), "the log is not at trace level");
    assert!(line.is_none(), "{line:?}");
}

#[tokio::test]
async fn the_process_list_shows_no_secret() {
    let world = World::start(Mode::Echo, |_| {}).await;
    let listing =
        Command::new("ps").args(["-ww", "-o", "args=", "-p", &world.facilitator.pid().to_string()]).output();
    let arguments = String::from_utf8(listing.unwrap().stdout).unwrap();
    assert!(arguments.contains("facilitator") && arguments.contains("serve"), "{arguments}");
    assert!(!arguments.contains(ADMIN_TOKEN) && !arguments.contains(ANVIL_KEY), "{arguments}");
    let mode = std::fs::metadata(world.facilitator.folder().join("session-key.pem")).unwrap().permissions();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o077, 0, "others can read the signing key");
}
