"""Logs in with slixmpp, as test / secret, asks for a ping, and prints how that went. The certificate must be good for the host."""

import argparse
import asyncio

import slixmpp

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--port", type=int, required=True)
parser.add_argument("--cafile", required=True, help="what to trust, PEM")
parser.add_argument("--host", default="localhost")
args = parser.parse_args()


class Client(slixmpp.ClientXMPP):
    def __init__(self):
        super().__init__(f"test@{args.host}", "secret")
        self.ca_certs = args.cafile
        self.enable_direct_tls = False
        self.enable_plaintext = False
        self.register_plugin("xep_0199")
        self.add_event_handler("session_start", self.start)
        for failure in ("connection_failed", "failed_auth", "ssl_invalid_chain", "ssl_invalid_cert"):
            self.add_event_handler(failure, lambda what, name=failure: self.give_up(f"{name}: {what}"))

    async def start(self, _):
        print("logged in as", self.boundjid)
        await self.plugin["xep_0199"].send_ping(args.host, timeout=10)
        print("the ping was answered")
        self.finished.set_result(None)

    def give_up(self, why):
        if not self.finished.done():
            self.finished.set_exception(SystemExit(why))


async def main():
    client = Client()
    client.finished = asyncio.get_running_loop().create_future()
    client.connect(host="127.0.0.1" if args.host == "localhost" else args.host, port=args.port)
    await asyncio.wait_for(client.finished, 30)
    client.disconnect()


asyncio.run(main())
