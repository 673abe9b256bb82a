"""
What the package uses of dask, which most installations do not have.
"""

from dask import config as config
