"""
A plugin for mypy: mypy-zope, which here knows of C{classImplements} before any code is checked.

By itself it learns of it when the module with the call is checked. That may be after modules that use the implementation, since mypyc makes
one import cycle of all modules that it compiles together.
"""

from __future__ import annotations

from collections.abc import Callable

from mypy.nodes import CallExpr, ExpressionStmt, NameExpr, TypeInfo
from mypy.plugin import ClassDefContext, Plugin
from mypy_zope.plugin import ZopeInterfacePlugin


def _declared(context: ClassDefContext) -> list[NameExpr]:
    """
    Return the interfaces that the module declares a class of its own to implement.
    """
    found: list[NameExpr] = []
    for statement in context.api.modules[context.api.cur_mod_id].defs:
        if isinstance(statement, ExpressionStmt) and isinstance(call := statement.expr, CallExpr) and isinstance(call.callee, NameExpr):
            names = [argument for argument in call.args if isinstance(argument, NameExpr)]
            if call.callee.name == "classImplements" and names and names[0].name == context.cls.name:
                found += names[1:]
    return found


class Implementations(ZopeInterfacePlugin):
    def get_customize_class_mro_hook(self, fullname: str) -> Callable[[ClassDefContext], None] | None:
        known = super().get_customize_class_mro_hook(fullname)

        def analyze(context: ClassDefContext) -> None:
            if known is not None:
                known(context)
            for name in _declared(context):
                symbol = context.api.lookup_qualified(name.name, name, suppress_errors=True)
                if symbol is not None and isinstance(symbol.node, TypeInfo) and self._is_interface(symbol.node):
                    self._apply_interface(context.cls.info, symbol.node)
                elif not context.api.final_iteration:
                    context.api.defer()

        return analyze


def plugin(version: str) -> type[Plugin]:
    """
    Return the plugin. Mypy calls this.
    """
    return Implementations
