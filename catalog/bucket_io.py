"""PyIceberg's file access for S3, in a separate module so that tasks that read photos need not import PyIceberg."""

from __future__ import annotations

from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.typedef import EMPTY_DICT, Properties

from catalog import bucket


class BucketFileIO(PyArrowFileIO):
    """Opens files through catalog.bucket, which renews credentials."""

    def __init__(self, properties: Properties = EMPTY_DICT) -> None:
        super().__init__(properties)
        self.fs_by_scheme = lambda scheme, netloc: bucket.filesystem(netloc or "")
