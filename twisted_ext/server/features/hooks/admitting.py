"""
What hooks decide of clients that were not seen lately.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twisted_ext.resolver.policy.hooks.called import CalledHook
    from twisted_ext.server.reply.packetcaches import Admission

__all__ = ["AdmittingHooks"]


class AdmittingHooks:
    """
    Puts clients into the views that hooks have decided on.
    """

    __slots__ = ("_hooks",)

    def __init__(self, hooks: Sequence[CalledHook]) -> None:
        """
        @param hooks: those that decide about clients, in the order in which they are asked.
        """
        self._hooks = hooks

    def admit(self, admission: Admission) -> None:
        if admission.view or not admission.client or admission.action != "allow":
            return
        for each in self._hooks:
            verdict = each.ofClient(admission.client)
            if verdict is None or verdict.word != "pass":
                # Of a view that there is not, its clients are in none, and are refused.
                admission.view = "" if verdict is None else verdict.view
                return

    def isPersonal(self, client: str) -> bool:
        """
        Return whether the replies to a client are for it alone, as something else is decided of it than of others, or nothing yet.
        """
        for each in self._hooks:
            verdict = each.ofClient(client)
            if verdict is None or verdict.word not in each.inCommon:
                return True
        return False
