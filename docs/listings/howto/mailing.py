"""
The code under test: the mail servers of a domain, best first.
"""


async def mailHosts(resolver, domain):
    answers, authority, additional = await resolver.lookupMailExchange(domain)
    exchanges = [answer.payload for answer in answers]
    return [str(exchange.name) for exchange in sorted(exchanges, key=lambda exchange: exchange.preference)]
