"""Reads bodies for services, one JSON `{"kind": ..., "body": ...}` per line; checks each against what the service documents.

Prints one line per body: `good`, or the problems found.
"""

import json
import re
import sys
from datetime import datetime

import jsonschema

TEXT = {"type": "string", "minLength": 1}
PAGERDUTY = {
    "type": "object",
    "required": ["event_action", "dedup_key", "payload"],
    "additionalProperties": False,
    "properties": {
        "routing_key": TEXT,
        "event_action": {"const": "trigger"},
        "dedup_key": {"type": "string", "minLength": 1, "maxLength": 255},
        "client": TEXT,
        "payload": {
            "type": "object",
            "required": ["summary", "source", "severity"],
            "additionalProperties": False,
            "properties": {
                "summary": {"type": "string", "minLength": 1, "maxLength": 1024},
                "source": TEXT,
                "severity": {"enum": ["critical", "error", "warning", "info"]},
                "timestamp": TEXT,
                "component": {"type": "string"},
                "class": TEXT,
                "custom_details": {"type": "object"},
            },
        },
        "links": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["href", "text"],
                "properties": {"href": {"type": "string", "pattern": "^https?://"}, "text": TEXT},
            },
        },
    },
}
OPSGENIE = {
    "type": "object",
    "required": ["message"],
    "additionalProperties": False,
    "properties": {
        "message": {"type": "string", "minLength": 1, "maxLength": 130, "pattern": "^[^<>]*$"},
        "alias": {"type": "string", "minLength": 1, "maxLength": 512},
        "description": {"type": "string", "maxLength": 15000, "pattern": "^[^<>]*$"},
        "priority": {"enum": ["P1", "P2", "P3", "P4", "P5"]},
        "source": {"type": "string", "maxLength": 100},
        "entity": {"type": "string", "maxLength": 512, "pattern": "^[^<>]*$"},
        "tags": {"type": "array", "maxItems": 20, "items": {"type": "string", "maxLength": 50}},
        "details": {"type": "object", "additionalProperties": {"type": "string", "pattern": "^[^<>]*$"}},
    },
}
ALERTMANAGER = {
    "type": "array",
    "minItems": 1,
    "items": {
        "type": "object",
        "required": ["labels", "annotations", "startsAt", "endsAt"],
        "additionalProperties": False,
        "properties": {
            "labels": {
                "type": "object",
                "required": ["alertname", "severity"],
                "propertyNames": {"pattern": "^[a-zA-Z_][a-zA-Z0-9_]*$"},
                "additionalProperties": TEXT,
            },
            "annotations": {"type": "object", "required": ["summary"], "additionalProperties": TEXT},
            "startsAt": TEXT,
            "endsAt": TEXT,
            "generatorURL": {"type": "string", "pattern": "^https?://"},
        },
    },
}
RUN = {
    "type": "object",
    "required": ["type", "text"],
    "additionalProperties": False,
    "properties": {
        "type": {"const": "TextRun"},
        "text": TEXT,
        "weight": {"enum": ["Bolder"]},
        "size": {"enum": ["Small", "Medium"]},
        "isSubtle": {"type": "boolean"},
    },
}
RICH = {
    "type": "object",
    "required": ["type", "inlines"],
    "additionalProperties": False,
    "properties": {
        "type": {"const": "RichTextBlock"},
        "spacing": {"enum": ["Small"]},
        "inlines": {"type": "array", "minItems": 1, "items": RUN},
    },
}
FRAME = {
    "type": "object",
    "required": ["type", "items"],
    "additionalProperties": False,
    "properties": {
        "type": {"const": "Container"},
        "style": {"enum": ["attention", "warning", "accent", "emphasis", "good", "default"]},
        "bleed": {"type": "boolean"},
        "items": {"type": "array", "minItems": 1, "items": RICH},
    },
}
# Only elements that read no Markdown: no TextBlock, no FactSet.
CARD = {
    "type": "object",
    "required": ["type", "version", "body"],
    "additionalProperties": False,
    "properties": {
        "$schema": {"const": "http://adaptivecards.io/schemas/adaptive-card.json"},
        "type": {"const": "AdaptiveCard"},
        "version": {"enum": ["1.4", "1.5"]},
        "fallbackText": {"type": "string", "pattern": r"^[^*_`\[\]<>#|\\]*$"},
        "msteams": {"type": "object"},
        "body": {"type": "array", "minItems": 1, "items": {"anyOf": [RICH, FRAME]}},
        "actions": {
            "type": "array",
            "maxItems": 6,
            "items": {
                "type": "object",
                "required": ["type", "url", "title"],
                "properties": {
                    "type": {"const": "Action.OpenUrl"},
                    "url": {"type": "string", "pattern": "^https?://"},
                    "title": TEXT,
                },
            },
        },
    },
}
TEAMS = {
    "type": "object",
    "required": ["type", "attachments"],
    "additionalProperties": False,
    "properties": {
        "type": {"const": "message"},
        "attachments": {
            "type": "array",
            "minItems": 1,
            "maxItems": 1,
            "items": {
                "type": "object",
                "required": ["contentType", "content"],
                "additionalProperties": False,
                "properties": {
                    "contentType": {"const": "application/vnd.microsoft.card.adaptive"},
                    "contentUrl": {"type": "null"},
                    "content": CARD,
                },
            },
        },
    },
}
SCHEMAS = {"pagerduty": PAGERDUTY, "opsgenie": OPSGENIE, "alertmanager": ALERTMANAGER, "teams": TEAMS}

# What Telegram makes something of when it stands outside of code.
ACTIVE = re.compile(r"https?:|www\.|[\w-]\.[a-z]{2,}|@\w|#\w|(^|\s)/\w|\$[A-Z]", re.I)


def telegram(body):
    units = body["text"].encode("utf-16-le")
    length = len(units) // 2
    if not 1 <= length <= 4096:
        yield f"{length} units"
    if "parse_mode" in body:
        yield "a parse mode"
    if len(body["entities"]) > 100:
        yield f"{len(body['entities'])} entities"
    if not body["link_preview_options"]["is_disabled"]:
        yield "previews"
    end, outside = 0, ""
    for entity in body["entities"]:
        start, stop = entity["offset"], entity["offset"] + entity["length"]
        if start < end or stop > length or entity["length"] < 1:
            yield f"misplaced {entity}"
        inside = units[2 * start : 2 * stop].decode("utf-16-le")
        if inside != inside.strip():
            yield f"space at the edge of {entity}"
        outside += units[2 * end : 2 * start].decode("utf-16-le")
        if entity["type"] == "bold":
            outside += inside
        elif entity["type"] == "text_link":
            if not re.match("https?://", entity["url"]):
                yield f"no link {entity}"
        elif entity["type"] not in ("code", "pre"):
            yield f"unknown {entity}"
        end = stop
    outside += units[2 * end :].decode("utf-16-le")
    if found := ACTIVE.search(outside):
        yield f"active text {found[0]!r} in {outside!r}"


def check(kind, body, size):
    if kind == "telegram":
        yield from telegram(body)
        return
    for error in jsonschema.Draft202012Validator(SCHEMAS[kind]).iter_errors(body):
        yield f"{error.json_path}: {error.message[:200]}"
    if kind == "teams" and size > 28_000:
        yield f"{size} bytes"
    if kind == "pagerduty":
        datetime.fromisoformat(body["payload"]["timestamp"])
        if size > 512_000:
            yield f"{size} bytes"
    if kind == "alertmanager":
        for alert in body:
            if datetime.fromisoformat(alert["startsAt"]) > datetime.fromisoformat(alert["endsAt"]):
                yield "ends before it starts"


for line in sys.stdin:
    asked = json.loads(line)
    text = asked["body"]
    problems = list(check(asked["kind"], json.loads(text), len(text.encode())))
    if re.search(r'(?<![a-zA-Z"])null(?![a-zA-Z])', text.replace('"contentUrl":null', "")):
        problems.append("a null")
    print("; ".join(problems).replace("\n", " ") or "good")
