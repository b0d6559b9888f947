"""Reads webhook bodies as their receivers would, with other people's parsers.

First line: the JSON Schema of Tracebell's own format. Then one JSON per line: format, type (the
content type), body. Prints for each what was read and the problems found.
"""

import json
import sys

import jsonschema
from cloudevents.core.bindings.http import HTTPMessage, from_http_event


def twice(pairs):
    """A map, unless a key stands in it twice: readers differ on which counts."""
    keys = [key for key, _ in pairs]
    assert len(keys) == len(set(keys)), f"a key stands twice in {keys}"
    return dict(pairs)


schema = json.loads(sys.stdin.readline())
jsonschema.Draft7Validator.check_schema(schema)
validator = jsonschema.Draft7Validator(schema, format_checker=jsonschema.FormatChecker())

for line in sys.stdin:
    request = json.loads(line)
    found = {"problems": []}
    try:
        own = json.loads(request["body"], object_pairs_hook=twice)
        if request["format"] == "cloudevents":
            message = HTTPMessage({"Content-Type": request["type"]}, request["body"].encode())
            read = from_http_event(message)
            found["attributes"] = {name: str(value) for name, value in read.get_attributes().items()}
            own = read.get_data()
        found["read"] = own
        if request["format"] in ("tracebell", "cloudevents"):
            found["problems"] = [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(own)]
    except Exception as error:
        found["problems"].append(f"{type(error).__name__}: {error}")
    print(json.dumps(found), flush=True)
