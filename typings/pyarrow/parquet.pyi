from collections.abc import Sequence

from pyarrow import Schema, Table

class RowGroupMetaData:
    num_rows: int

class FileMetaData:
    num_rows: int
    num_row_groups: int
    def row_group(self, i: int) -> RowGroupMetaData: ...

class ParquetFile:
    metadata: FileMetaData
    schema_arrow: Schema
    def __init__(self, source: object) -> None: ...
    def read_row_group(self, i: int, columns: Sequence[str]) -> Table: ...

def write_table(table: Table, where: object, *, compression: str = ..., row_group_size: int = ...) -> None: ...
def read_table(source: object) -> Table: ...
