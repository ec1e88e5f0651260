"""PING / STARTTLS / PING / QUIT over asyncio streams, server side. Python 3.11, standard library only.

Lines end with LF, or CR LF. `PING` is answered with `PONG`, `STARTTLS` with `OK`, behind which everything is TLS;
`QUIT` closes, anything else is answered with `ERROR`. Serves until it is stopped and prints one line a step,
`listening PORT` first.
"""

import argparse
import asyncio
import ssl


def step(*words):
    print(*words, flush=True)


def arguments():
    parser = argparse.ArgumentParser(description="PING / PONG server with STARTTLS on 127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--cert", required=True, help="certificate chain, PEM")
    parser.add_argument("--key", required=True, help="private key, PEM")
    parser.add_argument("--tls-min", choices=("1.2", "1.3"), default="1.2")
    parser.add_argument("--tls-max", choices=("1.2", "1.3"), default="1.3")
    return parser.parse_args()


def server_context(args):
    version = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(args.cert, args.key)
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


async def dialogue(reader, writer, context):
    phase = "plain"
    while line := await reader.readline():
        command = line.decode("latin-1").rstrip("\r\n")
        step(phase, ascii(command)[1:-1])
        match command:
            case "PING":
                writer.write(b"PONG\n")
            case "STARTTLS" if phase == "plain":
                writer.write(b"OK\n")
                await writer.start_tls(context)
                phase = "tls"
                tls = writer.get_extra_info("ssl_object")
                step("handshake", tls.version(), tls.cipher()[0])
            case "QUIT":
                return
            case _:
                writer.write(b"ERROR\n")
        await writer.drain()
    step("eof", phase)


async def main(args):
    context = server_context(args)

    async def connected(reader, writer):
        step("connected")
        try:
            await dialogue(reader, writer, context)
            writer.close()
            await writer.wait_closed()
            if tls := writer.get_extra_info("ssl_object"):
                step("close_notify" if close_notified(tls) else "no close_notify")
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError, an overlong line a ValueError
            step("error", type(error).__name__, error)
            writer.transport.abort()
        step("closed")

    server = await asyncio.start_server(connected, "127.0.0.1", args.port)
    step("listening", server.sockets[0].getsockname()[1])
    await server.serve_forever()


if __name__ == "__main__":
    try:
        asyncio.run(main(arguments()))
    except KeyboardInterrupt:
        pass
