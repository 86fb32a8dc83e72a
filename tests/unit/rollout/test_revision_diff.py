"""The difference of two revisions."""

from __future__ import annotations

from pryv_operator.api import labels_annotations as keys
from pryv_operator.rollout.recorded import parse_recorded
from pryv_operator.rollout.revision_diff import (
    config_maps,
    revision_difference,
    spec_difference,
)
from tests.unit.rollout.recorded_revisions import SPEC, recorded, revision_item, workload


def test_files_in_config_maps_are_shown() -> None:
    before, after = (
        recorded(1, workload(plain="aaaaaaaaaa")),
        recorded(2, workload(plain="bbbbbbbbbb")),
    )
    assert config_maps(before, after) == {
        "acme-core-hfs-aaaaaaaaaa",
        "acme-core-hfs-bbbbbbbbbb",
    }
    contents = {
        "acme-core-hfs-aaaaaaaaaa": {"conf__a.yml": "same\n", "conf__b.yml": "old\n"},
        "acme-core-hfs-bbbbbbbbbb": {"conf__a.yml": "same\n", "conf__b.yml": "new\n"},
    }
    assert revision_difference(before, after, contents) == (
        "# co1/hfs\n"
        "--- revision 1: hfs/conf/b.yml\n+++ revision 2: hfs/conf/b.yml\n"
        "@@ -1 +1 @@\n-old\n+new\n"
    )


def test_missing_config_maps() -> None:
    text = revision_difference(
        recorded(1, workload(plain="aaaaaaaaaa")), recorded(2, workload(plain="bbbbbbbbbb")), {}
    )
    assert "# hfs/conf/a.yml: may have changed; its ConfigMap does not exist" in text


def test_files_in_secrets_are_only_named() -> None:
    before = recorded(1, workload(secret="aaaaaaaaaa", KEY="acme-core-hfs-aaaaaaaaaa"))
    after = recorded(2, workload(secret="bbbbbbbbbb", KEY="acme-core-hfs-bbbbbbbbbb"))
    assert config_maps(before, after) == set()
    contents = {
        name: {"conf__s.yml": "canary"}
        for name in ("acme-core-hfs-aaaaaaaaaa", "acme-core-hfs-bbbbbbbbbb")
    }
    assert revision_difference(before, after, contents) == (
        "# co1/hfs\n# in Secrets, so not shown; at least one has changed:\n"
        "#   environment variable KEY\n#   hfs/conf/s.yml\n"
    )


def test_a_file_that_becomes_secret_is_not_shown() -> None:
    before, after = (
        recorded(1, workload(plain="aaaaaaaaaa")),
        recorded(2, workload(plain="aaaaaaaaaa")),
    )
    places = after.workloads["acme-co1-hfs"]["spec"]["template"]["spec"]["volumes"][0]["projected"][
        "sources"
    ]
    places[0] = {
        "secret": {"name": "acme-core-hfs-cccccccccc", "items": places[0]["configMap"]["items"]}
    }
    text = revision_difference(
        before,
        after,
        {"acme-core-hfs-aaaaaaaaaa": {"conf__a.yml": "was plain", "conf__b.yml": "was plain"}},
    )
    assert "was plain" not in text
    assert "#   hfs/conf/a.yml" in text


def test_equal_differences_of_instances_are_shown_once() -> None:
    before = recorded(
        1,
        workload("co1/hfs", plain="aaaaaaaaaa"),
        workload("co2/hfs", plain="aaaaaaaaaa"),
        workload("co3/mfa"),
    )
    after = recorded(
        2,
        workload("co1/hfs", plain="bbbbbbbbbb"),
        workload("co2/hfs", plain="bbbbbbbbbb"),
        workload("co4/mfa"),
    )
    text = revision_difference(before, after, {})
    assert "# co1/hfs, co2/hfs\n" in text
    assert "# co3/mfa\n# only in revision 1\n" in text
    assert "# co4/mfa\n# only in revision 2\n" in text


def test_spec_pod_template_and_inputs() -> None:
    before = recorded(
        1, workload(image="hfs:1"), inputs={"Secret a, key k": "1", "Secret b, key k": "1"}
    )
    after = recorded(
        2,
        workload(image="hfs:2"),
        spec={**SPEC, "stopped": True},
        inputs={"Secret a, key k": "2", "Secret b, key k": "1"},
    )
    text = revision_difference(before, after, {})
    assert "+stopped: true\n" in text
    assert "-    - image: hfs:1\n" in text or "-      image: hfs:1\n" in text
    assert '# made with other values of\n#   Secret "a", key "k"\n' in text
    assert 'Secret "b"' not in text


def test_inputs_of_an_earlier_version_do_not_count_as_changed() -> None:
    before = recorded(1, workload(), inputs={"Secret a, key k": "1", "Secret b, key k": "1"})
    after = recorded(2, workload(), inputs={"Secret a, key k": "named:2"})
    text = revision_difference(before, after, {})
    assert '# made with other values of\n#   Secret "b", key "k"\n\n# cannot be compared' in text
    assert text.endswith('#   Secret "a", key "k"\n')


def test_what_revisions_do_not_record() -> None:
    before, after = revision_item(1, workload()), revision_item(2, workload())
    after["metadata"]["annotations"][keys.DESIRED] = "another"
    assert "Services or PVCs" in revision_difference(*parse_recorded([before, after]), {})
    assert revision_difference(*parse_recorded([before, revision_item(2, workload())]), {}) == ""


def test_the_order_of_a_map_does_not_matter() -> None:
    assert (
        spec_difference(
            {"a": 1, "b": {"c": 1, "d": 2}}, {"b": {"d": 2, "c": 1}, "a": 1}, "old", "new"
        )
        == ""
    )
