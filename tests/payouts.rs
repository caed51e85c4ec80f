//! Payouts by the operator's commands, beside running nodes: what agents used reaches the provider once, and the books
//! say where every atomic unit is.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use futures_util::future::join_all;
use http::Method;
use serde_json::json;
use std::time::Duration;
use tokio::process::Command;
use tollwire_testkit::evm::Anvil;
use tollwire_testkit::feed::{Message, Mode, SampleFeed};
use tollwire_testkit::redis::RedisServer;
use tollwire_tests::agent::Agent;
use tollwire_tests::facilitator::{ADMIN_TOKEN, Facilitator, binary};
use tollwire_tests::http::{get, try_send};
use tollwire_tests::settings::{ANVIL_ADDRESS, ANVIL_KEY, Chain, Feed, PROVIDER, Settings, Store};
use tollwire_tests::world::{World, admin};
use tollwire_tests::ws::open;

/// What a command said, and whether it succeeded.
struct Said {
    success: bool,
    out: String,
    problem: String,
}

impl Said {
    /// Lines of comma-separated values below their head, by column.
    fn column(&self, name: &str) -> Vec<String> {
        let mut lines = self.out.lines();
        let head: Vec<&str> = lines.next().unwrap().split(',').collect();
        let position = head.iter().position(|column| *column == name).unwrap();
        lines.map(|line| line.split(',').nth(position).unwrap().to_owned()).collect()
    }
}

/// Runs the binary on a node's configuration.
async fn command(node: &Facilitator, arguments: &[&str]) -> Said {
    let mut command = Command::new(binary());
    command.args(arguments).args(["--config", "facilitator.toml"]).current_dir(node.folder());
    command.env("TOLLWIRE_ADMIN_TOKEN", ADMIN_TOKEN).env("TOLLWIRE_EVM_KEY", ANVIL_KEY);
    let output = command.output().await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Said { success: output.status.success(), out: text(output.stdout), problem: text(output.stderr) }
}

/// Buys a session and uses so many of its streams.
async fn use_streams(node: &Facilitator, agent: &Agent, atomic: u64, streams: usize) {
    let paid = agent.buy(&node.url("/feeds/ticks/session"), atomic).await;
    assert_eq!(paid.status, 200, "{paid:?}");
    let token = paid.json()["token"].as_str().unwrap().to_owned();
    for _ in 0..streams {
        let mut stream = open(&node.ws_url(&World::target(&token)), &[]).await.unwrap();
        stream.echo(Message::text("used")).await;
        stream.close().await;
    }
    let online = node.url("/session");
    let bearer = format!("Bearer {token}");
    loop {
        let session = get(&online, &[("authorization", bearer.as_str())]).await.json();
        if session["live_streams"] == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Lists until every payout is paid.
async fn listed(node: &Facilitator) -> Said {
    for _ in 0..200 {
        let list = command(node, &["payouts", "list", "--csv"]).await;
        assert!(list.success, "{}", list.problem);
        if list.column("state").iter().all(|state| state == "paid") {
            return list;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("payouts stay pending");
}

#[tokio::test]
async fn a_provider_is_paid_by_command_beside_the_node_that_has_the_store() {
    let world = World::start(Mode::Echo, |_| {}).await;
    let node = &world.facilitator;
    use_streams(node, &Agent::new(), 100_000, 3).await;

    let below = command(node, &["payouts", "run"]).await;
    assert!(below.success && below.out.contains("nothing to pay"), "{}{}", below.out, below.problem);
    assert!(command(node, &["payouts", "list"]).await.out.contains("no provider was paid yet"));
    let run = command(node, &["payouts", "run", "--threshold", "0.01"]).await;
    assert!(run.success, "{}{}", run.out, run.problem);
    // Three units of ten thousand, less 1 % and the gas of one settlement.
    let list = listed(node).await;
    assert_eq!(list.column("amount"), ["22700"]);
    assert_eq!(list.column("to"), [PROVIDER]);
    assert_eq!(list.column("account"), [format!("eip155:84532:{PROVIDER}")]);
    assert!(list.column("transaction")[0].starts_with("0x"));

    let again = command(node, &["payouts", "run", "--threshold", "0.000001"]).await;
    assert!(again.success && again.out.contains("nothing to pay"), "{}", again.out);
    let balance = command(node, &["ledger", "balance"]).await;
    assert!(balance.success && balance.out.contains("The trial balance is zero."), "{}", balance.out);
    let books = admin(node, Method::GET, "/admin/ledger/balance", "").await.json();
    let chain = &books["chains"]["eip155:84532"];
    assert_eq!((&books["zero"], &chain["unexplained"]), (&json!(true), &json!("0")), "{books}");
    // Paid in, less the payout; owed are the seven units that are left.
    assert_eq!(
        (&chain["custody"], &chain["custody_on_chain"]),
        (&json!("77300"), &json!("77300")),
        "{books}"
    );
    assert_eq!((&chain["owed"], &chain["surplus"]), (&json!("70000"), &json!("7300")), "{books}");
    let totals = admin(node, Method::GET, "/admin/ledger", "").await.json();
    assert_eq!(totals["totals"]["usdc"]["handed"], "22700", "{totals}");
    let open = command(node, &["ledger", "export"]).await;
    assert!(!open.success && open.problem.contains("another process"), "{}", open.problem);
    let url = node.admin_url("/admin/payouts");
    assert_eq!(try_send(Method::POST, &url, &[], "").await.unwrap().status, 401);
    let wrong = admin(node, Method::POST, "/admin/payouts?threshold=ten", "").await;
    assert_eq!(wrong.status, 400, "{wrong:?}");
}

#[tokio::test]
async fn commands_and_nodes_on_one_redis_pay_a_real_chain_once() {
    let redis = RedisServer::start().await.unwrap();
    let feed = SampleFeed::start(Mode::Echo).await.unwrap();
    let anvil = Anvil::start(8453).await.unwrap();
    let agent = Agent::new();
    anvil.mint(&agent.address(), 10_000_000).await.unwrap();
    // Dear enough for something to be left when the node's gas is paid.
    let dear = Feed { price: "0.50", deposit_units: "[10]", ..Feed::ticks(feed.url("/")) };
    let mut settings = Settings::dev(vec![dear]);
    settings.store = Store::Redis(redis.url());
    settings.chain =
        Chain::Evm { network: "eip155:8453", rpc_url: anvil.url(), settlement_key: ANVIL_KEY.into() };
    let a = Facilitator::start(settings.clone()).await;
    let mut b = Facilitator::start_beside(&a, settings).await;
    use_streams(&a, &agent, 5_000_000, 5).await;
    use_streams(&b, &agent, 5_000_000, 5).await;
    // Deep enough that no reorganisation is expected to take the deposits away.
    anvil.mine(70).await.unwrap();

    let run = ["payouts", "run", "--threshold", "0.001"];
    let over_admin = admin(&b, Method::POST, "/admin/payouts?threshold=0.001", "");
    let commands = join_all([command(&a, &run), command(&b, &run)]);
    let (said, answer) = tokio::join!(commands, over_admin);
    assert!(matches!(answer.status.as_u16(), 200 | 409), "{answer:?}");
    for said in said {
        assert!(said.success || said.problem.contains("made already"), "{}{}", said.out, said.problem);
    }
    b.crash_and_restart().await;
    let list = listed(&a).await;
    let transfers = anvil.transfers_to(PROVIDER).await.unwrap();
    let sent: Vec<String> = transfers
        .iter()
        .filter(|transfer| transfer.from.eq_ignore_ascii_case(ANVIL_ADDRESS))
        .map(|transfer| transfer.value.to_string())
        .collect();
    assert_eq!(list.column("amount"), sent);
    assert_eq!(sent.len(), 1);

    let balance = command(&b, &["ledger", "balance"]).await;
    assert!(balance.success, "{}{}", balance.out, balance.problem);
    let export = command(&a, &["ledger", "export"]).await;
    assert!(export.success, "{}", export.problem);
    assert_eq!(export.column("kind"), ["session", "session", "payout"]);
    let numbers = |name: &str| -> Vec<u64> {
        export.column(name).iter().map(|cell| cell.parse().unwrap_or_default()).collect()
    };
    let (deposited, handed, gathered) = (numbers("deposited"), numbers("handed"), numbers("gathered"));
    let parts = ["provider_net", "fee", "gas", "refunded", "withheld", "unspent"].map(numbers);
    for row in 0..2 {
        assert_eq!(deposited[row], parts.iter().map(|part| part[row]).sum::<u64>(), "{}", export.out);
        assert_eq!(handed[row], gathered[row], "{}", export.out);
    }
    assert_eq!(gathered[2], handed[0] + handed[1], "{}", export.out);
    assert_eq!(gathered[2].to_string(), sent[0]);
}
