"""Data sets: reading rows, the user's registry, and pulling from the Hugging Face hub."""

from .files import DataFile, find_files, fingerprint
from .hub import pull
from .registry import Listed, Registered, add, data_home, forget, listing, registered, resolve
from .rows import ROW_SUFFIXES, find_field, malformed, read_rows, read_text, require
from .sets import DATASETS, DataSet, HubFiles, data_set

__all__ = [
    "DATASETS",
    "ROW_SUFFIXES",
    "DataFile",
    "DataSet",
    "HubFiles",
    "Listed",
    "Registered",
    "add",
    "data_home",
    "data_set",
    "find_field",
    "find_files",
    "fingerprint",
    "forget",
    "listing",
    "malformed",
    "pull",
    "read_rows",
    "read_text",
    "registered",
    "require",
    "resolve",
]
