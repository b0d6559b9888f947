"""What the examples of this folder begin with: a clouds.yaml, a connection, and tables for people to read."""

import os
import sys
import tempfile


def prepare(url):
    """An empty folder with a clouds.yaml in it becomes the current one."""
    home = tempfile.mkdtemp()
    with open(os.path.join(home, "clouds.yaml"), "w") as file:
        file.write(f"""
clouds:
  otc:
    profile: otc
    auth:
      auth_url: {url}/v3
      username: alice
      password: secret
      user_domain_name: OTC00000000001000000001
      project_name: eu-de
    region_name: eu-de
    interface: public
    identity_api_version: 3
""")
    os.chdir(home)
    # Nothing of the machine's own set-up, least of all a proxy.
    for name in list(os.environ):
        if name.startswith("OS_") or name.lower().endswith("_proxy"):
            del os.environ[name]


def connect(url):
    prepare(url)
    import openstack

    return openstack.connect(cloud="otc")


def refused(kind, call):
    """What the error says that the call must end with."""
    try:
        call()
    except kind as error:
        return str(error)
    raise AssertionError(f"expected {kind.__name__}")


def show(title, rows, columns):
    """A table; `rows` are objects or dicts, `columns` what to show of them."""

    def cell(row, column):
        value = row.get(column) if type(row) is dict else getattr(row, column, None)
        if isinstance(value, dict):
            value = value.get("name") or ", ".join(f"{key}={value[key]}" for key in sorted(value))
        text = "-" if value in (None, "", []) else str(value)
        return text if len(text) <= 44 else text[:43] + "…"

    rows = list(rows)
    lines = [[column.replace("_", " ") for column in columns]]
    lines += [[cell(row, column) for column in columns] for row in rows]
    widths = [max(len(line[at]) for line in lines) for at in range(len(columns))]
    print(f"\n{title}")
    for line in lines:
        print("  " + "  ".join(text.ljust(width) for text, width in zip(line, widths)).rstrip())
    if not rows:
        print("  none")
    sys.stdout.flush()
    return rows
