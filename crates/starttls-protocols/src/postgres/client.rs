use starttls_core::rustls::ClientConnection;
use starttls_core::{
    Boundary, Error, Misbehaviour, Negotiator, Plain, Progress, Refusal, UntrustedText,
};

use super::{GSSENC_REQUEST, SSL_REQUEST};
use crate::read::dialogue::{Dialogue, ReadMessages, Step};
use crate::read::fields::{Fields, foreign_words};
use crate::read::misbehaviour::{malformed, refuse_tls_record};

/// The longest ErrorResponse; libpq takes anything longer for text that is not a message.
const MAX_ERROR: usize = 30_000;
/// The most words of an error without a length: one more than is kept, so that it shows that there were more.
const MAX_WORDS: usize = UntrustedText::MAX + 1;

/// The client's part: SSLRequest, and one byte of answer.
///
/// `N` is a refusal behind which the connection goes on: the next message is the client's StartupMessage. `E` is one that ends it: the server has failed, or does not
/// know the request, and has closed. Its SQLSTATE is in [`Refusal::state`], and in [`Refusal::code`] too if it is a number.
///
/// ```
/// use starttls_core::{Boundary, Negotiator, Phase, Plain, Progress};
/// use starttls_protocols::postgres;
///
/// let mut client = postgres::Client::new();
/// let mut plain = Plain::new();
/// assert_eq!(client.advance(&mut plain)?, Progress::NeedInput);
/// let mut sent = Vec::new();
/// plain.poll_transmit(&mut sent);
/// assert_eq!(sent, [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]);
///
/// assert_eq!(plain.handle_input(b"S"), 1);
/// assert_eq!(client.advance(&mut plain)?, Progress::Done(Boundary::Exact));
/// # Ok::<(), starttls_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Client {
    dialogue: Dialogue<Answers, Awaited>,
}

/// The answer to which request.
#[derive(Debug, Clone, Copy)]
enum Awaited {
    Gss,
    Tls,
}

impl Client {
    /// SSLRequest at once.
    pub fn new() -> Self {
        Self::starting(Step::say(SSL_REQUEST, Awaited::Tls))
    }

    /// GSSENCRequest first, as libpq does when it has credentials; `N` is what this waits for. A server that was built with GSSAPI says `G`
    /// whatever its settings are. That is an error here: the connection goes on with GSSAPI or not at all, so that the caller
    /// connects again, with [`new`](Self::new).
    pub fn with_gss() -> Self {
        Self::starting(Step::say(GSSENC_REQUEST, Awaited::Gss))
    }

    /// The same as [`new`](Self::new): there is no greeting.
    pub fn at_command() -> Self {
        Self::new()
    }

    fn starting(first: Step<Awaited>) -> Self {
        Self {
            dialogue: Dialogue::new(Answers, first),
        }
    }
}

impl Default for Client {
    fn default() -> Self {
        Self::new()
    }
}

impl Negotiator for Client {
    type Tls = ClientConnection;

    fn advance(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        self.dialogue.advance(plain, react)
    }
}

fn react(awaited: Awaited, answer: &Answer) -> Result<Step<Awaited>, Error> {
    match (awaited, answer) {
        (Awaited::Gss, Answer::Byte(b'N')) => Ok(Step::say(SSL_REQUEST, Awaited::Tls)),
        (Awaited::Tls, Answer::Byte(b'S')) => Ok(Step::Done(Boundary::Exact)),
        (Awaited::Tls, Answer::Byte(b'N')) => Err(Refusal::new(None, b"N").into()),
        (_, Answer::Byte(other)) => {
            Err(Misbehaviour::Unexpected(Refusal::new(None, &[*other])).into())
        }
        (_, Answer::Error(refusal)) => Err(refusal.clone().ending().into()),
    }
}

#[derive(Debug)]
struct Answers;

enum Answer {
    Byte(u8),
    Error(Refusal),
}

impl ReadMessages for Answers {
    type Message = Answer;

    fn next(&mut self, plain: &mut Plain) -> Result<Option<Answer>, Error> {
        refuse_tls_record(plain.peek())?;
        match plain.peek() {
            [] => Ok(None),
            [byte @ (b'S' | b'N' | b'G'), ..] => {
                let answer = Answer::Byte(*byte);
                plain.consume(1);
                Ok(Some(answer))
            }
            [b'E', ..] => Ok(error_response(plain).map(Answer::Error)),
            // It may be the first byte of a TLS record.
            [0x15 | 0x16] if !plain.is_eof() => Ok(None),
            _ => match foreign_words(plain, 0) {
                Some(words) => Err(malformed("answer", words)),
                None => Ok(None),
            },
        }
    }
}

/// `E` and what follows, consumed; `None` if it is not complete.
fn error_response(plain: &mut Plain) -> Option<Refusal> {
    let eof = plain.is_eof();
    let said = plain.peek().get(1..)?;
    let length = match said.first_chunk() {
        None if !eof => return None,
        length => length.map(|length| u32::from_be_bytes(*length) as usize),
    };
    let (refusal, length) = match length {
        // The length counts itself.
        Some(length @ 8..=MAX_ERROR) => match said.get(4..length) {
            Some(fields) => (error_fields(fields), length),
            None if eof => (error_fields(said.get(4..).unwrap_or_default()), said.len()),
            None => return None,
        },
        // A server older than protocol 3, or one that could not even start a process: words up to a NUL.
        _ => {
            let words = said.get(..MAX_WORDS).unwrap_or(said);
            match words.iter().position(|byte| *byte == 0) {
                Some(end) => (old_error(words.get(..end)?), end.saturating_add(1)),
                None if eof || words.len() == MAX_WORDS => (old_error(words), words.len()),
                None => return None,
            }
        }
    };
    plain.consume(length.saturating_add(1));
    Some(refusal)
}

fn old_error(words: &[u8]) -> Refusal {
    Refusal::new(None, words.trim_ascii_end())
}

/// The SQLSTATE and the message of an ErrorResponse.
fn error_fields(fields: &[u8]) -> Refusal {
    let mut fields = Fields::new(fields);
    let (mut state, mut message) = (None, &b""[..]);
    while let Some(kind @ 1..) = fields.u8() {
        match (kind, fields.until_nul()) {
            (b'C', Some(text)) => state = Some(text),
            (b'M', Some(text)) => message = text,
            (_, Some(_)) => {}
            (_, None) => break,
        }
    }
    let Some(state) = state else {
        return Refusal::new(None, message);
    };
    // Most SQLSTATEs have letters in them.
    let code = std::str::from_utf8(state)
        .ok()
        .and_then(|state| state.parse::<u32>().ok());
    Refusal::new(code, message).state(state)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_has_the_sqlstate_and_the_message() {
        let fields = b"SFATAL\0C0A000\0Munsupported frontend protocol\0\0";
        let refused = error_fields(fields);
        assert_eq!(refused.code, None, "this one is no number");
        assert_eq!(refused.state.unwrap().as_bytes(), b"0A000");
        assert_eq!(refused.text.as_bytes(), b"unsupported frontend protocol");
        assert_eq!(error_fields(b"C28000\0").code, Some(28000));
        assert_eq!(error_fields(b"Mcut of"), Refusal::new(None, b""));
    }

    #[test]
    fn an_error_is_final_and_not_a_decline() {
        let mut client = Client::new();
        let mut plain = Plain::with_prefix(b"E\0\0\0\x15SFATAL\0C53300\0\0\0S");
        let refused = client.advance(&mut plain).unwrap_err();
        assert!(!refused.is_declined());
        assert_eq!(client.advance(&mut plain), Err(refused));
    }
}
