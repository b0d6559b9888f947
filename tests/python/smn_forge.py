"""SMN's signatures, good and forged, made apart from Tracebell; and a server that hands out certificates.

Usage: smn_forge.py FOLDER REGION. Writes `ca.pem`, `good.pem` and others into FOLDER, prints one line of JSON (port,
and where each certificate is), then answers each line of JSON on standard input with one on standard output:

  {"sign": {fields}, "key": "good", "hash": "sha256"}   -> {"signature": base64}
  {"served": true}                                      -> {"served": [paths]}
  {"down": true}                                        -> {"down": true}; each certificate is answered with 503
"""

import base64
import datetime
import hashlib
import http.server
import ipaddress
import json
import os
import ssl
import sys
import threading
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

folder, region = sys.argv[1:]
NOW = datetime.datetime.now(datetime.timezone.utc)
DAY = datetime.timedelta(days=1)


def key(bits=2048):
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def certificate(subject, public, issuer, signer, names=(), ca=False, start=NOW - DAY, end=NOW + 30 * DAY, usage=None):
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer))
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    if usage:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    return builder.sign(signer, hashes.SHA256())


def pem(made):
    return made.public_bytes(serialization.Encoding.PEM)


def write(file, content):
    path = os.path.join(folder, file)
    with open(path, "wb") as out:
        out.write(content)
    return path


ca_key, other_key = key(), key()
ca = certificate("Forge CA", ca_key.public_key(), "Forge CA", ca_key, ca=True)
write("ca.pem", pem(ca))

here = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]
tls_key = key()
tls = certificate("127.0.0.1", tls_key.public_key(), "Forge CA", ca_key, here)
write("tls.pem", pem(tls) + tls_key.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))

keys = {"good": key(), "other": other_key, "short": key(1024), "curve": ec.generate_private_key(ec.SECP256R1())}
good = keys["good"].public_key()
made = {
    # Only its common name says whose it is.
    "good": certificate("127.0.0.1", good, "Forge CA", ca_key),
    "named": certificate("SMN", good, "Forge CA", ca_key, here, usage=ExtendedKeyUsageOID.CODE_SIGNING),
    "self": certificate("127.0.0.1", good, "127.0.0.1", keys["good"], here),
    "stranger": certificate("127.0.0.1", good, "Other CA", other_key, here),
    "expired": certificate("127.0.0.1", good, "Forge CA", ca_key, here, end=NOW - DAY / 2),
    "early": certificate("127.0.0.1", good, "Forge CA", ca_key, here, start=NOW + DAY),
    "wrongname": certificate("evil.example", good, "Forge CA", ca_key, [x509.DNSName("evil.example")]),
    "mail": certificate("127.0.0.1", good, "Forge CA", ca_key, here, usage=ExtendedKeyUsageOID.EMAIL_PROTECTION),
    "short": certificate("127.0.0.1", keys["short"].public_key(), "Forge CA", ca_key, here),
    "curve": certificate("127.0.0.1", keys["curve"].public_key(), "Forge CA", ca_key, here),
}
for label, one in made.items():
    write(f"{label}.pem", pem(one))

pages = {label: pem(one) for label, one in made.items()}
pages["garbage"] = b"<html>not here</html>"
pages["huge"] = b"#" * (10 << 20)
ODD = ["redirect", "slow", "missing", "drip"]
paths = {label: f"/smn/SMN_{region}_{hashlib.md5(label.encode()).hexdigest()}.pem" for label in [*pages, *ODD]}
served = []
state = {"down": False}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        served.append(self.path)
        label = next((label for label, path in paths.items() if path == self.path), "missing")
        if state["down"]:
            self.send_error(503)
        elif label == "redirect":
            self.send_response(302)
            self.send_header("Location", f"https://127.0.0.1:{server.server_port}{paths['good']}")
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif label == "missing":
            self.send_error(404)
        elif label == "slow":
            time.sleep(30)
        elif label == "drip":
            self.send_response(200)
            self.end_headers()
            try:
                for byte in pages["good"]:
                    self.wfile.write(bytes([byte]))
                    self.wfile.flush()
                    time.sleep(0.5)
            except OSError:
                pass
        else:
            self.send_response(200)
            self.send_header("Content-Length", str(len(pages[label])))
            self.end_headers()
            try:
                self.wfile.write(pages[label])
            except OSError:
                pass

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass


server = Server(("127.0.0.1", 0), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(os.path.join(folder, "tls.pem"))
server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
threading.Thread(target=server.serve_forever, daemon=True).start()

ORDER = {
    "Notification": ["message", "message_id", "subject", "timestamp", "topic_urn", "type"],
    "SubscriptionConfirmation": ["message", "message_id", "subscribe_url", "timestamp", "topic_urn", "type"],
}
ORDER["UnsubscribeConfirmation"] = ORDER["SubscriptionConfirmation"]
HASHES = {"sha256": hashes.SHA256(), "sha1": hashes.SHA1(), "md5": hashes.MD5(), "sha512": hashes.SHA512()}


def sign(fields, which, hash_name):
    text = "".join(f"{field}\n{fields[field]}\n" for field in ORDER[fields["type"]] if field in fields)
    signer, algorithm = keys[which], HASHES.get(hash_name)
    if which == "curve":
        made_of = signer.sign(text.encode(), ec.ECDSA(algorithm))
    elif hash_name == "sha256-pss":
        made_of = signer.sign(text.encode(), padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
    else:
        made_of = signer.sign(text.encode(), padding.PKCS1v15(), algorithm)
    return base64.b64encode(made_of).decode()


print(json.dumps({"port": server.server_port, "paths": paths}), flush=True)
for line in sys.stdin:
    asked = json.loads(line)
    if "sign" in asked:
        answer = {"signature": sign(asked["sign"], asked.get("key", "good"), asked.get("hash", "sha256"))}
    elif "down" in asked:
        state.update(asked)
        answer = asked
    else:
        answer = {"served": served}
    print(json.dumps(answer), flush=True)
