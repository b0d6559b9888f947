"""Logs in to the emulated cloud as programs of others do: an agency with otcextensions, temporary keys for a token and
from the metadata service with the cloud's own SDK. Prints a line for each.

usage: identity.py URL
"""

import os
import sys
import tempfile

url = sys.argv[1]
os.chdir(tempfile.mkdtemp())
user = "username: alice, password: secret, user_domain_name: OTC00000000001000000001"
agency = "target_agency_name: tracebell, target_domain_name: OTC00000000001000000001, target_project_name: eu-de"
with open("clouds.yaml", "w") as file:
    file.write(f"""
clouds:
  agency: {{ profile: otc, auth_type: agency, region_name: eu-de, auth: {{ auth_url: {url}/v3, {user}, {agency} }} }}
  user: {{ profile: otc, region_name: eu-de, autocreate_aksk: true, auth: {{ auth_url: {url}/v3, {user}, project_name: eu-de }} }}
""")

import openstack
import otcextensions.sdk

connection = openstack.connect(cloud="agency")
print("agency", 200, [trace.id for trace in connection.cts.traces("system")])

connection = openstack.connect(cloud="user")
access, secret, token = otcextensions.sdk._get_ak_sk_autocreate(connection)
print("autocreate", access[:4], bool(secret), bool(token))
projects = connection.identity.get("/auth/domains").json()["domains"]
print("domains", [domain["name"] for domain in projects])

from huaweicloudsdkcore.auth.internal import MetadataAccessor

MetadataAccessor._METADATA_ENDPOINT = url
lent = MetadataAccessor().get_credential()
print("machine", lent.access[:4], bool(lent.secret), bool(lent.security_token))

import requests
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.sdk_request import SdkRequest
from huaweicloudsdkcore.signer.signer import Signer

for access, secret, token in [(access, secret, token), (lent.access, lent.secret, lent.security_token)]:
    project = "0123456789abcdef0123456789abcdef"
    signer = Signer(BasicCredentials(access, secret, project).with_security_token(token))
    host = url.removeprefix("http://")
    path = f"/v3/{project}/traces"
    headers = {"content-type": "application/json", "host": host, "X-Project-Id": project, "X-Security-Token": token}
    request = SdkRequest("GET", "http", host, path, path, [("trace_type", "system")], headers, "")
    signed = signer.sign(request)
    answer = requests.get(f"{url}{path}?trace_type=system", headers=signed.header_params)
    print("signed", answer.status_code, [trace["trace_id"] for trace in answer.json().get("traces", [])])
