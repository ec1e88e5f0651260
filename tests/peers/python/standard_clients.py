"""The clients of the standard library: upgrade, log in, one more step, leave. One line a step. The certificate must be good for the host."""

import argparse
import ftplib
import imaplib
import io
import poplib
import smtplib
import ssl
import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import nntplib

TIMEOUT = 30


def smtp(host, port, context, client=smtplib.SMTP):
    with client(host, port) as session:
        session.starttls(context=context)
        print(session.sock.version())
        session.ehlo_or_helo_if_needed()
        print(session.esmtp_features)
        print("refused:", session.sendmail("a@localhost", ["b@localhost"], "Subject: x\r\n\r\nx"))


def lmtp(host, port, context):
    smtp(host, port, context, smtplib.LMTP)


def imap(host, port, context):
    with imaplib.IMAP4(host, port, timeout=TIMEOUT) as session:
        session.starttls(context)
        print(session.sock.version())
        print(session.capabilities)
        print(session.login("test", "secret"), session.select())


def pop3(host, port, context):
    session = poplib.POP3(host, port, timeout=TIMEOUT)
    session.stls(context)
    print(session.sock.version())
    print(session.capa())
    session.user("test")
    session.pass_("secret")
    print(session.stat())
    session.quit()


def nntp(host, port, context):
    with nntplib.NNTP(host, port, timeout=TIMEOUT) as session:
        session.starttls(context)
        print(session.sock.version())
        print(session.getcapabilities())
        print(session.list())


def ftp(host, port, context):
    with ftplib.FTP_TLS(context=context, timeout=TIMEOUT) as session:
        session.connect(host, port)
        session.login("test", "secret")
        print(session.sock.version())
        session.prot_p()
        print(session.nlst())
        # Back to plaintext, and on.
        session.ccc()
        print("TLS:", session.sock.version(), session.pwd())
        content = io.BytesIO()
        session.retrbinary("RETR hello.txt", content.write)
        print(content.getvalue())


def main():
    protocols = {function.__name__: function for function in (smtp, lmtp, imap, pop3, nntp, ftp)}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("protocol", choices=protocols)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--cafile", required=True, help="what to trust, PEM")
    parser.add_argument("--host", default="localhost")
    parser.add_argument("--tls-max", choices=("1.2", "1.3"), default="1.3")
    args = parser.parse_args()

    context = ssl.create_default_context(cafile=args.cafile)
    context.maximum_version = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}[args.tls_max]
    protocols[args.protocol](args.host, args.port, context)


main()
