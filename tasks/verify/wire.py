"""Framing of the messages between the pool and its workers: four bytes of length, then JSON in ASCII."""

import struct

HEADER = struct.Struct(">I")
