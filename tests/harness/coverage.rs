//! What the transcripts of a protocol must show.

use super::negotiators::Role;

/// What a transcript can say that it covers, and with which verdicts that is true: no claim without its outcome.
pub const COVERS: &[(&str, &[&str])] = &[
    ("accepted", &["upgrade", "pipelined"]),
    // A client is refused; a server refuses something, and goes on.
    (
        "refused",
        &[
            "refused",
            "upgrade",
            "goodbye",
            "waiting",
            "malformed",
            "unexpected",
            "not-offered",
        ],
    ),
    ("not-offered", &["not-offered"]),
    (
        "multi-line",
        &["upgrade", "pipelined", "refused", "not-offered"],
    ),
    ("oversize", &["too-long"]),
    ("eof", &["truncated"]),
    ("injected-line", &["unread", "pipelined"]),
    ("injected-tls", &["unread", "pipelined"]),
    ("early-hello", &["tls-too-early", "unread", "pipelined"]),
    (
        "abort",
        &["goodbye", "already-authenticated", "unexpected", "refused"],
    ),
    // Not asked of every protocol.
    ("optional", &["not-requested"]),
    ("bare-line-end", &["malformed", "upgrade"]),
    ("extra-text", &["upgrade"]),
    ("implicit-tls", &["tls-too-early"]),
    ("silence", &["waiting"]),
    ("unexpected", &["unexpected", "malformed"]),
];

/// What each protocol must have in a role.
pub const REQUIRED: &[(Role, &[&str])] = &[
    (
        Role::Client,
        &[
            "accepted",
            "refused",
            "not-offered",
            "multi-line",
            "oversize",
            "eof",
            "injected-line",
            "injected-tls",
            "abort",
        ],
    ),
    (
        Role::Server,
        &[
            "accepted",
            "refused",
            "multi-line",
            "oversize",
            "eof",
            "injected-line",
            "injected-tls",
            "early-hello",
            "abort",
        ],
    ),
];
