"""The `openstack` command with the plug-in of python-otcextensions: every command of CTS and SMN.

usage: openstack_cli.py URL   (of a fresh account; URL without /v3)
Prints each command as typed, and what it said. One process: the command takes longer to load than to run.
"""

import contextlib
import io
import json
import os
import shlex
import sys

import requests
from cloud import prepare

url = sys.argv[1]
prepare(url)
os.environ["CLIFF_MAX_TERM_WIDTH"] = "110"

from openstackclient import shell


def run(command, code=0):
    """What the command printed."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            found = shell.main(["--os-cloud", "otc", *shlex.split(command)])
        except SystemExit as stop:
            found = stop.code
    print(f"\n$ openstack {command}\n{said.getvalue().rstrip()}", flush=True)
    assert (found or 0) == code, f"{command}: exit code {found}"
    return said.getvalue()


def of(command):
    """The same, as JSON."""
    return json.loads(run(command + " -f json"))


run("cts tracker create --bucket_name audit-bucket --file_prefix_name p- -c id -c name -c bucket_name -c status")
run("cts tracker set system --bucket_name second-bucket --file_prefix_name q- -c bucket_name -c file_prefix_name")
shown = of("cts tracker show system -c bucket_name -c status -c detail")
assert shown == {"bucket_name": "second-bucket", "status": "enabled", "detail": ""}, shown
run("cts trace list --limit 10 --service_type CTS --user alice -c time -c level -c name -c resource_name -c source_ip")
assert [trace["name"] for trace in of("cts trace list -c name --trace_name createTracker")] == ["createTracker"]
run("cts tracker delete system")
# What is shown of an error is the cloud's code.
assert "CTS.0214" in run("cts tracker show system", code=1)

run("smn topic create alerts --display-name Alerts -c request_id")
run("smn topic list")
# The creation does not show it.
urn = of("smn topic list")[0]["ID"]
run(f"smn topic update {urn} --display-name 'Security alerts'")
assert of(f"smn topic show {urn}")["display_name"] == "Security alerts"
run(f"smn subscription create {urn} --endpoint ops@example.org --protocol email --remark 'on call'")
(subscription,) = of(f"smn subscription list --topic {urn}")
run("smn subscription list")
run(f"smn message publish {urn} --subject 'a subject' --message 'a message' --time-to-live 600")
(published,) = requests.get(f"{url}/emulator/publications", timeout=5).json()
assert (published["subject"], published["texts"]) == ("a subject", {"default": "a message"}), published
run("smn sms send +491701234567 'a code'")
run("smn template create alert --content 'by {who}' --protocol default")
(template,) = of("smn template list --name alert")
template = template.get("ID") or template.get("id") or template["Id"]
run(f"smn template update {template} --content 'from {{who}}'")
assert of(f"smn template show {template}")["content"] == "from {who}"
run(f"smn template delete {template}")
subscription = next(value for value in subscription.values() if str(value).startswith(urn + ":"))
run(f"smn subscription delete {subscription}")
run(f"smn topic delete {urn}")
run(f"smn topic show {urn}", code=1)
print("\nthe openstack command works")
