"""
Follow changes to C{resolv.conf}, which may be missing or empty for a moment while another program writes it.
"""

from __future__ import annotations

from collections.abc import Mapping

from twisted_ext.limits import CONFIGURATION_OCTETS, LOST_CONFIGURATION_SECONDS
from twisted_ext.resolver.policy.localanswers import Complaints, FollowedFile
from twisted_ext.resolver.system.resolvconf import SystemConfiguration

__all__ = ["ResolvConf"]


class ResolvConf:
    """
    Reads the file, and reads it again when it has changed. If the file disappears, cannot be read or names no server, the previous servers
    remain in use for L{LOST_CONFIGURATION_SECONDS}.

    @ivar configuration: the configuration in use.
    @ivar lostAt: since when the file has named no server although the configuration in use does; L{None} while it names one.
    """

    def __init__(self, path: str, environment: Mapping[str, str], hostName: str = "") -> None:
        """
        @param hostName: see L{SystemConfiguration.parse}.
        """
        self._file = FollowedFile(path)
        self._environment = environment
        self._hostName = hostName
        self._file.changed()
        self._latest = self.configuration = self._read()
        self.lostAt: float | None = None

    @property
    def path(self) -> str:
        return self._file.path

    def forget(self) -> None:
        """
        Read the file again at the next check, whether it has changed or not.
        """
        self._file.forget()

    def _read(self) -> SystemConfiguration:
        complaints = Complaints()
        data = self._file.read(int(CONFIGURATION_OCTETS.default), complaints)
        configuration = SystemConfiguration.parse(data or b"", self._environment, self._hostName)
        configuration.complaints.texts[:0] = complaints.texts
        configuration.complaints.count += complaints.count
        return configuration

    def look(self, now: float) -> SystemConfiguration | None:
        """
        Check the file for a change.

        @return: the previous configuration, if it was replaced.
        """
        if self._file.changed():
            self._latest = self._read()
            if self._latest.defaulted and not self.configuration.defaulted:
                if self.lostAt is None:
                    self.lostAt = now
                return None
            self.lostAt = None
        elif self.lostAt is None or 0.0 <= now - self.lostAt < LOST_CONFIGURATION_SECONDS.default:
            return None
        self.lostAt = None
        before, self.configuration = self.configuration, self._latest
        return None if before.describe() == self.configuration.describe() else before
