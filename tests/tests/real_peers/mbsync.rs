//! mbsync (isync) against our server: it fetches the mailbox.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::{Server, file, must_fail, must_say};

fn mbsync(folder: &Path, host: &str, port: u16) -> Command {
    let _ = fs::remove_dir_all(folder);
    fs::create_dir_all(folder).expect("a folder");
    let (ca, folder) = (file("ca.pem"), folder.display());
    let settings = format!(
        "IMAPAccount ours\nHost {host}\nPort {port}\nUser test\nPass secret\n\
         SSLType STARTTLS\nSystemCertificates no\nCertificateFile {}\n\n\
         IMAPStore far\nAccount ours\n\n\
         MaildirStore near\nInbox {folder}/mail\n\n\
         Channel all\nFar :far:\nNear :near:\nSync Pull\nCreate Near\nSyncState {folder}/\n",
        ca.display()
    );
    let path = format!("{folder}/mbsyncrc");
    fs::write(&path, settings).expect("a file");
    let mut mbsync = Command::new("mbsync");
    mbsync.args(["-c", &path, "-V", "-Dn", "all"]);
    mbsync
}

#[test]
fn imap_and_its_mailbox() {
    let server = Server::of("imap", &[]);
    let folder = file("mbsync");
    must_say(
        &mut mbsync(&folder, "localhost", server.port),
        &["STARTTLS", "Logging in", "far side: 1 messages"],
    );
    let mails: Vec<_> = fs::read_dir(folder.join("mail/new"))
        .expect("a folder")
        .collect();
    assert_eq!(mails.len(), 1);
    let mail = fs::read_to_string(mails[0].as_ref().expect("an entry").path()).expect("a mail");
    assert!(
        mail.contains("Subject: hello") && mail.ends_with("\nhello\n"),
        "{mail}"
    );
    let server = Server::of("imap", &["--listen", "127.0.0.2:0"]);
    must_fail(
        &mut mbsync(&file("mbsync-other"), "127.0.0.2", server.port),
        "certificate",
    );
}
