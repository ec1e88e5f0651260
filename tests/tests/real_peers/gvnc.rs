//! gtk-vnc's gvnccapture against our server.

use std::process::Command;

use crate::support::{Server, file, must_say, unpacked};

#[test]
fn vencrypt_and_a_picture_of_the_screen() {
    let server = Server::of("vencrypt", &[]);
    let home = file("gvnc");
    let authorities = home.join(".pki/CA");
    std::fs::create_dir_all(&authorities).unwrap();
    std::fs::copy(file("ca.pem"), authorities.join("cacert.pem")).unwrap();

    // It takes the authority from the home folder of the user, whatever HOME says: it gets a /root of its own.
    must_say(
        Command::new("unshare")
            .args(["-m", "sh", "-c"])
            .arg("mount --bind \"$1\" /root && exec \"$2\" \"$3\" /root/screen.png")
            .args(["sh".as_ref(), home.as_os_str()])
            .arg(unpacked("gvncviewer").join("usr/bin/gvnccapture"))
            .arg(format!("localhost:{}", server.port - 5900))
            .env(
                "LD_LIBRARY_PATH",
                unpacked("libgvnc-1.0-0").join("usr/lib/x86_64-linux-gnu"),
            ),
        &["Saved display"],
    );
    server.says("TLS is up");
    assert!(home.join("screen.png").exists());
}
