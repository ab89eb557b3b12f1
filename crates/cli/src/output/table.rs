//! Columns that line up, made for reading and for `awk`: two spaces between, no frames.

use super::Output;
use crate::error::Result;

/// Rows under headings.
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new<const N: usize>(headings: [&str; N]) -> Table {
        Table { rows: vec![headings.map(str::to_uppercase).into()] }
    }

    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        debug_assert_eq!(N, self.rows[0].len());
        self.rows.push(cells.into());
    }

    /// The table as text, a line a row.
    pub fn text(&self) -> String {
        let columns = self.rows[0].len();
        let width = |column: usize| self.rows.iter().map(|row| shown(&row[column])).max();
        let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
        let mut text = String::new();
        for row in &self.rows {
            for (column, cell) in row.iter().enumerate() {
                text.push_str(cell);
                if column + 1 < columns {
                    text.push_str(&" ".repeat(widths[column] - shown(cell) + 2));
                }
            }
            text.truncate(text.trim_end_matches(' ').len());
            text.push('\n');
        }
        text
    }

    pub fn print(&self, output: Output) -> Result<()> {
        output.raw(self.text().as_bytes())
    }
}

/// Characters that are seen: colour codes take no room.
fn shown(cell: &str) -> usize {
    let mut hidden = false;
    let mut count = 0;
    for letter in cell.chars() {
        match letter {
            '\x1b' => hidden = true,
            'm' if hidden => hidden = false,
            _ if hidden => {}
            _ => count += 1,
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn columns_line_up_whatever_their_colour() {
        let mut table = Table::new(["id", "state"]);
        table.row(["j1".into(), "\x1b[32msucceeded\x1b[0m".into()]);
        table.row(["j1000".into(), "queued".into()]);
        assert_eq!(table.text(), "ID     STATE\nj1     \x1b[32msucceeded\x1b[0m\nj1000  queued\n");
    }

    proptest! {
        #[test]
        fn every_column_begins_where_its_heading_does(
            cells in vec(("[a-zé]{0,12}", "[a-zé]{1,9}", any::<bool>(), "[a-z]{0,5}"), 0..9),
        ) {
            let mut table = Table::new(["id", "state", "why"]);
            for (first, second, red, third) in &cells {
                let second = if *red { format!("\x1b[31m{second}\x1b[0m") } else { second.clone() };
                table.row([first.clone(), second, third.clone()]);
            }
            let text = table.text().replace("\x1b[31m", "").replace("\x1b[0m", "");
            let lines: Vec<Vec<char>> = text.lines().map(|line| line.chars().collect()).collect();
            prop_assert_eq!(lines.len(), cells.len() + 1);
            let heading: String = lines[0].iter().collect();
            let (second, third) = (heading.find("STATE").unwrap(), heading.find("WHY").unwrap());
            let part = |line: &[char], from: usize, to: usize| -> String {
                let to = to.min(line.len());
                let part: String = line.get(from..to).unwrap_or_default().iter().collect();
                part.trim_end().to_owned()
            };
            for (line, (one, two, _, three)) in lines[1..].iter().zip(&cells) {
                prop_assert_eq!(&part(line, 0, second), one);
                prop_assert_eq!(&part(line, second, third), two);
                prop_assert_eq!(&part(line, third, usize::MAX), three);
            }
        }
    }
}
