"""The published SDK of the company that builds the cloud: another signer, another parser, with an access key.

usage: huawei_sdk.py URL   (of a fresh account; URL without /v3)
"""

import json
import sys
import time

import requests
from cloud import show
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.exceptions import exceptions
from huaweicloudsdkcts.v3 import (
    CreateNotificationRequest,
    CreateNotificationRequestBody,
    CreateTrackerRequest,
    CreateTrackerRequestBody,
    CtsClient,
    DataBucket,
    DeleteNotificationRequest,
    DeleteTrackerRequest,
    Filter,
    ListNotificationsRequest,
    ListQuotasRequest,
    ListTracesRequest,
    ListTrackersRequest,
    NotificationUsers,
    Operations,
    TrackerObsInfo,
    UpdateNotificationRequest,
    UpdateNotificationRequestBody,
    UpdateTrackerRequest,
    UpdateTrackerRequestBody,
)
from huaweicloudsdksmn.v2 import (
    AddSubscriptionRequest,
    AddSubscriptionRequestBody,
    BatchCreateOrDeleteResourceTagsRequest,
    BatchCreateOrDeleteResourceTagsRequestBody,
    CancelSubscriptionRequest,
    CreateMessageTemplateRequest,
    CreateMessageTemplateRequestBody,
    CreateResourceTagRequest,
    CreateResourceTagRequestBody,
    CreateTopicRequest,
    CreateTopicRequestBody,
    DeleteMessageTemplateRequest,
    DeleteResourceTagRequest,
    DeleteTopicAttributesRequest,
    DeleteTopicRequest,
    ListInstanceRequestBody,
    ListMessageTemplateDetailsRequest,
    ListMessageTemplatesRequest,
    ListProjectTagsRequest,
    ListResourceInstancesRequest,
    ListResourceTagsRequest,
    ListSubscriptionsByTopicRequest,
    ListSubscriptionsRequest,
    ListTopicAttributesRequest,
    ListTopicDetailsRequest,
    ListTopicsRequest,
    ListVersionRequest,
    PublishMessageRequest,
    PublishMessageRequestBody,
    ResourceTag,
    ResourceTags,
    SmnClient,
    UpdateMessageTemplateRequest,
    UpdateMessageTemplateRequestBody,
    UpdateTopicAttributeRequest,
    UpdateTopicAttributeRequestBody,
    UpdateTopicRequest,
    UpdateTopicRequestBody,
)

url = sys.argv[1]
project = "0123456789abcdef0123456789abcdef"


def client(kind, endpoint, secret="SKEMULATOR"):
    credentials = BasicCredentials("AKEMULATOR", secret, project)
    return kind.new_builder().with_credentials(credentials).with_endpoint(endpoint).build()


cts = client(CtsClient, url)
smn = client(SmnClient, url)


def code(call):
    """The error code that the call ends with."""
    try:
        call()
    except exceptions.ClientRequestException as error:
        return error.error_code
    raise AssertionError("expected an error")


# who signs wrongly is not let in

wrong = client(CtsClient, url, secret="guessed")
assert code(lambda: wrong.list_trackers(ListTrackersRequest())) == "APIG.0301"

# trackers --------------------------------------------------------------------

obs = TrackerObsInfo(bucket_name="audit-bucket", file_prefix_name="p-", is_obs_created=False, compress_type="gzip")
body = CreateTrackerRequestBody("system", "system", is_lts_enabled=True, obs_info=obs, is_support_validate=True)
made = cts.create_tracker(CreateTrackerRequest(body))
assert (made.tracker_name, made.status, made.obs_info.bucket_name) == ("system", "enabled", "audit-bucket"), made
assert code(lambda: cts.create_tracker(CreateTrackerRequest(body))) == "CTS.0201"
tracked = DataBucket(data_bucket_name="objects", data_event=["READ", "WRITE"])
data = CreateTrackerRequestBody("data", "objects-watch", obs_info=obs, data_bucket=tracked)
cts.create_tracker(CreateTrackerRequest(data))
changed = TrackerObsInfo(bucket_name="second-bucket", file_prefix_name="q-", is_sort_by_service=False)
cts.update_tracker(UpdateTrackerRequest(UpdateTrackerRequestBody("system", "system", status="disabled", obs_info=changed)))
trackers = cts.list_trackers(ListTrackersRequest()).trackers
show("Trackers", trackers, ["tracker_name", "tracker_type", "status", "detail", "create_time"])
assert [(one.tracker_name, one.status) for one in trackers] == [("system", "disabled"), ("objects-watch", "enabled")]
(system,) = cts.list_trackers(ListTrackersRequest(tracker_name="system")).trackers
assert (system.obs_info.bucket_name, system.obs_info.is_sort_by_service) == ("second-bucket", False), system
assert system.lts.is_lts_enabled and system.is_support_validate, "what an update leaves out is kept"

# traces ------------------------------------------------------------------------

now = int(time.time() * 1000)
traces = [
    {"trace_id": f"t-{n}", "trace_name": "deleteServer", "trace_rating": "warning" if n % 2 else "normal", "code": "204",
     "trace_type": "ApiCall", "service_type": "ECS", "resource_type": "ecs", "resource_name": f"web-{n}",
     "time": now - 60_000 - n, "record_time": now - 50_000 - n, "source_ip": "198.51.100.7", "request": "", "response": "",
     "user": {"name": "böb", "id": "u", "domain": {"name": "d", "id": "e"}}}
    for n in range(7)
]
requests.post(f"{url}/emulator/traces", json=traces, timeout=5).raise_for_status()
asked = ListTracesRequest(trace_type="system", limit=200, service_type="ECS", user="böb", trace_rating="warning")
asked._from, asked.to = now - 3_600_000, now
found = cts.list_traces(asked)
show("Failed operations of one user", found.traces, ["trace_id", "trace_rating", "trace_name", "resource_name", "code"])
assert [one.trace_id for one in found.traces] == ["t-1", "t-3", "t-5"], found
assert found.traces[0].user.name == "böb" and found.traces[0].code == "204", found.traces[0]
walked, marker = [], None
while True:
    page = cts.list_traces(ListTracesRequest(trace_type="system", limit=3, service_type="ECS", next=marker))
    walked += [one.trace_id for one in page.traces]
    marker = page.meta_data.marker
    if not marker:
        break
assert walked == [f"t-{n}" for n in range(7)], walked
own = cts.list_traces(ListTracesRequest(trace_type="system", limit=50, service_type="CTS")).traces
assert {one.trace_name for one in own} == {"createTracker", "updateTracker"}, own
assert code(lambda: cts.list_traces(ListTracesRequest(trace_type="data", limit=3))) == "CTS.0300"

# topics, subscriptions and templates -----------------------------------------------

assert smn.list_version(ListVersionRequest()).version.status == "CURRENT"
urn = smn.create_topic(CreateTopicRequest(CreateTopicRequestBody("alerts", "Alerts"))).topic_urn
smn.update_topic(UpdateTopicRequest(urn, UpdateTopicRequestBody("Security alerts")))
assert smn.list_topic_details(ListTopicDetailsRequest(urn)).display_name == "Security alerts"
topics = smn.list_topics(ListTopicsRequest(offset=0, limit=10))
show("Topics", topics.topics, ["name", "display_name", "push_policy", "create_time"])
assert topics.topic_count == 1, topics
introduction = UpdateTopicAttributeRequestBody("What must not be missed")
smn.update_topic_attribute(UpdateTopicAttributeRequest(urn, "introduction", introduction))
attributes = smn.list_topic_attributes(ListTopicAttributesRequest(urn, "introduction")).attributes
assert attributes.introduction == "What must not be missed", attributes
smn.delete_topic_attributes(DeleteTopicAttributesRequest(urn))
mail = AddSubscriptionRequestBody("email", "ops@example.org", "on call")
subscription = smn.add_subscription(AddSubscriptionRequest(urn, mail)).subscription_urn
listed = smn.list_subscriptions_by_topic(ListSubscriptionsByTopicRequest(urn, offset=0, limit=10)).subscriptions
show("Subscriptions", listed, ["protocol", "endpoint", "status", "remark"])
assert [(one.endpoint, one.status) for one in listed] == [("ops@example.org", 0)], listed
assert smn.list_subscriptions(ListSubscriptionsRequest(offset=0, limit=10)).subscription_count == 1
template = CreateMessageTemplateRequestBody("alert", "default", "{who} did {what}")
template = smn.create_message_template(CreateMessageTemplateRequest(template)).message_template_id
detail = smn.list_message_template_details(ListMessageTemplateDetailsRequest(template))
assert detail.content == "{who} did {what}" and sorted(detail.tag_names) == ["what", "who"], detail
assert len(smn.list_message_templates(ListMessageTemplatesRequest(offset=0, limit=10)).message_templates) == 1
by_template = PublishMessageRequestBody(
    subject="by template", message_template_name="alert", tags={"who": "bob", "what": "it"}, time_to_live="600"
)
smn.publish_message(PublishMessageRequest(urn, by_template))
smn.publish_message(PublishMessageRequest(urn, PublishMessageRequestBody(subject="plain", message="a text")))
gone = PublishMessageRequest(urn + "x", PublishMessageRequestBody(message="x"))
assert code(lambda: smn.publish_message(gone)) == "SMN.0006"
published = requests.get(f"{url}/emulator/publications", timeout=5).json()
assert [one["texts"]["default"] for one in published] == ["bob did it", "a text"], published
show("Published", [{**one, **one["texts"]} for one in published], ["subject", "default", "message_id"])

# tags ----------------------------------------------------------------------------------

kind, topic_id = "smn_topic", topics.topics[0].topic_id
team = CreateResourceTagRequestBody(ResourceTag("team", "blue"))
smn.create_resource_tag(CreateResourceTagRequest(kind, topic_id, team))
several = BatchCreateOrDeleteResourceTagsRequestBody([ResourceTag("cost", "17"), ResourceTag("zone", "a")], "create")
smn.batch_create_or_delete_resource_tags(BatchCreateOrDeleteResourceTagsRequest(kind, topic_id, several))
tags = smn.list_resource_tags(ListResourceTagsRequest(kind, topic_id)).tags
show("Tags", tags, ["key", "value"])
assert [(one.key, one.value) for one in tags] == [("team", "blue"), ("cost", "17"), ("zone", "a")], tags
assert {one.key: one.values for one in smn.list_project_tags(ListProjectTagsRequest(kind)).tags}["team"] == ["blue"]


def tagged(value):
    wish = ListInstanceRequestBody(tags=[ResourceTags("team", [value])], action="filter")
    return smn.list_resource_instances(ListResourceInstancesRequest(kind, wish)).resources


(found,) = tagged("blue")
assert (found.resource_id, found.resource_name) == (topic_id, "alerts") and tagged("red") == [], found
smn.delete_resource_tag(DeleteResourceTagRequest(kind, topic_id, "team"))
assert tagged("blue") == []

# notifications -----------------------------------------------------------------------

operations = [Operations("ECS", "ecs", ["deleteServer"])]
users = [NotificationUsers("dev", ["böb"])]
condition = Filter("AND", True, ["trace_rating != normal"])
guard = CreateNotificationRequestBody("guard", "customized", None, operations, users, urn, condition)
guard = cts.create_notification(CreateNotificationRequest(guard))
assert (guard.status, guard.notification_type) == ("enabled", "smn"), guard
requests.post(f"{url}/emulator/traces", json=[{**traces[0], "trace_id": "t-8", "trace_rating": "incident"}], timeout=5)
(told,) = requests.get(f"{url}/emulator/publications", timeout=5).json()[2:]
assert json.loads(told["texts"]["default"])["trace_id"] == "t-8", told
changed = UpdateNotificationRequestBody(
    notification_name="guard", operation_type="complete", status="disabled", notification_id=guard.notification_id
)
cts.update_notification(UpdateNotificationRequest(changed))
columns = ["notification_name", "operation_type", "status", "topic_id"]
listed = show("Notifications", cts.list_notifications(ListNotificationsRequest("smn")).notifications, columns)
assert [(one.notification_name, one.status) for one in listed] == [("guard", "disabled")], listed
quotas = cts.list_quotas(ListQuotasRequest()).resources
show("Quotas", quotas, ["type", "used", "quota"])
assert {one.type: one.used for one in quotas} == {"system_tracker": 1, "smn_notification": 1}, quotas
cts.delete_notification(DeleteNotificationRequest(guard.notification_id))
assert code(lambda: cts.delete_notification(DeleteNotificationRequest(guard.notification_id))) == "CTS.0403"

changed = UpdateMessageTemplateRequest(template, UpdateMessageTemplateRequestBody("{who}!"))
smn.update_message_template(changed)
smn.delete_message_template(DeleteMessageTemplateRequest(template))
smn.cancel_subscription(CancelSubscriptionRequest(subscription))
smn.delete_topic(DeleteTopicRequest(urn))
cts.delete_tracker(DeleteTrackerRequest(tracker_name="objects-watch"))
cts.delete_tracker(DeleteTrackerRequest())
assert cts.list_trackers(ListTrackersRequest()).trackers == []
assert code(lambda: cts.delete_tracker(DeleteTrackerRequest())) == "CTS.0214"
print("\nthe vendor's SDK works")
