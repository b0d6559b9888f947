"""Signs addresses as botocore does. Takes lines of JSON {host, target, secret, region} on standard input, where target
is a signed path with its query; prints for each whether its signature is the one that botocore makes."""

import json
import sys
from urllib.parse import parse_qsl, urlsplit

from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials


def signature(host, target, secret, region):
    path, _, query = target.partition("?")
    given = dict(parse_qsl(query, keep_blank_values=True))
    unsigned = "&".join(part for part in query.split("&") if not part.startswith("X-Amz-Signature="))
    access = given["X-Amz-Credential"].split("/")[0]
    auth = S3SigV4QueryAuth(
        Credentials(access, secret, given.get("X-Amz-Security-Token")), "s3", region, expires=int(given["X-Amz-Expires"])
    )
    request = AWSRequest("GET", f"http://{host}{path}?{unsigned}", headers={"Host": host})
    request.context["timestamp"] = given["X-Amz-Date"]
    canonical = auth.canonical_request(request)
    return auth.signature(auth.string_to_sign(request, canonical), request), given["X-Amz-Signature"]


for line in sys.stdin:
    made, given = signature(**json.loads(line))
    print("good" if made == given else f"bad: {made} is not {given}")
