"""Stands between a client and a plain server, with a certificate of a private CA. Ends with its stdin.

usage: tls_middle.py TARGET FOLDER good|expired   writes FOLDER/ca.pem, prints its port
"""

import datetime
import ipaddress
import pathlib
import socket
import ssl
import sys
import threading

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

target, folder, kind = sys.argv[1:]
folder = pathlib.Path(folder)
host, port = target.rsplit(":", 1)
now = datetime.datetime.now(datetime.timezone.utc)
day = datetime.timedelta(days=1)


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def pem(key):
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
start = x509.CertificateBuilder().issuer_name(name("Example Corp CA")).not_valid_before(now - 30 * day)
ca = (
    start.subject_name(name("Example Corp CA"))
    .public_key(ca_key.public_key())
    .serial_number(1)
    .not_valid_after(now + 365 * day)
    .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    .sign(ca_key, hashes.SHA256())
)
leaf = (
    start.subject_name(name("iam"))
    .public_key(key.public_key())
    .serial_number(2)
    .not_valid_after(now + 90 * day if kind == "good" else now - day)
    .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
    .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    .sign(ca_key, hashes.SHA256())
)
(folder / "ca.pem").write_bytes(ca.public_bytes(serialization.Encoding.PEM))
(folder / "leaf.pem").write_bytes(leaf.public_bytes(serialization.Encoding.PEM) + pem(key))

context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(folder / "leaf.pem")


def pump(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass
    for end in (source, sink):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def serve(plain):
    try:
        outer = context.wrap_socket(plain, server_side=True)
        inner = socket.create_connection((host, int(port)))
    except OSError:
        plain.close()
        return
    threading.Thread(target=pump, args=(outer, inner), daemon=True).start()
    pump(inner, outer)


def accept():
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()


listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
threading.Thread(target=accept, daemon=True).start()
sys.stdin.read()
