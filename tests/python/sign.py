"""Signs each request read as a line of JSON with the cloud's own SDK, and prints the Authorization header."""

import json
import sys
from urllib.parse import unquote

from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.sdk_request import SdkRequest
from huaweicloudsdkcore.signer.signer import Signer

signer = Signer(BasicCredentials("AKIDEXAMPLE0000000001", "SKEXAMPLEsecretKeyForTestVectors00000001", "p"))
for line in sys.stdin:
    asked = json.loads(line)
    request = SdkRequest(
        method=asked["method"],
        schema="https",
        host=asked["headers"]["host"],
        resource_path=unquote(asked["path"]),
        uri=unquote(asked["path"]),
        query_params=[tuple(pair) for pair in asked["query"]],
        header_params=asked["headers"],
        body=asked["body"],
    )
    print(signer.sign(request).header_params["Authorization"])
