"""The errors of Fruitlake, with one base class."""


class FruitlakeError(Exception):
    """Base of all errors that a user can act on. The message names the rule, the value and the next step."""


class SettingsError(FruitlakeError):
    """An option or FRUITLAKE_* variable has a value that is not allowed."""


class SourceError(FruitlakeError):
    """The photos cannot be listed: no such folder, an empty folder, or no permission."""


class WeightsError(FruitlakeError):
    """The weights cannot be found, downloaded or read, or are not MobileNetV2's."""


class CatalogError(FruitlakeError):
    """A table, snapshot or lake is missing, damaged or not writable."""


class AwsError(FruitlakeError):
    """AWS refused a request or cannot be reached: credentials, permission, a missing bucket."""


class RegionError(FruitlakeError):
    """A bucket or catalog is in a region that is not allowed."""


class ConcurrentPublishError(CatalogError):
    """Another run published the table after this one read it; nothing was overwritten."""


class ErasedMeanwhileError(CatalogError):
    """Photos were erased after the run read them, so its results must not be published."""


class BusyError(CatalogError):
    """Another process holds the lake's lock."""


class AuditError(FruitlakeError):
    """A table's new rows break its contract or a critical expectation, and were not published."""


class EmrError(FruitlakeError):
    """An EMR stack or job cannot be started, or has failed."""


class RunError(FruitlakeError):
    """A dbt model failed; the published tables are unchanged."""


class QueryError(FruitlakeError):
    """A query is not valid, or its engine refused it, failed or was stopped."""
