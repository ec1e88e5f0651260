//! IMAP with one mailbox and one mail in it (RFC 3501). Flags are not kept, and what is appended is thrown away.

use anyhow::Result;

use crate::Tls;
use crate::io::{bytes, line, say};
use crate::mail::MAIL;

pub(crate) async fn imap(tls: &mut Tls) -> Result<()> {
    while let Some(said) = command(tls).await? {
        let mut words = said.splitn(3, ' ');
        let tag = words.next().unwrap_or("*");
        let verb = words.next().unwrap_or_default().to_ascii_uppercase();
        let arguments = words.next().unwrap_or_default();
        let untagged = match &verb[..] {
            "CAPABILITY" => "* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n".to_owned(),
            "AUTHENTICATE" => {
                // The mechanism, and its first response here or when it is asked for.
                if !arguments.contains(' ') {
                    say(tls, "+ ").await?;
                    line(tls).await?;
                }
                String::new()
            }
            "LIST" | "LSUB" => format!("* {verb} () \"/\" INBOX\r\n"),
            "SELECT" | "EXAMINE" => "* 1 EXISTS\r\n* 0 RECENT\r\n\
                * FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)\r\n\
                * OK [UIDVALIDITY 1] valid\r\n* OK [UIDNEXT 2] next\r\n"
                .to_owned(),
            "STATUS" => {
                "* STATUS INBOX (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 1 UNSEEN 1)\r\n".to_owned()
            }
            "SEARCH" => "* SEARCH 1\r\n".to_owned(),
            "FETCH" => fetch(arguments, false),
            "UID" => match arguments.split_once(' ') {
                Some((verb, arguments)) if verb.eq_ignore_ascii_case("FETCH") => {
                    fetch(arguments, true)
                }
                Some((verb, _)) if verb.eq_ignore_ascii_case("SEARCH") => {
                    "* SEARCH 1\r\n".to_owned()
                }
                _ => String::new(),
            },
            "LOGOUT" => "* BYE\r\n".to_owned(),
            "LOGIN" | "NOOP" | "CHECK" | "CLOSE" | "EXPUNGE" | "STORE" | "APPEND" | "SUBSCRIBE" => {
                String::new()
            }
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

/// A command with its literals in it, each of which is permitted.
async fn command(tls: &mut Tls) -> Result<Option<String>> {
    let Some(mut command) = line(tls).await? else {
        return Ok(None);
    };
    while let Some((_, announced)) = command
        .strip_suffix('}')
        .and_then(|command| command.rsplit_once('{'))
    {
        let (size, waits) = match announced.strip_suffix('+') {
            Some(size) => (size, false),
            None => (announced, true),
        };
        let Ok(size) = size.parse() else {
            break;
        };
        if waits {
            say(tls, "+ go on").await?;
        }
        command.push_str(&String::from_utf8_lossy(&bytes(tls, size).await?));
        command.push_str(&line(tls).await?.unwrap_or_default());
    }
    Ok(Some(command))
}

/// What FETCH says of the mail, if it is among those that are asked for: each item that is asked for, by its name.
fn fetch(arguments: &str, by_uid: bool) -> String {
    let (numbers, items) = arguments.split_once(' ').unwrap_or((arguments, ""));
    let is_asked_for = numbers.split(',').any(|range| {
        let mut ends = range.split(':');
        let first = ends.next() == Some("1");
        first || ends.next() == Some("1")
    });
    if !is_asked_for {
        return String::new();
    }
    let items = items.to_ascii_uppercase();
    let mut answers = Vec::new();
    if by_uid || items.contains("UID") {
        answers.push("UID 1".to_owned());
    }
    if items.contains("FLAGS") {
        answers.push("FLAGS ()".to_owned());
    }
    if items.contains("INTERNALDATE") {
        answers.push("INTERNALDATE \" 2-Jan-2023 10:00:00 +0000\"".to_owned());
    }
    if items.contains("RFC822.SIZE") {
        answers.push(format!("RFC822.SIZE {}", MAIL.len()));
    }
    let (header, text) = MAIL.split_at(MAIL.find("\r\n\r\n").map_or(0, |at| at + 4));
    let mut part = |name: &str, part: &str| {
        answers.push(format!("{name} {{{}}}\r\n{part}", part.len()));
    };
    if let Some((_, section)) = items.replace(".PEEK", "").split_once("BODY[") {
        let section = section.split(']').next().unwrap_or_default();
        let of_section = match section {
            "" => MAIL,
            "TEXT" => text,
            _ => header,
        };
        part(&format!("BODY[{section}]"), of_section);
    }
    for item in items.split(['(', ' ', ')']) {
        match item {
            "RFC822" => part(item, MAIL),
            "RFC822.HEADER" => part(item, header),
            "RFC822.TEXT" => part(item, text),
            _ => {}
        }
    }
    format!("* 1 FETCH ({})\r\n", answers.join(" "))
}
