//! What of the page needs no browser to be asked: files for spreadsheets, money, metrics.

use tollwire_testkit::tools::workspace;
use tollwire_tests::script::Script;

#[tokio::test]
async fn money_metrics_and_spreadsheets_are_read_and_written_rightly() {
    let assets = workspace().join("crates/page/assets/shared");
    let asked = Script::node("page/modules.mjs").env("ASSETS", assets).result().await;
    assert_eq!(asked["done"], true);
}
