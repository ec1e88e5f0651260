//! The whole contract of `starttls-core`, over blocking sockets. `cargo run --example bare_loop`

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::thread::spawn;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use starttls_core::rustls::{ClientConnection, ServerConnection};
use starttls_core::{Incoming, Phase, Plain, Tls};
use starttls_examples::made_on_the_spot;

fn main() -> Result<()> {
    let (server_config, client_config) = made_on_the_spot()?;
    let connection = ClientConnection::new(client_config, "localhost".try_into()?)?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let socket = TcpStream::connect(listener.local_addr()?)?;
    let server = spawn(move || server(listener.accept()?.0, ServerConnection::new(server_config)?));
    client(socket, connection)?;
    server.join().expect("the server does not panic")
}

fn client(mut socket: TcpStream, connection: ClientConnection) -> Result<()> {
    socket.set_read_timeout(Some(Duration::from_secs(30)))?; // the core has no clock
    let mut plain = Plain::new();
    plain.write_all(b"PING\n")?;
    println!("plain: PING {}", plain_line(&mut plain, &mut socket)?);
    plain.write_all(b"STARTTLS\n")?;
    ensure!(plain_line(&mut plain, &mut socket)? == "OK");
    let mut tls = plain.start_tls(connection)?; // refuses what came behind the OK
    while tls.write(b"PING\n")? == 0 {
        step(&mut tls, &mut socket)?; // the handshake
    }
    println!("TLS: PING {:?}", tls_line(&mut tls, &mut socket)?);
    tls.close();
    ensure!(tls_line(&mut tls, &mut socket)?.is_none()); // until the peer has closed as well
    plain = tls.stop_tls()?; // the next byte is plaintext
    plain.write_all(b"QUIT\n")?;
    println!("plain: QUIT {}", plain_line(&mut plain, &mut socket)?);
    Ok(())
}

fn server(mut socket: TcpStream, connection: ServerConnection) -> Result<()> {
    socket.set_read_timeout(Some(Duration::from_secs(30)))?;
    let mut plain = Plain::new();
    ensure!(plain_line(&mut plain, &mut socket)? == "PING");
    plain.write_all(b"PONG\n")?;
    ensure!(plain_line(&mut plain, &mut socket)? == "STARTTLS");
    plain.write_all(b"OK\n")?; // queued: it leaves before the first byte of TLS
    let mut tls = plain.start_tls(connection)?;
    while tls_line(&mut tls, &mut socket)?.is_some() {
        ensure!(tls.write(b"PONG\n")? == 5);
    }
    tls.close();
    plain = tls.stop_tls()?;
    ensure!(plain_line(&mut plain, &mut socket)? == "QUIT");
    plain.write_all(b"BYE\n")?;
    step(&mut plain, &mut socket)
}

/// The driving rule: everything that there is to send leaves before input is waited for.
fn step(phase: &mut impl Phase, socket: &mut TcpStream) -> Result<()> {
    if phase.has_output() {
        ensure!(phase.transmit_to(socket)? > 0, "the socket takes nothing");
        return Ok(());
    }
    match socket.read(phase.receive_buffer())? {
        0 => phase.handle_eof(),
        n => phase.received(n),
    }
    Ok(())
}

fn plain_line(plain: &mut Plain, socket: &mut TcpStream) -> Result<String> {
    loop {
        if let Some(end) = plain.peek().iter().position(|byte| *byte == b'\n') {
            let line = plain.peek()[..end].escape_ascii().to_string();
            plain.consume(end + 1);
            return Ok(line);
        }
        ensure!(plain.wants_input(), "the end, or a line without end");
        step(plain, socket)?;
    }
}

/// The next line, `None` after the peer has closed. An error comes after the alert that tells the peer.
fn tls_line(tls: &mut Tls, socket: &mut TcpStream) -> Result<Option<String>> {
    let (mut line, mut byte) = (String::new(), [0]);
    loop {
        match tls.read(&mut byte)? {
            Incoming::Data(_) if line.len() > 1000 => bail!("a line without end"),
            Incoming::Data(_) if byte == *b"\n" => return Ok(Some(line)),
            Incoming::Data(_) => line += &byte.escape_ascii().to_string(),
            Incoming::Closed => return Ok(None),
            Incoming::NeedTransmit | Incoming::NeedInput => step(tls, socket)?,
        }
    }
}
