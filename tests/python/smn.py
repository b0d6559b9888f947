"""SMN as a user of python-otcextensions works with it: every call that the package offers.

usage: smn.py URL   (of a fresh account; URL without /v3)
"""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import requests
from cloud import connect, refused, show

url = sys.argv[1]
conn = connect(url)

from openstack import exceptions

# topics -------------------------------------------------------------------

topic = conn.smn.create_topic(name="alerts", display_name="Alerts")
urn = topic.id
assert urn.startswith("urn:smn:eu-de:") and urn.endswith(":alerts"), urn
assert conn.smn.create_topic(name="alerts", display_name="again").id == urn, "a second creation is the first one"
conn.smn.create_topic(name="other")
assert {found.name for found in conn.smn.topics()} == {"alerts", "other"}
assert [found.name for found in conn.smn.topics(limit=1, offset=0)] == ["other", "alerts"]
assert conn.smn.get_topic(urn).display_name == "Alerts"
conn.smn.update_topic(urn, display_name="Security alerts")
assert conn.smn.get_topic(urn).display_name == "Security alerts"
assert conn.smn.find_topic("alerts").id == urn
assert conn.smn.find_topic("nobody", ignore_missing=True) is None
refused(exceptions.BadRequestException, lambda: conn.smn.create_topic(name="no spaces"))
show("Topics", conn.smn.topics(), ["name", "display_name", "push_policy", "create_time"])

# attributes -----------------------------------------------------------------

policy = {
    "Version": "2016-09-07",
    "Id": "__default_policy_ID",
    "Statement": [
        {
            "Sid": "__service_pub_0",
            "Effect": "Allow",
            "Principal": {"Service": ["cts"]},
            "Action": ["SMN:Publish", "SMN:QueryTopicDetail"],
            "Resource": urn,
        }
    ],
}
conn.smn.update_topic_attribute(urn, "access_policy", attr_value=json.dumps(policy))
conn.smn.update_topic_attribute(urn, "introduction", attr_value="What must not be missed")
headers = {"X-Auth-Token": conn.auth_token}
address = f"{url}/smn/v2/{conn.current_project_id}/notifications/topics/{urn}/attributes"
attributes = requests.get(address, headers=headers, timeout=5).json()["attributes"]
assert json.loads(attributes["access_policy"]) == policy, attributes
assert attributes["introduction"] == "What must not be missed", attributes
list(conn.smn.topic_attributes(urn, name="access_policy"))
refused(exceptions.BadRequestException, lambda: conn.smn.update_topic_attribute(urn, "colour", attr_value="red"))
refused(exceptions.BadRequestException, lambda: conn.smn.update_topic_attribute(urn, "access_policy", attr_value="{}"))
conn.smn.delete_topic_attribute(urn, "introduction")
conn.smn.delete_topic_attribute(urn)
assert requests.get(address, headers=headers, timeout=5).json()["attributes"] == {}

# subscriptions: somebody agrees, hears, and leaves ------------------------------

heard = []


class Subscriber(BaseHTTPRequestHandler):
    def do_POST(self):
        heard.append((dict(self.headers), json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
        arrived.release()
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


arrived = threading.Semaphore(0)
server = HTTPServer(("127.0.0.1", 0), Subscriber)
threading.Thread(target=server.serve_forever, daemon=True).start()


def next_one():
    assert arrived.acquire(timeout=20), "nothing arrived"
    return heard[-1]


endpoint = f"http://127.0.0.1:{server.server_port}/hook"
conn.smn.create_subscription(urn, protocol="email", endpoint="ops@example.org", remark="on call")
subscription = conn.smn.create_subscription(urn, protocol="http", endpoint=endpoint, remark="the bridge")
_, invitation = next_one()
assert invitation["type"] == "SubscriptionConfirmation", invitation
assert requests.get(invitation["subscribe_url"], timeout=5).status_code == 200
columns = ["protocol", "endpoint", "status", "remark"]
listed = show("Subscriptions of the topic", conn.smn.subscriptions(urn), columns)
assert [(one.protocol, one.status) for one in listed] == [("email", 0), ("http", 1)], listed
assert len(list(conn.smn.subscriptions())) == 2
assert len(list(conn.smn.subscriptions(limit=1, offset=0))) == 2
refused(exceptions.BadRequestException, lambda: conn.smn.create_subscription(urn, protocol="pigeon", endpoint="home"))

# publishing -------------------------------------------------------------------

message = conn.smn.publish_message(urn, subject="a subject", message="a message", time_to_live="600")
headers, body = next_one()
assert (body["subject"], body["message"], body["message_id"]) == ("a subject", "a message", message.message_id), body
assert headers["x-smn-message-type"] == "Notification", headers
conn.smn.publish_message(urn, message_structure='{"default": "for all", "http": "for programs", "sms": "short"}')
_, body = next_one()
assert body["message"] == "for programs" and "subject" not in body, body
conn.smn.create_template(name="alert", protocol="default", content="{who} did {what}")
conn.smn.create_template(message_template_name="alert", protocol="email", content="Dear reader, {who} did {what}")
conn.smn.publish_message(urn, message_template_name="alert", tags={"who": "bob", "what": "it"}, subject="by template")
_, body = next_one()
assert body["message"] == "{who} did {what}", "the client drops the tags"
show("What the subscriber got", [body for _, body in heard], ["type", "subject", "message", "timestamp"])
refused(exceptions.BadRequestException, lambda: conn.smn.publish_message(urn, message_structure='{"sms": "short"}'))
refused(exceptions.HttpException, lambda: conn.smn.publish_message(urn, subject="two\nlines", message="x"))
refused(exceptions.HttpException, lambda: conn.smn.publish_message(urn, message="x", time_to_live="0"))
refused(exceptions.NotFoundException, lambda: conn.smn.publish_message(urn + "x", message="x"))
published = requests.get(f"{url}/emulator/publications", timeout=5).json()
assert [(one["subject"], one["texts"]["default"]) for one in published] == [
    ("a subject", "a message"),
    (None, "for all"),
    ("by template", "{who} did {what}"),
], published

assert requests.get(body["unsubscribe_url"], timeout=5).status_code == 200
_, farewell = next_one()
assert farewell["type"] == "UnsubscribeConfirmation", farewell
assert [one.status for one in conn.smn.subscriptions(urn)] == [0, 3]
for one in list(conn.smn.subscriptions(urn)):
    conn.smn.delete_subscription(one)
assert list(conn.smn.subscriptions(urn)) == []

# templates ----------------------------------------------------------------------

templates = show("Templates", conn.smn.templates(), ["name", "protocol", "tag_names", "create_time"])
assert len(templates) == 2 and len(list(conn.smn.templates(name="alert", protocol="email"))) == 1, templates
one = conn.smn.get_template(templates[0].id)
assert one.content == "{who} did {what}", one
conn.smn.update_template(templates[0].id, content="{who}!")
assert conn.smn.get_template(templates[0].id).content == "{who}!"
assert conn.smn.find_template(templates[0].id).id == templates[0].id
refused(exceptions.BadRequestException, lambda: conn.smn.create_template(name="alert", protocol="default", content="x"))
for one in templates:
    conn.smn.delete_template(one)
assert list(conn.smn.templates()) == []

# text messages -------------------------------------------------------------------

sent = conn.smn.send_sms("+491701234567", "one time code 1234")
assert sent.message_id, sent
refused(exceptions.BadRequestException, lambda: conn.smn.send_sms("home", "x"))

conn.smn.delete_topic(urn)
refused(exceptions.NotFoundException, lambda: conn.smn.get_topic(urn))
print("\ntopics work as the SDK uses them")
