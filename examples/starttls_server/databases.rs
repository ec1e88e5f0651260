//! PostgreSQL and MySQL: every query that has rows has one, which is 1.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Result, ensure};
use starttls_protocols::mysql::NEXT_SEQUENCE;
use starttls_protocols::postgres::CancelRequest;
use starttls_tokio::rustls::crypto::aws_lc_rs;
use tokio::sync::Notify;

use crate::Tls;
use crate::io::{bytes, bytes_or_end, send};

/// The first word of a query, in capitals: what it does.
fn verb(query: &str) -> String {
    let words = query.trim_start().split(|it: char| !it.is_alphanumeric());
    words.take(1).collect::<String>().to_ascii_uppercase()
}

fn has_rows(verb: &str) -> bool {
    matches!(verb, "SELECT" | "SHOW" | "VALUES" | "TABLE" | "WITH")
}

/// The PostgreSQL connections that are open, by process id and key, so that another connection can cancel what one of them does.
#[derive(Clone, Default)]
pub(crate) struct Cancelling(Arc<Mutex<Connections>>);

type Connections = HashMap<(u32, Vec<u8>), Arc<Notify>>;

impl Cancelling {
    /// Cancels the query under way, if there is a connection with this id and key.
    pub(crate) fn cancel(&self, request: &CancelRequest) {
        let key = (request.process_id, request.key.clone());
        if let Some(connection) = self.lock().get(&key) {
            println!("cancelled: {}", request.process_id);
            connection.notify_waiters();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Connections> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// StartupMessage, and then simple queries.
pub(crate) async fn postgres(tls: &mut Tls, cancelling: &Cancelling) -> Result<()> {
    let length = bytes(tls, 4).await?;
    let startup = bytes(tls, after_length(&length)?).await?;
    // libpq since 17 sends it inside TLS.
    if let Some(request) = CancelRequest::parse(&[length, startup.clone()].concat()) {
        cancelling.cancel(&request);
        return Ok(());
    }
    ensure!(
        startup.starts_with(&[0, 3, 0, 0]),
        "no StartupMessage of protocol 3.0"
    );
    let mut random = [0; 8];
    let provider = aws_lc_rs::default_provider();
    let filled = provider.secure_random.fill(&mut random);
    ensure!(filled.is_ok(), "no random bytes");
    let (id, key) = random.split_at(4);
    let connection = (
        u32::from_be_bytes([id[0], id[1], id[2], id[3]]),
        key.to_vec(),
    );
    let cancelled = Arc::new(Notify::new());
    cancelling
        .lock()
        .insert(connection.clone(), cancelled.clone());
    let outcome = queries(tls, &random, &cancelled).await;
    cancelling.lock().remove(&connection);
    outcome
}

async fn queries(tls: &mut Tls, id_and_key: &[u8], cancelled: &Notify) -> Result<()> {
    let mut status = b'I';
    let start = [
        // AuthenticationOk
        message(b'R', &[0; 4]),
        message(b'S', b"server_version\x0015.0\0"),
        message(b'S', b"client_encoding\0UTF8\0"),
        message(b'S', b"DateStyle\0ISO, MDY\0"),
        message(b'S', b"integer_datetimes\0on\0"),
        message(b'S', b"standard_conforming_strings\0on\0"),
        message(b'K', id_and_key),
        message(b'Z', &[status]),
    ];
    send(tls, &start.concat()).await?;
    while let Some(header) = bytes_or_end(tls, 5).await? {
        let contents = bytes(tls, after_length(&header[1..])?).await?;
        let answer = match header[0] {
            b'Q' => {
                let query = String::from_utf8_lossy(&contents).into_owned();
                let verb = verb(&query);
                match &verb[..] {
                    "BEGIN" | "START" => status = b'T',
                    "COMMIT" | "ROLLBACK" | "END" | "ABORT" => status = b'I',
                    _ => {}
                }
                if query.contains("pg_sleep") {
                    let mut waking = pin!(cancelled.notified());
                    // From here on it is heard.
                    waking.as_mut().enable();
                    println!("asleep");
                    waking.await;
                    error("57014", "canceling statement due to user request")
                } else {
                    result(&verb)
                }
            }
            b'X' => return Ok(()),
            _ => error("0A000", "only simple queries"),
        };
        send(tls, &[answer, message(b'Z', &[status])].concat()).await?;
    }
    Ok(())
}

fn result(verb: &str) -> Vec<u8> {
    if verb.is_empty() {
        return message(b'I', b"");
    }
    if !has_rows(verb) {
        return message(b'C', format!("{verb}\0").as_bytes());
    }
    [
        // One column: name, table 0, attribute 0, int4 of four bytes, no modifier, as text.
        message(
            b'T',
            b"\0\x01?column?\0\0\0\0\0\0\0\0\0\0\x17\0\x04\xff\xff\xff\xff\0\0",
        ),
        message(b'D', b"\0\x01\0\0\0\x011"),
        message(b'C', format!("{verb} 1\0").as_bytes()),
    ]
    .concat()
}

fn error(state: &str, words: &str) -> Vec<u8> {
    let fields = format!("SERROR\0VERROR\0C{state}\0M{words}\0\0");
    message(b'E', fields.as_bytes())
}

/// A length that counts itself.
fn after_length(length: &[u8]) -> Result<usize> {
    let length = length
        .iter()
        .fold(0_usize, |length, byte| length << 8 | usize::from(*byte));
    ensure!(length >= 4, "a length of {length}");
    Ok(length - 4)
}

fn message(kind: u8, contents: &[u8]) -> Vec<u8> {
    let length = u32::try_from(contents.len() + 4).unwrap_or_default();
    [&[kind], &length.to_be_bytes()[..], contents].concat()
}

/// HandshakeResponse with the sequence id that follows SSLRequest's, and then commands.
pub(crate) async fn mysql(tls: &mut Tls) -> Result<()> {
    let (sequence, response) = packet(tls).await?.unwrap_or_default();
    ensure!(sequence == NEXT_SEQUENCE, "sequence id {sequence}");
    ensure!(response.len() > 32, "no HandshakeResponse");
    // Affected rows, last id, status autocommit, warnings.
    let ok = [0, 0, 0, 2, 0, 0, 0];
    send(tls, &numbered(sequence + 1, &[&ok])).await?;
    while let Some((_, command)) = packet(tls).await? {
        let answers = match command.split_first() {
            // COM_QUIT
            Some((1, _)) => return Ok(()),
            // COM_QUERY: one column, its definition, EOF, one row, EOF.
            Some((3, query)) if has_rows(&verb(&String::from_utf8_lossy(query))) => {
                let eof = [0xfe, 0, 0, 2, 0];
                // catalog, schema, table, its own name, name, its own name; then character set, length, type LONGLONG, flags, decimals
                let column = b"\x03def\0\0\0\x011\0\x0c\x3f\0\x01\0\0\0\x08\0\0\0\0\0";
                numbered(1, &[&[1], column, &eof, b"\x011", &eof])
            }
            _ => numbered(1, &[&ok]),
        };
        send(tls, &answers).await?;
    }
    Ok(())
}

/// Sequence id and payload.
async fn packet(tls: &mut Tls) -> Result<Option<(u8, Vec<u8>)>> {
    let Some(header) = bytes_or_end(tls, 4).await? else {
        return Ok(None);
    };
    let length = u32::from_le_bytes([header[0], header[1], header[2], 0]);
    let payload = bytes(tls, usize::try_from(length)?).await?;
    Ok(Some((header[3], payload)))
}

fn numbered(first: u8, payloads: &[&[u8]]) -> Vec<u8> {
    let packets = payloads.iter().zip(first..).map(|(payload, sequence)| {
        let length = u32::try_from(payload.len()).unwrap_or_default();
        [&length.to_le_bytes()[..3], &[sequence], payload].concat()
    });
    packets.collect::<Vec<_>>().concat()
}
