//! What Redis answers, as values or as the store's errors.

use crate::redis::{FromRedisValue, ServerError, Value, from_redis_value};
use tollwire_ledger::Error;

/// A value of the type asked for; a server's error as ours. `what` names it in the error.
pub fn read<T: FromRedisValue>(value: Value, what: &str) -> Result<T, Error> {
    match value {
        Value::ServerError(error) => Err(refused(&error)),
        value => from_redis_value(value).map_err(|_| Error::Corrupt(format!("{what} is not readable"))),
    }
}

/// The answers, if no command was refused.
pub fn none_refused(answers: Vec<Value>) -> Result<Vec<Value>, Error> {
    let refusal = answers.iter().find_map(|answer| match answer {
        Value::ServerError(error) => Some(refused(error)),
        _ => None,
    });
    refusal.map_or(Ok(answers), Err)
}

fn refused(error: &ServerError) -> Error {
    let text = format!("{} {}", error.code(), error.details().unwrap_or_default());
    match error.code() {
        "CORRUPT" | "WRONGTYPE" => Error::Corrupt(text),
        _ => Error::Unavailable(format!("Redis: {text}")),
    }
}

/// The first answer.
pub fn first(answers: Vec<Value>) -> Result<Value, Error> {
    answers.into_iter().next().ok_or_else(silent)
}

/// The last answer.
pub fn last(mut answers: Vec<Value>) -> Result<Value, Error> {
    answers.pop().ok_or_else(silent)
}

fn silent() -> Error {
    Error::Unavailable("Redis gave no answer".to_owned())
}
