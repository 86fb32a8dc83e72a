"""Comparison of rendered files."""

from __future__ import annotations

from pryv_operator.importer.comparison import compare_files
from pryv_operator.rendering.files import RenderedFile


def test_files_are_equal_alike_or_different() -> None:
    def files(**contents: str) -> dict[str, tuple[RenderedFile, ...]]:
        return {
            "core": tuple(
                RenderedFile(name.replace("_", "."), text.encode(), secret=False)
                for name, text in contents.items()
            )
        }

    found = compare_files(
        files(a_json='{"x": 1, "y": 2}', b_conf="x", c_yml="a: [1]\n", d_json="{", e_conf="x"),
        files(a_json='{"y": 2, "x": 1}', b_conf="x", c_yml="a:\n- 1\n", d_json="[", f_conf="x")
        | {"static": ()},
    )
    assert found.equal == ("core/b.conf",)
    assert found.same_meaning == ("core/a.json", "core/c.yml")
    assert found.different == ("core/d.json", "core/e.conf", "core/f.conf")
