"""
What the tests use of dnstap-pb, made by protoc from dnstap.proto.
"""

from typing import Self

class Message:
    type: int
    socket_family: int
    socket_protocol: int
    query_address: bytes
    response_address: bytes
    query_port: int
    response_port: int
    query_time_sec: int
    query_time_nsec: int
    query_message: bytes
    response_time_sec: int
    response_time_nsec: int
    response_message: bytes
    def HasField(self, name: str) -> bool: ...

class Dnstap:
    identity: bytes
    version: bytes
    type: int
    message: Message
    @classmethod
    def FromString(cls, octets: bytes) -> Self: ...
    def SerializeToString(self) -> bytes: ...
    def FindInitializationErrors(self) -> list[str]: ...
