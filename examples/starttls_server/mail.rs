//! SMTP, LMTP, POP3 and ManageSieve: any login is good, one mail is there, what is sent is thrown away.

use anyhow::{Result, bail};

use crate::Tls;
use crate::io::{bytes, command, line, say};

/// The mail that is there, and ends in CR LF.
pub(crate) const MAIL: &str = "From: a@localhost\r\nTo: test@localhost\r\nSubject: hello\r\n\
    Date: Mon, 2 Jan 2023 10:00:00 +0000\r\nMessage-ID: <1@localhost>\r\n\r\nhello\r\n";

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
    while let Some((verb, arguments)) = command(tls).await? {
        match &verb[..] {
            verb if verb == hello => {
                say(
                    tls,
                    "250-localhost\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 AUTH PLAIN LOGIN",
                )
                .await?;
            }
            "AUTH" => authenticate(tls, &arguments).await?,
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

/// PLAIN with its response here or when it is asked for, LOGIN in two steps (RFC 4954).
async fn authenticate(tls: &mut Tls, arguments: &str) -> Result<()> {
    let challenges: &[&str] = match arguments.to_ascii_uppercase().split_once(' ') {
        None if arguments.eq_ignore_ascii_case("LOGIN") => &["VXNlcm5hbWU6", "UGFzc3dvcmQ6"],
        None => &[""],
        Some(("LOGIN", _)) => &["UGFzc3dvcmQ6"],
        Some(_) => &[],
    };
    for challenge in challenges {
        say(tls, &format!("334 {challenge}")).await?;
        line(tls).await?;
    }
    say(tls, "235 2.7.0 welcome").await
}

pub(crate) async fn pop3(tls: &mut Tls) -> Result<()> {
    while let Some((verb, argument)) = command(tls).await? {
        let size = MAIL.len();
        let of_all = argument.is_empty();
        let answer = match &verb[..] {
            "CAPA" => "+OK\r\nUSER\r\nTOP\r\nUIDL\r\n.".to_owned(),
            "USER" | "PASS" | "NOOP" | "RSET" | "DELE" => "+OK".to_owned(),
            "STAT" => format!("+OK 1 {size}"),
            "LIST" if of_all => format!("+OK\r\n1 {size}\r\n."),
            "UIDL" if of_all => "+OK\r\n1 first\r\n.".to_owned(),
            "LIST" => format!("+OK 1 {size}"),
            "UIDL" => "+OK 1 first".to_owned(),
            // No line of the mail begins with a dot.
            "RETR" | "TOP" => format!("+OK\r\n{MAIL}."),
            "QUIT" => return say(tls, "+OK bye").await,
            _ => "-ERR not known".to_owned(),
        };
        say(tls, &answer).await?;
    }
    Ok(())
}

/// The server speaks first here (RFC 5804 section 2.2). A script that is put is there until the end of the session.
pub(crate) async fn sieve(tls: &mut Tls) -> Result<()> {
    const CAPABILITIES: &str = "\"IMPLEMENTATION\" \"example\"\r\n\"SIEVE\" \"fileinto\"\r\n\
        \"SASL\" \"PLAIN\"\r\n\"VERSION\" \"1.0\"\r\nOK \"Ready\"";
    say(tls, CAPABILITIES).await?;
    let mut script = "keep;\r\n".to_owned();
    while let Some((verb, arguments)) = sieve_command(tls).await? {
        let answer = match &verb[..] {
            "CAPABILITY" => CAPABILITIES.to_owned(),
            "AUTHENTICATE" => {
                // The mechanism, and its first response here or when it is asked for.
                if arguments.len() < 2 {
                    say(tls, "\"\"").await?;
                    sieve_command(tls).await?;
                }
                "OK \"welcome\"".to_owned()
            }
            "LISTSCRIPTS" => "\"main\" ACTIVE\r\nOK".to_owned(),
            "GETSCRIPT" => format!("{{{}}}\r\n{script}\r\nOK", script.len()),
            "PUTSCRIPT" => {
                script = arguments.into_iter().last().unwrap_or_default();
                "OK".to_owned()
            }
            // What it says comes back (RFC 5804 section 2.13).
            "NOOP" => match arguments.first() {
                Some(tag) => format!("OK (TAG \"{tag}\") \"Done\""),
                None => "OK".to_owned(),
            },
            "CHECKSCRIPT" | "HAVESPACE" | "SETACTIVE" | "DELETESCRIPT" => "OK".to_owned(),
            "LOGOUT" => return say(tls, "OK").await,
            _ => "NO \"not known\"".to_owned(),
        };
        say(tls, &answer).await?;
    }
    Ok(())
}

/// A command in capitals and its arguments, of which the last may be a literal: it is not waited with.
async fn sieve_command(tls: &mut Tls) -> Result<Option<(String, Vec<String>)>> {
    let Some((verb, rest)) = command(tls).await? else {
        return Ok(None);
    };
    let mut arguments: Vec<String> = rest
        .split(' ')
        .filter(|word| !word.is_empty())
        .map(|word| word.trim_matches('"').to_owned())
        .collect();
    let announced = rest.strip_suffix("+}").and_then(|it| it.rsplit_once('{'));
    if let Some((_, size)) = announced {
        let literal = bytes(tls, size.parse()?).await?;
        line(tls).await?;
        arguments.pop();
        arguments.push(String::from_utf8_lossy(&literal).into_owned());
    }
    Ok(Some((verb, arguments)))
}
