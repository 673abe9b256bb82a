from twisted_ext.apps.robot.plugin import Call, RobotPlugin, command


class TTL(RobotPlugin):
    @command()
    async def ttl(self, call: Call, name: str) -> str:
        """
        Show for how long the address of a name may be cached.
        """
        answers, _, _ = await self.robot.resolver.lookupAddress(name)
        return f"{name}: {answers[0].ttl} s"


ttl = TTL()
