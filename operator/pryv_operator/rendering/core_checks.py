"""What core cannot use in its rendered files.

Source: service-core, ``components/api-server/config/config-validation.js``,
``components/api-server/config/components/systemStreams``, ``components/utils/src/extension.js``,
``components/business/src/integrity/integrity.js`` and ``@pryv/boiler``'s service information.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pryv_operator.rendering.fault import Effect, Fault
from pryv_operator.rendering.javascript import parse_script

#: core exits when a text of its configuration holds this word.
FORBIDDEN: Final = "REPLACE"
_ALGORITHMS: Final = ("sha256", "sha512", "sha1", "md5")
_ACCOUNT, _OTHER = "ACCOUNT_SYSTEM_STREAMS", "OTHER_SYSTEM_STREAMS"
_TYPE: Final = re.compile("[a-z0-9-]+/[a-z0-9-]+")
_PREFIX: Final = ":system:"
_MIN_NAME: Final = 2
#: Flags of a stream, and their defaults.
_FLAGS: Final = {
    "isIndexed": False,
    "isUnique": False,
    "isShown": True,
    "isEditable": True,
    "isRequiredInValidation": False,
}
_NO_START: Final = "otherwise core does not start"


def core_faults(settings: Any) -> Iterator[Fault]:
    """The faults of a rendered core.yml."""
    if not isinstance(settings, Mapping):
        return
    yield from forbidden_words(settings)
    yield from _integrity(_map(settings.get("integrity")))
    streams = _map(_map(settings.get("custom")).get("systemStreams"))
    seen: set[str] = set()
    yield from _streams(_ACCOUNT, streams.get("account"), seen)
    yield from _streams(_OTHER, streams.get("other"), seen)


def forbidden_words(settings: Any) -> Iterator[Fault]:
    """The word that core takes for a value to be filled in, in its own settings.

    The service information counts too: core reads it from register when it starts.
    """
    if any(FORBIDDEN in text for text in _texts(settings)):
        yield Fault(
            "",
            (),
            f'must not hold the word "{FORBIDDEN}", {_NO_START}; use another one',
            Effect.STOPS,
            word=FORBIDDEN,
        )


def custom_auth_faults(text: str) -> Iterator[Fault]:
    """The faults of customAuthStepFn.js, which core loads with ``require``. It is not run."""
    script = parse_script(text)
    if script.error_line is not None:
        problem = f"line {script.error_line} is not valid JavaScript of a CommonJS module"
        remedy = "correct it"
    elif not script.exports_function:
        problem = "must export a function"
        remedy = "begin it with module.exports = function (context, callback)"
    else:
        return
    yield Fault("CUSTOM_AUTH_FUNCTION", (), f"{problem}, {_NO_START}; {remedy}", Effect.STOPS)


def _integrity(settings: Mapping[str, Any]) -> Iterator[Fault]:
    algorithm, active = settings.get("algorithm"), _map(settings.get("isActive"))
    if algorithm is None or algorithm in _ALGORITHMS:
        return
    checked = bool(active.get("events")) or bool(active.get("attachments"))
    effect = (
        Effect.STOPS if checked else Effect.MISLEADS if active.get("accesses") else Effect.IGNORED
    )
    yield Fault(
        "INTEGRITY_SETTINGS",
        ("algorithm",),
        f"must be one of {', '.join(_ALGORITHMS)}, otherwise core does not start once integrity "
        "is active; correct it",
        effect,
    )


def _streams(variable: str, streams: Any, seen: set[str]) -> Iterator[Fault]:
    """The faults of custom system streams and their children; ``seen``: ids so far, added to."""
    if streams is None:
        return
    if not isinstance(streams, list):
        yield _stream_fault(variable, (), "must be a list of streams")
        return
    for path, stream in _tree((), streams):
        yield from _stream(variable, path, stream)
        identifier = _map(stream).get("id")
        if isinstance(identifier, str):
            if identifier.removeprefix(_PREFIX) in seen:
                yield _stream_fault(variable, (*path, "id"), "must differ from all other ids")
            seen.add(identifier.removeprefix(_PREFIX))


def _tree(
    path: tuple[str | int, ...], streams: list[Any]
) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    for index, stream in enumerate(streams):
        yield (*path, index), stream
        children = _map(stream).get("children")
        if isinstance(children, list):
            yield from _tree((*path, index, "children"), children)


def _stream(variable: str, path: tuple[str | int, ...], stream: Any) -> Iterator[Fault]:
    if not isinstance(stream, Mapping):
        yield _stream_fault(variable, path, "must be an object with id and type")
        return
    identifier, kind = stream.get("id"), stream.get("type")
    if not isinstance(identifier, str) or not identifier:
        yield _stream_fault(variable, (*path, "id"), "must be a text")
        return
    name = identifier if stream.get("name") is None else stream["name"]
    if not isinstance(name, str) or len(name) < _MIN_NAME:
        yield _stream_fault(
            variable, (*path, "name"), f"must be a text of at least {_MIN_NAME} characters"
        )
    if not isinstance(kind, str) or not _TYPE.fullmatch(kind):
        yield _stream_fault(variable, (*path, "type"), "must be an event type such as email/string")
    if not isinstance(stream.get("children"), (list, type(None))):
        yield _stream_fault(variable, (*path, "children"), "must be a list of streams")
    flags = {flag: stream.get(flag, default) for flag, default in _FLAGS.items()}
    for flag, value in flags.items():
        if not isinstance(value, bool):
            yield _stream_fault(variable, (*path, flag), "must be true or false")
    if flags["isUnique"] and not flags["isIndexed"]:
        yield _stream_fault(variable, (*path, "isIndexed"), "must be true, as isUnique is")
    if variable == _OTHER:
        for flag, default in _FLAGS.items():
            if isinstance(flags[flag], bool) and flags[flag] != default:
                yield _stream_fault(
                    variable,
                    (*path, flag),
                    f"must be {str(default).lower()}, which only {_ACCOUNT} may change",
                )


def _stream_fault(variable: str, path: tuple[str | int, ...], message: str) -> Fault:
    return Fault(variable, path, f"{message}, {_NO_START}; correct it", Effect.STOPS)


def _texts(value: Any) -> list[str]:
    """The texts of a value, without the keys of its maps."""
    found: list[str] = []
    pending = [value]
    while pending:
        current = pending.pop()
        if isinstance(current, str):
            found.append(current)
        elif isinstance(current, Mapping):
            pending += current.values()
        elif isinstance(current, list):
            pending += current
    return found


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
