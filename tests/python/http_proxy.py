"""A forward proxy that wants a login. Prints its port, then a line for each request it passed. Ends with its stdin.

usage: http_proxy.py USER:PASSWORD
"""

import base64
import http.client
import http.server
import sys
import threading
import urllib.parse

wanted = "Basic " + base64.b64encode(sys.argv[1].encode()).decode()


class Proxy(http.server.BaseHTTPRequestHandler):
    def pass_on(self):
        if self.headers.get("Proxy-Authorization") != wanted:
            self.send_response(407, "Proxy Authentication Required")
            self.send_header("Proxy-Authenticate", "Basic")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        url = urllib.parse.urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {key: value for key, value in self.headers.items() if not key.lower().startswith("proxy-")}
        there = http.client.HTTPConnection(url.netloc)
        there.request(self.command, url._replace(scheme="", netloc="").geturl(), body, headers)
        answer = there.getresponse()
        data = answer.read()
        print(self.command, url.path, flush=True)
        self.send_response(answer.status)
        for key, value in answer.getheaders():
            if key.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(key, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_DELETE = pass_on

    def send_response(self, code, message=None):
        # The other side's own Date and Server are passed on.
        self.send_response_only(code, message)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
print(server.server_port, flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
