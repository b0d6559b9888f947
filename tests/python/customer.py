"""The customer's own examples, as a user of python-otcextensions writes them.

usage: customer.py URL   (of a fresh account; URL without /v3)
"""

import json
import sys
import time

import requests
from cloud import connect, refused, show

url = sys.argv[1]
conn = connect(url)

from openstack import exceptions

# trackers, v1 -------------------------------------------------------------

refused(exceptions.NotFoundException, lambda: conn.cts.get_tracker("system"))

attrs = {
    "bucket_name": "audit-bucket",
    "file_prefix_name": "cts-",
    "lts": {"is_lts_enabled": True, "log_group_name": "CTS", "log_topic_name": "system-trace"},
    "status": "enabled",
    "tracker_name": "system",
    "detail": "",
}
tracker = conn.cts.create_tracker(**attrs)
assert tracker.id and tracker.bucket_name == "audit-bucket", tracker
assert tracker.file_prefix_name == "cts-" and tracker.status == "enabled", tracker

text = refused(exceptions.BadRequestException, lambda: conn.cts.create_tracker(**attrs))
assert "CTS.0201" in text, text

by_name = conn.cts.get_tracker("system")
by_object = conn.cts.get_tracker(tracker)
assert by_name.id == by_object.id == tracker.id, (by_name, by_object)
assert by_name.bucket_name == "audit-bucket", by_name

changed = conn.cts.update_tracker("system", bucket_name="second-bucket", file_prefix_name="q-")
assert changed.bucket_name == "second-bucket", changed
changed = conn.cts.update_tracker(conn.cts.get_tracker("system"), status="disabled", file_prefix_name="r-")
assert changed.status == "disabled" and changed.bucket_name == "second-bucket", changed
conn.cts.update_tracker("system", status="enabled")
text = refused(exceptions.BadRequestException, lambda: conn.cts.update_tracker("system", bucket_name="NO"))
assert "CTS.0231" in text, text

show("The tracker", [conn.cts.get_tracker("system")], ["name", "status", "bucket_name", "file_prefix_name"])

# traces -------------------------------------------------------------------

traces = list(conn.cts.traces("system"))
created = [trace for trace in traces if trace.name == "createTracker" and trace.level == "normal"]
assert len(created) == 1, traces
assert traces[0].service_type == "CTS" and traces[0].resource_type == "tracker", traces[0]
assert created[0].resource_id == tracker.id and created[0].tracker_name == "system", created[0]
assert isinstance(created[0].user, str) and '"alice"' in created[0].user, created[0].user
assert created[0].time.endswith("+00:00"), created[0].time

show("Traces of the system tracker", traces, ["time", "level", "service_type", "name", "resource_name", "code"])

warnings = []
for trace in conn.cts.traces("system", trace_rating="warning"):
    warnings.append(trace)
assert {trace.name for trace in warnings} == {"createTracker", "updateTracker"}, warnings
assert all(trace.level == "warning" for trace in warnings)
assert [trace.code for trace in warnings] == ["400", "400"], warnings

show("Those that failed", warnings, ["time", "level", "name", "response"])

assert len(list(conn.cts.traces("system", limit=2))) == 2
assert len(list(conn.cts.traces())) == len(traces)
assert len(list(conn.cts.traces(tracker))) == len(traces)
updates = list(conn.cts.traces("system", trace_name="updateTracker", level="normal", limit=200))
assert len(updates) == 3 and all(trace.name == "updateTracker" for trace in updates), updates
assert list(conn.cts.traces("system", service_type="ECS")) == []
assert list(conn.cts.traces("system", user="mallory")) == []
assert len(list(conn.cts.traces("system", user="alice", res_type="tracker", res_name="system"))) == len(traces)
second = list(conn.cts.traces("system", next=traces[0].id))
assert [trace.id for trace in second] == [trace.id for trace in traces[1:]], second
only = list(conn.cts.traces("system", trace_id=traces[1].id, user="mallory"))
assert [trace.id for trace in only] == [traces[1].id], only
refused(exceptions.BadRequestException, lambda: list(conn.cts.traces("system", limit=201)))
refused(exceptions.NotFoundException, lambda: list(conn.cts.traces("other")))

# every filter by its own name and by the client's, alone and all at once
newest = traces[0]
filters = {
    "service_type": "CTS",
    "trace_name": newest.name,
    "trace_id": newest.id,
    "user": "alice",
    "level": newest.level,
    "trace_rating": newest.level,
    "res_type": "tracker",
    "res_id": created[0].resource_id,
    "resource_id": created[0].resource_id,
    "res_name": "system",
    "resource_name": "system",
    "from": 1,
    "to": 9999999999999,
}
filters["from"] = int(time.time() * 1000) - 3_600_000
for name, value in filters.items():
    found = list(conn.cts.traces("system", limit=200, **{name: value}))
    assert found, f"{name}={value} finds nothing"
everything = dict(limit=200, service_type="CTS", user="alice", res_type="tracker", res_name="system", trace_name="createTracker")
everything.update({"from": filters["from"], "to": 9999999999999})
assert {trace.name for trace in conn.cts.traces("system", **everything)} == {"createTracker"}
# from the first page to the last one, as the documentation tells to
walked, marker = [], {}
while page := list(conn.cts.traces("system", limit=3, **marker)):
    walked += page
    marker = {"next": page[-1].id}
assert [trace.id for trace in walked] == [trace.id for trace in traces], walked
assert list(conn.cts.traces("system", unknown="ignored")), "unknown names are dropped by the client"

v2 = list(conn.ctsv2.traces("system", limit=200))
assert [trace.id for trace in v2] == [trace.id for trace in traces], v2
assert v2[0].user["name"] == "alice", v2[0].user

v3 = list(conn.ctsv3.traces(trace_type="system", limit=200, trace_rating="warning", user="alice", service_type="CTS"))
assert [trace.trace_id for trace in v3] == [trace.id for trace in warnings], v3

show("The same, through version 3", v3, ["trace_id", "trace_rating", "trace_name", "user"])

# trackers by id, and their end ----------------------------------------------

conn.cts.delete_tracker(conn.cts.get_tracker("system"))
refused(exceptions.NotFoundException, lambda: conn.cts.get_tracker("system"))
conn.cts.create_tracker(bucket_name="third-bucket", file_prefix_name="p-")
conn.cts.delete_tracker("system")
refused(exceptions.NotFoundException, lambda: conn.cts.delete_tracker("system", ignore_missing=False))
assert len(list(conn.cts.traces("system", trace_name="deleteTracker", trace_rating="normal"))) == 2

# version 3 ----------------------------------------------------------------

assert list(conn.ctsv3.trackers()) == []
conn.ctsv3.create_tracker(
    tracker_type="system",
    tracker_name="system",
    obs_info={"bucket_name": "v3-bucket", "file_prefix_name": "v3-", "is_obs_created": False},
    is_lts_enabled=True,
)
(third,) = conn.ctsv3.trackers(tracker_name="system")
assert third.obs_info.bucket_name == "v3-bucket", third
assert third.lts.is_lts_enabled is True, third
assert conn.cts.get_tracker("system").bucket_name == "v3-bucket"

show("Trackers, version 3", conn.ctsv3.trackers(), ["tracker_name", "tracker_type", "status", "obs_info"])
refused(TypeError, lambda: conn.ctsv3.update_tracker(status="disabled"))

quotas = {quota.type: (quota.used, quota.quota) for quota in conn.ctsv3.quotas()}
assert quotas == {"system_tracker": (1, 1), "smn_notification": (0, 100)}, quotas

alerts = conn.smn.create_topic(name="alerts")
event = conn.ctsv3.create_key_event(
    notification_name="cts_guard",
    operation_type="customized",
    operations=[{"service_type": "CTS", "resource_type": "tracker", "trace_names": ["deleteTracker"]}],
    topic_id=alerts.id,
)
assert event.notification_id and event.status == "enabled", event
changed = conn.ctsv3.update_key_event(
    notification_id=event.notification_id,
    notification_name="cts_guard",
    operation_type="customized",
    operations=[{"service_type": "CTS", "resource_type": "tracker", "trace_names": ["deleteTracker", "createTracker"]}],
    topic_id=alerts.id,
    status="enabled",
)
assert len(changed.operations[0]["trace_names"]) == 2, changed
columns = ["notification_name", "status", "operation_type", "topic_id"]
show("Key event notifications", conn.ctsv3.key_events(notification_type="smn"), columns)
(listed,) = conn.ctsv3.key_events(notification_type="smn", notification_name="cts_guard")
assert listed.notification_id == event.notification_id, listed
assert list(conn.ctsv3.key_events(notification_type="smn", notification_name="other")) == []
# It fires when what it names happens.
conn.ctsv3.delete_tracker(third)
(published,) = requests.get(f"{url}/emulator/publications", timeout=5).json()
told = json.loads(published["texts"]["default"])
assert (told["trace_name"], told["user"]["name"]) == ("deleteTracker", "alice"), told
show("What its topic heard", [told], ["trace_name", "trace_rating", "resource_name", "user"])
conn.ctsv3.delete_key_event(listed)
assert list(conn.ctsv3.key_events(notification_type="smn")) == []

assert list(conn.ctsv3.trackers()) == []

# the token dies in the middle -------------------------------------------------

requests.post(f"{url}/emulator/tokens/expire", timeout=5).raise_for_status()
assert list(conn.cts.traces("system", limit=1)), "the client logs in again by itself"

print("\nall of the customer's examples work")
