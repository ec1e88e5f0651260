//! The core alone, without a socket: records made and records taken in, beside rustls itself and beside its cipher.

use std::hint::black_box;
use std::io::{Read, Write};
use std::time::Duration;

use anyhow::{Result, ensure};
use aws_lc_rs::aead::{
    AES_256_GCM, Aad, Nonce, TlsProtocolId, TlsRecordOpeningKey, TlsRecordSealingKey,
};
use cpu_time::ThreadTime;
use starttls_core::rustls::{ClientConnection, ServerConnection};
use starttls_core::{Incoming, Phase, Plain, Tls};

use crate::report::{Label, Role};
use crate::setup::{self, Setup};

/// What is made before it is taken in.
const BATCH: usize = 64 << 10;

/// The record header, which the cipher authenticates.
const HEADER: [u8; 5] = [23, 3, 3, 0x40, 0x11];

const TAG: usize = 16;

/// Processor time to make the records and to take them in.
#[derive(Default)]
pub(crate) struct InMemory {
    pub(crate) made: Duration,
    pub(crate) taken_in: Duration,
}

pub(crate) type Run = fn(&'static Setup, usize, usize) -> Result<InMemory>;

pub(crate) const ROWS: [(Label, Run); 4] = [
    (label("rustls, buffered API", Role::Other), rustls),
    (label("starttls-core, handle_input", Role::Ours), slices),
    (
        label("starttls-core, receive_buffer", Role::Ours),
        own_buffer,
    ),
    (label("AES-256-GCM alone", Role::Floor), cipher),
];

const fn label(name: &'static str, role: Role) -> Label {
    Label {
        name,
        group: "in memory",
        role,
    }
}

fn rustls(setup: &'static Setup, total: usize, record: usize) -> Result<InMemory> {
    let (mut client, mut server) = rustls_established(&setup.full)?;
    let mut wire = Vec::with_capacity(2 * BATCH);
    let (data, mut buf) = (vec![b'x'; record], vec![0; BATCH]);
    let mut spent = InMemory::default();
    for _ in 0..total / BATCH {
        wire.clear();
        let began = ThreadTime::now();
        for _ in 0..BATCH / record {
            client.writer().write_all(&data)?;
            while client.wants_write() {
                client.write_tls(&mut wire)?;
            }
        }
        spent.made += began.elapsed();
        let began = ThreadTime::now();
        let (mut rest, mut got) = (&wire[..], 0);
        while got < BATCH {
            while server.wants_read() && !rest.is_empty() {
                server.read_tls(&mut rest)?;
                server.process_new_packets()?;
            }
            while let Ok(n) = server.reader().read(&mut buf) {
                got += n;
            }
        }
        spent.taken_in += began.elapsed();
    }
    Ok(spent)
}

fn slices(setup: &'static Setup, total: usize, record: usize) -> Result<InMemory> {
    core(&setup.full, total, record, |tls, rest| {
        let n = tls.handle_input(rest);
        *rest = rest.get(n..).unwrap_or_default();
    })
}

fn own_buffer(setup: &'static Setup, total: usize, record: usize) -> Result<InMemory> {
    core(&setup.full, total, record, |tls, rest| {
        let space = tls.receive_buffer();
        let n = space.len().min(rest.len());
        let (now, later) = rest.split_at(n);
        space[..n].copy_from_slice(now);
        tls.received(n);
        *rest = later;
    })
}

fn core(
    tls: &'static setup::Tls,
    total: usize,
    record: usize,
    give: impl Fn(&mut Tls, &mut &[u8]),
) -> Result<InMemory> {
    let (mut client, mut server) = established(tls)?;
    let mut wire = Vec::with_capacity(2 * BATCH);
    let (data, mut buf) = (vec![b'x'; record], vec![0; BATCH]);
    let mut spent = InMemory::default();
    for _ in 0..total / BATCH {
        wire.clear();
        let began = ThreadTime::now();
        for _ in 0..BATCH / record {
            let mut data = &data[..];
            while !data.is_empty() {
                let n = client.write(data)?;
                data = data.get(n..).unwrap_or_default();
            }
            client.poll_transmit(&mut wire);
        }
        spent.made += began.elapsed();
        let began = ThreadTime::now();
        let (mut rest, mut got) = (&wire[..], 0);
        while got < BATCH {
            if !rest.is_empty() && server.wants_input() {
                give(&mut server, &mut rest);
            }
            while let Incoming::Data(n) = server.read(&mut buf)? {
                got += n;
            }
        }
        spent.taken_in += began.elapsed();
    }
    Ok(spent)
}

/// Both sides after the handshake.
pub(crate) fn established(tls: &setup::Tls) -> Result<(Tls, Tls)> {
    let mut client = Plain::new().start_tls(tls.client_connection()?)?;
    let mut server = Plain::new().start_tls(tls.server_connection()?)?;
    while client.is_handshaking() || server.is_handshaking() || client.has_output() {
        carry(&mut client, &mut server)?;
        carry(&mut server, &mut client)?;
    }
    Ok((client, server))
}

/// Both sides after the handshake, without anything around them.
pub(crate) fn rustls_established(tls: &setup::Tls) -> Result<(ClientConnection, ServerConnection)> {
    let (mut client, mut server) = (tls.client_connection()?, tls.server_connection()?);
    let mut wire = Vec::new();
    while client.is_handshaking() || server.is_handshaking() || client.wants_write() {
        wire.clear();
        while client.wants_write() {
            client.write_tls(&mut wire)?;
        }
        let mut rest = &wire[..];
        while !rest.is_empty() {
            server.read_tls(&mut rest)?;
            server.process_new_packets()?;
        }
        wire.clear();
        while server.wants_write() {
            server.write_tls(&mut wire)?;
        }
        let mut rest = &wire[..];
        while !rest.is_empty() {
            client.read_tls(&mut rest)?;
            client.process_new_packets()?;
        }
    }
    Ok((client, server))
}

/// Everything that one side has to send, handed to the other.
pub(crate) fn carry(from: &mut impl Phase, to: &mut impl Phase) -> Result<()> {
    let mut wire = Vec::new();
    from.poll_transmit(&mut wire);
    let mut rest = &wire[..];
    while !rest.is_empty() {
        let n = to.handle_input(rest);
        ensure!(n > 0, "input is not taken");
        rest = rest.get(n..).unwrap_or_default();
    }
    Ok(())
}

/// What no engine can be faster than: the same cipher over the same records, in place.
fn cipher(_: &'static Setup, total: usize, record: usize) -> Result<InMemory> {
    let key = [1; 32];
    let mut sealing = TlsRecordSealingKey::new(&AES_256_GCM, TlsProtocolId::TLS13, &key)?;
    let opening = TlsRecordOpeningKey::new(&AES_256_GCM, TlsProtocolId::TLS13, &key)?;
    // A content type behind the data and a tag behind both (RFC 8446 section 5.2).
    let mut texts = vec![vec![b'x'; record + 1 + TAG]; BATCH / record];
    let mut spent = InMemory::default();
    let mut sequence = 0_u64;
    for _ in 0..total / BATCH {
        let first = sequence;
        let began = ThreadTime::now();
        for text in &mut texts {
            let (plain, tag) = text.split_at_mut(record + 1);
            let header = Aad::from(HEADER);
            let made = sealing.seal_in_place_separate_tag(nonce(sequence), header, plain)?;
            tag.copy_from_slice(made.as_ref());
            sequence += 1;
        }
        spent.made += began.elapsed();
        let began = ThreadTime::now();
        for (sequence, text) in (first..).zip(&mut texts) {
            let header = Aad::from(HEADER);
            black_box(opening.open_in_place(nonce(sequence), header, black_box(text))?);
        }
        spent.taken_in += began.elapsed();
    }
    Ok(spent)
}

fn nonce(sequence: u64) -> Nonce {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&sequence.to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}
