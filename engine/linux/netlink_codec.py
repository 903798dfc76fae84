"""Netlink messages as bytes, by pyroute2's classes. Only the daemon imports this, as pyroute2 costs 25 MB."""

from collections.abc import Mapping, Sequence
from typing import Any

from pyroute2.netlink import NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST

CHANGE = NLM_F_REQUEST | NLM_F_ACK
PUT = CHANGE | NLM_F_CREATE  # what is there is changed
CREATE = PUT | NLM_F_EXCL


def encode(kind: type[Any], message_type: int, flags: int, fields: Mapping[str, Any], attributes: Sequence[Any]) -> bytes:
    """Return one message with its header."""
    message = kind()
    for name, value in fields.items():
        message[name] = value
    message["attrs"] = list(attributes)
    message["header"]["type"] = message_type
    message["header"]["flags"] = flags
    message.encode()
    return bytes(message.data)
