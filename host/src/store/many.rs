//! Inserting many rows at once.
//!
//! A statement has one of a few numbers of rows: its text is prepared once and kept, and there are
//! few texts however many rows come together. Half the work of the same rows as one JSON array.

/// Rows in one statement.
const SIZES: [usize; 12] = [64, 48, 32, 24, 16, 12, 8, 6, 4, 3, 2, 1];

/// Splits rows into pieces of those sizes.
pub(super) fn pieces<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let size = SIZES.into_iter().find(|size| *size <= rows.len())?;
        let (piece, rest) = rows.split_at(size);
        rows = rest;
        Some(piece)
    })
}

/// Adds `INSERT INTO …` (`head`) with so many of `row`, a bracket of placeholders; the values are
/// to be bound in their order. Nothing, for no rows.
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
