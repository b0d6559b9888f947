"""A subscriber as SMN's documentation writes one: verifies what it gets, confirms what invites it.

Reads one JSON per line: body, and `open` (the name of an address in it to open). Fetches the
certificate from `signing_cert_url`, builds the documented text, and verifies the signature with
`cryptography` and again with the openssl command. Prints type, verdicts and what the address answered.
"""

import base64
import json
import pathlib
import subprocess
import sys
import tempfile
import urllib.request

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

NOTIFICATION = ["message", "message_id", "subject", "timestamp", "topic_urn", "type"]
CONFIRMATION = ["message", "message_id", "subscribe_url", "timestamp", "topic_urn", "type"]

opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def fetch(url):
    with opener.open(url, timeout=10) as answer:
        return answer.read()


def by_openssl(certificate, text, signature):
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        public = certificate.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        (folder / "key").write_bytes(public)
        (folder / "sig").write_bytes(signature)
        (folder / "text").write_bytes(text)
        command = ["openssl", "dgst", "-sha256", "-verify", "key", "-signature", "sig", "text"]
        return subprocess.run(command, cwd=folder, capture_output=True, text=True).stdout.strip()


for line in sys.stdin:
    request = json.loads(line)
    body = json.loads(request["body"])
    names = NOTIFICATION if body["type"] == "Notification" else CONFIRMATION
    text = "".join(f"{name}\n{body[name]}\n" for name in names if name in body).encode()
    certificate = x509.load_pem_x509_certificate(fetch(body["signing_cert_url"]))
    signature = base64.b64decode(body["signature"])
    found = {"type": body["type"], "openssl": by_openssl(certificate, text, signature)}
    try:
        certificate.public_key().verify(signature, text, padding.PKCS1v15(), hashes.SHA256())
        found["verified"] = True
    except Exception as error:
        found["verified"] = type(error).__name__
    if request.get("open"):
        found["opened"] = fetch(body[request["open"]]).decode()
    print(json.dumps(found), flush=True)
