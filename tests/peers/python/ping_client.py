"""PING / STARTTLS / PING / QUIT over asyncio streams, client side. Python 3.11, standard library only.

Prints one line a step. The exit status is 0 only if every answer was right, the certificate was good for the name,
and the server answered `QUIT` with a close_notify.
"""

import argparse
import asyncio
import ssl
import sys


def step(*words):
    print(*words, flush=True)


def arguments():
    parser = argparse.ArgumentParser(description="PING / PONG client with STARTTLS to 127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--cafile", required=True, help="what to trust, PEM")
    parser.add_argument("--server-hostname", default="localhost", help="the name the certificate must be good for")
    parser.add_argument("--tls-min", choices=("1.2", "1.3"), default="1.2")
    parser.add_argument("--tls-max", choices=("1.2", "1.3"), default="1.3")
    parser.add_argument("--timeout", type=float, default=30, help="seconds for the whole dialogue")
    return parser.parse_args()


def client_context(args):
    version = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
    context = ssl.create_default_context(cafile=args.cafile)
    context.minimum_version = version[args.tls_min]
    context.maximum_version = version[args.tls_max]
    return context


def close_notified(tls):
    """Whether the peer's close_notify came; asyncio takes a bare FIN for a clean end."""
    try:
        tls.read(1)
    except ssl.SSLZeroReturnError:
        return True
    except ssl.SSLError:
        pass
    return False


async def dialogue(args):
    reader, writer = await asyncio.open_connection("127.0.0.1", args.port)

    async def ask(phase, command, expected):
        writer.write(command.encode() + b"\n")
        await writer.drain()
        line = await reader.readline()
        step(phase, command, line)
        if line not in (expected + b"\n", expected + b"\r\n"):
            raise ValueError(f"{phase} {command}: {line!r} instead of {expected!r}")

    await ask("plain", "PING", b"PONG")
    await ask("plain", "STARTTLS", b"OK")
    await writer.start_tls(client_context(args), server_hostname=args.server_hostname)
    tls = writer.get_extra_info("ssl_object")
    step("handshake", tls.version(), tls.cipher()[0])
    await ask("tls", "PING", b"PONG")
    writer.write(b"QUIT\n")
    await writer.drain()
    if rest := await reader.read():
        raise ValueError(f"{rest!r} behind QUIT")
    if not close_notified(tls):
        raise ValueError("the server closed without close_notify")
    step("close_notify")
    writer.close()
    await writer.wait_closed()
    step("closed")


async def main(args):
    async with asyncio.timeout(args.timeout):
        await dialogue(args)


if __name__ == "__main__":
    try:
        asyncio.run(main(arguments()))
    except (OSError, ValueError, TimeoutError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
