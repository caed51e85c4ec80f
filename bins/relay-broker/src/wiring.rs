//! From the file's words to the broker's.

use crate::config::{Api as Written, File, PaymentHeader as WrittenHeader};
use crate::failure::Failure;
use std::sync::Arc;
use tollwire_gate::http::AdminToken;
use tollwire_ops::Error;
use tollwire_ops::config::Loaded;
use tollwire_ops::listener::{self, Listener, ProxyTrust};
use tollwire_relay::asp::Asp;
use tollwire_relay::bridge::Bridge;
use tollwire_relay::call::{Api, Apis, PaymentHeader, Price};
use tollwire_relay::orchestrator::Orchestrator;
use tollwire_relay::runtime::Origins;
use tollwire_relay::store::Rows;
use tollwire_relay::{Limits, Payments, Relay, RelayConfig};
use tollwire_settlement::ChainInfo;

/// The broker that a file describes.
pub(crate) fn relay(
    file: &Loaded<File>,
    rows: Option<Arc<dyn Rows>>,
    (bridge, asp, orchestrator): (Option<Bridge>, Option<Asp>, Option<Orchestrator>),
    payments: Option<Payments>,
) -> Result<Relay, Failure> {
    let roots_pem = roots(file)?;
    let (apis, origins, limits) = (apis(file)?, origins(file)?, limits(file));
    let config = RelayConfig { apis, origins, limits, bridge, asp, orchestrator, roots_pem, rows, payments };
    Relay::new(config).map_err(|error| file.error("upstream_roots", error.to_string()).into())
}

/// Authorities beside the public ones, for whatever is asked over HTTPS.
pub(crate) fn roots(file: &Loaded<File>) -> Result<Option<String>, Error> {
    let read = |path: &std::path::PathBuf| {
        std::fs::read_to_string(file.base.join(path))
            .map_err(|error| file.error("upstream_roots", error.to_string()))
    };
    file.value.upstream_roots.as_ref().map(read).transpose()
}

/// What `/admin/*` asks for.
pub(crate) fn admin_token(file: &Loaded<File>) -> Result<Option<AdminToken>, Error> {
    let token = file.value.admin.as_ref().and_then(|admin| admin.token.as_ref());
    token.map(|token| Ok(AdminToken::new(token.read(&file.base)?.expose()))).transpose()
}

fn origins(file: &Loaded<File>) -> Result<Origins, Error> {
    Origins::new(&file.value.public_url, &file.value.origins)
        .map_err(|error| file.error("origins", error.to_string()))
}

/// All APIs of a file, checked.
pub(crate) fn apis(file: &Loaded<File>) -> Result<Apis, Error> {
    let mut all = Vec::new();
    let chains = tollwire_wiring::described(&file.value.chain, &file.base)?;
    let real = chains.iter().filter(|chain| !chain.is_dev());
    let own = real.map(|chain| (chain.network, chain.deposit_wallet.clone())).collect();
    for (position, written) in file.value.api.iter().enumerate() {
        let fail = |key: &str, reason: String| file.error(format!("api[{position}].{key}"), reason);
        let api = api(written, &chains, &fail)?;
        // Each by itself, so that an error can name the one that cannot be called.
        let wrong = |error: String| file.error(format!("api[{position}]"), error);
        api.check().map_err(|error| wrong(error.to_string()))?;
        if let Some(price) = &api.price {
            price.check_payees(&own).map_err(|error| wrong(error.to_string()))?;
        }
        all.push(api);
    }
    Apis::new(all).map_err(|error| file.error("api", error.to_string()))
}

fn api(written: &Written, chains: &[ChainInfo], fail: &dyn Fn(&str, String) -> Error) -> Result<Api, Error> {
    let base_url = written.base_url.resolve()?;
    let base_url = base_url.parse().map_err(|error: url::ParseError| fail("base_url", error.to_string()))?;
    let mut api = Api::new(written.id.clone(), base_url);
    for (name, value) in &written.headers {
        let key = format!("headers.{name}");
        let value = value.resolve()?;
        let name = http::HeaderName::try_from(name).map_err(|error| fail(&key, error.to_string()))?;
        let mut value = http::HeaderValue::try_from(value)
            .map_err(|_| fail(&key, "not a header value: visible ASCII only".into()))?;
        value.set_sensitive(true);
        api.headers.insert(name, value);
    }
    api.allow_private = written.allow_private;
    api.payment_header = match written.payment_header {
        WrittenHeader::Auto => PaymentHeader::Auto,
        WrittenHeader::Both => PaymentHeader::Both,
    };
    api.price = price(written, chains, fail)?;
    Ok(api)
}

/// A price, and who is paid: on the dev chain its own wallet, if nobody is named.
fn price(
    written: &Written,
    chains: &[ChainInfo],
    fail: &dyn Fn(&str, String) -> Error,
) -> Result<Option<Price>, Error> {
    let Some(amount) = &written.price else { return Ok(None) };
    let amount = amount.parse().map_err(|error: tollwire_x402::Error| fail("price", error.to_string()))?;
    let mut pay_to = written.pay_to.clone();
    let dev = |chain: &&ChainInfo| chain.is_dev();
    if let Some(chain) = chains.iter().find(dev).filter(|_| pay_to.is_empty()) {
        pay_to.insert(chain.network, chain.deposit_wallet.clone());
    }
    Ok(Some(Price { amount, pay_to }))
}

/// Bounds and time-outs of connections and calls.
pub(crate) fn limits(file: &Loaded<File>) -> Limits {
    let written = &file.value.limits;
    let mut limits = Limits::default();
    limits.sockets_max = written.sockets;
    limits.calls_per_socket_max = written.calls_per_socket;
    limits.calls_max = written.calls;
    limits.frame_bytes_max = written.frame_bytes;
    limits.request_bytes_max = written.request_bytes;
    limits.answer_bytes_max = written.answer_bytes;
    limits.queue_bytes_max = written.queue_bytes;
    limits.heartbeat = written.heartbeat.0;
    limits.stall = written.stall.0;
    limits.close_wait = written.close_wait.0;
    limits.connect = written.upstream_connect.0;
    limits.answer = written.upstream_answer.0;
    limits
}

/// Opens the public listener as the file says.
pub(crate) async fn public_listener(file: &Loaded<File>) -> Result<Listener, Failure> {
    let value = &file.value;
    let limits = listener::Limits {
        header_read: value.limits.header_read.0,
        answer_stall: value.limits.answer_stall.0,
        header_bytes_max: value.limits.header_bytes,
        connections_max: value.limits.connections,
        connections_per_address_max: value.limits.connections_per_address,
        ..listener::Limits::default()
    };
    let tls = value.tls.as_ref().map(|tls| listener::acceptor(tls, &file.base)).transpose()?;
    let listener = Listener::bind(value.listen, limits).await?;
    Ok(listener.with_tls(tls).trusting(ProxyTrust::new(value.trusted_proxies.clone())))
}
