"""A webhook receiver that wants a certificate of its callers. Ends with its stdin.

usage: tls_receiver.py CA CERT KEY   prints its port, then one line for each request
"""

import http.server
import ssl
import sys
import threading

ca, cert, key = sys.argv[1:]


class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        subject = dict(pair[0] for pair in self.connection.getpeercert()["subject"])
        print(subject["commonName"], flush=True)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_):
        """A handshake that fails is what this is for."""


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(cert, key)
context.load_verify_locations(ca)
context.verify_mode = ssl.CERT_REQUIRED
server = Server(("127.0.0.1", 0), Hook)
# The handshake is done in the request's own thread: a caller that dawdles must not stop the others.
server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
print(server.server_port, flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
