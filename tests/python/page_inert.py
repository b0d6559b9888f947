"""What a browser would make of a page: which tags and attributes, and whether any of them runs something."""

import json
import sys
from html.parser import HTMLParser

TAGS = set(
    "html head meta title link script body header main section article div p span b h1 h2 h3 ul li a pre code hr "
    "iframe details summary dl dt dd noscript time".split()
)
ADDRESSES = ("http://", "https://", "inbox.", "#")


class Page(HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.problems, self.text, self.mails = [], [], []

    def handle_starttag(self, tag, attributes):
        if tag not in TAGS:
            self.problems.append(f"tag {tag}")
        for name, value in attributes:
            if name.startswith("on") or name == "style":
                self.problems.append(f"attribute {name}")
            if name in ("href", "src") and not (value or "").startswith(ADDRESSES):
                self.problems.append(f"{name} {value}")
            if name == "srcdoc":
                self.mails.append(value)
        attributes = dict(attributes)
        if tag == "script" and attributes != {"src": "inbox.js", "defer": None}:
            self.problems.append(f"script {attributes}")
        if tag == "iframe" and "allow-scripts" in attributes.get("sandbox", "allow-scripts"):
            self.problems.append("a mail may run scripts")

    def handle_data(self, data):
        self.text.append(data)


page = Page()
page.feed(sys.stdin.read())
page.close()
print(json.dumps({"problems": page.problems, "text": " ".join("".join(page.text).split()), "mails": page.mails}))
