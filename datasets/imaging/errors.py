"""What decoders raise on damaged bytes."""

import struct
import zlib

#: Any kind of built-in error. Not `Exception`: a time limit of the process that strikes during a decode is no fault of
#: the picture. MemoryError is none either and passes as well.
DECODER_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    BufferError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
