//! How columns carry the model's values: ids and times as numbers, states as words, the rest as
//! JSON.

use std::str::FromStr;

use gristmill_model::Time;
use gristmill_model::source::{Items, Source};
use rusqlite::types::Type;
use rusqlite::{Error, Result, Row};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A number that is never negative: an id, a count.
pub(super) fn number(row: &Row<'_>, column: &str) -> Result<u64> {
    row.get::<_, i64>(column).map(i64::cast_unsigned)
}

/// A point in time, where there is one.
pub(super) fn time(row: &Row<'_>, column: &str) -> Result<Option<Time>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(|at| Time(at.cast_unsigned())))
}

/// A point in time that is always there.
pub(super) fn some_time(row: &Row<'_>, column: &str) -> Result<Time> {
    number(row, column).map(Time)
}

/// A state, by its word.
pub(super) fn word<T: FromStr<Err: Into<Box<dyn std::error::Error + Send + Sync>>>>(
    row: &Row<'_>,
    column: &str,
) -> Result<T> {
    let word: String = row.get(column)?;
    word.parse().map_err(|error: T::Err| bad(error.into()))
}

/// A value kept as JSON, where there is one.
pub(super) fn json<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> Result<Option<T>> {
    match row.get_ref(column)?.as_str_or_null()? {
        Some(text) => serde_json::from_str(text).map(Some).map_err(|error| bad(error.into())),
        None => Ok(None),
    }
}

/// A value kept as JSON that is always there.
pub(super) fn some_json<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> Result<T> {
    json(row, column)?.ok_or_else(|| bad(format!("{column} is missing").into()))
}

/// The items of a range's source.
pub(super) fn items(row: &Row<'_>, column: &str) -> Result<Items> {
    some_json::<Source>(row, column)?.parse().map_err(|rejection| bad(rejection.detail.into()))
}

/// The JSON of a value.
pub(super) fn to_json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::ToSqlConversionFailure(error.into()))
}

fn bad(error: Box<dyn std::error::Error + Send + Sync>) -> Error {
    Error::FromSqlConversionFailure(0, Type::Text, error)
}
