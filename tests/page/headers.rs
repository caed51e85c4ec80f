//! What the page's files are served with, and that they are all of the page that is served without a token.

use tollwire_tests::facilitator::Facilitator;
use tollwire_tests::http::{Answer, get};
use tollwire_tests::settings::Settings;

async fn file(node: &Facilitator, path: &str) -> Answer {
    get(&node.admin_url(path), &[]).await
}

#[tokio::test]
async fn the_policy_lets_nothing_in_and_nobody_frame_it() {
    let node = Facilitator::start(Settings::dev(Vec::new())).await;
    let index = file(&node, "/").await;
    assert_eq!(index.status, 200);
    let text = index.text();
    let paths: Vec<&str> = text.split('"').filter(|part| part.starts_with("page/")).collect();
    assert!(paths.len() >= 3, "{paths:?}");
    for path in paths.iter().map(|path| format!("/{path}")).chain(["/".to_owned()]) {
        let answer = file(&node, &path).await;
        assert_eq!(answer.status, 200, "{path}");
        let policy = answer.header("content-security-policy").unwrap();
        for rule in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "connect-src 'self'",
            "frame-ancestors 'none'",
            "form-action 'none'",
            "base-uri 'none'",
            "require-trusted-types-for 'script'",
        ] {
            assert!(policy.contains(rule), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
        for (name, value) in [
            ("x-frame-options", "DENY"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{path}");
        }
        assert!(
            answer.headers.get("set-cookie").is_none()
                && answer.headers.get("access-control-allow-origin").is_none()
        );
    }
    assert_eq!(file(&node, "/page/../admin/feeds").await.status, 404);
    assert_eq!(file(&node, "/page/").await.status, 404);
    assert_eq!(file(&node, "/admin/overview").await.status, 401);
    assert_eq!(get(&node.url("/"), &[]).await.status, 404, "not on the public listener");
}
