"""Topics as a user of python-otcextensions works with them.

usage: smn.py URL   (of a fresh account; URL without /v3)
"""

import json
import os
import sys
import tempfile
import urllib.request

url = sys.argv[1]
home = tempfile.mkdtemp()
with open(os.path.join(home, "clouds.yaml"), "w") as file:
    file.write(f"""
clouds:
  otc:
    profile: otc
    auth:
      auth_url: {url}/v3
      username: alice
      password: secret
      user_domain_name: OTC00000000001000000001
      project_name: eu-de
    region_name: eu-de
    interface: public
    identity_api_version: 3
""")
os.chdir(home)
# Nothing of the machine's own set-up, least of all a proxy.
for name in list(os.environ):
    if name.startswith("OS_") or name.lower().endswith("_proxy"):
        del os.environ[name]

import openstack
from openstack import exceptions

conn = openstack.connect(cloud="otc")


def refused(kind, call):
    try:
        call()
    except kind:
        return
    raise AssertionError(f"expected {kind.__name__}")


topic = conn.smn.create_topic(name="alerts", display_name="Alerts")
urn = topic.id
assert urn.startswith("urn:smn:eu-de:") and urn.endswith(":alerts"), urn
conn.smn.create_topic(name="other")
assert {found.name for found in conn.smn.topics()} == {"alerts", "other"}
assert [found.name for found in conn.smn.topics(limit=1, offset=0)] == ["other", "alerts"]
assert conn.smn.get_topic(urn).display_name == "Alerts"
conn.smn.create_subscription(urn, protocol="email", endpoint="ops@example.org", remark="on call")
listed = list(conn.smn.subscriptions(urn))
assert [(one.protocol, one.endpoint, one.status) for one in listed] == [("email", "ops@example.org", 0)], listed
conn.smn.publish_message(urn, subject="a subject", message="a message")
conn.smn.publish_message(urn, message_structure='{"default": "for all", "sms": "short"}')
refused(exceptions.BadRequestException, lambda: conn.smn.publish_message(urn, message_structure='{"sms": "short"}'))
refused(exceptions.HttpException, lambda: conn.smn.publish_message(urn, subject="two\nlines", message="x"))
refused(exceptions.NotFoundException, lambda: conn.smn.publish_message(urn + "x", message="x"))
with urllib.request.urlopen(f"{url}/emulator/publications") as answer:
    published = json.load(answer)
assert [(one["subject"], one["texts"]) for one in published] == [
    ("a subject", {"default": "a message"}),
    (None, {"default": "for all", "sms": "short"}),
], published
conn.smn.delete_topic(urn)
refused(exceptions.NotFoundException, lambda: conn.smn.get_topic(urn))
print("topics work as the SDK uses them")
