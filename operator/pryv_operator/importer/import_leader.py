"""Imports a leader's installation: a PryvPlatform, its Secrets, its templates and a report."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import idna
from pydantic import ValidationError

from pryv_operator.api import names as object_names
from pryv_operator.api import secret_variables
from pryv_operator.api.instances import instances
from pryv_operator.api.messages import printable
from pryv_operator.api.spec import PryvPlatformSpec, Roles
from pryv_operator.importer import output_files
from pryv_operator.importer.certificate_files import ExtractedCertificates, extract_certificates
from pryv_operator.importer.classify_values import ClassifiedValues, classify_values
from pryv_operator.importer.computed_overrides import compute_operator_values, find_overrides
from pryv_operator.importer.current_names import Renamed, use_current_names
from pryv_operator.importer.notes import ImportRefusedError, Note
from pryv_operator.importer.output_files import ObjectNames, OutputFile
from pryv_operator.importer.report import TemplateChoice, render_report
from pryv_operator.importer.resolved_values import ResolvedValues
from pryv_operator.importer.roles_from_machines import roles_from_machines
from pryv_operator.importer.shipped_releases import closest_release
from pryv_operator.importer.template_archive import pack_templates
from pryv_operator.importer.template_credentials import find_credentials
from pryv_operator.importer.trial import try_output
from pryv_operator.leader.json_value import Json
from pryv_operator.objects import manifest
from pryv_operator.pki.pem import pem_text
from pryv_operator.templates.builtin import load_release
from pryv_operator.templates.bundle import Bundle
from pryv_operator.templates.leader_archive import read_leader_archive
from pryv_operator.templates.leader_folder import Leader

DEFAULT_NAME: Final = "pryv"

_NAME: Final = re.compile(r"[a-z](?:[-a-z0-9]*[a-z0-9])?", re.ASCII)
#: Secrets of at least this length (characters) are searched for in the templates.
_SEARCHED_LENGTH: Final = 8


@dataclass(frozen=True)
class Options:
    """What the user chooses about an import."""

    #: ``metadata.name`` of the platform.
    name: str = DEFAULT_NAME
    #: None: that of the kubectl context.
    namespace: str | None = None
    #: Use this built-in release, whatever the leader's templates are.
    release: str | None = None
    #: Drop variables that nothing uses and no release knows, instead of refusing.
    skip_unknown: bool = False
    #: Use the leader's templates even if they are those of a built-in release.
    own_templates: bool = False


@dataclass(frozen=True)
class Imported:
    """The result of an import. The report holds all of it, too."""

    files: tuple[OutputFile, ...]
    #: Variables, dotted paths or fields that the leader left open.
    missing: tuple[str, ...]
    #: ``<subject>: <what to check>``.
    check: tuple[str, ...]
    #: Why the operator would not run what was written.
    refused: tuple[str, ...] = ()
    #: What the operator would warn about.
    warnings: tuple[str, ...] = ()

    def text(self, name: str) -> str:
        """The text of a file; empty if there is no such file."""
        return next((file.text for file in self.files if file.name == name), "")


def is_platform_name(name: str) -> bool:
    """Whether ``name`` is a valid name of a platform."""
    return bool(_NAME.fullmatch(name))


def import_leader(leader: Leader, options: Options, now: dt.datetime) -> Imported:
    """Files for ``kubectl apply`` out of a leader's installation.

    The same arguments give the same files.

    Args:
        leader: the installation.
        options: what the user chooses.
        now: the clock, which the certificates found are checked against.

    Raises:
        ImportRefusedError: the installation cannot be imported as it is.
        UnknownReleaseError: ``options.release`` is not built in.
    """
    certificates = extract_certificates(leader.bundle.roles)
    choice = _choose_templates(certificates.templates, options)
    target = load_release(choice.release) if choice.release else leader.bundle
    resolved = ResolvedValues(leader)
    machines = roles_from_machines(leader, resolved)
    _check_name(options.name, machines.roles)
    classified = classify_values(
        leader,
        target,
        own_templates=choice.release is None,
        skip_unknown=options.skip_unknown,
    )
    templates = _import_templates(leader, target, choice, certificates, classified)
    declared = _declare_values(options.name, resolved, machines.roles, classified, templates.bundle)

    names = ObjectNames(options.name, options.namespace)
    spec = {
        "domain": declared.domain,
        **_templates_fields(templates, choice, names),
        **_values_fields(declared.values, names),
        **_tls_and_roles_fields(certificates, machines.roles, names),
    }
    files = [
        output_files.platform_file(names, spec),
        output_files.secrets_file(names, declared.values.secrets, certificates),
    ]
    if templates.archive:
        files.append(
            output_files.templates_file(names, templates.archive, secret=templates.is_secret)
        )

    notes = [*certificates.notes, *machines.notes, *classified.notes]
    notes += [*templates.notes, *declared.notes]
    notes += _notes_of_the_rest(leader, classified, notes)
    trial = try_output(files, now)
    described = _with_current_names(notes, declared.values)
    report = render_report(leader, choice, described, files, trial)
    return Imported(
        files=(*files, OutputFile(output_files.REPORT, report)),
        missing=_unique(note.subject for note in notes if note.kind == "missing"),
        check=_unique(f"{note.subject}: {note.text}" for note in notes if note.kind == "check"),
        refused=trial.refused,
        warnings=trial.warnings,
    )


def _check_name(name: str, roles: Mapping[str, Any]) -> None:
    """Refuse a name that leaves no room for the names of workloads.

    Raises:
        ImportRefusedError: the name is too long.
    """
    spec = PryvPlatformSpec.model_construct(domain="", roles=Roles.model_validate(dict(roles)))
    longest_instance = max(len(instance.name) for instance in instances(spec))
    dashes = 2
    limit = (
        object_names.MAX_WORKLOAD_NAME - object_names.LONGEST_COMPONENT - longest_instance - dashes
    )
    if len(name) > limit:
        raise ImportRefusedError(
            f'--name: "{name[:60]}" is too long; use at most {limit} characters with these roles'
        )


# --- templates ---


@dataclass(frozen=True)
class _ImportedTemplates:
    """The templates that the platform uses."""

    bundle: Bundle
    #: The leader's own templates (``.tgz``); None for a built-in release.
    archive: bytes | None = field(repr=False)
    #: Whether the archive contains the text of a secret.
    is_secret: bool
    notes: tuple[Note, ...] = ()


def _choose_templates(
    templates: Mapping[str, Mapping[str, bytes]], options: Options
) -> TemplateChoice:
    """An unmodified built-in release is used from the operator; other templates are imported."""
    closest = closest_release(templates)
    is_built_in = not closest.changed and not options.own_templates
    return TemplateChoice(options.release or (closest.release if is_built_in else None), closest)


def _import_templates(
    leader: Leader,
    target: Bundle,
    choice: TemplateChoice,
    certificates: ExtractedCertificates,
    classified: ClassifiedValues,
) -> _ImportedTemplates:
    """The templates as the platform will read them.

    Raises:
        ImportRefusedError: the leader's own templates are too large for the cluster.
    """
    if choice.release:
        return _ImportedTemplates(target, archive=None, is_secret=False)
    archive = pack_templates(leader, certificates.templates, classified.template_defaults)
    found = find_credentials(certificates.templates, _names(leader))
    is_secret = bool(found) or _holds_secret(certificates.templates, classified.secrets)
    why = (
        f"holds what looks like a credential, so {output_files.TEMPLATES} is a Secret; better make "
        "it a variable, and its value a secret"
    )
    notes = tuple(Note("check", path, why) for path in found)
    return _ImportedTemplates(read_leader_archive(archive).bundle, archive, is_secret, notes)


def _names(leader: Leader) -> frozenset[str]:
    """Names that the leader replaces in templates."""
    return frozenset({*leader.internals, *leader.values, *leader.unset, *leader.bundle.variables})


def _holds_secret(templates: Mapping[str, Mapping[str, bytes]], secrets: Mapping[str, str]) -> bool:
    """Whether a template contains a private key, or the text of a secret."""
    searched = [
        text.encode("utf-8", "replace")
        for text in secrets.values()
        if len(text) >= _SEARCHED_LENGTH
    ]
    contents = [content for files in templates.values() for content in files.values()]
    return any(
        "PRIVATE KEY" in pem_text(content) or any(secret in content for secret in searched)
        for content in contents
    )


# --- variables ---


@dataclass(frozen=True)
class _DeclaredValues:
    """``spec.domain``, ``spec.variables`` and ``spec.secrets``, and notes on them."""

    domain: str
    values: Renamed
    notes: tuple[Note, ...]


def _declare_values(
    platform: str,
    resolved: ResolvedValues,
    roles: Mapping[str, Any],
    classified: ClassifiedValues,
    bundle: Bundle,
) -> _DeclaredValues:
    """What the resource declares: the leader's values, less what the operator computes anyway.

    Args:
        platform: name of the platform.
        resolved: the leader's values with names replaced.
        roles: ``spec.roles``.
        classified: the leader's values by where they go.
        bundle: the templates that the platform uses.
    """
    domain, domain_note = _read_domain(resolved)
    computed = compute_operator_values(platform, domain, roles, classified, bundle)
    overrides, override_notes = find_overrides(resolved, classified, computed)
    placeholders, placeholder_notes = _placeholders(bundle, classified, overrides)
    values = use_current_names(
        {**classified.variables, **overrides, **placeholders}, classified.secrets, bundle
    )
    return _DeclaredValues(domain, values, (domain_note, *override_notes, *placeholder_notes))


def _read_domain(values: ResolvedValues) -> tuple[str, Note]:
    """``spec.domain``, or the placeholder for it."""
    domain = values.value("DOMAIN")
    if isinstance(domain, str) and domain:
        return _dns_name(domain)
    placeholder = secret_variables.REPLACE_ME
    return placeholder, Note("missing", "DOMAIN", f"`spec.domain` is {placeholder}; fill it in")


def _dns_name(text: str) -> tuple[str, Note]:
    """A domain in its DNS form: lower case, punycode.

    Raises:
        ImportRefusedError: it is not a domain.
    """
    plain = text.strip().rstrip(".")
    try:
        name = _punycode(plain)
        PryvPlatformSpec(domain=name)
    except (idna.IDNAError, ValidationError):
        raise ImportRefusedError(
            f'DOMAIN: "{printable(plain)}" is not a valid DNS name (at least two labels of a-z, '
            "0-9 and '-', at most 200 characters; no https://, no port); correct it"
        ) from None
    is_same = name == plain.lower()
    how = "`spec.domain`" if is_same else f"`spec.domain`, as punycode ({name})"
    return name, Note("mapped", "DOMAIN", how)


def _punycode(domain: str) -> str:
    """The domain in ASCII.

    A label in ASCII that is no punycode need not be one of IDNA 2008, which forbids ``ab--cd``.

    Raises:
        idna.IDNAError: it has no such form.
    """
    labels = idna.uts46_remap(domain, std3_rules=False).split(".")
    return ".".join(
        label if label.isascii() and not label.startswith("xn--") else idna.alabel(label).decode()
        for label in labels
    )


def _placeholders(
    bundle: Bundle, classified: ClassifiedValues, overrides: Mapping[str, Json]
) -> tuple[dict[str, Json], list[Note]]:
    """Placeholders for the required variables that have no value, and notes on them."""
    declared = classified.variables.keys() | overrides.keys() | classified.secrets.keys()
    missing = [
        name
        for name, variable in bundle.variables.items()
        if variable.required and name not in declared
    ]
    placeholder = secret_variables.REPLACE_ME
    why = f"{placeholder} in `spec.variables`; fill it in"
    return dict.fromkeys(missing, placeholder), [Note("missing", name, why) for name in missing]


# --- fields of the spec ---


def _templates_fields(
    templates: _ImportedTemplates, choice: TemplateChoice, names: ObjectNames
) -> dict[str, Any]:
    if choice.release:
        return {"release": choice.release}
    reference = manifest.Inline(name=names.templates, key=output_files.ARCHIVE_KEY)
    kind = "secretKeyRef" if templates.is_secret else "configMapKeyRef"
    return {"templates": {"archive": {kind: reference}}}


def _values_fields(renamed: Renamed, names: ObjectNames) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if renamed.variables:
        fields["variables"] = dict(renamed.variables)
    if renamed.secrets:
        fields["secrets"] = {
            name: manifest.Inline(secretKeyRef=manifest.Inline(name=names.secrets, key=name))
            for name in renamed.secrets
        }
    return fields


def _tls_and_roles_fields(
    certificates: ExtractedCertificates, roles: Mapping[str, Any], names: ObjectNames
) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if certificates.platform:
        fields["tls"] = manifest.Inline(secretName=names.certificate)
    with_certificates = dict(roles)
    for role in certificates.by_role:
        if role not in object_names.ROLES:
            continue
        if role == object_names.REG_SLAVE and role not in roles:
            continue  # declaring the role would add a reg-slave
        with_certificates[role] = {
            **with_certificates.get(role, {}),
            "tls": manifest.Inline(secretName=names.role_certificate(role)),
        }
    if with_certificates:
        fields["roles"] = with_certificates
    return fields


# --- notes ---


def _notes_of_the_rest(
    leader: Leader, classified: ClassifiedValues, notes: Iterable[Note]
) -> list[Note]:
    """Notes on variables not filled in that no other note names, and on the leader itself."""
    noted = {name for note in notes for name in note.subject.split(", ")}
    rest = [
        _note_of_unset(name, leader)
        for name in leader.unset
        if "." not in name and name not in noted | classified.variables.keys()
    ]
    if leader.followers:
        rest.append(Note("not imported", "keys of the followers", "there are no followers"))
    why = "port, logs, credentials and ADMIN_KEY of the leader; the operator replaces it"
    return [*rest, Note("not imported", "the leader's own settings", why)]


def _note_of_unset(name: str, leader: Leader) -> Note:
    variable = leader.bundle.variables.get(name)
    if variable and variable.computed:
        return Note("not imported", name, "not filled in; the operator computes it")
    if variable is None or variable.secret:
        return Note("not imported", name, "not filled in; the operator generates it")
    return Note("missing", name, "not filled in; the default is used")


def _with_current_names(notes: Iterable[Note], renamed: Renamed) -> list[Note]:
    """The notes under current names, and a note for each name that changed."""
    renames = renamed.renames
    return [
        *(replace(note, subject=renames.get(note.subject, note.subject)) for note in notes),
        *(Note("renamed", name, f"`{current}`") for name, current in renames.items()),
    ]


def _unique(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))
