use std::io::{self, Read, Write};

use starttls_core::{Error as CoreError, Incoming, Misbehaviour, Plain, Stage, Tls};

use super::{Driver, protocol};

impl Driver<Plain> {
    /// Reads a line, without its end; `None` at the end of the stream.
    ///
    /// # Errors
    /// [`Misbehaviour::TooLong`], and nothing is consumed; [`CoreError::Truncated`] where the stream ends in the middle of a line; those of the stream.
    pub fn next_line(
        &mut self,
        io: &mut (impl Read + Write),
        limit: usize,
    ) -> io::Result<Option<Vec<u8>>> {
        loop {
            let line = self.phase.next_line(limit);
            match line.map_err(|error| protocol(&error))? {
                None if self.phase.is_eof() => return Ok(None),
                None => self.exchange(io)?,
                line => return Ok(line),
            }
        }
    }
}

impl Driver<Tls> {
    /// Reads a line, without its end; `None` after the peer's `close_notify`.
    ///
    /// # Errors
    /// As for plaintext, and as [`read`](Self::read). What there is of the line stays to be read.
    pub fn next_line(
        &mut self,
        io: &mut (impl Read + Write),
        limit: usize,
    ) -> io::Result<Option<Vec<u8>>> {
        let held = &mut self.link.taken_out;
        if let Some(end) = held.iter().take(limit).position(|byte| *byte == b'\n') {
            let mut line: Vec<u8> = held.drain(..=end).collect();
            line.pop();
            line.pop_if(|byte| *byte == b'\r');
            return Ok(Some(line));
        }
        loop {
            let held = self.link.taken_out.len();
            let room = limit.saturating_sub(held);
            if room == 0 {
                return Err(protocol(
                    &Misbehaviour::TooLong {
                        what: "line",
                        limit,
                    }
                    .into(),
                ));
            }
            self.fill_phase(io)?;
            let chunk = match self.phase.peek() {
                Ok(Incoming::Data(chunk)) => chunk,
                _ if held == 0 => return Ok(None),
                _ => return Err(protocol(&CoreError::Truncated(Stage::Traffic))),
            };
            let searched = chunk.len().min(room);
            if let Some(end) = chunk[..searched].iter().position(|byte| *byte == b'\n') {
                let mut line = std::mem::take(&mut self.link.taken_out);
                line.extend_from_slice(&chunk[..end]);
                line.pop_if(|byte| *byte == b'\r');
                self.phase.consume(end + 1);
                return Ok(Some(line));
            }
            if searched == room {
                // Nor may it end in the byte behind the limit.
                let too_long = Misbehaviour::TooLong {
                    what: "line",
                    limit,
                };
                return Err(protocol(&too_long.into()));
            }
            self.link.taken_out.extend_from_slice(chunk);
            self.phase.consume(searched);
        }
    }
}
