//! `--name value` arguments of the processes this program starts of itself.

use std::str::FromStr;

use crate::Failure;

/// The value of `--name`.
pub(crate) fn value<T: FromStr>(arguments: &[String], name: &str) -> Result<T, Failure>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    optional(arguments, name).ok_or_else(|| format!("--{name} is missing"))?.parse().map_err(Into::into)
}

/// The text of `--name`, if it is there.
pub(crate) fn optional<'a>(arguments: &'a [String], name: &str) -> Option<&'a str> {
    let at = arguments.iter().position(|argument| argument.strip_prefix("--") == Some(name))?;
    arguments.get(at + 1).map(String::as_str)
}
