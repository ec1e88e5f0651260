use std::io::{self, ErrorKind, Read};
use std::mem;
use std::net::Shutdown;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, ensure};
use mio::net::TcpStream;
use starttls_core::rustls::{ServerConfig, ServerConnection};
use starttls_core::{Incoming, Limits, Phase, Plain, Tls};

use super::Patience;

/// One connection of the server. It does I/O on its own socket and never waits.
pub(crate) struct Connection {
    socket: TcpStream,
    config: Arc<ServerConfig>,
    patience: Patience,
    state: State,
    /// The beginning of a line.
    line: Vec<u8>,
    /// What there was no room for.
    unsaid: &'static [u8],
    then: Then,
    /// TLS is not up yet.
    upgrading: bool,
    lingering: bool,
    failed: Option<anyhow::Error>,
    deadline: Instant,
}

enum State {
    Plain(Box<Plain>),
    Tls(Box<Tls>),
    Over,
}

/// What follows when everything is said.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    Listen,
    StartTls,
    Leave,
}

/// What came of a turn.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Until something happens.
    Wait,
    /// There is more to do, but others are waiting.
    Again,
    End,
}

enum Served {
    NeedInput,
    /// Something must be sent before more can be done.
    NeedTransmit,
    /// The dialogue is over.
    Over,
}

enum Heard {
    Line,
    Nothing,
    Alert,
    End,
}

/// So many reads, then others have their turn.
const STEPS: usize = 16;
/// No line is longer, with its end.
const LINE: usize = 512;
/// What one connection may hold each of: received, to be sent in plaintext, to be sent in TLS. Records are larger than lines.
const HELD: usize = 4 * 1024;

impl Connection {
    pub(crate) fn new(socket: TcpStream, config: Arc<ServerConfig>, patience: Patience) -> Self {
        let mut limits = Limits::default();
        limits.plaintext_input = HELD;
        limits.plaintext_output = HELD;
        limits.tls_output = HELD;
        Self {
            socket,
            config,
            patience,
            state: State::Plain(Box::new(Plain::with_limits(limits))),
            line: Vec::new(),
            unsaid: &[],
            then: Then::Listen,
            upgrading: true,
            lingering: false,
            failed: None,
            deadline: Instant::now() + patience.upgrade,
        }
    }

    /// When patience with this peer ends.
    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Does what can be done now. To be called when the socket has become readable or writable, and when the last turn was not enough.
    ///
    /// The driving rule is here: use what was received, then send everything, and only then wait for input. While sending is blocked, input
    /// is still taken in, as far as the limits allow: the peer may be blocked the same way.
    pub(crate) fn turn(&mut self) -> Result<Turn> {
        for _ in 0..STEPS {
            let served = match self.serve() {
                Ok(served) => served,
                // It comes after the alert that tells the peer.
                Err(error) => {
                    self.failed = Some(error);
                    return self.linger();
                }
            };
            self.note_upgrade();
            let sent = self.send()?;
            match served {
                Served::Over if sent => return self.linger(),
                Served::NeedTransmit if sent => continue,
                Served::Over | Served::NeedTransmit | Served::NeedInput => {}
            }
            // Not reading is the back-pressure; that the socket becomes writable will end it.
            if !self.wants_input() || !self.receive()? {
                return Ok(Turn::Wait);
            }
        }
        Ok(Turn::Again)
    }

    /// The deadline has passed. An idle peer is told that this is the end; false if there is nothing to be told any more.
    pub(crate) fn leave_at_deadline(&mut self) -> bool {
        let idle =
            matches!(&self.state, State::Tls(tls) if !tls.is_handshaking() && !tls.is_closed());
        if idle {
            self.close();
            self.then = Then::Leave;
        }
        idle
    }

    fn note_upgrade(&mut self) {
        if let State::Tls(tls) = &self.state
            && self.upgrading
            && !tls.is_handshaking()
        {
            self.upgrading = false;
            self.deadline = Instant::now() + self.patience.idle;
        }
    }

    /// Answers as many lines as there is room for answers.
    fn serve(&mut self) -> Result<Served> {
        loop {
            if !self.say()? {
                return Ok(Served::NeedTransmit);
            }
            match self.then {
                Then::Listen => {}
                Then::StartTls => self.start_tls()?,
                Then::Leave => return Ok(self.close()),
            }
            match self.listen()? {
                Heard::Nothing => return Ok(Served::NeedInput),
                Heard::Alert => return Ok(Served::NeedTransmit),
                Heard::End => return Ok(self.close()),
                Heard::Line => self.answer(),
            }
        }
    }

    fn answer(&mut self) {
        let plain = matches!(self.state, State::Plain(_));
        let (words, then) = match mem::take(&mut self.line).trim_ascii_end() {
            b"PING" => ("PONG\n", Then::Listen),
            b"STARTTLS" if plain => ("OK\n", Then::StartTls),
            b"QUIT" => ("BYE\n", Then::Leave),
            _ => ("ERROR\n", Then::Listen),
        };
        self.unsaid = words.as_bytes();
        self.then = then;
        if !plain {
            self.deadline = Instant::now() + self.patience.idle;
        }
    }

    /// False if there is no room for all of it.
    fn say(&mut self) -> Result<bool> {
        let n = match &mut self.state {
            _ if self.unsaid.is_empty() => 0,
            State::Plain(plain) => plain.write(self.unsaid),
            State::Tls(tls) => tls.write(self.unsaid)?,
            State::Over => self.unsaid.len(),
        };
        self.unsaid = self.unsaid.get(n..).unwrap_or_default();
        Ok(self.unsaid.is_empty())
    }

    /// The next line, or what there is of it, goes into `self.line`. In plaintext not one byte more than the line is consumed: what is
    /// left behind STARTTLS is refused.
    fn listen(&mut self) -> Result<Heard> {
        loop {
            let data = match &mut self.state {
                State::Plain(plain) if plain.peek().is_empty() && plain.is_eof() => {
                    return Ok(Heard::End);
                }
                State::Plain(plain) if plain.peek().is_empty() => return Ok(Heard::Nothing),
                State::Plain(plain) => plain.peek(),
                State::Tls(tls) => match tls.peek()? {
                    Incoming::Data(data) => data,
                    Incoming::NeedInput => return Ok(Heard::Nothing),
                    Incoming::NeedTransmit => return Ok(Heard::Alert),
                    Incoming::Closed => return Ok(Heard::End),
                },
                State::Over => return Ok(Heard::End),
            };
            let end = data.iter().position(|byte| *byte == b'\n');
            let used = end.map_or(data.len(), |end| end + 1);
            ensure!(self.line.len() + used <= LINE, "a line without end");
            self.line.extend(data.iter().take(used));
            match &mut self.state {
                State::Plain(plain) => plain.consume(used),
                State::Tls(tls) => tls.consume(used),
                State::Over => {}
            }
            if end.is_some() {
                return Ok(Heard::Line);
            }
        }
    }

    /// The boundary. `OK` is queued: it leaves before the first byte of TLS.
    fn start_tls(&mut self) -> Result<()> {
        self.then = Then::Listen;
        if let State::Plain(plain) = mem::replace(&mut self.state, State::Over) {
            let connection = ServerConnection::new(self.config.clone())?;
            self.state = State::Tls(Box::new(plain.start_tls(connection)?));
        }
        Ok(())
    }

    fn close(&mut self) -> Served {
        if let State::Tls(tls) = &mut self.state
            && !tls.is_closed()
        {
            tls.close();
            self.deadline = Instant::now() + self.patience.close;
        }
        Served::Over
    }

    /// Our side is over and everything was sent. What still comes is thrown away: closing a socket with unread bytes resets the connection,
    /// and the peer may then lose our last words.
    fn linger(&mut self) -> Result<Turn> {
        if !self.lingering {
            self.lingering = true;
            self.state = State::Over;
            self.then = Then::Leave;
            self.deadline = Instant::now() + self.patience.close;
            self.socket.shutdown(Shutdown::Write)?;
        }
        for _ in 0..STEPS {
            match self.socket.read(&mut [0; 1024]) {
                Ok(0) => return self.failed.take().map_or(Ok(Turn::End), Err),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Turn::Wait),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Turn::Again)
    }

    fn wants_input(&mut self) -> bool {
        self.state.phase().is_some_and(|phase| phase.wants_input())
    }

    /// True if nothing is left to send.
    fn send(&mut self) -> io::Result<bool> {
        let Some(phase) = self.state.phase() else {
            return Ok(true);
        };
        while phase.has_output() {
            match phase.transmit_to(&mut self.socket) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// True if something came, or the end.
    fn receive(&mut self) -> io::Result<bool> {
        let Some(phase) = self.state.phase() else {
            return Ok(false);
        };
        match self.socket.read(phase.receive_buffer()) {
            Ok(0) => phase.handle_eof(),
            Ok(n) => phase.received(n),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                // Nothing there now: an empty buffer gives its memory back.
                phase.received(0);
                return Ok(false);
            }
            Err(error) => return Err(error),
        }
        Ok(true)
    }
}

impl State {
    fn phase(&mut self) -> Option<&mut dyn Phase> {
        match self {
            Self::Plain(plain) => Some(&mut **plain),
            Self::Tls(tls) => Some(&mut **tls),
            Self::Over => None,
        }
    }
}
