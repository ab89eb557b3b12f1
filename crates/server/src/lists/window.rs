//! A part of a list that was read, line by line.

/// Neighbouring lines.
#[derive(Debug)]
pub(super) struct Window {
    first: u64,
    text: Box<str>,
    /// Where each line begins and ends, its end excluded.
    lines: Vec<(u32, u32)>,
}

impl Window {
    /// The lines in these bytes, the first of which has this number; nothing where they are no
    /// text, which a list that was judged is.
    pub(super) fn of(first: u64, bytes: &[u8]) -> Option<Window> {
        let text: Box<str> = std::str::from_utf8(bytes).ok()?.into();
        let mut lines = Vec::new();
        let mut start = 0;
        for whole in text.split_inclusive('\n') {
            let line = whole.strip_suffix('\n').unwrap_or(whole);
            let line = line.strip_suffix('\r').unwrap_or(line);
            let end = u32::try_from(start + line.len()).ok()?;
            lines.push((u32::try_from(start).ok()?, end));
            start += whole.len();
        }
        Some(Window { first, text, lines })
    }

    /// The text of a line, if it is one of these.
    pub(super) fn line(&self, number: u64) -> Option<&str> {
        let place = usize::try_from(number.checked_sub(self.first)?).ok()?;
        let (start, end) = *self.lines.get(place)?;
        self.text.get(start as usize..end as usize)
    }
}
