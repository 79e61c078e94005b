//! Multi-row `INSERT` statements.
//!
//! A statement has one of a few fixed numbers of rows, so there are few different texts, and each
//! is prepared once and cached. This costs half as much as passing the rows as one JSON array.

/// Possible numbers of rows in one statement.
const SIZES: [usize; 12] = [64, 48, 32, 24, 16, 12, 8, 6, 4, 3, 2, 1];

/// Splits rows into pieces of these sizes.
pub(super) fn pieces<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let size = SIZES.into_iter().find(|size| *size <= rows.len())?;
        let (piece, rest) = rows.split_at(size);
        rows = rest;
        Some(piece)
    })
}

/// Appends an `INSERT` statement to `sql`: `head` (`INSERT INTO …`) and `rows` times `row`, a tuple
/// of placeholders whose values are bound in order. Appends nothing for no rows.
pub(super) fn insert(sql: &mut String, head: &str, row: &str, rows: usize) {
    if rows == 0 {
        return;
    }
    sql.reserve(head.len() + 10 + rows * (row.len() + 1));
    sql.push_str(head);
    for number in 0..rows {
        sql.push_str(if number == 0 { " VALUES " } else { "," });
        sql.push_str(row);
    }
    sql.push_str("; ");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_go_in_few_pieces_of_few_sizes() {
        for rows in 0..300 {
            let all: Vec<usize> = (0..rows).collect();
            let pieces: Vec<&[usize]> = pieces(&all).collect();
            assert!(
                pieces.iter().all(|piece| SIZES.contains(&piece.len())),
                "{rows}"
            );
            assert!(
                pieces.len() <= rows / 64 + 3,
                "{rows} rows in {} pieces",
                pieces.len()
            );
            assert_eq!(pieces.concat(), all);
        }
    }
}
