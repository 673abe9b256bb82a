"""
Replay scenarios (C{.rpl}): a reader, and a player that runs a resolver against the servers of a scenario on an in-memory network::

    from twisted_ext.testing.scenarios.player import Player
    from twisted_ext.testing.scenarios.reading import readScenario

    def build(reactor, configuration, today):
        return resolverFromString(reactor, "recursive:")    # with the hints, anchors and settings of the configuration

    Player(readScenario(Path("iter_resolve.rpl")), build).play()

The format is that of the replay tests of Unbound, Deckard and Stelline.
"""
