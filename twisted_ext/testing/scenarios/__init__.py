"""
Replay scenarios (C{.rpl}): a reader, and a player that runs a resolver against the servers of a scenario on an in-memory network::

    from twisted_ext.testing.scenarios.player import Player
    from twisted_ext.testing.scenarios.reading import readScenario
    from twisted_ext.testing.scenarios.resolver import recursiveResolver

    Player(readScenario(Path("iter_resolve.rpl")), recursiveResolver).play()

Another resolver is a function like L{recursiveResolver<twisted_ext.testing.scenarios.resolver.recursiveResolver>}.
The format is that of the replay tests of Unbound, Deckard and Stelline.
"""
