"""`fruitlake stream --events`: objects that S3's events tell of, through moto's EventBridge and SQS."""

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from rich.console import Console

from bootstrap.streaming import Stream
from catalog.errors import AuditError, RunError
from tests.aws import REGION, AwsServer
from tests.bootstrap.test_stream import SOON, in_gold, running, until
from tests.commands import check_one_line, fruitlake
from tests.lakes import Lake
from tests.photos import photo

BUCKET = "event-photos"
EVENT = {"source": "aws.s3", "detail-type": "Object Created"}


@pytest.fixture
def queue(aws: AwsServer) -> Iterator[str]:
    """A queue that EventBridge tells of all objects of the bucket, with a dead-letter queue after the first failure."""
    aws.make_bucket(BUCKET)
    sqs, events = client(aws, "sqs"), client(aws, "events")
    dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
    redrive = {"deadLetterTargetArn": arn(sqs, dead), "maxReceiveCount": "1"}
    url = sqs.create_queue(QueueName="events", Attributes={"RedrivePolicy": json.dumps(redrive)})["QueueUrl"]
    pattern = {name: [value] for name, value in EVENT.items()} | {"detail": {"bucket": {"name": [BUCKET]}}}
    events.put_rule(Name="photos", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="photos", Targets=[{"Id": "queue", "Arn": arn(sqs, url)}])
    aws.s3.put_bucket_notification_configuration(
        Bucket=BUCKET, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    yield url
    events.remove_targets(Rule="photos", Ids=["queue"])
    events.delete_rule(Name="photos")
    for each in sqs.list_queues()["QueueUrls"]:
        sqs.delete_queue(QueueUrl=each)


def client(aws: AwsServer, service: str) -> Any:
    return boto3.client(service, endpoint_url=aws.url, region_name=REGION)  # type: ignore[call-overload]


def arn(sqs: Any, url: str) -> str:
    return str(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"])


def waiting(sqs: Any, url: str) -> int:
    """Messages in the queue, received ones included."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return sum(int(found[name]) for name in names)


def stream_of(lake: Lake, queue: str, **options: object) -> Stream:
    return Stream(lake.settings(**options), SOON, Console(quiet=True), events=queue)


@pytest.fixture
def lake(built: Lake, tmp_path: Path) -> Lake:
    """A lake with a PCA, whose photos arrive in the bucket."""
    return replace(built.copy(tmp_path / "lake"), photos=f"s3://{BUCKET}/in")  # type: ignore[arg-type]


def test_objects_that_events_tell_of_arrive_and_poison_stays_for_the_dead_letter_queue(
    lake: Lake, aws: AwsServer, queue: str
) -> None:
    sqs = client(aws, "sqs")
    photos = "in/Banana/one.jpg", "in/a:b?c*d[e]{f}^g/é 100%25 +.jpg"
    for index, key in enumerate([*photos, "in/Banana/gone.jpg", "in/Banana/", "in/notes.txt", "elsewhere/a.jpg"]):
        aws.s3.put_object(Bucket=BUCKET, Key=key, Body=b"" if key.endswith("/") else photo(index))
    aws.s3.delete_object(Bucket=BUCKET, Key="in/Banana/gone.jpg")
    there = {"bucket": {"name": BUCKET}, "object": {"key": photos[0]}}
    other = EVENT | {"detail": there | {"bucket": {"name": "another"}}}
    deleted = EVENT | {"detail-type": "Object Deleted", "detail": there}
    test = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": BUCKET}
    for body in ("no JSON", "[1]", "{}", json.dumps(other), json.dumps(deleted), json.dumps(test)):
        sqs.send_message(QueueUrl=queue, MessageBody=body)
    assert waiting(sqs, queue) == 6 + 6

    said = io.StringIO()
    with running(Stream(lake.settings(), SOON, Console(file=said, width=200), events=queue)):
        until(lambda: waiting(sqs, queue) == 5)
    assert in_gold(lake) == {"Banana/one.jpg": "Banana", "a:b?c*d[e]{f}^g/é 100%25 +.jpg": "a:b?c*d[e]{f}^g"}
    assert waiting(sqs, queue) == 5  # three that are no events, another bucket, another prefix
    assert (
        "5 messages are not S3 events about 's3://event-photos/in': left for the dead-letter queue" in said.getvalue()
    )


@pytest.mark.exhaustive
def test_a_batch_that_fails_leaves_its_messages_and_a_queue_that_is_gone_is_told(
    lake: Lake, aws: AwsServer, queue: str
) -> None:
    sqs = client(aws, "sqs")
    for number in range(5):
        aws.s3.put_object(Bucket=BUCKET, Key=f"in/Lemon/{number}.jpg", Body=b"no photo")
    with pytest.raises(AuditError, match="cannot be used"):
        stream_of(lake, queue).run()
    assert waiting(sqs, queue) == 5
    with running(stream_of(lake, queue, max_quarantine_share=1)):  # Spark repeats the batch, which is empty now
        aws.s3.put_object(Bucket=BUCKET, Key="in/Lemon/good.jpg", Body=photo(9))
        until(lambda: "Lemon/good.jpg" in in_gold(lake) and waiting(sqs, queue) == 5)
    stream = stream_of(lake, queue, max_quarantine_share=1)
    sqs.delete_queue(QueueUrl=queue)
    with pytest.raises(RunError) as failure:
        stream.run()
    check_one_line(f"error: {failure.value}", "the stream ended", queue, "cannot be read")


def test_what_no_queue_tells_of_is_refused(aws: AwsServer, tmp_path: Path) -> None:
    aws.make_bucket(BUCKET)
    aws.s3.put_object(Bucket=BUCKET, Key="in/Banana/one.jpg", Body=b"a photo")
    (tmp_path / "some").mkdir()
    photos, missing = f"s3://{BUCKET}/in", f"{aws.url}/123456789012/nowhere"
    for arguments, words in (
        (("--images", "some", "--events", missing), ["--events", "leave it out"]),
        (("--images", photos, "--events", missing, "--once"), ["--once"]),
        (("--images", photos, "--events", missing), [missing, "cannot be used"]),
        (("--images", photos, "--events", "https://sqs.us-east-1.amazonaws.com/1/q"), ["us-east-1", "allowed"]),
    ):
        done = fruitlake("stream", "--lake", "lake", *arguments, cwd=tmp_path)
        assert done.code == 1
        check_one_line(done.err, *words)
