//! A log of format 2 or 3 is converted once, when it is opened: every row is decoded as that format
//! has it and written again as today's, in one transaction. Each record becomes one, so numbers
//! and rows stay as they were. Delete this file with `model::event::format3`.

use std::path::Path;

use gristmill_model::event::format3::{self, Converter};
use rmp_serde::Deserializer;
use rusqlite::{Connection, Transaction, params};
use serde::Deserialize;

use super::super::row::{Row, checksum, encode};
use super::row_of;
use crate::log::LogError;

/// Where rows are, and under which key.
struct Table {
    select: &'static str,
    update: &'static str,
    /// Whether its records are numbered events, or those of a base.
    numbered: bool,
}

const COMMITS: Table = Table {
    select: "SELECT first_seq, count, checksum, bytes, first_seq FROM commits
             WHERE first_seq > ?1 ORDER BY first_seq LIMIT 1",
    update: "UPDATE commits SET checksum = ?2, bytes = ?3 WHERE first_seq = ?1",
    numbered: true,
};

const BASE: Table = Table {
    select: "SELECT first, count, checksum, bytes, id FROM base_rows
             WHERE id > ?1 ORDER BY id LIMIT 1",
    update: "UPDATE base_rows SET checksum = ?2, bytes = ?3 WHERE id = ?1",
    numbered: false,
};

/// Converts all rows within the caller's transaction.
///
/// # Errors
/// A row is damaged, or the disk does not take it: then nothing is changed.
pub(super) fn to_today(path: &Path, transaction: &Transaction<'_>) -> Result<(), LogError> {
    let mut converter = Converter::default();
    let tables: Vec<Table> =
        if has_base(path, transaction)? { vec![BASE, COMMITS] } else { vec![COMMITS] };
    for table in &tables {
        each_row(path, transaction, table, |_, row| {
            for (seq, record) in decode(path, row, table.numbered)? {
                converter.note(seq, &record);
            }
            Ok(())
        })?;
    }
    for table in &tables {
        each_row(path, transaction, table, |key, row| {
            let records: Vec<_> = decode(path, row, table.numbered)?
                .into_iter()
                .map(|(seq, record)| converter.convert(seq, record))
                .collect();
            let bytes = encode(&records)?;
            transaction
                .prepare_cached(table.update)
                .and_then(|mut update| {
                    update.execute(params![key, checksum(&bytes).cast_signed(), bytes])
                })
                .map_err(|error| LogError::from_sqlite(path, row.first, error))?;
            Ok(())
        })?;
    }
    Ok(())
}

fn has_base(path: &Path, connection: &Connection) -> Result<bool, LogError> {
    let known = "SELECT count(*) FROM sqlite_schema WHERE name = 'base_rows'";
    let known = connection.query_row(known, [], |row| row.get::<_, u32>(0));
    known.map(|known| known > 0).map_err(|error| LogError::from_sqlite(path, 0, error))
}

/// Takes row by row, so that none but one is in memory.
fn each_row(
    path: &Path,
    connection: &Connection,
    table: &Table,
    mut take: impl FnMut(i64, &Row) -> Result<(), LogError>,
) -> Result<(), LogError> {
    let mut after = i64::MIN;
    loop {
        let told = |error| LogError::from_sqlite(path, 0, error);
        let mut select = connection.prepare_cached(table.select).map_err(told)?;
        let mut rows = select.query([after]).map_err(told)?;
        let Some(found) = rows.next().map_err(told)? else { return Ok(()) };
        let (row, key) = (row_of(found).map_err(told)?, found.get(4).map_err(told)?);
        take(key, &row)?;
        after = key;
    }
}

fn decode(path: &Path, row: &Row, numbered: bool) -> Result<Vec<(u64, format3::Record)>, LogError> {
    let damaged = |why: String| LogError::Damaged {
        path: path.to_owned(),
        after: if numbered { row.first - 1 } else { 0 },
        why,
    };
    if row.checksum != checksum(&row.bytes) {
        return Err(damaged("its checksum does not match".into()));
    }
    let mut from = Deserializer::from_read_ref(row.bytes.as_slice());
    (row.first..=row.last())
        .map(|seq| {
            let record = format3::Record::deserialize(&mut from);
            let record = record.map_err(|error| damaged(error.to_string()))?;
            Ok((if numbered { seq } else { 0 }, record))
        })
        .collect()
}
