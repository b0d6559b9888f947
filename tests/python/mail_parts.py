"""A mail as Python's parser reads it."""

import email
import email.policy


def told(raw):
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    return {
        "headers": [[name, str(value)] for name, value in mail.items()],
        "names": sorted(line.split(b":")[0].decode() for line in head(raw)),
        "text": part(mail, "plain"),
        "html": part(mail, "html"),
        "type": mail.get_content_type(),
        "defects": [repr(defect) for defect in mail.defects],
    }


def head(raw):
    """Header lines as bytes, counted by hand rather than by the parser under suspicion."""
    lines = raw.replace(b"\r\n", b"\n").split(b"\n\n", 1)[0].split(b"\n")
    return [line for line in lines if line[:1] not in (b" ", b"\t")]


def part(mail, kind):
    found = mail.get_body((kind,))
    return found.get_content() if found else None
