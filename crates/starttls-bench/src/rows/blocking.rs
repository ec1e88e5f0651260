use std::io::{self, BufReader, ErrorKind, IoSlice, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::task::{Context, Poll};
use std::time::Duration;

use anyhow::{Result, ensure};
use starttls_core::rustls::{ClientConnection, ServerConnection, StreamOwned};
use starttls_stream::{PlainStream, TlsStream, Transport};

use super::{Group, Row};
use crate::binding::{Binding, Opening, Pipe, pipe};
use crate::counted::Counted;
use crate::measures::Measure;
use crate::report::Role;
use crate::runtimes::Threads;
use crate::setup::{DEADLINE, Tls};

pub(super) fn rows() -> Vec<Row> {
    let tls = Group {
        name: "blocking",
        measures: Measure::ALL,
    };
    let plain = Group {
        measures: Measure::PLAINTEXT,
        ..tls
    };
    let plaintext = Group {
        name: "blocking, plaintext phase",
        measures: Measure::PLAINTEXT,
    };
    vec![
        plain.row::<Plain, Threads>(Role::Floor, "blocking, plain TCP"),
        tls.row::<Owned, Threads>(Role::Other, "rustls::StreamOwned"),
        tls.row::<Starttls, Threads>(Role::Ours, "starttls-stream"),
        plaintext.row::<Plain, Threads>(Role::Floor, "blocking, the socket"),
        plaintext.row::<Buffered, Threads>(Role::Other, "blocking, BufReader"),
        plaintext.row::<PlainStarttls, Threads>(Role::Ours, "blocking, PlainStream"),
    ]
}

type Socket = Counted<TcpStream>;

impl Transport for Socket {
    fn read_timeout(&self) -> io::Result<Option<Duration>> {
        self.0.read_timeout()
    }

    fn write_timeout(&self) -> io::Result<Option<Duration>> {
        self.0.write_timeout()
    }

    fn set_read_timeout(&self, limit: Option<Duration>) -> io::Result<()> {
        self.0.set_read_timeout(limit)
    }

    fn set_write_timeout(&self, limit: Option<Duration>) -> io::Result<()> {
        self.0.set_write_timeout(limit)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.0.shutdown(Shutdown::Write)
    }
}

/// Any blocking stream. Its futures are ready at once, since they block.
struct Blocking<S>(S);

/// A stream over a socket.
trait OverSocket: Read + Write + Send + 'static {
    fn socket(&self) -> &TcpStream;
}

impl<S: OverSocket> Pipe for Blocking<S> {
    fn poll_read(&mut self, _: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.0.read(buf))
    }

    fn poll_write(&mut self, _: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.0.write(data))
    }

    fn poll_write_vectored(
        &mut self,
        _: &mut Context<'_>,
        data: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(self.0.write_vectored(data))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.0.flush())
    }

    fn idle(&mut self, _: &mut Context<'_>) -> Result<()> {
        self.0
            .socket()
            .set_read_timeout(Some(Duration::from_millis(1)))?;
        let read = self.0.read(&mut [0]);
        ensure!(
            matches!(&read, Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)),
            "an idle connection has something to read"
        );
        Ok(self.0.socket().set_read_timeout(None)?)
    }
}

struct Plain;

impl OverSocket for Socket {
    fn socket(&self) -> &TcpStream {
        &self.0
    }
}

impl Binding<Socket> for Plain {
    fn server(_: &'static Tls, io: Socket) -> Opening {
        Box::pin(async move { Ok(pipe(Blocking(io))) })
    }

    fn client(_: &'static Tls, io: Socket) -> Opening {
        Box::pin(async move { Ok(pipe(Blocking(io))) })
    }
}

struct Buffered;

/// What one has without this project: a buffer for reading, and the socket itself for writing.
struct BufferedSocket(BufReader<Socket>);

impl Read for BufferedSocket {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }
}

impl Write for BufferedSocket {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.0.get_mut().write(data)
    }

    fn write_vectored(&mut self, data: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.get_mut().write_vectored(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.get_mut().flush()
    }
}

impl OverSocket for BufferedSocket {
    fn socket(&self) -> &TcpStream {
        &self.0.get_ref().0
    }
}

impl Binding<Socket> for Buffered {
    fn server(_: &'static Tls, io: Socket) -> Opening {
        Box::pin(async move { Ok(pipe(Blocking(BufferedSocket(BufReader::new(io))))) })
    }

    fn client(_: &'static Tls, io: Socket) -> Opening {
        Box::pin(async move { Ok(pipe(Blocking(BufferedSocket(BufReader::new(io))))) })
    }
}

struct PlainStarttls;

impl OverSocket for PlainStream<Socket> {
    fn socket(&self) -> &TcpStream {
        &self.get_ref().0
    }
}

impl Binding<Socket> for PlainStarttls {
    fn server(_: &'static Tls, io: Socket) -> Opening {
        Box::pin(async move { Ok(pipe(Blocking(PlainStream::new(io)))) })
    }

    fn client(_: &'static Tls, io: Socket) -> Opening {
        Box::pin(async move { Ok(pipe(Blocking(PlainStream::new(io)))) })
    }
}

struct Owned;

impl OverSocket for StreamOwned<ServerConnection, Socket> {
    fn socket(&self) -> &TcpStream {
        &self.sock.0
    }
}

impl OverSocket for StreamOwned<ClientConnection, Socket> {
    fn socket(&self) -> &TcpStream {
        &self.sock.0
    }
}

impl Binding<Socket> for Owned {
    fn server(tls: &'static Tls, io: Socket) -> Opening {
        Box::pin(async move {
            let mut stream = StreamOwned::new(tls.server_connection()?, io);
            timeouts(&stream.sock, Some(DEADLINE))?;
            // The handshake would wait for the first read or write.
            stream.conn.complete_io(&mut stream.sock)?;
            timeouts(&stream.sock, None)?;
            Ok(pipe(Blocking(stream)))
        })
    }

    fn client(tls: &'static Tls, io: Socket) -> Opening {
        Box::pin(async move {
            let mut stream = StreamOwned::new(tls.client_connection()?, io);
            timeouts(&stream.sock, Some(DEADLINE))?;
            stream.conn.complete_io(&mut stream.sock)?;
            timeouts(&stream.sock, None)?;
            Ok(pipe(Blocking(stream)))
        })
    }
}

/// The nearest to a deadline that one has with `StreamOwned`.
fn timeouts(socket: &Socket, limit: Option<Duration>) -> io::Result<()> {
    socket.0.set_read_timeout(limit)?;
    socket.0.set_write_timeout(limit)
}

struct Starttls;

impl OverSocket for TlsStream<Socket> {
    fn socket(&self) -> &TcpStream {
        &self.get_ref().0
    }
}

impl Binding<Socket> for Starttls {
    fn server(tls: &'static Tls, io: Socket) -> Opening {
        Box::pin(async move {
            let plain = PlainStream::new(io);
            Ok(pipe(Blocking(plain.start_tls(tls.server_connection()?)?)))
        })
    }

    fn client(tls: &'static Tls, io: Socket) -> Opening {
        Box::pin(async move {
            let plain = PlainStream::new(io);
            Ok(pipe(Blocking(plain.start_tls(tls.client_connection()?)?)))
        })
    }
}
