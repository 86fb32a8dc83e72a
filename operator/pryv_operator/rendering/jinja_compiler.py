"""How Jinja templates are compiled: to code that counts what it does.

The code calls the sandbox (``jinja_sandbox``) and its budget as ``environment``.
"""

from __future__ import annotations

from collections.abc import Iterable

from jinja2 import nodes
from jinja2.compiler import CodeGenerator, Frame, operators


class CountingCodeGenerator(CodeGenerator):
    """Compiles templates to code that counts its blocks, and what it joins, compares and slices."""

    def blockvisit(self, body: Iterable[nodes.Node], frame: Frame) -> None:
        """Compile a block: first, it is counted."""
        body = list(body)
        expressions = sum(1 for node in body for _ in node.find_all(nodes.Expr))
        self.writeline(f"environment.budget.enter_block({expressions})")
        super().blockvisit(body, frame)

    def visit_For(self, node: nodes.For, frame: Frame) -> None:  # noqa: N802 - Jinja's name
        """Compile a loop; elements that its condition skips run no block, so they are counted."""
        if node.test is not None:
            node.test = nodes.And(
                nodes.EnvironmentAttribute("counted"), node.test, lineno=node.lineno
            )
            node.set_environment(self.environment)
        super().visit_For(node, frame)

    def visit_Compare(self, node: nodes.Compare, frame: Frame) -> None:  # noqa: N802
        """Compile a comparison, whose operands count as read."""
        self.write("(")
        self._visit_weighed(node.expr, frame)
        for operand in node.ops:
            self.write(f" {operators[operand.op]} ")
            self._visit_weighed(operand.expr, frame)
        self.write(")")

    def visit_Getitem(self, node: nodes.Getitem, frame: Frame) -> None:  # noqa: N802
        """Compile a subscript; what is sliced counts as read."""
        if isinstance(node.arg, nodes.Slice):
            self._visit_weighed(node.node, frame)
            self.write("[")
            self.visit(node.arg, frame)
            self.write("]")
        else:
            super().visit_Getitem(node, frame)

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:  # noqa: N802
        """Compile the operator ``~``."""
        self.write("environment.joined((")
        for part in node.nodes:
            self.visit(part, frame)
            self.write(", ")
        self.write("))")

    def visit_ScopedEvalContextModifier(  # noqa: N802
        self, node: nodes.ScopedEvalContextModifier, frame: Frame
    ) -> None:
        """Compile ``autoescape``, which the sandbox may refuse."""
        self.writeline("environment.enter_escaping()")
        super().visit_ScopedEvalContextModifier(node, frame)

    def _visit_weighed(self, node: nodes.Expr, frame: Frame) -> None:
        self.write("environment.weighed(")
        self.visit(node, frame)
        self.write(")")
