"""Seeds for the fuzz targets: the inputs of all transcripts.

python3 seed.py TRANSCRIPTS CORPUS: CORPUS/TARGET/... with the bytes that each target expects in front.
"""
import pathlib
import re
import sys

# The order of `Protocol::ALL`, by the names of the directories of transcripts.
PROTOCOLS = """smtp lmtp imap pop3 nntp managesieve ftp xmpp xmpp-server ldap postgres mysql irc telnet connect http_upgrade
socks4 socks proxy-v1 proxy nbd rpc vencrypt rdp nut munin nats""".split()
ESCAPES = {"r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0", "\\": b"\\"}


def unescape(text):
    def one(match):
        word = match.group(1)
        return (bytes([int(word[1:], 16)]) if word[0] == "x" else ESCAPES[word]).decode("latin-1")
    return re.sub(r"\\(x..|.)", one, text).encode("latin-1", "replace")


def heard(lines, speaker):
    for line in lines:
        if len(line) < 2 or line[0] != speaker:
            continue
        kind, text = line[1], line[2:].removeprefix(" ")
        if kind == "=":
            yield bytes.fromhex(text)
        elif kind == "*":
            count, text = text.split(" ", 1)
            yield unescape(text) * min(int(count), 4096)
        elif kind in ":.":
            yield unescape(text) + (b"\r\n" if kind == ":" else b"")


transcripts, corpus = map(pathlib.Path, sys.argv[1:])
seeds = 0
for file in sorted(transcripts.glob("*/*.txt")):
    lines = [line for line in file.read_text("utf-8").split("\n") if not line.startswith("#")]
    client = "role: client" in lines
    data = b"".join(heard(lines[lines.index("") :], "S" if client else "C"))
    number = 3 * PROTOCOLS.index(file.parent.name) + (0 if client else 1)
    for target, front in (("negotiate", bytes([number, 3, 11])), ("sniff_and_diagnose", b"")):
        folder = corpus / target
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{file.parent.name}-{file.stem}").write_bytes(front + data[:8192])
    seeds += 1
print(f"{seeds} seeds")
