"""A proxy that others wrote (proxy.py), for `CONNECT`. Ends with its stdin.

usage: proxy_program.py USER:PASSWORD LOG   prints its port; what it passed on is in LOG
"""

import sys

import proxy

login, log = sys.argv[1:]
options = ["--hostname", "127.0.0.1", "--port", "0", "--num-acceptors", "1", "--num-workers", "1"]
with proxy.Proxy([*options, "--basic-auth", login, "--log-file", log]) as program:
    print(program.flags.port, flush=True)
    sys.stdin.read()
