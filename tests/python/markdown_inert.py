"""Reads payloads for Mattermost and Rocket.Chat, one JSON per line, and parses every text as Markdown.

The parser also links what merely looks like an address. Whatever is read that is not text, code,
bold type or a link is a problem, and so are mentions and emoji names. Prints one JSON per payload.
"""

import json
import re
import sys

from markdown_it import MarkdownIt

PARSER = MarkdownIt("js-default", {"linkify": True, "typographer": False})
KNOWN = {"paragraph_open", "paragraph_close", "inline", "text", "text_special", "softbreak", "code_inline",
         "strong_open", "strong_close", "link_open", "link_close"}
# What both chats look for in text, beside Markdown.
SEEN_IN_TEXT = re.compile(r"(?<!\w)[@#]\w|:[a-z0-9_+-]+:|<[^ \u2060]|\$\$|https?://|www\.\w")
FIELDS = {"text", "attachments", "channel", "username"}


def tokens(text):
    for token in PARSER.parse(text):
        yield token
        yield from token.children or []


def read(text, seen):
    plain = ""
    for token in tokens(text):
        if token.type not in KNOWN:
            seen["problems"].append(f"{token.type} in {text!r}")
        if token.type == "link_open":
            seen["links"].append(token.attrs["href"])
        if token.type in ("text", "text_special"):
            plain += token.content
        if token.type == "code_inline":
            seen["text"] += token.content
    found = SEEN_IN_TEXT.search(plain)
    if found:
        seen["problems"].append(f"{found.group()!r} in {plain!r}")
    seen["text"] += plain + "\n"
    seen["length"] += len(text)


for line in sys.stdin:
    body = json.loads(line)
    seen = {"text": "", "links": [], "problems": [], "length": 0, "channel": body.get("channel")}
    if not set(body) <= FIELDS:
        seen["problems"].append(f"keys are {sorted(body)}")
    read(body["text"], seen)
    for attachment in body["attachments"]:
        if not re.fullmatch("#[0-9a-f]{6}", attachment["color"]) or not attachment["fallback"]:
            seen["problems"].append(f"colour or fallback of {attachment}")
        if not attachment.get("text") and not attachment.get("fields"):
            seen["problems"].append("an attachment without anything in it")
        read(attachment.get("text", ""), seen)
        for field in attachment.get("fields", []):
            read(field["value"], seen)
    print(json.dumps(seen), flush=True)
