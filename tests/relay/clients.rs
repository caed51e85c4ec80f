//! Clients that nobody here wrote.

use crate::rig::Rig;
use serde_json::json;
use tollwire_tests::script::Script;

/// Python `websockets`: 20 calls at once, bytes compared on its side, pings answered, a proper close.
#[tokio::test]
async fn python_websockets_calls_in_parallel() {
    let rig = Rig::limited("heartbeat = \"300ms\"").await;
    let told = Script::python("relay/parallel.py").env("SOCKET_URL", rig.broker.socket_url()).result().await;
    assert_eq!(told["answered"], json!(20), "{told}");
    assert_eq!(told["in_order"], json!(false), "{told}");
    assert_eq!(told["same_bytes"], json!(true), "{told}");
    assert_eq!(told["close_code"], json!(1000), "{told}");
}
