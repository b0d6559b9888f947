//! A table that fits its terminal: what matters least gives way, what is too long is cut.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// One column.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    pub name: &'static str,
    /// It is not cut below this; a column that does not get as much is left out.
    pub least: usize,
    /// The higher, the later it is left out.
    pub weight: u8,
}

/// The table, and which columns found no room.
#[derive(Debug, PartialEq, Eq)]
pub struct Fitted {
    pub text: String,
    pub hidden: Vec<&'static str>,
}

/// Blanks between two columns.
const GAP: usize = 2;
/// Without a terminal nothing limits a cell but good sense.
const LONGEST: usize = 48;

/// Fits rows into a width; `None`: as wide as need be.
pub fn fit(columns: &[Column], rows: &[Vec<String>], width: Option<usize>) -> Fitted {
    let natural: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(at, column)| {
            let cells = rows.iter().map(|row| row[at].width()).max().unwrap_or_default();
            cells.min(LONGEST.max(column.least)).max(column.name.len())
        })
        .collect();
    let least = |at: usize| natural[at].min(columns[at].least.max(columns[at].name.len().min(natural[at])));
    let width = width.unwrap_or(usize::MAX);
    let mut order: Vec<usize> = (0..columns.len()).collect();
    order.sort_by_key(|at| std::cmp::Reverse(columns[*at].weight));
    let mut used = 0;
    let mut widths: Vec<Option<usize>> = vec![None; columns.len()];
    for at in order {
        let wanted = least(at) + if used == 0 { 0 } else { GAP };
        if used == 0 || used + wanted <= width {
            // The first one stays whatever happens.
            widths[at] = Some(least(at).min(width));
            used += wanted;
        }
    }
    grow(&mut widths, &natural, width.saturating_sub(used));
    let mut text = String::new();
    let names = columns.iter().map(|column| column.name.to_owned()).collect::<Vec<_>>();
    for row in std::iter::once(&names).chain(rows) {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let Some(width) = width else { continue };
            let cell = cut(cell, *width);
            let blanks = width.saturating_sub(cell.width()) + GAP;
            line.push_str(&cell);
            line.extend(std::iter::repeat_n(' ', blanks));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    let hidden = columns.iter().zip(&widths).filter(|(_, width)| width.is_none()).map(|(column, _)| column.name);
    Fitted { text, hidden: hidden.collect() }
}

/// Gives what is left to those that would use it, the one that lacks least first.
fn grow(widths: &mut [Option<usize>], natural: &[usize], mut left: usize) {
    let mut wanting: Vec<usize> = (0..widths.len()).filter(|at| widths[*at].is_some()).collect();
    wanting.sort_by_key(|at| natural[*at] - widths[*at].unwrap_or_default());
    let mut many = wanting.len();
    for at in wanting {
        let has = widths[at].unwrap_or_default();
        let more = (natural[at] - has).min(left / many.max(1));
        widths[at] = Some(has + more);
        left -= more;
        many -= 1;
    }
}

fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut used = 0;
    for letter in text.chars() {
        let more = letter.width().unwrap_or_default();
        if used + more + 1 > width {
            break;
        }
        used += more;
        kept.push(letter);
    }
    kept.push('…');
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 3] = [
        Column { name: "TIME", least: 5, weight: 9 },
        Column { name: "OPERATION", least: 9, weight: 8 },
        Column { name: "ID", least: 12, weight: 1 },
    ];

    fn check(width: Option<usize>, expected: &str, hidden: &[&str]) {
        let rows = [vec!["08:00".to_owned(), "deleteSecurityGroup".to_owned(), "0123456789ab".to_owned()]];
        let fitted = fit(&COLUMNS, &rows, width);
        assert_eq!((fitted.text.as_str(), fitted.hidden.as_slice()), (expected, hidden), "{width:?}");
        assert!(fitted.text.lines().all(|line| line.width() <= width.unwrap_or(usize::MAX)));
    }

    #[test]
    fn a_table_takes_the_room_it_has() {
        let whole = "TIME   OPERATION            ID\n08:00  deleteSecurityGroup  0123456789ab\n";
        check(None, whole, &[]);
        check(Some(40), whole, &[]);
        check(Some(36), "TIME   OPERATION        ID\n08:00  deleteSecurity…  0123456789ab\n", &[]);
        check(Some(29), "TIME   OPERATION\n08:00  deleteSecurityGroup\n", &["ID"]);
        check(Some(16), "TIME   OPERATION\n08:00  deleteSe…\n", &["ID"]);
        check(Some(3), "TI…\n08…\n", &["OPERATION", "ID"]);
    }

    #[test]
    fn wide_letters_count_twice() {
        assert_eq!(cut("日本語テキスト", 7), "日本語…");
        assert_eq!(cut("aé", 2), "aé");
    }
}
