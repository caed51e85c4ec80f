//! The query the upstream sees: the operator's, then what is left of the agent's.

use std::borrow::Cow;
use url::form_urlencoded;

/// Parameters of the agent's query that are for us and never pass.
const FOR_US: [&str; 3] = ["token", "control", "stream"];

/// The configured query followed by the agent's pairs, byte for byte, except those that are for us and those
/// whose key the operator has set. Empty for none.
pub(super) fn merged(configured: Option<&str>, agent: Option<&str>) -> String {
    let configured = configured.unwrap_or_default();
    let theirs: Vec<_> = pairs(configured).map(key).collect();
    let mut query = configured.to_owned();
    for pair in pairs(agent.unwrap_or_default()) {
        let key = key(pair);
        if FOR_US.contains(&key.as_ref()) || theirs.contains(&key) {
            continue;
        }
        if !query.is_empty() {
            query.push('&');
        }
        query.push_str(pair);
    }
    query
}

fn pairs(query: &str) -> impl Iterator<Item = &str> {
    query.split('&').filter(|pair| !pair.is_empty())
}

/// A pair's key as the upstream will read it: escapes resolved, so that none hides behind them.
fn key(pair: &str) -> Cow<'_, str> {
    let raw = pair.split_once('=').map_or(pair, |(key, _)| key);
    if raw.contains(['%', '+']) {
        form_urlencoded::parse(raw.as_bytes()).next().map_or(Cow::Borrowed(raw), |(key, _)| key)
    } else {
        Cow::Borrowed(raw)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_agents_query_passes_without_what_is_for_us() {
        assert_eq!(merged(None, Some("token=abc&symbol=BTC%2FUSD&depth=5")), "symbol=BTC%2FUSD&depth=5");
        assert_eq!(merged(None, Some("a=1&control=v1&b&stream=0123456789abcdef&c=")), "a=1&b&c=");
        assert_eq!(merged(None, Some("tok%65n=abc&token&token=&x=token")), "x=token");
        assert_eq!(merged(None, Some("tokens=1&Token=2")), "tokens=1&Token=2");
        assert_eq!(merged(None, None), "");
        assert_eq!(merged(None, Some("")), "");
    }

    #[test]
    fn the_operators_query_stays_and_wins() {
        assert_eq!(merged(Some("v=2"), None), "v=2");
        assert_eq!(merged(Some("v=2&key=k"), Some("token=t&symbol=BTC")), "v=2&key=k&symbol=BTC");
        assert_eq!(merged(Some("key=k"), Some("key=mine&k%65y=mine&x=1")), "key=k&x=1");
    }
}
