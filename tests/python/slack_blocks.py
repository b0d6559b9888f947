"""Reads Slack payloads, one JSON per line; checks each with Slack's own models and documented limits.

Prints one JSON per payload: all text as a reader sees it, links, and problems found.
"""

import json
import logging
import sys

from slack_sdk.models.blocks import ActionsBlock, Block, ButtonElement, ContextBlock, RichTextBlock
from slack_sdk.models.blocks.basic_components import PlainTextObject
from slack_sdk.models.blocks.block_elements import (
    RichTextElementParts as Parts,
    RichTextListElement,
    RichTextSectionElement,
)

problems = []


class Collect(logging.Handler):
    """slack_sdk only logs what it does not know; here that is a failure."""

    def emit(self, record):
        problems.append(record.getMessage())


logging.getLogger().addHandler(Collect())
INLINE = {"text": Parts.Text, "link": Parts.Link, "emoji": Parts.Emoji}
seen = {}


def require(condition, problem):
    if not condition:
        problems.append(problem)


def length(text):
    """In UTF-16, as JavaScript counts: never less than any other count."""
    return len(text.encode("utf-16-le")) // 2


def button(element):
    require(element["type"] == "button", f"unexpected {element['type']} among the actions")
    require(set(element) == {"type", "action_id", "text", "url"}, f"keys of a button are {sorted(element)}")
    require(len(element["url"]) <= 3000 and len(element["text"]["text"]) <= 75, "a button is too long")
    require(len(element["action_id"]) <= 255, "an action's id is too long")
    require(element["text"] == dict(element["text"], type="plain_text", emoji=False), "a button's text is parsed")
    ButtonElement(**{key: value for key, value in element.items() if key != "type"}).to_dict()
    seen["links"].append(element["url"])
    seen["text"] += element["text"]["text"]


def inline(element):
    kind = element["type"]
    require(kind in INLINE, f"unexpected inline element {kind}")
    arguments = {key: value for key, value in element.items() if key != "type"}
    style = arguments.pop("style", None)
    if style is not None:
        arguments["style"] = Parts.TextStyle(**style)
    INLINE[kind](**arguments).to_dict()
    if kind == "text":
        require(0 < length(element["text"]) <= 3000, "text is empty or too long")
        seen["text"] += element["text"]
    if kind == "link":
        seen["links"].append(element["url"])
        seen["text"] += element["text"]
    if kind == "emoji":
        seen["emoji"].append(element["name"])
    return length(element.get("text", ""))


def rich(element):
    kind = element["type"]
    arguments = {key: value for key, value in element.items() if key != "type"}
    if kind == "rich_text_section":
        RichTextSectionElement(**arguments).to_dict()
        return sum(inline(part) for part in element["elements"])
    require(kind == "rich_text_list", f"unexpected rich element {kind}")
    RichTextListElement(**arguments).to_dict()
    total = 0
    for item in element["elements"]:
        seen["text"] += "\n"
        total += rich(item)
    seen["text"] += "\n"
    return total


def payload(body):
    allowed = {"text", "blocks", "unfurl_links", "unfurl_media", "link_names"}
    require(set(body) == allowed, f"keys are {sorted(body)}")
    require(0 < len(body["text"]) < 4000, "fallback text is empty or too long")
    require("<" not in body["text"] and ">" not in body["text"], "fallback text holds markup")
    require(body["unfurl_links"] is False and body["unfurl_media"] is False, "links unfold")
    require(body["link_names"] is False, "names become mentions")
    require(0 < len(body["blocks"]) <= 50, f"{len(body['blocks'])} blocks")
    whole = 0
    for block in body["blocks"]:
        parsed = Block.parse(block)
        require(isinstance(parsed, (RichTextBlock, ContextBlock, ActionsBlock)), f"unexpected block {block['type']}")
        parsed.to_dict()
        seen["text"] += "\n"
        if isinstance(parsed, RichTextBlock):
            total = sum(rich(element) for element in block["elements"])
            require(0 < total <= 3000, f"a block of {total} characters")
            whole += total
        elif isinstance(parsed, ActionsBlock):
            require(0 < len(block["elements"]) <= 25, "too many actions")
            for element in block["elements"]:
                button(element)
        else:
            require(0 < len(block["elements"]) <= 10, "context elements")
            for element in block["elements"]:
                require(element["type"] == "plain_text" and element["emoji"] is False, "context is parsed")
                PlainTextObject(text=element["text"], emoji=element["emoji"]).to_dict()
                require(0 < len(element["text"]) <= 2000, "context text")
                seen["text"] += element["text"]
    require(whole <= 13000, f"all blocks hold {whole} characters")
    require(len(json.dumps(body)) < 100_000, "the payload is too large")


for line in sys.stdin:
    problems.clear()
    seen = {"text": "", "links": [], "emoji": []}
    body = json.loads(line)
    try:
        payload(body)
    except Exception as error:  # the models raise SlackObjectFormationError and TypeError
        problems.append(f"{type(error).__name__}: {error}")
    print(json.dumps(dict(seen, fallback=body["text"], problems=list(problems))), flush=True)
