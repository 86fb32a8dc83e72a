"""The past of a platform: what is said of revisions, how two differ, and what is refused."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api.kubernetes import Object
from pryv_operator.api.spec import PryvPlatformSpec
from pryv_operator.rollout import past, revisions
from pryv_operator.rollout.past import Kept, PastError
from pryv_operator.rollout.revision_inputs import decode_all
from tests.unit.builders import platform

SPEC: dict[str, Any] = {"domain": "pryv.acme.health"}
HASH_KEY = b"key"


def workload(
    label: str = "co1/hfs",
    *,
    image: str = "hfs:1",
    plain: str = "",
    secret: str = "",
    kind: str = "Deployment",
    **env: str,
) -> Object:
    """A workload with a file in a ConfigMap, one in a Secret (by the digest of each) and environment variables from Secrets."""
    instance, component = label.split("/")
    sources = []
    if plain:
        listed = [
            {"key": "conf__a.yml", "path": "conf/a.yml"},
            {"key": "conf__b.yml", "path": "conf/b.yml"},
        ]
        sources.append({"configMap": {"name": f"acme-core-{component}-{plain}", "items": listed}})
    if secret:
        sources.append(
            {
                "secret": {
                    "name": f"acme-core-{component}-{secret}",
                    "items": [{"key": "conf__s.yml", "path": "conf/s.yml"}],
                }
            }
        )
    variables = [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": value, "key": name}}}
        for name, value in env.items()
    ]
    template = {
        "metadata": {"labels": {keys.INSTANCE: instance, keys.COMPONENT: component}},
        "spec": {
            "containers": [{"name": component, "image": image, "env": variables}],
            "volumes": [{"name": component, "projected": {"sources": sources}}],
        },
    }
    labels = {keys.INSTANCE: instance, keys.COMPONENT: component}
    return {
        "kind": kind,
        "metadata": {"name": f"acme-{instance}-{component}", "labels": labels},
        "spec": {"template": template},
    }


def item(
    number: int,
    *workloads: Object,
    spec: Mapping[str, Any] = SPEC,
    inputs: Mapping[str, str] | None = None,
    **more: str,
) -> Object:
    """A ControllerRevision as the API server gives it back; ``more`` are annotations (``failed``, ``complete``)."""
    found = revisions.record(
        platform(),
        number,
        spec,
        workloads,
        revisions.state_digest(workloads),
        decode_all(inputs or {}),
    )
    found["metadata"]["creationTimestamp"] = f"2026-01-{number:02}T10:00:00Z"
    found["metadata"]["annotations"] |= {f"pryv.io/{name}": value for name, value in more.items()}
    return found


def one(number: int, *workloads: Object, **more: Any) -> Kept:
    (found,) = past.kept([item(number, *workloads, **more)])
    return found


def rows(*items: Object) -> list[list[str]]:
    """The table without its head and its times."""
    lines = past.table(past.kept(items)).splitlines()[1:]
    return [
        [
            cell
            for cell in (part.strip() for part in line.split("  "))
            if cell and "2026-" not in cell
        ]
        for line in lines
    ]


class TestHistory:
    """The table, and finding a revision."""

    def test_states(self) -> None:
        found = rows(
            item(1, workload(image="hfs:1"), complete="true"),
            item(2, workload(image="hfs:2")),
            item(3, workload(image="hfs:3"), failed="co1/hfs: its image\ncannot be pulled"),
            item(4, workload(image="hfs:4")),
        )
        assert [row[:2] for row in found] == [
            ["1", "complete"],
            ["2", "superseded"],
            ["3", "failed: co1/hfs: its image cannot be pulled"],
            ["4", "rolling"],
        ]
        assert " paused " in past.table(past.kept([item(1, workload())]), paused=True)

    def test_what_changed(self) -> None:
        names = [f"co1/{letter}" for letter in "abcdef"]
        found = rows(
            item(3, *map(workload, names)),
            item(4, *(workload(name, image="x:2") for name in names)),
            item(5, *(workload(name, image="x:2") for name in names[:5]), workload("co2/g")),
            item(
                6,
                *(workload(name, image="x:2") for name in names[:5]),
                workload("co2/g"),
                inputs={"Secret a, key k": "1"},
            ),
            item(
                7,
                *(workload(name, image="x:2") for name in names[:5]),
                workload("co2/g"),
                inputs={"Secret a, key k": "1"},
            ),
        )
        assert [row[2] for row in found] == [
            "the oldest one that is kept",
            "co1/a, co1/b, co1/c, co1/d and 2 more",
            "new: co2/g; gone: co1/f",
            'by Secret "a", key "k"',
            "Services or claims",
        ]

    def test_what_cannot_be_read_is_passed_over(self) -> None:
        broken = item(2)
        broken["data"] = {"spec": {}, "packedWorkloads": base64.b64encode(b"no zlib").decode()}
        assert [
            each.number
            for each in past.kept([broken, {"metadata": {"name": "acme-revision-3"}}, item(1)])
        ] == [1]

    def test_a_revision_that_is_not_there(self) -> None:
        kept = past.kept([item(1), item(4)])
        assert past.find(kept, 4).number == 4
        with pytest.raises(PastError, match=r"no revision 2: there are 1, 4"):
            past.find(kept, 2)
        with pytest.raises(PastError, match="no history yet"):
            past.find((), 2)


class TestDifference:
    """Two revisions."""

    def test_files_in_config_maps_are_shown(self) -> None:
        before, after = one(1, workload(plain="aaaaaaaaaa")), one(2, workload(plain="bbbbbbbbbb"))
        assert past.config_maps(before, after) == {
            "acme-core-hfs-aaaaaaaaaa",
            "acme-core-hfs-bbbbbbbbbb",
        }
        contents = {
            "acme-core-hfs-aaaaaaaaaa": {"conf__a.yml": "same\n", "conf__b.yml": "old\n"},
            "acme-core-hfs-bbbbbbbbbb": {"conf__a.yml": "same\n", "conf__b.yml": "new\n"},
        }
        assert past.difference(before, after, contents) == (
            "# co1/hfs\n--- revision 1: hfs/conf/b.yml\n+++ revision 2: hfs/conf/b.yml\n@@ -1 +1 @@\n-old\n+new\n"
        )

    def test_config_maps_that_are_gone(self) -> None:
        text = past.difference(
            one(1, workload(plain="aaaaaaaaaa")), one(2, workload(plain="bbbbbbbbbb")), {}
        )
        assert "# hfs/conf/a.yml: may have changed; a ConfigMap of it is gone" in text

    def test_files_in_secrets_are_only_named(self) -> None:
        before = one(1, workload(secret="aaaaaaaaaa", KEY="acme-core-hfs-aaaaaaaaaa"))
        after = one(2, workload(secret="bbbbbbbbbb", KEY="acme-core-hfs-bbbbbbbbbb"))
        assert past.config_maps(before, after) == set()
        contents = {
            name: {"conf__s.yml": "canary"}
            for name in ("acme-core-hfs-aaaaaaaaaa", "acme-core-hfs-bbbbbbbbbb")
        }
        assert past.difference(before, after, contents) == (
            "# co1/hfs\n# in Secrets, so not shown; one or more of these have changed:\n#   environment variable KEY\n#   hfs/conf/s.yml\n"
        )

    def test_a_file_that_becomes_secret_is_not_shown(self) -> None:
        before, after = one(1, workload(plain="aaaaaaaaaa")), one(2, workload(plain="aaaaaaaaaa"))
        places = after.workloads["acme-co1-hfs"]["spec"]["template"]["spec"]["volumes"][0][
            "projected"
        ]["sources"]
        places[0] = {
            "secret": {"name": "acme-core-hfs-cccccccccc", "items": places[0]["configMap"]["items"]}
        }
        text = past.difference(
            before,
            after,
            {"acme-core-hfs-aaaaaaaaaa": {"conf__a.yml": "was plain", "conf__b.yml": "was plain"}},
        )
        assert "was plain" not in text
        assert "#   hfs/conf/a.yml" in text

    def test_instances_with_the_same_difference_are_told_once(self) -> None:
        before = one(
            1,
            workload("co1/hfs", plain="aaaaaaaaaa"),
            workload("co2/hfs", plain="aaaaaaaaaa"),
            workload("co3/mfa"),
        )
        after = one(
            2,
            workload("co1/hfs", plain="bbbbbbbbbb"),
            workload("co2/hfs", plain="bbbbbbbbbb"),
            workload("co4/mfa"),
        )
        text = past.difference(before, after, {})
        assert "# co1/hfs, co2/hfs\n" in text
        assert "# co3/mfa\n# only in revision 1\n" in text
        assert "# co4/mfa\n# only in revision 2\n" in text

    def test_spec_pod_template_and_inputs(self) -> None:
        before = one(
            1, workload(image="hfs:1"), inputs={"Secret a, key k": "1", "Secret b, key k": "1"}
        )
        after = one(
            2,
            workload(image="hfs:2"),
            spec={**SPEC, "stopped": True},
            inputs={"Secret a, key k": "2", "Secret b, key k": "1"},
        )
        text = past.difference(before, after, {})
        assert "+stopped: true\n" in text
        assert "-    - image: hfs:1\n" in text or "-      image: hfs:1\n" in text
        assert '# made with another value of\n#   Secret "a", key "k"\n' in text
        assert 'Secret "b"' not in text

    def test_what_the_history_does_not_keep(self) -> None:
        before, after = item(1, workload()), item(2, workload())
        after["metadata"]["annotations"][keys.DESIRED] = "another"
        assert "Services or claims" in past.difference(*past.kept([before, after]), {})
        assert past.difference(*past.kept([before, item(2, workload())]), {}) == ""

    def test_the_order_of_a_map_says_nothing(self) -> None:
        assert (
            past.spec_difference(
                {"a": 1, "b": {"c": 1, "d": 2}}, {"b": {"d": 2, "c": 1}, "a": 1}, "old", "new"
            )
            == ""
        )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
SPECS = st.dictionaries(st.sampled_from(["domain", "variables", "roles", *past.OF_TODAY]), JSON)


class TestGoingBack:
    """What is written, and what is refused."""

    @given(SPECS, SPECS)
    def test_the_spec_of_then_with_what_is_of_today(
        self, recorded: dict[str, Any], current: dict[str, Any]
    ) -> None:
        spec = past.restored_spec(recorded, current)
        for key in {*recorded, *current, *spec}:
            source = current if key in past.OF_TODAY else recorded
            assert (key in spec, spec.get(key)) == (key in source, source.get(key))
        assert past.restored_spec(recorded, spec) == spec

    def test_bytes_of_a_secret(self) -> None:
        assert past.bytes_of({"data": {"key": base64.b64encode(b"x").decode()}}, "key") == b"x"
        for secret in (None, {}, {"data": {"other": "eA=="}}, {"data": {"key": "x"}}):
            assert past.bytes_of(secret, "key") is None

    @pytest.mark.parametrize(
        ("templates", "named"),
        [
            (
                {"archive": {"configMapKeyRef": {"name": "mine", "key": "a.tgz"}}},
                'ConfigMap "mine", key "a.tgz"',
            ),
            (
                {"archive": {"secretKeyRef": {"name": "mine", "key": "a.tgz"}}},
                'Secret "mine", key "a.tgz"',
            ),
            (
                {
                    "files": [
                        {
                            "role": role,
                            "configMapRef": {"name": f"t-{role}"},
                            "items": [{"key": "a", "path": "a"}],
                        }
                        for role in ("static", "core")
                    ]
                },
                'ConfigMap "t-core" and ConfigMap "t-static"',
            ),
        ],
    )
    def test_what_has_changed_since_is_named(self, templates: dict[str, Any], named: str) -> None:
        spec = PryvPlatformSpec.model_validate({**SPEC, "templates": templates})
        inputs = {
            "Secret a, key k": "1",
            "Secret b, key k": "2",
            "Secret c, key k": "3",
            "templates": "4",
        }
        now = {
            "Secret a, key k": "1",
            "Secret b, key k": "another",
            "Secret c, key k": None,
            "templates": "another",
        }
        assert past.altered(one(1, inputs=inputs), decode_all(now), spec) == [
            'Secret "b", key "k" has changed since',
            'Secret "c", key "k" is gone',
            f"{named} has changed since",
        ]
        assert past.altered(one(1, inputs=inputs), decode_all(inputs), spec) == []
        assert len(past.altered(one(1, inputs=inputs), {}, spec)) == 4

    def test_certificates_that_are_named(self) -> None:
        roles = {"core": {"tls": {"secretName": "core"}}, "static": {"tls": {"secretName": "all"}}}
        spec = PryvPlatformSpec.model_validate(
            {**SPEC, "tls": {"secretName": "all"}, "roles": roles}
        )
        assert past.certificates(spec) == ["all", "core"]
        assert past.certificates(PryvPlatformSpec.model_validate(SPEC)) == []

    def test_refusals(self) -> None:
        of = one(2, inputs={"Secret a, key k": "1"})
        assert past.refusal(of, [], None, "acme") is None
        why = past.refusal(
            of,
            ["Secret a, key k has changed since"],
            {"metadata": {"creationTimestamp": "2026-01-01T00:00:00Z"}},
            "acme",
        )
        assert why
        assert "Secret a, key k has changed since" in why
        assert "--force" in why
        assert "hash-key" not in why
        why = past.refusal(
            of,
            ["Secret a, key k has changed since"],
            {"metadata": {"creationTimestamp": "2026-02-01T00:00:00Z"}},
            "acme",
        )
        assert why
        assert "Secret acme-hash-key, which tells, was made anew" in why

    def test_what_is_there_already_is_not_written(self) -> None:
        past.not_identical(one(1), SPEC, {**SPEC, "variables": {}}, [])
        with pytest.raises(PastError, match=r"what revision 1 says already$"):
            past.not_identical(one(1), SPEC, dict(SPEC), [])
        with pytest.raises(
            PastError,
            match="already; what differs is not in the spec: Secret a, key k has changed since",
        ):
            past.not_identical(one(1), SPEC, dict(SPEC), ["Secret a, key k has changed since"])

    def test_cautions(self) -> None:
        stores = [
            workload("co1/mongodb", image=f"mongodb:{number}", kind="StatefulSet")
            for number in (1, 2)
        ]
        plain = [workload("co1/hfs", image=f"hfs:{number}") for number in (1, 2)]
        of, newest = one(1, stores[0], plain[0], complete="true"), one(2, stores[1], plain[1])
        (store,) = past.cautions(of, newest, SPEC)
        assert store.startswith("co1/mongodb goes from image mongodb:2 back to mongodb:1")
        assert past.cautions(newest, newest, SPEC) == ["revision 2 was never rolled out to the end"]
        assert "it crashes" in past.cautions(one(2, failed="it crashes"), newest, SPEC)[0]
        paused, stopped = past.cautions(
            one(1, complete="true"), newest, {**SPEC, "rollout": {"paused": True}, "stopped": True}
        )
        assert "paused" in paused
        assert "stopped" in stopped

    def test_who_applies_the_spec(self) -> None:
        fields = {"f:spec": {"f:domain": {}}}
        managers = [
            {"manager": "flux", "operation": "Apply", "fieldsV1": fields},
            {
                "manager": "pryv-operator",
                "operation": "Apply",
                "subresource": "status",
                "fieldsV1": {"f:status": {}},
            },
            {"manager": "kubectl-edit", "operation": "Update", "fieldsV1": fields},
        ]
        assert past.appliers({"metadata": {"managedFields": managers}}) == ["flux"]
        assert past.appliers({"metadata": {}}) == []
