use super::*;

/// A request as a browser sends it. The `OnUpgrade` comes from a response that was never upgraded: the checks look
/// only at whether there is one.
fn request() -> Request<()> {
    let mut request = Request::get("/feeds/ticks/ws?token=t&symbol=BTC")
        .header("host", "feeds.example.com")
        .header("upgrade", "websocket")
        .header("connection", "keep-alive, Upgrade")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("sec-websocket-protocol", "v2, v1")
        .header("sec-websocket-extensions", "permessage-deflate; client_max_window_bits")
        .header("origin", "https://app.example.com")
        .header("user-agent", "agent/1")
        .body(())
        .unwrap();
    let none = hyper::upgrade::on(Request::new(()));
    request.extensions_mut().insert(none);
    request
}

fn refusal(change: impl FnOnce(&mut Request<()>)) -> HandshakeError {
    let mut request = request();
    change(&mut request);
    Handshake::read(request).unwrap_err()
}

fn set(name: &'static str, value: &'static str) -> HandshakeError {
    refusal(|request| {
        request.headers_mut().insert(name, HeaderValue::from_static(value));
    })
}

fn repeat(name: &'static str, value: &'static str) -> HandshakeError {
    refusal(|request| {
        request.headers_mut().append(name, HeaderValue::from_static(value));
    })
}

fn without(name: &'static str) -> HandshakeError {
    refusal(|request| {
        request.headers_mut().remove(name);
    })
}

#[test]
fn a_handshake_says_what_it_wishes() {
    let handshake = Handshake::read(request()).unwrap();
    assert_eq!(handshake.accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    let wishes = handshake.wishes;
    assert_eq!(wishes.protocols, ["v2", "v1"]);
    assert_eq!(wishes.extensions, "permessage-deflate; client_max_window_bits");
    assert_eq!(wishes.origin.unwrap(), "https://app.example.com");
    assert_eq!(wishes.user_agent.unwrap(), "agent/1");
    assert_eq!(wishes.query.unwrap(), "token=t&symbol=BTC");
}

#[test]
fn what_is_no_upgrade_is_told_how_to() {
    use HandshakeError as E;
    assert_eq!(refusal(|request| *request.method_mut() = Method::POST), E::Method);
    assert_eq!(refusal(|request| *request.version_mut() = Version::HTTP_10), E::HttpVersion);
    assert_eq!(refusal(|request| *request.version_mut() = Version::HTTP_2), E::HttpVersion);
    assert_eq!(without("upgrade"), E::NoUpgrade);
    assert_eq!(without("connection"), E::NoUpgrade);
    assert_eq!(set("upgrade", "h2c"), E::NoUpgrade);
    assert_eq!(set("connection", "keep-alive"), E::NoUpgrade);
    assert_eq!(set("connection", "not-upgrade"), E::NoUpgrade);
    assert_eq!(without("sec-websocket-version"), E::Version);
    for version in ["8", "013", "13, 8", ""] {
        assert_eq!(set("sec-websocket-version", version), E::Version);
    }
    let no_way_out = refusal(|request| {
        request.extensions_mut().remove::<OnUpgrade>();
    });
    assert_eq!(no_way_out, E::NotUpgradable);
}

#[test]
fn malformed_and_repeated_headers_are_refused() {
    use HandshakeError as E;
    assert_eq!(without("sec-websocket-key"), E::Key);
    assert_eq!(set("sec-websocket-key", "c2hvcnQ="), E::Key);
    assert_eq!(set("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==, dGhlIHNhbXBsZSBub25jZQ=="), E::Key);
    assert_eq!(repeat("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="), E::Repeated("sec-websocket-key"));
    assert_eq!(repeat("sec-websocket-version", "13"), E::Repeated("sec-websocket-version"));
    assert_eq!(repeat("origin", "https://evil.example"), E::Repeated("origin"));
    assert_eq!(repeat("user-agent", "other/1"), E::Repeated("user-agent"));
    assert_eq!(repeat("sec-websocket-protocol", "v1"), E::Malformed("sec-websocket-protocol"));
    assert_eq!(set("sec-websocket-protocol", "a b"), E::Malformed("sec-websocket-protocol"));
    assert_eq!(set("sec-websocket-protocol", "a\tb"), E::Malformed("sec-websocket-protocol"));
    assert_eq!(set("sec-websocket-extensions", "x; y=\"a,b\""), E::Malformed("sec-websocket-extensions"));
    assert_eq!(set("sec-websocket-extensions", ", ,"), E::Malformed("sec-websocket-extensions"));
    let latin = HeaderValue::from_bytes(b"caf\xe9").unwrap();
    let accented = refusal(|request| {
        request.headers_mut().insert("sec-websocket-protocol", latin);
    });
    assert_eq!(accented, E::Malformed("sec-websocket-protocol"));
}

#[test]
fn a_body_is_refused() {
    assert_eq!(set("content-length", "5"), HandshakeError::Body);
    assert_eq!(set("transfer-encoding", "chunked"), HandshakeError::Body);
    let mut harmless = request();
    harmless.headers_mut().insert("content-length", HeaderValue::from_static("0"));
    assert!(Handshake::read(harmless).is_ok());
}
