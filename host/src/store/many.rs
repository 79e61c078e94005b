//! Inserting many rows at once.
//!
//! A statement has as many rows as the largest power of two that fits: its text is prepared once and kept, and there are
//! few texts however many rows come together. Half the work of the same rows as one JSON array.

use sqlx::{AssertSqlSafe, Sqlite, query::Query, sqlite::SqliteArguments};

/// Rows in one statement.
const MOST: usize = 64;

/// Splits rows into pieces of a power of two.
pub(super) fn pieces<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let most = 1_usize << rows.len().checked_ilog2()?;
        let (piece, rest) = rows.split_at(most.min(MOST));
        rows = rest;
        Some(piece)
    })
}

/// `INSERT INTO …` (`head`) with so many of `row`, a bracket of placeholders; the values are to be bound in their order.
pub(super) fn insert<'q>(head: &str, row: &str, rows: usize) -> Query<'q, Sqlite, SqliteArguments> {
    let mut sql = String::with_capacity(head.len() + 8 + rows * (row.len() + 1));
    sql.push_str(head);
    for number in 0..rows {
        sql.push_str(if number == 0 { " VALUES " } else { "," });
        sql.push_str(row);
    }
    // The parts are constants of the callers.
    sqlx::query(AssertSqlSafe(sql))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_go_in_pieces_of_a_power_of_two() {
        for rows in [0, 1, 2, 3, 30, 64, 200] {
            let all: Vec<usize> = (0..rows).collect();
            let pieces: Vec<&[usize]> = pieces(&all).collect();
            assert!(pieces.iter().all(|piece| piece.len().is_power_of_two() && piece.len() <= MOST), "{rows}");
            assert_eq!(pieces.concat(), all);
        }
    }
}
