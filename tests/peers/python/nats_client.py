"""Connects with nats-py, over TLS if the server says so, and gets a message of its own back. The certificate must be good for the host."""

import argparse
import asyncio
import ssl

import nats


async def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--cafile", required=True, help="what to trust, PEM")
    parser.add_argument("--host", default="localhost")
    args = parser.parse_args()

    context = ssl.create_default_context(cafile=args.cafile)
    url = f"tls://{args.host}:{args.port}"
    client = await nats.connect(url, tls=context, tls_hostname=args.host, allow_reconnect=False, connect_timeout=30)
    mailbox = await client.subscribe("test")
    await client.publish("test", b"pong")
    print((await mailbox.next_msg(timeout=30)).data.decode())
    await client.close()


asyncio.run(main())
