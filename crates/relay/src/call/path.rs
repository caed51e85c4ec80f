//! What a client may ask of an API: a path below the API's own base, and never another host.

use super::CallError;
use percent_encoding::percent_decode_str;

/// The longest path with its query, in bytes.
const PATH_BYTES_MAX: usize = 8 * 1024;

const RULE: &str = "write an absolute path such as /v1/echo?x=1: one leading slash, no dot segments, no control \
                    characters, at most 8 KiB";

/// Checks a path with its query.
pub(super) fn check(path: &str) -> Result<(), CallError> {
    let (plain, _) = path.split_once('?').unwrap_or((path, ""));
    let decoded: Vec<u8> = percent_decode_str(plain).collect();
    let fits = path.len() <= PATH_BYTES_MAX
        && path.starts_with('/')
        && !path.starts_with("//")
        && path.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'#'))
        && !decoded.iter().any(|byte| byte.is_ascii_control() || *byte == b'\\')
        && !decoded.split(|byte| *byte == b'/').any(|segment| matches!(segment, b"." | b".."));
    if fits { Ok(()) } else { Err(CallError::malformed("params.path", RULE)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths_stay_below_the_base() {
        for good in [
            "/",
            "/v1/echo?x=1",
            "/a%20b",
            "/a/..b/c..",
            "/?u=http://x/../y",
            "/a//b",
            "/%E2%82%AC",
            "/x?a=%0A",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        let long = format!("/{}", "x".repeat(PATH_BYTES_MAX));
        for bad in [
            "",
            "v1",
            "//evil.example/",
            "http://evil.example/",
            "/..",
            "/a/../b",
            "/a/%2e%2E/b",
            "/a/%2e./b",
            "/a%2f..%2fb",
            "/./a",
            "/a\\..\\b",
            "/a%5c..%5cb",
            "/a\r\nX: y",
            "/a%0d%0aX:%20y",
            "/a%00",
            "/a b",
            "/a#b",
            "/ä",
            long.as_str(),
        ] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn what_passes_names_no_host_and_climbs_nowhere(path in "[/.%2eE5cf\\\\a?@:#-]{0,24}") {
            if check(&path).is_ok() {
                let base: url::Url = "http://api.example/base".parse().unwrap();
                let joined: url::Url = format!("http://api.example/base{path}").parse().unwrap();
                prop_assert_eq!(joined.host_str(), base.host_str());
                prop_assert!(joined.path().starts_with("/base/"), "{}", joined);
            }
        }
    }
}
