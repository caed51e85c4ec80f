//! npm's `ws` at both ends: compression agreed end to end, subprotocols, and TLS on both sides of the facilitator.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tollwire_tests::agent::{Agent, fresh_nonce};
use tollwire_tests::facilitator::{Facilitator, run};
use tollwire_tests::script::Script;
use tollwire_tests::settings::{Feed, Settings};
use tollwire_tests::ws::open;

/// Bytes of the messages sent where compression is looked at, each once as text and once as binary.
const SIZES: [u64; 4] = [0, 125, 70_000, 500_000];

fn upstream() -> Script {
    Script::node("bytes/upstream.mjs")
}

/// An agent that buys and sends messages of these sizes.
fn agent(session_url: &str, sizes: &[u64]) -> Script {
    Script::node("bytes/agent.mjs")
        .env("SESSION_URL", session_url)
        .env("PRIVATE_KEY", format!("0x{}", hex::encode(fresh_nonce())))
        .env("SIZES", json!(sizes).to_string())
}

/// A facilitator for an upstream.
async fn before(upstream: String) -> Facilitator {
    Facilitator::start(Settings::dev(vec![Feed::ticks(upstream)])).await
}

/// What came of an agent and an upstream with these compression settings.
async fn compressed(agents: Value, upstreams: Value) -> Value {
    let upstream = upstream().env("COMPRESS", upstreams.to_string()).serve().await;
    let facilitator = before(format!("ws://127.0.0.1:{}/", upstream.port)).await;
    let told = agent(&facilitator.url("/feeds/ticks/session"), &SIZES)
        .env("COMPRESS", agents.to_string())
        .result()
        .await;
    assert_eq!(told["closed"], json!({ "code": 4321, "reason": "as the agent wished" }), "{told}");
    assert_eq!(told["extensions"], told["upstream"]["extensions"], "both ends agreed to the same");
    told
}

/// Bytes that crossed the sockets of both ends, each way.
fn on_the_wire(told: &Value) -> [u64; 4] {
    [
        &told["bytesRead"],
        &told["bytesWritten"],
        &told["upstream"]["bytesRead"],
        &told["upstream"]["bytesWritten"],
    ]
    .map(|bytes| bytes.as_u64().unwrap())
}

#[tokio::test]
async fn compression_is_agreed_and_done_end_to_end() {
    let sent: u64 = SIZES.iter().sum::<u64>() * 2;
    let narrow = json!({
        "threshold": 0, "clientNoContextTakeover": true, "serverNoContextTakeover": true,
        "serverMaxWindowBits": 10, "clientMaxWindowBits": 10,
    });
    for (agents, upstreams) in [(json!(true), json!(true)), (narrow, json!({ "threshold": 0 }))] {
        let told = compressed(agents, upstreams).await;
        assert_eq!(told["extensions"], "permessage-deflate", "{told}");
        for bytes in on_the_wire(&told) {
            assert!(bytes < sent / 10, "{bytes} bytes for {sent}: {told}");
        }
    }
}

#[tokio::test]
async fn nothing_is_compressed_unless_both_ends_want_it() {
    let sent: u64 = SIZES.iter().sum::<u64>() * 2;
    for (agents, upstreams) in [(true, false), (false, true)] {
        let told = compressed(json!(agents), json!(upstreams)).await;
        assert_eq!(told["extensions"], "", "{told}");
        for bytes in on_the_wire(&told) {
            assert!(bytes > sent, "{bytes} bytes for {sent}: {told}");
        }
    }
}

#[tokio::test]
async fn the_upstream_chooses_the_subprotocol() {
    let upstream = upstream().env("PROTOCOL", "feed.v1").serve().await;
    let facilitator = before(format!("ws://127.0.0.1:{}/", upstream.port)).await;
    let url = facilitator.url("/feeds/ticks/session");
    let told = agent(&url, &[1]).env("PROTOCOLS", "[\"feed.v2\", \"feed.v1\"]").result().await;
    assert_eq!((&told["protocol"], &told["upstream"]["protocol"]), (&json!("feed.v1"), &json!("feed.v1")));
    let told = agent(&url, &[1]).result().await;
    assert_eq!((&told["protocol"], &told["upstream"]["protocol"]), (&json!(""), &json!("")));
}

/// A private authority's certificate, and a certificate with its key that the authority signed, as PEM files.
struct Authority {
    folder: tempfile::TempDir,
}

impl Authority {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "a private authority");
        let (own_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let authority = params.self_signed(&own_key).unwrap();
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let issuer = Issuer::new(params, own_key);
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
        for (file, pem) in
            [("root.pem", authority.pem()), ("cert.pem", certificate.pem()), ("key.pem", key.serialize_pem())]
        {
            std::fs::write(folder.path().join(file), pem).unwrap();
        }
        Self { folder }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Lines of a configuration file.
    fn key(key: &str, path: &Path) -> String {
        format!("{key} = {}\n", json!(path))
    }
}

#[tokio::test]
async fn a_stream_over_tls_on_both_sides() {
    let authority = Authority::new();
    let (cert, key, root) =
        (authority.file("cert.pem"), authority.file("key.pem"), authority.file("root.pem"));
    let upstream = upstream().env("CERT", &cert).env("KEY", &key).env("COMPRESS", "true").serve().await;
    let feed = Feed::ticks(format!("wss://localhost:{}/", upstream.port));
    let mut settings = Settings::dev(vec![feed]);
    settings.top = Authority::key("tls.cert", &cert)
        + &Authority::key("tls.key", &key)
        + &Authority::key("upstream_roots", &root);
    settings.public_url = Some("https://127.0.0.1:{port}".into());
    let facilitator = Facilitator::start(settings).await;
    let url = format!("https://127.0.0.1:{}/feeds/ticks/session", facilitator.port());
    for compress in ["false", "true"] {
        let told = agent(&url, &[0, 125, 126, 65_536, 1 << 20, 16 << 20])
            .env("COMPRESS", compress)
            .env("NODE_EXTRA_CA_CERTS", &root)
            .result()
            .await;
        assert!(told["ws_url"].as_str().unwrap().starts_with("wss://127.0.0.1:"), "{told}");
        assert_eq!(told["closed"], json!({ "code": 4321, "reason": "as the agent wished" }), "{told}");
        assert_eq!(told["extensions"], if compress == "true" { "permessage-deflate" } else { "" });
    }
}

#[tokio::test]
async fn an_upstream_nobody_vouches_for_is_not_used_and_nothing_is_charged() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let upstream =
        upstream().env("CERT", theirs.file("cert.pem")).env("KEY", theirs.file("key.pem")).serve().await;
    let mut settings = Settings::dev(vec![Feed::ticks(format!("wss://localhost:{}/", upstream.port))]);
    settings.top = Authority::key("upstream_roots", &ours.file("root.pem"));
    let facilitator = Facilitator::start(settings).await;
    let bought = Agent::new().buy(&facilitator.url("/feeds/ticks/session"), 10_000).await;
    let token = bought.json()["token"].as_str().unwrap().to_owned();
    let bearer = format!("Bearer {token}");
    let refused = open(&facilitator.ws_url("/feeds/ticks/ws"), &[("authorization", &bearer)]).await;
    assert_eq!(refused.err().unwrap().status, 502);
    let session =
        tollwire_tests::http::get(&facilitator.url("/session"), &[("authorization", &bearer)]).await;
    assert_eq!(session.json()["units_remaining"], 1, "{session:?}");
}

#[tokio::test]
async fn a_file_of_roots_that_holds_none_is_told_before_the_start() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("empty.pem"), "nothing\n").unwrap();
    let made = run(&["keys", "new", "--out", "session-key.pem"], folder.path()).await;
    assert!(made.0.success(), "{}", made.2);
    for (file, reason) in [("empty.pem", "upstream_roots"), ("missing.pem", "missing.pem")] {
        let mut settings = Settings::dev(vec![Feed::ticks("wss://localhost:9/")]);
        settings.top = Authority::key("upstream_roots", Path::new(file));
        settings.top.push_str("allow_volatile = false");
        std::fs::write(
            folder.path().join("f.toml"),
            settings.toml(1, 2).replace("env:TOLLWIRE_ADMIN_TOKEN", "env:PATH"),
        )
        .unwrap();
        let (status, _, problem) = run(&["check", "--config", "f.toml"], folder.path()).await;
        assert!(!status.success() && problem.contains(reason), "{problem}");
    }
}
