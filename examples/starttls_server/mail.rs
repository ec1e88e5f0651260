//! SMTP, LMTP, IMAP, POP3 and ManageSieve: one empty mailbox.

use anyhow::{Result, bail};

use crate::Tls;
use crate::io::{command, line, say};

/// Nothing is known of the plaintext session here: the client says EHLO again (RFC 3207 section 4.2).
pub(crate) async fn smtp(tls: &mut Tls) -> Result<()> {
    transactions(tls, "EHLO", |_| 1).await
}

/// An answer for each recipient (RFC 2033 section 4.2).
pub(crate) async fn lmtp(tls: &mut Tls) -> Result<()> {
    transactions(tls, "LHLO", |recipients| recipients).await
}

async fn transactions(tls: &mut Tls, hello: &str, answers: fn(usize) -> usize) -> Result<()> {
    let mut recipients = 0;
    while let Some((verb, _)) = command(tls).await? {
        match &verb[..] {
            verb if verb == hello => {
                say(tls, "250-localhost\r\n250-PIPELINING\r\n250 8BITMIME").await?;
            }
            "MAIL" | "RSET" | "NOOP" => {
                recipients = 0;
                say(tls, "250 2.0.0 OK").await?;
            }
            "RCPT" => {
                recipients += 1;
                say(tls, "250 2.1.5 OK").await?;
            }
            "DATA" => {
                say(tls, "354 end with a dot").await?;
                loop {
                    match line(tls).await?.as_deref() {
                        Some(".") => break,
                        Some(_) => {}
                        None => bail!("the end in the middle of a mail"),
                    }
                }
                for _ in 0..answers(recipients) {
                    say(tls, "250 2.0.0 taken").await?;
                }
            }
            "QUIT" => return say(tls, "221 2.0.0 bye").await,
            // "a server MUST NOT offer it, and answers 503 or so, under TLS" (RFC 3207 section 4.2)
            "STARTTLS" => say(tls, "503 5.5.1 TLS is up already").await?,
            _ => say(tls, "502 5.5.2 not implemented").await?,
        }
    }
    Ok(())
}

pub(crate) async fn imap(tls: &mut Tls) -> Result<()> {
    while let Some(said) = line(tls).await? {
        let words: Vec<&str> = said.split(' ').collect();
        let [tag, verb, arguments @ ..] = &words[..] else {
            bail!("no command: {said:?}");
        };
        let verb = verb.to_ascii_uppercase();
        let untagged = match &verb[..] {
            "CAPABILITY" => "* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n",
            "LIST" => "* LIST () \"/\" INBOX\r\n",
            "SELECT" | "EXAMINE" => "* 0 EXISTS\r\n* 0 RECENT\r\n* FLAGS ()\r\n",
            "LOGOUT" => "* BYE\r\n",
            "AUTHENTICATE" => {
                // Mechanism, and its first response here or when it is asked for.
                if arguments.len() < 2 {
                    say(tls, "+ ").await?;
                    line(tls).await?;
                }
                ""
            }
            "LOGIN" | "NOOP" | "CLOSE" => "",
            _ => {
                say(tls, &format!("{tag} BAD {verb} is not known")).await?;
                continue;
            }
        };
        say(tls, &format!("{untagged}{tag} OK {verb} completed")).await?;
        if verb == "LOGOUT" {
            break;
        }
    }
    Ok(())
}

pub(crate) async fn pop3(tls: &mut Tls) -> Result<()> {
    while let Some((verb, _)) = command(tls).await? {
        let answer = match &verb[..] {
            "CAPA" => "+OK\r\nUSER\r\nUIDL\r\n.",
            "USER" | "PASS" | "NOOP" | "RSET" => "+OK",
            "STAT" => "+OK 0 0",
            "LIST" | "UIDL" => "+OK\r\n.",
            "QUIT" => return say(tls, "+OK bye").await,
            _ => "-ERR not known",
        };
        say(tls, answer).await?;
    }
    Ok(())
}

/// The server speaks first here (RFC 5804 section 2.2).
pub(crate) async fn sieve(tls: &mut Tls) -> Result<()> {
    const CAPABILITIES: &str =
        "\"IMPLEMENTATION\" \"example\"\r\n\"SIEVE\" \"\"\r\n\"SASL\" \"PLAIN\"\r\nOK \"Ready\"";
    say(tls, CAPABILITIES).await?;
    while let Some((verb, _)) = command(tls).await? {
        let answer = match &verb[..] {
            "CAPABILITY" => CAPABILITIES,
            "AUTHENTICATE" | "NOOP" | "LISTSCRIPTS" => "OK",
            "LOGOUT" => return say(tls, "OK").await,
            _ => "NO \"not known\"",
        };
        say(tls, answer).await?;
    }
    Ok(())
}
