from io import BytesIO

from pyarrow import Schema, Table

class ReadOptions:
    def __init__(self, *, use_threads: bool, block_size: int) -> None: ...

class ParseOptions:
    def __init__(self, *, explicit_schema: Schema) -> None: ...

def read_json(input_file: BytesIO, *, read_options: ReadOptions, parse_options: ParseOptions) -> Table: ...
