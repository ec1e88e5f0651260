"""StartTLS, bind and a search with ldap3, against 127.0.0.1. The certificate must be good for `localhost`."""

import argparse
import ssl

import ldap3

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--port", type=int, required=True)
parser.add_argument("--cafile", required=True, help="what to trust, PEM")
args = parser.parse_args()

tls = ldap3.Tls(validate=ssl.CERT_REQUIRED, ca_certs_file=args.cafile, valid_names=["localhost"])
server = ldap3.Server("127.0.0.1", port=args.port, tls=tls, connect_timeout=30)
connection = ldap3.Connection(server, "cn=admin,dc=example,dc=com", "secret", receive_timeout=30)
connection.open(read_server_info=False)
if not connection.start_tls(read_server_info=False):
    raise SystemExit(f"start_tls: {connection.result}")
print(connection.socket.version())
if not connection.bind(read_server_info=False):
    raise SystemExit(f"bind: {connection.result}")
if not connection.search("dc=example,dc=com", "(objectClass=*)", search_scope=ldap3.BASE):
    raise SystemExit(f"search: {connection.result}")
for entry in connection.response:
    print(entry["dn"])
connection.unbind()
