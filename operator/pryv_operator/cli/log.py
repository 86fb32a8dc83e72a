"""Logging to standard error, for people or for machines.

Lines say which platform they are about, kopf's too: see ``kube/log_context.py``. Of a record's
further attributes nothing is written: libraries may put anything there.
"""

from __future__ import annotations

import datetime as dt
import logging
import sys
from typing import Any, Literal

from pythonjsonlogger.json import JsonFormatter

from pryv_operator.kube.log_context import log_context

Format = Literal["text", "json"]


def configure(kind: Format, level: str) -> None:
    """Write log lines of at least ``level`` to standard error from now on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json(json_ensure_ascii=False) if kind == "json" else _Text())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


def about(record: logging.LogRecord) -> dict[str, str | int]:
    """What a line is about: namespace, platform, revision and component, as far as it has them."""
    context = log_context()
    found: dict[str, str | int | None] = {
        "namespace": context.namespace,
        "platform": context.platform,
        "revision": context.revision,
        "component": getattr(record, "component", ""),
    }
    if not context.platform and isinstance(ref := getattr(record, "k8s_ref", None), dict):
        found |= {"namespace": ref.get("namespace"), "platform": ref.get("name")}  # kopf's
    return {name: value for name, value in found.items() if value not in ("", None)}


class _Json(JsonFormatter):
    """One JSON object in a line."""

    def add_fields(
        self,
        log_data: dict[str, Any],
        record: logging.LogRecord,
        message_dict: dict[str, Any],
    ) -> None:
        log_data |= {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **about(record),
        }
        if exception := message_dict.get("exc_info"):
            log_data["exception"] = exception


class _Text(logging.Formatter):
    """Time, level and message; after the message's first line, what it is about."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        first, line_break, rest = record.message.partition("\n")
        suffix = _suffix(about(record), first)
        return f"{_time(record)} {record.levelname:<7} {first}{suffix}{line_break}{rest}"


def _suffix(fields: dict[str, str | int], message: str) -> str:
    """Fields in brackets, without the platform if the message names it."""
    platform = "/".join(str(fields.pop(each, "")) for each in ("namespace", "platform")).strip("/")
    shown = [] if not platform or platform in message else [platform]
    shown += [f"{name}={value}" for name, value in fields.items()]
    return f" [{' '.join(shown)}]" if shown else ""


def _time(record: logging.LogRecord) -> str:
    """The time of a line as RFC 3339 writes it, with milliseconds."""
    at = dt.datetime.fromtimestamp(record.created, dt.UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
