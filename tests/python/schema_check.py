"""Validates YAML texts against JSON Schemas with an independent validator.

Reads {"schemas": {name: schema}, "texts": [{"name", "schema", "text"}]} from
standard input and prints {name: [error, ...]}; a text that is no YAML has one
error that begins with "yaml: ".
"""

import json
import re
import sys

import jsonschema
import yaml


class Loader(yaml.SafeLoader):
    """YAML 1.2 as editors read it: no dates, no base 60, and `on` is a word."""


Loader.yaml_implicit_resolvers = {}
for tag, pattern, first in [
    ("null", r"^(~|null|)$", ["~", "n", ""]),
    ("bool", r"^(true|false)$", list("tf")),
    ("int", r"^[-+]?[0-9]+$", list("-+0123456789")),
    ("float", r"^[-+]?[0-9]+(\.[0-9]*)?([eE][-+]?[0-9]+)?$", list("-+0123456789")),
]:
    Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(pattern), first)


def main() -> None:
    task = json.load(sys.stdin)
    validators = {}
    for name, schema in task["schemas"].items():
        jsonschema.Draft7Validator.check_schema(schema)
        validators[name] = jsonschema.Draft7Validator(schema)
    found = {}
    for text in task["texts"]:
        try:
            value = yaml.load(text["text"], Loader)
        except yaml.YAMLError as error:
            found[text["name"]] = [f"yaml: {error}"]
            continue
        errors = validators[text["schema"]].iter_errors(value)
        found[text["name"]] = [f"{error.json_path}: {error.message[:200]}" for error in errors]
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
