"""The errors a user of Fruitlake can cause or meet, under one base that can be caught."""

from __future__ import annotations


class FruitlakeError(Exception):
    """Something a person can act on. The message names the rule, the value met and the next step."""


class SettingsError(FruitlakeError):
    """An option or FRUITLAKE_* variable has a value outside its legal ones."""


class SourceError(FruitlakeError):
    """The photos cannot be listed: no such folder, nothing in it, no permission."""


class WeightsError(FruitlakeError):
    """The MobileNetV2 weights cannot be had, or are not MobileNetV2's."""


class CatalogError(FruitlakeError):
    """A table, snapshot or lake is missing, damaged or not writable."""


class AwsError(FruitlakeError):
    """AWS refused, or cannot be reached: credentials, permission, a bucket that is not there."""


class RegionError(FruitlakeError):
    """A bucket, or the catalog about it, lies where the data may not be."""


class ConcurrentPublishError(CatalogError):
    """Another run published the table after this one read it; nothing was overwritten."""


class ErasedMeanwhileError(CatalogError):
    """A run read photos that have been erased since; what it made of them may not be published."""


class BusyError(CatalogError):
    """Somebody else works on the lake, and what was asked for needs it alone."""


class AuditError(FruitlakeError):
    """What was written breaks the table's contract; it was not published."""


class EmrError(FruitlakeError):
    """AWS, or a job on it, refused or failed; or nothing is there for it to run."""


class RunError(FruitlakeError):
    """A model failed for a reason of its own; what was current before still is."""


class QueryError(FruitlakeError):
    """A question to the lake cannot be asked as it is, or its engine refused it, failed or was stopped."""
