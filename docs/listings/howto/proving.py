"""
Use addresses only if DNSSEC proves them.
"""

from twisted.names.error import DNSServerError

from twisted_ext.answers import Security


class NotProved(Exception):
    pass


async def provedAddresses(resolver, name):
    try:
        result = await resolver.lookupAddress(name)
    except DNSServerError as error:
        if error.security is Security.BOGUS:
            code, text = error.ede[0]
            raise NotProved(f"{name} is bogus: {text} (EDE {code})") from error
        raise
    if result.security is not Security.SECURE:
        raise NotProved(f"{name} is {result.security.value}")
    answers, authority, additional = result
    return [answer.payload.dottedQuad() for answer in answers]
