//! NNTP, IRC, NUT, Munin, NATS and Telnet.

use anyhow::Result;
use tokio::io::AsyncBufReadExt;

use crate::Tls;
use crate::io::{bytes, command, line, say, send};

pub(crate) async fn nntp(tls: &mut Tls) -> Result<()> {
    while let Some((verb, _)) = command(tls).await? {
        let answer = match &verb[..] {
            "CAPABILITIES" => "101 these\r\nVERSION 2\r\nREADER\r\nLIST ACTIVE\r\n.",
            "MODE" => "200 hello",
            "LIST" => "215 these\r\nlocal.test 0 1 y\r\n.",
            "GROUP" => "211 0 1 0 local.test",
            "QUIT" => return say(tls, "205 bye").await,
            // "any attempt ... to negotiate TLS when it is active" (RFC 4642 section 2.2.1)
            "STARTTLS" => "502 TLS is up already",
            _ => "500 not known",
        };
        say(tls, answer).await?;
    }
    Ok(())
}

pub(crate) async fn irc(tls: &mut Tls, name: &str) -> Result<()> {
    let mut nick = None;
    let mut user = false;
    while let Some((verb, rest)) = command(tls).await? {
        match &verb[..] {
            "NICK" => nick = Some(rest),
            "USER" => user = true,
            "CAP" if rest.starts_with("LS") => say(tls, &format!(":{name} CAP * LS :")).await?,
            "PING" => say(tls, &format!(":{name} PONG {name} {rest}")).await?,
            "QUIT" => return say(tls, "ERROR :bye").await,
            _ => {}
        }
        if let (Some(nick), true) = (&nick, user) {
            let welcome = format!(":{name} 001 {nick} :Welcome");
            say(
                tls,
                &format!("{welcome}\r\n:{name} 422 {nick} :No message of the day"),
            )
            .await?;
            user = false;
        }
    }
    Ok(())
}

pub(crate) async fn nut(tls: &mut Tls) -> Result<()> {
    while let Some(line) = line(tls).await? {
        let answer = match &line[..] {
            "VER" => "Network UPS Tools upsd, example",
            "NETVER" => "1.3",
            "LIST UPS" => "BEGIN LIST UPS\nUPS test \"example\"\nEND LIST UPS",
            "LIST VAR test" => "BEGIN LIST VAR test\nVAR test ups.status \"OL\"\nEND LIST VAR test",
            "LIST CMD test" => "BEGIN LIST CMD test\nCMD test beeper.mute\nEND LIST CMD test",
            "GET VAR test ups.status" => "VAR test ups.status \"OL\"",
            "GET CMDDESC test beeper.mute" => "CMDDESC test beeper.mute \"Be quiet\"",
            "LOGOUT" => "OK Goodbye",
            "STARTTLS" => "ERR ALREADY-SSL-MODE",
            "LOGIN test" | "PRIMARY test" | "MASTER test" => "OK",
            login if login.starts_with("USERNAME ") || login.starts_with("PASSWORD ") => "OK",
            _ => "ERR UNKNOWN-COMMAND",
        };
        send(tls, format!("{answer}\n").as_bytes()).await?;
        if line == "LOGOUT" {
            break;
        }
    }
    Ok(())
}

pub(crate) async fn munin(tls: &mut Tls) -> Result<()> {
    while let Some(line) = line(tls).await? {
        let answer = match &line[..] {
            "nodes" => "localhost\n.",
            "version" => "munins node on localhost version: example",
            "quit" | "." => break,
            "config load" => "graph_title Load\nload.label load\n.",
            "fetch load" => "load.value 0.5\n.",
            list if list.starts_with("list") => "load",
            cap if cap.starts_with("cap") => "cap multigraph",
            _ => "# Unknown command. Try cap, list, nodes, config, fetch, version or quit",
        };
        send(tls, format!("{answer}\n").as_bytes()).await?;
    }
    Ok(())
}

/// Every message comes back to its own subscriber, if its subject is the same.
pub(crate) async fn nats(tls: &mut Tls) -> Result<()> {
    let mut subscriptions: Vec<(String, String)> = Vec::new();
    while let Some((verb, rest)) = command(tls).await? {
        let words: Vec<&str> = rest.split_whitespace().collect();
        match (&verb[..], &words[..]) {
            ("PING", _) => say(tls, "PONG").await?,
            ("SUB", [subject, .., id]) => {
                subscriptions.push(((*subject).to_owned(), (*id).to_owned()));
            }
            ("PUB", [subject, .., size]) => {
                let size = size.parse()?;
                let message = bytes(tls, size).await?;
                line(tls).await?;
                for (wanted, id) in &subscriptions {
                    if wanted == subject {
                        say(tls, &format!("MSG {subject} {id} {size}")).await?;
                        send(tls, &[&message[..], b"\r\n"].concat()).await?;
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Says everything back.
pub(crate) async fn telnet(tls: &mut Tls) -> Result<()> {
    send(tls, b"hello\r\n").await?;
    loop {
        let said = tls.fill_buf().await?.to_vec();
        if said.is_empty() {
            return Ok(());
        }
        tls.consume(said.len());
        send(tls, &said).await?;
    }
}
