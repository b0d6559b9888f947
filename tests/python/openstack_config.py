"""What openstacksdk makes of clouds.yaml, secure.yaml and variables, case by case.

Reads lines of JSON {"folder", "variables", "cloud"} and prints a line for each: what it would log in with, or an error.
"""

import importlib
import json
import os
import sys
import warnings

import openstack.config.loader as loader

warnings.simplefilter("ignore")


def told(case):
    os.environ.clear()
    os.environ.update(case["variables"])
    os.chdir(os.path.join(case["folder"], "here"))
    # The search path is made when the module is loaded.
    importlib.reload(loader)
    config = loader.OpenStackConfig().get_one(case["cloud"]).config
    auth = config["auth"]
    either = lambda kind: auth.get(f"{kind}_id") or auth.get(f"{kind}_name")
    return {
        "url": auth.get("auth_url"),
        "user": auth.get("user_id") or auth.get("username"),
        "domain": either("user_domain") or auth.get("default_domain_id") or auth.get("default_domain_name"),
        "password": auth.get("password"),
        "token": auth.get("token"),
        "project": either("target_project") or either("project"),
        "agency": auth.get("target_agency_name"),
        "region": config.get("region_name") or None,
        "ca": config.get("cacert"),
    }


for line in sys.stdin:
    case = json.loads(line)
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        try:
            answer = told(case)
        except BaseException as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        os.write(writer, json.dumps(answer, default=str).encode())
        os._exit(0)
    os.close(writer)
    print(os.read(reader, 1 << 20).decode(), flush=True)
    os.close(reader)
    os.waitpid(child, 0)
