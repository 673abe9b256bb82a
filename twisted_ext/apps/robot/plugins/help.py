"""
Lists and explains commands, shows the rest of long replies, and controls plugins.
"""

from __future__ import annotations

from twisted_ext.apps.robot.plugin import Call, CommandError, Effect, RobotPlugin, command
from twisted_ext.apps.robot.text import Said, bold, line

__all__ = ["Help"]


class Help(RobotPlugin):
    @command()
    async def help(self, call: Call, word: str = "") -> Said:
        """
        List the commands, or explain one.
        """
        plugins = self.robot.plugins
        if not word:
            words = [each.word for each in plugins.commands if not self.robot.access.refusal(each, call.person, call.place)]
            return line("commands: ", bold(" ".join(sorted(words))), "; help COMMAND explains one")
        found = plugins.command(word.lower())
        if found is None:
            raise CommandError(f"there is no command {word!r}{plugins.hint(word)}")
        refusal = self.robot.access.refusal(found, call.person, call.place)
        return line(bold(found.usage), f": {found.summary}", f" ({refusal})" if refusal else "")

    @command()
    async def more(self, call: Call) -> Said:
        """
        Show the next lines of the last reply to you in this place.
        """
        return self.robot.more(call) or "there is no more"

    @command()
    async def plugins(self, call: Call) -> Said:
        """
        List the loaded plugins.
        """
        return [line(bold(each.name), f": {each.summary}") for each in self.robot.plugins.loaded]

    @command(Effect.OWNS)
    async def load(self, call: Call, plugin: str) -> Said:
        """
        Load a plugin.
        """
        await self.robot.plugins.load(plugin)
        return f"the plugin {plugin} is loaded"

    @command(Effect.OWNS)
    async def unload(self, call: Call, plugin: str) -> Said:
        """
        Unload a plugin; what it has stored remains.
        """
        await self.robot.plugins.unload(plugin)
        return f"the plugin {plugin} is unloaded"

    @command(Effect.OWNS)
    async def reload(self, call: Call, plugin: str) -> Said:
        """
        Read a plugin's file again.
        """
        await self.robot.plugins.reload(plugin)
        return f"the plugin {plugin} is loaded again"
