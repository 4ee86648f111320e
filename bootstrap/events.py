"""Find new objects in a bucket without listing it, by the S3 events that EventBridge sends to an SQS queue.

S3 ──EventBridge──▶ queue ──received per trigger──▶ batch of messages ──once it is published──▶ deleted from the queue

The queue hides a received message for some minutes, then delivers it again unless it has been deleted, so every event
arrives at least once. Spark's checkpoint only counts messages.
"""

import json
import re
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql.datasource import DataSource, SimpleDataSourceStreamReader
from pyspark.sql.types import StructType

from catalog import aws
from catalog.errors import RegionError, SettingsError
from catalog.storage import is_remote

_HIDDEN = 900  # seconds: longer than a batch takes, or the queue would deliver its messages again meanwhile
_AT_ONCE = 10  # messages per request: the limit of SQS
_RECEIVE_AT_MOST = 5  # seconds per batch: while photos keep arriving, the queue is never empty
_WAIT = 1  # seconds: without waiting, SQS queries only some of its servers


class Queue:
    """A queue of S3 events, as a stream's way to find files.

    root: the photos' s3:// prefix, without a trailing slash. allowed: regions that the queue may be in, because its
    messages contain labels and file names. say: prints a line about messages that are left in the queue.
    """

    def __init__(
        self, url: str, root: str, per_batch: int, allowed: Collection[str], say: Callable[[str], None]
    ) -> None:
        if not is_remote(root):
            raise SettingsError(f"--events is for photos in S3, and '{root}' is a folder: leave it out")
        self.name, self._root, self._per_batch, self._say = url, root, per_batch, say
        _check_region(url, _region_of(url), allowed)
        with aws.explained(f"the queue '{url}' cannot be used"):
            found = _client(url).get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        _check_region(url, found["Attributes"]["QueueArn"].split(":")[3], allowed)  # a URL need not name its region

    def read(self, spark: SparkSession) -> DataFrame:
        """A streaming DataFrame of the queue's messages."""
        spark.dataSource.register(_QueueSource)
        return spark.readStream.format(_QueueSource.name()).options(url=self.name, limit=str(self._per_batch)).load()

    def paths(self, batch: Sequence[Row]) -> list[str]:
        """Paths of the objects that the messages are about. Other messages are counted in a line on the terminal."""
        left = sum(_objects(row.body, self._root) is None for row in batch)
        if left:
            self._say(f"{left} messages are not S3 events about '{self._root}': left for the dead-letter queue")
        return [path for row in batch for path in _objects(row.body, self._root) or ()]

    def taken(self, batch: Sequence[Row]) -> None:
        """Delete the messages of a published batch; those that remain are delivered again. Raises AwsError."""
        receipts = [row.receipt for row in batch if _objects(row.body, self._root) is not None]
        for first in range(0, len(receipts), _AT_ONCE):
            entries = [{"Id": str(i), "ReceiptHandle": r} for i, r in enumerate(receipts[first : first + _AT_ONCE])]
            with aws.explained(f"messages of '{self.name}' cannot be deleted"):
                answer = _client(self.name).delete_message_batch(QueueUrl=self.name, Entries=entries)
            if failed := answer.get("Failed"):
                reason = f"{failed[0]['Code']}: {failed[0].get('Message', 'no message')}"
                self._say(f"{len(failed)} messages were not deleted and will be delivered again ({reason})")


def _objects(body: str, root: str) -> list[str] | None:
    """The path in a message, if there may be an object to read; None if the message is not about these photos."""
    try:
        event = json.loads(body)
        if event.get("Event") == "s3:TestEvent":  # sent by S3 when notifications are switched on
            return []
        detail = event["detail"]
        path = f"s3://{detail['bucket']['name']}/{detail['object']['key']}"
        created = event["source"] == "aws.s3" and event["detail-type"] == "Object Created"
    except (ValueError, AttributeError, KeyError, TypeError):  # not JSON, or not of this form
        return None
    if not path.startswith(f"{root}/"):
        return None
    return [path] if created and not path.endswith("/") else []


class _QueueSource(DataSource):
    """The queue as a streaming source of Spark: one row per message."""

    @classmethod
    def name(cls) -> str:
        return "fruitlake_queue"

    def schema(self) -> str:
        return "body string, receipt string"

    def simpleStreamReader(self, schema: StructType) -> SimpleDataSourceStreamReader:  # Spark's name
        return _QueueReader(self.options["url"], int(self.options["limit"]))


class _QueueReader(SimpleDataSourceStreamReader):
    """Receives messages in a Python process beside the driver. Offsets count them."""

    def __init__(self, url: str, limit: int) -> None:
        self._url, self._limit = url, limit

    def initialOffset(self) -> dict[str, int]:
        return {"received": 0}

    def read(self, start: dict[str, int]) -> tuple[Iterator[tuple[str, str]], dict[str, int]]:
        """Bodies and receipts of the messages in the queue, and the next offset. Raises AwsError."""
        found: list[tuple[str, str]] = []
        deadline = time.monotonic() + _RECEIVE_AT_MOST
        while len(found) < self._limit and time.monotonic() < deadline:
            with aws.explained(f"the queue '{self._url}' cannot be read"):
                answer = _client(self._url).receive_message(
                    QueueUrl=self._url,
                    MaxNumberOfMessages=min(_AT_ONCE, self._limit - len(found)),
                    VisibilityTimeout=_HIDDEN,
                    WaitTimeSeconds=_WAIT,
                )
            if not answer.get("Messages"):
                break
            found += [(message["Body"], message["ReceiptHandle"]) for message in answer["Messages"]]
        return iter(found), {"received": start["received"] + len(found)}

    def readBetweenOffsets(self, start: dict[str, int], end: dict[str, int]) -> Iterator[tuple[str, str]]:
        """The batch to repeat after a crash: empty, because the queue delivers its messages again."""
        return iter(())


def _check_region(url: str, region: str, allowed: Collection[str]) -> None:
    if region not in allowed:
        raise RegionError(
            f"the queue '{url}' is in {region}, allowed: {', '.join(allowed)}: use a queue there, or allow the region "
            "with FRUITLAKE_ALLOWED_REGIONS, if file names may be stored there"
        )


def _region_of(url: str) -> str:
    """The region in the URL; the default region if it is not a URL of AWS."""
    found = re.match(r"https://(?:sqs\.)?([a-z]{2}(?:-[a-z]+)+-\d)\.", url)
    return found[1] if found else aws.region()


def _client(url: str) -> Any:
    return aws.client("sqs", _region_of(url))
