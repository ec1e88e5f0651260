//! FTP with one file, data connections that are TLS too, and `CCC` (RFC 4217).

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use starttls_tokio::TlsStream;
use starttls_tokio::rustls::{ServerConfig, ServerConnection};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::Tls;
use crate::io::{Stream, command, say};

pub(crate) async fn serve(mut tls: Tls, config: Arc<ServerConfig>) -> Result<()> {
    let mut session = Session {
        config,
        data: None,
        is_protected: false,
    };
    if session.commands(&mut tls, true).await? == End::Quit {
        return Ok(tls.shutdown().await?);
    }
    // The answer to CCC is the last of TLS; what is on the way already is not plaintext.
    let mut plain = tls.stop_tls().await?;
    println!("plaintext again");
    session.commands(&mut plain, false).await?;
    Ok(plain.shutdown().await?)
}

#[derive(PartialEq)]
enum End {
    Quit,
    ClearCommandChannel,
}

struct Session {
    config: Arc<ServerConfig>,
    data: Option<TcpListener>,
    is_protected: bool,
}

impl Session {
    async fn commands(&mut self, control: &mut impl Stream, is_tls: bool) -> Result<End> {
        while let Some((verb, argument)) = command(control).await? {
            let answer = match &verb[..] {
                "USER" => "331 any password is good",
                "PASS" => "230 logged in",
                "PBSZ" if is_tls => "200 PBSZ=0",
                "PROT" if is_tls => {
                    self.is_protected = argument == "P";
                    "200 as you wish"
                }
                "CCC" if is_tls => {
                    say(control, "200 plaintext from here on").await?;
                    return Ok(End::ClearCommandChannel);
                }
                // RFC 4217 section 6: no more PBSZ and PROT after CCC.
                "PBSZ" | "PROT" | "CCC" | "AUTH" => "503 not now",
                "PWD" => "257 \"/\"",
                "SYST" => "215 UNIX Type: L8",
                "TYPE" | "CWD" | "NOOP" => "200 OK",
                "SIZE" => "213 6",
                "PASV" => {
                    let [high, low] = self.listen().await?.to_be_bytes();
                    let answer = format!("227 here (127,0,0,1,{high},{low})");
                    say(control, &answer).await?;
                    continue;
                }
                "EPSV" => {
                    let port = self.listen().await?;
                    say(control, &format!("229 here (|||{port}|)")).await?;
                    continue;
                }
                "LIST" | "NLST" => {
                    self.transfer(control, "hello.txt\r\n").await?;
                    continue;
                }
                "RETR" => {
                    self.transfer(control, "hello\n").await?;
                    continue;
                }
                "QUIT" => {
                    say(control, "221 bye").await?;
                    return Ok(End::Quit);
                }
                _ => "500 not known",
            };
            say(control, answer).await?;
        }
        Ok(End::Quit)
    }

    async fn listen(&mut self) -> Result<u16> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        self.data = Some(listener);
        Ok(port)
    }

    /// Sends on a data connection, which has a handshake of its own.
    async fn transfer(&mut self, control: &mut impl Stream, text: &str) -> Result<()> {
        let listener = self.data.take().context("no PASV before")?;
        say(control, "150 coming").await?;
        let (socket, _) = listener.accept().await?;
        if self.is_protected {
            let connection = ServerConnection::new(self.config.clone())?;
            send_all(TlsStream::implicit(socket, connection).await?, text).await?;
        } else {
            send_all(socket, text).await?;
        }
        say(control, "226 done").await
    }
}

async fn send_all(mut data: impl AsyncRead + AsyncWrite + Unpin, text: &str) -> Result<()> {
    data.write_all(text.as_bytes()).await?;
    data.shutdown().await?;
    // The client says that it has everything by closing too; how politely does not matter.
    let mut rest = Vec::new();
    let _ = data.read_to_end(&mut rest).await;
    ensure!(rest.is_empty(), "data in the wrong direction");
    Ok(())
}
