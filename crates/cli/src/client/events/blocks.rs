//! Server-sent events out of bytes, as <https://html.spec.whatwg.org/multipage/server-sent-events.html>
//! has them: lines `field: value`, a blank line after each event.

use gristmill_model::api::FeedEvent;
use gristmill_model::limits;

/// Bytes that arrived and are not yet an event.
#[derive(Debug, Default)]
pub struct Blocks {
    buffer: Vec<u8>,
    last: Option<String>,
}

impl Blocks {
    /// Takes bytes in and gives the events that they complete. What is no event of ours, a comment
    /// or a kind that we do not know, is passed over; so is one beyond the bound.
    pub fn take(&mut self, piece: &[u8]) -> Vec<FeedEvent> {
        self.buffer.extend_from_slice(piece);
        let mut events = Vec::new();
        while let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\n\n") {
            let block: Vec<u8> = self.buffer.drain(..end + 2).collect();
            events.extend(self.event(&String::from_utf8_lossy(&block)));
        }
        if self.buffer.len() > limits::BODY_BYTES {
            self.buffer.clear();
        }
        events
    }

    /// The connection broke: what was cut is sent again.
    pub fn broken(&mut self) {
        self.buffer.clear();
    }

    /// The `Last-Event-ID` to come back with.
    pub fn last(&self) -> Option<&str> {
        self.last.as_deref()
    }

    fn event(&mut self, block: &str) -> Option<FeedEvent> {
        let mut data = String::new();
        for line in block.lines() {
            if let Some(id) = line.strip_prefix("id:") {
                self.last = Some(id.trim().to_owned());
            } else if let Some(text) = line.strip_prefix("data:") {
                data.push_str(text.strip_prefix(' ').unwrap_or(text));
            }
        }
        serde_json::from_str(&data).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_out_whole_however_they_arrive() {
        let text = ": hello\n\nid: 7\nevent: attempt_leased\ndata: {\"seq\":7,\"at\":\
            \"2026-11-21T00:00:00Z\",\"event\":\"attempt_leased\",\"job\":\"j1\",\"batch\":null,\
            \"worker\":null,\"state\":\"running\",\"data\":{}}\n\n";
        let mut blocks = Blocks::default();
        let events: Vec<FeedEvent> =
            text.as_bytes().chunks(5).flat_map(|piece| blocks.take(piece)).collect();
        assert_eq!(events.len(), 1);
        assert_eq!((events[0].seq, blocks.last()), (7, Some("7")));
    }
}
