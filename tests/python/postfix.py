"""Debian's Postfix on free loopback ports, with TLS and AUTH, that delivers into a maildir.

    postfix.py FOLDER user:password

Needs root, which Postfix wants; nothing outside FOLDER is written. Writes the CA to FOLDER/ca.pem. Prints
`{"starttls": PORT, "tls": PORT}`. Each line on stdin is answered with one mail of the box `ops@example.org` as
Python's parser reads it, oldest first, waited for. Ends, and Postfix with it, when stdin closes.
"""

import ctypes
import json
import os
import pathlib
import pwd
import grp
import shutil
import signal
import socket
import subprocess
import sys
import time

from mail_parts import told

BOXES = 65534
folder = pathlib.Path(sys.argv[1]).resolve()
user, password = sys.argv[2].split(":")
mail_owner, drop = pwd.getpwnam("postfix").pw_uid, grp.getgrnam("postdrop").gr_gid


def made(name, mode=0o755, owner=0, group=0):
    path = folder / name
    path.mkdir(parents=True, exist_ok=True)
    os.chown(path, owner, group)
    path.chmod(mode)
    return path


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=tls)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def listens(port):
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


folder.chmod(0o755)
tls = made("tls")
ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30"]
openssl("req", "-x509", *ec, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test authority")
openssl("req", *ec, "-keyout", "leaf.key", "-out", "leaf.csr", "-subj", "/CN=localhost")
(tls / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n")
signing = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "30", "-extfile", "names"]
openssl("x509", "-req", "-in", "leaf.csr", "-out", "leaf.pem", *signing)
shutil.copy(tls / "ca.pem", folder / "ca.pem")

# Debian's looks for it beside `main.cf`, whatever `cyrus_sasl_config_path` says.
sasl = made("etc/sasl")
(sasl / "smtpd.conf").write_text(
    f"pwcheck_method: auxprop\nauxprop_plugin: sasldb\nmech_list: PLAIN LOGIN\nsasldb_path: {sasl}/users\n"
)
saslpasswd = shutil.which("saslpasswd2") or "/usr/sbin/saslpasswd2"
set_password = [saslpasswd, "-p", "-c", "-f", str(sasl / "users"), "-u", "example.org", user]
subprocess.run(set_password, input=password.encode(), check=True)
os.chown(sasl / "users", mail_owner, 0)

queue = made("queue")
for name in "active bounce corrupt defer deferred flush hold incoming private saved trace".split():
    made(f"queue/{name}", 0o700, mail_owner)
made("queue/pid")
made("queue/public", 0o710, mail_owner, drop)
made("queue/maildrop", 0o1730, mail_owner, drop)
data, boxes, etc = made("data", 0o700, mail_owner), made("boxes", 0o700, BOXES, BOXES), made("etc")

ports = {"starttls": free_port(), "tls": free_port()}
(etc / "main.cf").write_text(f"""
compatibility_level = 3.6
queue_directory = {queue}
data_directory = {data}
daemon_directory = /usr/lib/postfix/sbin
shlib_directory = /usr/lib/postfix
mail_owner = postfix
setgid_group = postdrop
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
myhostname = mail.example.org
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
local_recipient_maps =
virtual_mailbox_domains = example.org
virtual_mailbox_base = {boxes}
virtual_mailbox_maps = inline:{{ ops@example.org=ops/, oncall@example.org=oncall/ }}
virtual_uid_maps = static:{BOXES}
virtual_gid_maps = static:{BOXES}
smtpd_recipient_restrictions = permit_sasl_authenticated, reject
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = cyrus
smtpd_sasl_path = smtpd
smtpd_sasl_local_domain = example.org
smtpd_tls_auth_only = yes
smtpd_tls_security_level = may
smtpd_tls_cert_file = {tls}/leaf.pem
smtpd_tls_key_file = {tls}/leaf.key
""")
(etc / "master.cf").write_text(f"""
127.0.0.1:{ports["starttls"]} inet n - n - - smtpd
127.0.0.1:{ports["tls"]} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
virtual unix - n n - - virtual
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
""")


def dies_with_us():
    """However this script ends, Postfix ends too."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


master = subprocess.Popen(
    ["/usr/lib/postfix/sbin/master", "-c", str(etc), "-d"],
    stdin=subprocess.DEVNULL,
    stdout=subprocess.DEVNULL,
    stderr=subprocess.DEVNULL,
    start_new_session=True,
    preexec_fn=dies_with_us,
)


def log():
    path = folder / "log"
    return path.read_text()[-4000:] if path.exists() else "no log"


def wait_for(what, found, seconds=20):
    until = time.monotonic() + seconds
    while time.monotonic() < until and master.poll() is None:
        if result := found():
            return result
        time.sleep(0.05)
    sys.exit(f"no {what}: {log()}")


def oldest():
    waiting = (boxes / "ops" / "new").glob("*")
    return min(waiting, key=lambda path: path.stat().st_mtime_ns, default=None)


try:
    wait_for("listeners", lambda: listens(ports["starttls"]) and listens(ports["tls"]))
    print(json.dumps(ports), flush=True)
    for _ in sys.stdin:
        path = wait_for("mail", oldest)
        print(json.dumps(told(path.read_bytes())), flush=True)
        path.unlink()
finally:
    # Its services share its process group.
    os.killpg(master.pid, signal.SIGTERM)
    try:
        master.wait(10)
    finally:
        try:
            os.killpg(master.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
