# Parts of Twisted that have no types of their own; all the others are read where Twisted is installed.

__version__: str
