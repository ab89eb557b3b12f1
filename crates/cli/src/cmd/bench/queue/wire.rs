//! A client of few instructions: requests are bytes made beforehand, answers are measured and
//! skipped. On a small machine the client competes with the server that it measures, and a client
//! for every purpose takes more than the server does.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::stage::Stage;
use crate::error::{Error, Result};

/// Bytes of one answer; ours are far smaller.
const ANSWER: usize = 64 * 1024;

/// One connection, kept alive.
pub struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// How much of the buffer holds what was read and not yet taken.
    filled: usize,
}

/// An answer: its status, and its body.
struct Answer {
    status: u16,
    body: Vec<u8>,
}

impl Wire {
    pub async fn open(stage: &Stage) -> Result<Wire> {
        let stream = TcpStream::connect(stage.address()).await.map_err(|error| broke(&error))?;
        stream.set_nodelay(true).map_err(|error| broke(&error))?;
        Ok(Wire { stream, buffer: vec![0; ANSWER], filled: 0 })
    }

    /// Sends requests, all at once, and reads as many answers; all must be good. Returns the last
    /// one's body.
    pub async fn ask(&mut self, requests: &[u8], answers: usize) -> Result<Vec<u8>> {
        self.stream.write_all(requests).await.map_err(|error| broke(&error))?;
        let mut last = Vec::new();
        for _ in 0..answers {
            let Answer { status, body } = self.answer().await?;
            if !(200..300).contains(&status) {
                let body = String::from_utf8_lossy(&body);
                return Err(Error::internal(format!("answered {status}: {body}")));
            }
            last = body;
        }
        Ok(last)
    }

    /// Reads one answer.
    async fn answer(&mut self) -> Result<Answer> {
        loop {
            if let Some((answer, length)) = split(&self.buffer[..self.filled])? {
                self.buffer.copy_within(length..self.filled, 0);
                self.filled -= length;
                return Ok(answer);
            }
            if self.filled == self.buffer.len() {
                return Err(Error::internal("an answer is longer than expected"));
            }
            let room = &mut self.buffer[self.filled..];
            match self.stream.read(room).await.map_err(|error| broke(&error))? {
                0 => return Err(Error::internal("the server closed the connection")),
                read => self.filled += read,
            }
        }
    }
}

/// A request with a JSON body.
pub fn post(path: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// The first answer among these bytes and how long it is, once it is whole.
fn split(bytes: &[u8]) -> Result<Option<(Answer, usize)>> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let odd = || Error::internal(format!("an answer that is not understood: {head}"));
    let status = head.get(9..12).and_then(|code| code.parse().ok()).ok_or_else(odd)?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let whole = end + 4 + length.ok_or_else(odd)?;
    let answer = |body: &[u8]| (Answer { status, body: body.to_vec() }, whole);
    Ok(bytes.get(end + 4..whole).map(answer))
}

fn broke(error: &std::io::Error) -> Error {
    Error::internal(format!("the connection broke: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_taken_apart_as_they_come() {
        let two = b"HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\n\r\n{}HTTP/1.1 429 Too Many\r\n";
        for cut in 0..two.len() {
            let found = split(&two[..cut]).unwrap();
            assert_eq!(found.is_some(), cut >= 46, "{cut}");
        }
        let (answer, length) = split(two).unwrap().unwrap();
        assert_eq!((answer.status, answer.body.as_slice(), length), (202, &b"{}"[..], 46));
        assert!(split(b"SMTP\r\n\r\n").is_err());
    }
}
