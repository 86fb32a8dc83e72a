"""Scripts of the custom authentication function: our verdict, and what Node's ``require`` says."""

from __future__ import annotations

from pathlib import Path

import pytest

from pryv_operator.rendering.javascript import parse_script
from tests.readers.node_packages import Node

SCRIPTS = [
    "module.exports = function (context, callback) { callback(null, context); };",
    "module.exports = async (context, callback) => { callback?.(null, context ?? {}); }",
    "exports = module.exports = (context, cb) => cb();",
    "const f = function () {};\nmodule.exports = f;",
    "class A { static #p = 1; static { A.q ||= 2; } }\nmodule.exports = A;",
    'module["exports"] = (function () { return () => 1; })();',
    "module . exports\n=\n((a, b) => `${a}/${/[/]x/u.test(b)}`);",
    "#!/usr/bin/env node\nmodule.exports = require('path').join;",
    "module.exports = {};\nmodule.exports = () => 1;",
    "(function (m) { m.exports = () => 1; })(module);",
    "if (true) { module.exports = function* () { yield 1_000n; }; }",
    "\ufeffmodule.exports = () => 1;",
    "module.exports = () => 1; // { ( [",
    "module.exports = {};",
    "module.exports = 5;",
    "module.exports = null",
    "module.exports = [() => 1];",
    "module.exports = `function`;",
    "module.exports = (0, 'x');",
    "let a; module.exports = a = (1, {});",
    "let a; module.exports = a = () => 1;",
    "module.exports = () => 1; module.exports = { f: 1 };",
    "// module.exports = f",
    "/* module.exports = () => 1 */",
    "'module.exports = () => 1'",
    "module.exports = function (a, b) { b(",
    "module.exports = () => { return 'x };",
    "module.exports = a => { b: ",
    "module.exports == (() => 1);",
    "exports.foo = 1;",
    "exports = () => 1;",
    "export default function () {}",
    "import fs from 'fs'; module.exports = () => 1;",
    "module.exports = () => <div/>;",
    "function f() {}",
    "",
    "null",
]


def test_a_script_is_refused_exactly_when_core_could_not_use_it(node: Node, tmp_path: Path) -> None:
    files = []
    for number, script in enumerate(SCRIPTS):
        files.append(tmp_path / f"{number}.js")
        files[-1].write_text(script, encoding="utf-8")
    types = node.run("require_type.js", [str(file) for file in files])
    verdicts = [parse_script(script) for script in SCRIPTS]
    ours = {
        script: verdict.error_line is None and verdict.exports_function
        for script, verdict in zip(SCRIPTS, verdicts, strict=True)
    }
    assert ours == {script: kind == "function" for script, kind in zip(SCRIPTS, types, strict=True)}
    assert set(types) > {"function", "object", "SyntaxError"}


def test_the_line_of_an_error_is_named() -> None:
    assert parse_script("module.exports = () => {\n  const a = ;\n};").error_line == 2


@pytest.mark.parametrize(
    "script",
    [
        "module.exports = " + "a = " * 20_000 + "() => 1;",
        "module.exports = " + "(" * 20_000 + ")" * 20_000,
        "a[" * 20_000 + "b" + "] = 1" * 20_000,
        "f(" * 20_000 + ")" * 20_000,
        "module.exports = " + "[" * 100_000,
        "x" * 1_000_000,
    ],
    ids=lambda script: script[:24],
)
def test_a_hostile_script_is_only_refused(script: str) -> None:
    assert parse_script(script)
