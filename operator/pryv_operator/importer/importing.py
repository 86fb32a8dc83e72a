"""An installation with a leader, taken over: the texts of a resource, its Secrets, its templates, and a report."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api import names, secret_variables
from pryv_operator.api.instances import instances
from pryv_operator.api.platform import Platform
from pryv_operator.api.spec import PryvPlatformSpec, Roles
from pryv_operator.importer import (
    comparison,
    own_templates,
    report,
    tls_files,
    value_texts,
)
from pryv_operator.importer.machines import Machines, Resolver, read_machines
from pryv_operator.importer.report import ImportRefusedError, Note
from pryv_operator.importer.shipped import Likeness, likeness
from pryv_operator.importer.takeover import Taken, take_over
from pryv_operator.leader.json_value import Json
from pryv_operator.leader.platform_yml import UNDEFINED
from pryv_operator.leader.render_error import RenderError
from pryv_operator.leader.substitution import Substitution
from pryv_operator.objects import manifest
from pryv_operator.offline import preview
from pryv_operator.offline.documents import DocumentError, read_documents
from pryv_operator.templates.archive import leader_of
from pryv_operator.templates.builtin import load_release
from pryv_operator.templates.bundle import Bundle
from pryv_operator.templates.leader_folder import Leader
from pryv_operator.values.catalogue import Catalogue, Place
from pryv_operator.values.nested import value_at, with_value_at
from pryv_operator.values.platform_values import resolve_platform_values

DEFAULT_NAME: Final = "pryv"
PLATFORM: Final = "platform.yaml"
SECRETS: Final = "secrets.yaml"
TEMPLATES: Final = "templates.yaml"
REPORT: Final = "report.md"

_ARCHIVE_KEY: Final = "templates.tgz"
_NAME: Final = re.compile(r"[a-z](?:[-a-z0-9]*[a-z0-9])?", re.ASCII)
#: ``kubectl apply`` keeps what it applied in an annotation, which is no longer than this (bytes).
_CLIENT_SIDE_LIMIT: Final = 256 * 1024
_VPN: Final = "REG_MASTER_VPN_IP_ADDRESS"


@dataclass(frozen=True)
class Options:
    """What the person says about the import.

    ``release``: this built-in release, whatever the templates are. ``own_templates``: theirs, though they are a built-in release's.
    """

    name: str = DEFAULT_NAME
    namespace: str | None = None
    release: str | None = None
    skip_unknown: bool = False
    own_templates: bool = False


@dataclass(frozen=True)
class OutputFile:
    """A file to be written; a secret one is for its owner only."""

    name: str
    text: str = field(repr=False)
    secret: bool = False


@dataclass(frozen=True)
class Imported:
    """What an import gives. ``missing`` and ``check`` are what the person has to look at, as in the report."""

    files: tuple[OutputFile, ...]
    missing: tuple[str, ...]
    check: tuple[str, ...]

    def text(self, name: str) -> str:
        """The text of a file; empty when there is no such file."""
        return next((file.text for file in self.files if file.name == name), "")


def is_platform_name(name: str) -> bool:
    """Whether a platform can have this name."""
    return bool(_NAME.fullmatch(name))


def import_leader(leader: Leader, options: Options) -> Imported:
    """A leader's installation as files for ``kubectl apply``. The same leader gives the same files.

    Raises:
        ImportRefusedError: something in it cannot be taken over; the message says what to change.
        UnknownReleaseError: the release asked for is not built in.
    """
    return _Import(leader, options).done()


class _Import:
    """One import."""

    def __init__(self, leader: Leader, options: Options) -> None:
        self._leader = leader
        self._options = options
        self._notes: list[Note] = []
        self._renames: dict[str, str] = {}

    def done(self) -> Imported:
        leader = self._leader
        certificate = tls_files.taken_out(leader.bundle.roles)
        like = likeness(certificate.roles)
        release = self._options.release or (
            None if like.changed or self._options.own_templates else like.release
        )
        target = load_release(release) if release else leader.bundle
        resolver = Resolver(leader)
        machines = read_machines(leader, resolver)
        self._check_name(machines)
        taken = take_over(
            leader, target, own_templates=release is None, skip_unknown=self._options.skip_unknown
        )
        archive = None if release else own_templates.pack(leader, certificate.roles, taken.defaults)
        bundle = leader_of(archive).bundle if archive else target
        self._notes += [*certificate.notes, *machines.notes, *taken.notes]

        spec: dict[str, Any] = {"domain": self._domain(resolver)}
        holds_secret = archive is not None and _holds_secret(certificate.roles, taken.secrets)
        if release:
            spec["release"] = release
        else:
            kind = "secretKeyRef" if holds_secret else "configMapKeyRef"
            spec["templates"] = {
                "archive": {kind: manifest.Inline(name=self._named("templates"), key=_ARCHIVE_KEY)}
            }
        variables = self._renamed(
            self._variables(spec["domain"], resolver, machines, taken, bundle), bundle
        )
        secrets = self._renamed_secrets(taken.secrets, bundle)
        if variables:
            spec["variables"] = variables
        if secrets:
            spec["secrets"] = {
                name: manifest.Inline(
                    secretKeyRef=manifest.Inline(name=self._named("secrets"), key=name)
                )
                for name in secrets
            }
        if certificate.pair:
            spec["tls"] = manifest.Inline(secretName=self._named("certificate"))
        roles = self._roles(machines, certificate)
        if roles:
            spec["roles"] = roles

        files = [self._platform_file(spec), self._secrets_file(secrets, certificate)]
        if archive:
            files.append(self._templates_file(archive, secret=holds_secret))
        return self._reported(files, like, release, taken)

    def _check_name(self, machines: Machines) -> None:
        found = instances(
            PryvPlatformSpec.model_construct(
                domain="", roles=Roles.model_validate(dict(machines.roles))
            )
        )
        longest = (
            names.MAX_WORKLOAD_NAME
            - names.LONGEST_COMPONENT
            - 2
            - max(len(each.name) for each in found)
        )
        if len(self._options.name) > longest:
            raise ImportRefusedError(
                f"the platform's name is too long: with these roles it has {longest} characters at most"
            )

    # --- the resource ---

    def _domain(self, resolver: Resolver) -> str:
        domain = resolver.value("DOMAIN")
        if isinstance(domain, str) and domain:
            self._notes.append(Note("mapped", "DOMAIN", "`domain`"))
            return domain.strip().rstrip(".").lower()
        self._notes.append(
            Note("missing", "DOMAIN", f"`domain` is {secret_variables.REPLACE_ME}: fill it in")
        )
        return secret_variables.REPLACE_ME

    def _roles(self, machines: Machines, certificate: tls_files.Found) -> dict[str, Any]:
        roles = dict(machines.roles)
        for role in certificate.role_pairs:
            if role not in names.ROLES or (role == names.REG_SLAVE and role not in roles):
                continue  # it is not wanted
            roles[role] = {
                **roles.get(role, {}),
                "tls": manifest.Inline(secretName=self._named(f"certificate-{role}")),
            }
        return roles

    def _variables(
        self, domain: str, resolver: Resolver, machines: Machines, taken: Taken, bundle: Bundle
    ) -> dict[str, Json]:
        """The variables that differ from their defaults, from what is computed, or that nobody has said and somebody must."""
        variables = dict(taken.variables)
        computed = self._computed(domain, machines, taken, bundle)
        for name, value in taken.computed.items():
            old = resolver.value(name)
            if name == "DOMAIN" or (
                old is not UNDEFINED and name in computed and value_texts.same(old, computed[name])
            ):
                continue
            if value_texts.has_null(value):
                self._notes.append(
                    Note(
                        "check",
                        name,
                        "it is null, or has one in it: what the operator computes is taken",
                    )
                )
                continue
            variables[name] = value
            self._notes.append(Note("set", name, "not what the operator would compute"))
            if name == _VPN:
                self._notes.append(
                    Note(
                        "check",
                        name,
                        "it is the old machine's address: remove it when both registers run in this cluster, which knows its own",
                    )
                )
        for name, variable in bundle.variables.items():
            if variable.required and name not in variables and name not in taken.secrets:
                variables[name] = secret_variables.REPLACE_ME
                self._notes.append(
                    Note(
                        "missing",
                        name,
                        f"it stands under `variables` as {secret_variables.REPLACE_ME}: fill it in",
                    )
                )
        return variables

    def _computed(
        self, domain: str, machines: Machines, taken: Taken, bundle: Bundle
    ) -> dict[str, Json]:
        """What the computed variables would be if the resource did not name them."""
        spec = PryvPlatformSpec.model_construct(
            domain=domain,
            roles=Roles.model_validate(dict(machines.roles)),
            variables=dict(taken.variables),
        )
        platform = Platform(self._options.name, "", "", spec)
        resolved = resolve_platform_values(
            platform, bundle, addresses={}, secrets={}, cluster_dns=""
        )
        substitution = Substitution(resolved.values)
        found: dict[str, Json] = {}
        for name in taken.computed:
            try:
                found[name] = substitution.resolve(name).value  # type: ignore[assignment] # no dates come out of it
            except (KeyError, RenderError):
                continue
        return found

    # --- names of 2019, which templates of 2019 understand by those of 1.9, too ---

    def _renamed(self, variables: Mapping[str, Json], bundle: Bundle) -> dict[str, Json]:
        renamed: dict[str, Json] = {}
        for name, value in variables.items():
            place = self._successor(name, bundle)
            is_number = (
                isinstance(value_at(_newest().variables[place.variable].default, place.path), int)
                if place.path
                else False
            )
            new = value_texts.coerced(value, "number") if is_number else value
            renamed[place.variable] = with_value_at(renamed.get(place.variable), place.path, new)
        order = {
            name: index
            for index, name in enumerate(dict.fromkeys((*_newest().variables, *bundle.variables)))
        }
        return {
            name: renamed[name]
            for name in sorted(renamed, key=lambda name: (order.get(name, len(order)), name))
        }

    def _renamed_secrets(self, secrets: Mapping[str, str], bundle: Bundle) -> dict[str, str]:
        return dict(
            sorted((str(self._successor(name, bundle)), text) for name, text in secrets.items())
        )

    def _successor(self, name: str, bundle: Bundle) -> Place:
        """What a name of the templates is called since 1.9, if they understand that; else the name itself."""
        place = Catalogue(_newest().variables).place(name)
        understood = Catalogue(bundle.variables).place(str(place))
        if name not in bundle.variables or str(place) == name or understood != Place(name):
            return Place(name)
        self._renames[name] = str(place)
        return place

    # --- files ---

    def _named(self, purpose: str) -> str:
        return f"{self._options.name}-{purpose}"

    def _metadata(self, name: str) -> dict[str, Any]:
        return {"name": name} | (
            {"namespace": self._options.namespace} if self._options.namespace else {}
        )

    def _platform_file(self, spec: Mapping[str, Any]) -> OutputFile:
        resource = {
            "apiVersion": keys.API_VERSION,
            "kind": keys.KIND,
            "metadata": self._metadata(self._options.name),
            "spec": spec,
        }
        return OutputFile(
            PLATFORM,
            manifest.dump(
                [resource], f"Imported from a leader's folder; {REPORT} says what became of what."
            ),
        )

    def _secrets_file(self, secrets: Mapping[str, str], certificate: tls_files.Found) -> OutputFile:
        objects: list[dict[str, Any]] = [
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": self._metadata(self._named("secrets")),
                "type": "Opaque",
                "stringData": dict(secrets),
            }
        ]
        named = {"certificate": certificate.pair} | {
            f"certificate-{role}": pair for role, pair in certificate.role_pairs.items()
        }
        objects += [
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": self._metadata(self._named(purpose)),
                "type": "kubernetes.io/tls",
                "stringData": {"tls.crt": pair[0], "tls.key": pair[1]},
            }
            for purpose, pair in named.items()
            if pair
        ]
        return OutputFile(
            SECRETS,
            manifest.dump(
                objects, "Secret values. Keep this file where only you can read it, or not at all."
            ),
            secret=True,
        )

    def _templates_file(self, archive: bytes, *, secret: bool) -> OutputFile:
        item = {
            "apiVersion": "v1",
            "kind": "Secret" if secret else "ConfigMap",
            "metadata": self._metadata(self._named("templates")),
            "data" if secret else "binaryData": {_ARCHIVE_KEY: base64.b64encode(archive).decode()},
        }
        return OutputFile(
            TEMPLATES,
            manifest.dump(
                [item], "The templates, without anything that was filled in as a secret."
            ),
            secret=secret,
        )

    # --- the report ---

    def _reported(
        self, files: list[OutputFile], like: Likeness, release: str | None, taken: Taken
    ) -> Imported:
        leader = self._leader
        said = {name for note in self._notes for name in note.subject.split(", ")}
        self._notes += [
            _unset(name, leader)
            for name in leader.unset
            if "." not in name and name not in said | taken.variables.keys()
        ]
        if leader.followers:
            self._notes.append(
                Note(
                    "left out",
                    "the keys of the followers",
                    "the operator takes the followers' place",
                )
            )
        self._notes.append(
            Note(
                "left out",
                "the leader's own settings",
                "its port, logs, credentials and ADMIN_KEY: there is no leader any more",
            )
        )
        used = [file.name for file in files]
        big = [file.name for file in files if len(file.text.encode()) > _CLIENT_SIDE_LIMIT]
        arguments = " ".join(
            f"-f {name}" for name in (SECRETS, TEMPLATES, PLATFORM) if name in used
        )
        apply = f"kubectl apply {'--server-side ' if big else ''}{arguments}"
        notes = [
            replace(note, subject=self._renames.get(note.subject, note.subject))
            for note in self._notes
        ]
        notes += [Note("renamed", name, f"`{new}`") for name, new in self._renames.items()]
        text = report.written(
            "Import of a Pryv.io installation",
            _summary(leader, like, release),
            notes,
            [
                ("Files", self._compared(files, built_in=release is not None)),
                ("Apply", ["```", apply, "```"]),
            ],
        )
        return Imported(
            files=(*files, OutputFile(REPORT, text)),
            missing=tuple(
                dict.fromkeys(note.subject for note in self._notes if note.kind == "missing")
            ),
            check=tuple(
                dict.fromkeys(
                    f"{note.subject}: {note.text}" for note in self._notes if note.kind == "check"
                )
            ),
        )

    def _compared(self, files: Sequence[OutputFile], *, built_in: bool) -> list[str]:
        """Whether the platform, as it is written, renders the files that the leader rendered."""
        try:
            theirs = comparison.leader_files(self._leader)
        except RenderError as error:
            return [
                f"The leader's own files could not be rendered, so nothing was compared: {error}"
            ]
        try:
            prepared = preview.prepare(
                read_documents((file.name, file.text) for file in files), show_secrets=True
            )
            ours, _ = preview.rendered_files(prepared.inputs)
        except DocumentError as error:
            return [f"The platform is not complete yet, so nothing was compared: {error}"]
        except preview.OfflineError as error:
            return [
                "The platform cannot be rendered as it stands, so nothing was compared:",
                "",
                *(f"- {each.message}" for each in error.problems),
            ]
        found = comparison.compare(theirs, ours)
        total = len(found.equal) + len(found.same_meaning) + len(found.different)
        lines = [
            f"Of the {total} files that the leader gave these roles, {len(found.equal)} are equal byte for byte."
        ]
        lines += (
            [
                "",
                "Equal when parsed (the order of keys differs):",
                "",
                *(f"- {path}" for path in found.same_meaning),
            ]
            if found.same_meaning
            else []
        )
        if found.different:
            own = (
                " (the built-in release writes them in its own way; docs/migrate.md says what means something else)"
                if built_in
                else ""
            )
            lines += ["", f"Different{own}:", "", *(f"- {path}" for path in found.different)]
        return lines


def _newest() -> Bundle:
    return load_release()


def _holds_secret(roles: Mapping[str, Mapping[str, bytes]], secrets: Mapping[str, str]) -> bool:
    """Whether somebody wrote a secret right into a template."""
    wanted = [text.encode("utf-8", "replace") for text in secrets.values() if len(text) >= 8]
    contents = [content for files in roles.values() for content in files.values()]
    return any(
        b"PRIVATE KEY" in content or any(secret in content for secret in wanted)
        for content in contents
    )


def _unset(name: str, leader: Leader) -> Note:
    variable = leader.bundle.variables.get(name)
    if variable and variable.computed:
        return Note("left out", name, "it was not filled in: the operator computes it")
    if variable is None or variable.secret:
        return Note("left out", name, "it was not filled in: the operator generates one")
    return Note("missing", name, "the default is taken")


def _summary(leader: Leader, like: Likeness, release: str | None) -> list[str]:
    generation = "2019" if leader.generation == "2019" else "1.6 or later"
    lines = [
        f"The leader's folder is of generation {generation}; its roles are {', '.join(leader.bundle.roles)}."
    ]
    if release is None and not like.changed:
        lines.append(
            f"Its templates are those of {like.release}, unmodified; they go with the platform, in {TEMPLATES}, as you asked."
        )
    elif release is None:
        lines.append(
            f"Its templates (version {leader.bundle.version}) are no built-in release, so they go with the platform, in {TEMPLATES}."
        )
        if len(like.changed) <= like.files // 4:
            lines += [
                "",
                f"They are those of {like.release} but for {len(like.changed)} files:",
                "",
                *(f"- {path}" for path in like.changed),
            ]
    elif like.changed:
        lines.append(
            f"The built-in release {release} takes the place of its templates, as you asked: its files will be other ones."
        )
    else:
        lines.append(
            f"Its templates are those of {release}, unmodified: the operator's built-in release takes their place. Its files say the same, "
            "but not in the same bytes: `kubectl-pryv import --own-templates` keeps the received templates, and their bytes."
        )
    return lines
