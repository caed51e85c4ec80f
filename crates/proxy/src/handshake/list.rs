//! Header values that are lists (RFC 9110, section 5.6; RFC 6455, section 9.1).

use http::header::{HeaderMap, HeaderName};

/// Whether a list header has this token, in any case.
pub(crate) fn has_token(headers: &HeaderMap, name: &HeaderName, wanted: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(tokens).any(|token| token.eq_ignore_ascii_case(wanted))
}

/// The elements of one list value; empty ones are skipped.
pub(crate) fn tokens(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(str::trim).filter(|item| !item.is_empty())
}

/// All elements of a list header, if each is a token and none stands twice.
pub(super) fn distinct_tokens(headers: &HeaderMap, name: &HeaderName) -> Option<Vec<String>> {
    let list = joined(headers, name)?;
    let mut found: Vec<String> = Vec::new();
    for token in tokens(&list) {
        if !is_token(token) || found.iter().any(|known| known == token) {
            return None;
        }
        found.push(token.to_owned());
    }
    Some(found)
}

/// A list header's lines as one; empty for none, `None` if they are not visible ASCII.
pub(super) fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let mut all = String::new();
    for value in headers.get_all(name) {
        let value = value.to_str().ok()?.trim();
        if !all.is_empty() && !value.is_empty() {
            all.push_str(", ");
        }
        all.push_str(value);
    }
    Some(all)
}

/// The names in a `Sec-WebSocket-Extensions` list; `None` if it does not follow the grammar.
///
/// A quoted parameter must hold a token, so neither `,` nor `;` can stand in it.
pub(crate) fn extension_names(list: &str) -> Option<Vec<&str>> {
    tokens(list).map(extension_name).collect()
}

fn extension_name(extension: &str) -> Option<&str> {
    let mut parts = extension.split(';').map(str::trim);
    let name = parts.next().filter(|name| is_token(name))?;
    parts.all(is_parameter).then_some(name)
}

fn is_parameter(parameter: &str) -> bool {
    match parameter.split_once('=') {
        None => is_token(parameter),
        Some((key, value)) => {
            let value = value.trim_start();
            let bare = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value);
            is_token(key.trim_end()) && is_token(bare)
        }
    }
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extension_lists_give_their_names() {
        let deflate =
            "permessage-deflate; client_max_window_bits, permessage-deflate;server_max_window_bits=\"10\"";
        assert_eq!(extension_names(deflate).unwrap(), ["permessage-deflate", "permessage-deflate"]);
        assert_eq!(extension_names("a; b=c, d").unwrap(), ["a", "d"]);
        assert_eq!(extension_names(" , ").unwrap(), [""; 0]);
        for bad in ["a b", "a;", "a; =1", "a; b=\"c,d\"", "a; b=\"", "a; b=\"\"", "\"a\"", "a; b=c d"] {
            assert_eq!(extension_names(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_list_may_take_several_lines() {
        let mut headers = HeaderMap::new();
        let name = http::header::SEC_WEBSOCKET_PROTOCOL;
        headers.append(&name, "chat, superchat".parse().unwrap());
        headers.append(&name, "plain".parse().unwrap());
        assert_eq!(distinct_tokens(&headers, &name).unwrap(), ["chat", "superchat", "plain"]);
        assert!(has_token(&headers, &name, "PLAIN"));
        headers.append(&name, "chat".parse().unwrap());
        assert_eq!(distinct_tokens(&headers, &name), None);
    }
}
