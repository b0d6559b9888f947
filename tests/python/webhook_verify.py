"""Verifies requests with the reference implementation of Standard Webhooks.

Reads one JSON per line: secret (`whsec_...` or text), headers, body. Prints `valid` or what is wrong.
"""

import json
import sys

from standardwebhooks import Webhook

for line in sys.stdin:
    request = json.loads(line)
    secret = request["secret"]
    try:
        key = secret if secret.startswith("whsec_") else secret.encode()
        Webhook(key).verify(request["body"], request["headers"])
        print("valid", flush=True)
    except Exception as error:
        print(f"{type(error).__name__}: {error}", flush=True)
