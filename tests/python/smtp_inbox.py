"""An SMTP inbox (aiosmtpd) that tells what it received, as Python's mail parser reads it.

    smtp_inbox.py FOLDER [plain|starttls|tls|expired] [user:password] [replies,comma,separated]

Writes a fresh CA to FOLDER/ca.pem. Prints `{"port": N}`, then one JSON per mail. `replies` are answers to the first
mails: a code, or `drop` to hang up after the mail without an answer. A recipient such as `550@example.org` is answered
with that code, and so is such a sender. With `expired` it speaks TLS with a certificate of last week. A line
on stdin mends it: a valid certificate, and no replies any more. Ends when stdin closes.
"""

import base64
import datetime
import ipaddress
import json
import pathlib
import ssl
import sys

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from mail_parts import told

folder = pathlib.Path(sys.argv[1])
mode = sys.argv[2] if len(sys.argv) > 2 else "plain"
login = sys.argv[3] if len(sys.argv) > 3 else ""
replies = [reply for reply in (sys.argv[4] if len(sys.argv) > 4 else "").split(",") if reply]


def tell(thing):
    print(json.dumps(thing), flush=True)


def certificate(name, issuer, issuer_key, key, authority, ends=30):
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=14))
        .not_valid_after(now + datetime.timedelta(days=ends))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if not authority:
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        purposes = x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.SERVER_AUTH])
        builder = builder.add_extension(purposes, critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def context():
    def name(text):
        return x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, text)])

    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca = certificate(name("test authority"), name("test authority"), ca_key, ca_key, True)
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(ca.public_bytes(pem))
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    for file, ends in [("leaf.pem", 30), ("expired.pem", -7)]:
        leaf = certificate(name("localhost"), name("test authority"), ca_key, key, False, ends)
        (folder / file).write_bytes(private + leaf.public_bytes(pem))
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(folder / ("expired.pem" if mode == "expired" else "leaf.pem"))
    return made


def authenticate(server, session, envelope, mechanism, data):
    given = f"{data.login.decode()}:{data.password.decode()}"
    return AuthResult(success=given == login, handled=False)


class Inbox:
    async def auth_XOAUTH2(self, server, args):
        """The password is the token; a refusal comes in two steps, as Google and Microsoft give it."""
        given = base64.b64decode(args[1]).decode() if len(args) > 1 else ""
        user, token = login.split(":")
        if given == f"user={user}\x01auth=Bearer {token}\x01\x01":
            return AuthResult(success=True, handled=False)
        await server.challenge_auth('{"status":"401","schemes":"bearer"}')
        return AuthResult(success=False, handled=False)

    async def handle_MAIL(self, server, session, envelope, address, options):
        name = address.split("@")[0]
        if name.isdigit():  # so is a sender
            return f"{name} scripted"
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        name = address.split("@")[0]
        if name.isdigit():  # `550@example.org` is answered 550
            return f"{name} scripted"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        tell(
            {
                "from": envelope.mail_from,
                "to": envelope.rcpt_tos,
                "peer": list(session.peer),
                "encrypted": server.transport.get_extra_info("ssl_object") is not None,
                "logged_in": bool(session.authenticated),
                **told(envelope.content),
                "raw": envelope.content.decode("latin-1"),
            }
        )
        reply = replies.pop(0) if replies else "250"
        if reply == "drop":
            server.transport.abort()
            return "250 too late"
        return f"{reply} scripted"


tls = context()
options = {}
if mode == "starttls":
    options.update(tls_context=tls, require_starttls=True)
if login:
    options.update(authenticator=authenticate, auth_required=True, auth_require_tls=mode == "starttls")


class Port0(Controller):
    def _trigger_server(self):
        """The controller connects once to see that it listens; it must ask the real port."""
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


controller = Port0(
    Inbox(), hostname="127.0.0.1", port=0, ssl_context=tls if mode in ("tls", "expired") else None, server_kwargs=options
)
controller.start()
tell({"port": controller.port})
for _ in sys.stdin:
    tls.load_cert_chain(folder / "leaf.pem")
    replies.clear()
controller.stop()
