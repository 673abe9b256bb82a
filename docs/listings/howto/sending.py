"""
Send a mail to the servers of its recipient's domain.
"""

from io import BytesIO

from twisted.internet.defer import Deferred
from twisted.mail.smtp import ESMTPSenderFactory

from twisted_ext.endpoints import MailEndpoint


async def send(reactor, sender, recipient, mail, resolver="recursive"):
    endpoint = MailEndpoint(reactor, recipient.partition("@")[2], resolver=resolver)
    sent = Deferred()
    # Whether TLS is required is up to the endpoint: the client finds it in place, or not.
    factory = ESMTPSenderFactory(
        None, None, sender, recipient, BytesIO(mail), sent, requireAuthentication=False, requireTransportSecurity=False
    )
    await endpoint.connect(factory)
    return await sent
