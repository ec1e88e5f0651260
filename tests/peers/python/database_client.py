"""Logs in over TLS with psycopg2 or PyMySQL, as test / secret, and prints what `select 1` gives. The certificate must be good for the host."""

import argparse


def postgres(args):
    import psycopg2

    return psycopg2.connect(
        host=args.host, port=args.port, user="test", password="secret", dbname="postgres",
        sslmode="verify-full", sslrootcert=args.cafile, connect_timeout=30,
    )


def mysql(args):
    import pymysql

    return pymysql.connect(
        host=args.host, port=args.port, user="test", password="secret", connect_timeout=30,
        ssl_ca=args.cafile, ssl_verify_cert=True, ssl_verify_identity=True,
    )


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("protocol", choices=["postgres", "mysql"])
parser.add_argument("--port", type=int, required=True)
parser.add_argument("--cafile", required=True, help="what to trust, PEM")
parser.add_argument("--host", default="localhost")
args = parser.parse_args()

connection = {"postgres": postgres, "mysql": mysql}[args.protocol](args)
cursor = connection.cursor()
cursor.execute("select 1")
print("the row is", cursor.fetchone())
connection.commit()
connection.close()
