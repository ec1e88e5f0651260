//! What can be tested in memory: bytes in, bytes out.

use starttls_core::{Incoming, Negotiator, Output, Phase, Tls, Upgrade};

/// Where a [`Machine`] stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// In the plaintext dialogue.
    Plaintext,
    /// Behind the boundary: everything is TLS from here on.
    Tls,
    /// It has given up.
    Failed,
}

/// Code under test that does no I/O: it is handed what was received, and asked for what it has to send.
///
/// A parser with a buffer of its own is one, with the TLS engine of its own behind it. Whatever implements
/// [`Negotiator`] becomes one by [`Negotiated`].
pub trait Machine {
    /// Takes received bytes, all of them.
    fn receive(&mut self, bytes: &[u8]);

    /// The peer has closed the connection.
    fn end(&mut self);

    /// What it has to send since it was last asked.
    fn transmit(&mut self) -> Vec<u8>;

    /// What it takes for data that came through TLS, since it was last asked.
    fn data(&mut self) -> Vec<u8>;

    /// Where it stands.
    fn state(&self) -> State;
}

/// A [`Negotiator`] and the handshake behind it as a [`Machine`].
///
/// ```
/// use starttls_testkit::certs;
/// use starttls_testkit::machine::{Machine, Negotiated, State};
/// # use starttls_core::{Boundary, Error, Negotiator, Plain, Progress, rustls::ClientConnection};
/// # struct MyClient;
/// # impl Negotiator for MyClient {
/// #     type Tls = ClientConnection;
/// #     fn advance(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
/// #         match plain.next_line(512)? {
/// #             Some(_) => Ok(Progress::Done(Boundary::Exact)),
/// #             None => Ok(Progress::NeedInput),
/// #         }
/// #     }
/// # }
/// let mut machine = Negotiated::new(MyClient, certs::client());
/// machine.receive(b"go ahead\r\n");
/// let sent = machine.transmit();
/// assert_eq!((machine.state(), sent[0]), (State::Tls, 0x16));
/// ```
pub struct Negotiated<N: Negotiator> {
    state: Inner<N>,
    out: Vec<u8>,
}

enum Inner<N: Negotiator> {
    Upgrading(Box<Upgrade<N>>),
    Tls(Box<Tls>),
    Failed,
}

impl<N: Negotiator> Negotiated<N> {
    /// Nothing was said yet.
    pub fn new(negotiator: N, connection: N::Tls) -> Self {
        let mut machine = Self {
            state: Inner::Upgrading(Box::new(Upgrade::new(negotiator, connection))),
            out: Vec::new(),
        };
        machine.go_on();
        machine
    }

    fn go_on(&mut self) {
        loop {
            match &mut self.state {
                Inner::Upgrading(upgrade) => match upgrade.poll_output() {
                    Ok(Output::Transmit(bytes)) => self.out.extend(bytes),
                    Ok(Output::Upgraded(tls)) => self.state = Inner::Tls(tls),
                    Ok(_) => return,
                    Err(_) => self.state = Inner::Failed,
                },
                Inner::Tls(tls) => {
                    tls.poll_transmit(&mut self.out);
                    return;
                }
                Inner::Failed => return,
            }
        }
    }
}

impl<N: Negotiator> Machine for Negotiated<N> {
    fn receive(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let taken = match &mut self.state {
                Inner::Upgrading(upgrade) => upgrade.handle_input(bytes),
                Inner::Tls(tls) => tls.handle_input(bytes),
                Inner::Failed => return,
            };
            bytes = bytes.get(taken..).unwrap_or_default();
            self.go_on();
            if taken == 0 {
                return;
            }
        }
    }

    fn end(&mut self) {
        match &mut self.state {
            Inner::Upgrading(upgrade) => upgrade.handle_eof(),
            Inner::Tls(tls) => tls.handle_eof(),
            Inner::Failed => {}
        }
        self.go_on();
    }

    fn transmit(&mut self) -> Vec<u8> {
        self.go_on();
        std::mem::take(&mut self.out)
    }

    fn data(&mut self) -> Vec<u8> {
        let mut data = Vec::new();
        let mut buffer = [0; 4096];
        if let Inner::Tls(tls) = &mut self.state {
            while let Ok(Incoming::Data(n @ 1..)) = tls.read(&mut buffer) {
                data.extend_from_slice(buffer.get(..n).unwrap_or_default());
            }
            tls.poll_transmit(&mut self.out);
        }
        data
    }

    fn state(&self) -> State {
        match &self.state {
            // The first record that leaves is the first byte behind the boundary, but a server waits for one.
            Inner::Upgrading(upgrade) if !upgrade.is_negotiating() => State::Tls,
            Inner::Upgrading(_) => State::Plaintext,
            Inner::Tls(tls) if tls.error().is_some() => State::Failed,
            Inner::Tls(_) => State::Tls,
            Inner::Failed => State::Failed,
        }
    }
}
