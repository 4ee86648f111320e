"""What an erasure is asked for must be there, and its source files gone."""

import pytest

from catalog import erasure_scope
from catalog.erasure_scope import Selection, find
from catalog.errors import CatalogError
from tests.aws import AwsServer
from tests.lakes import Lake

KNOWN = frozenset({"Banana"})


@pytest.mark.parametrize(
    ("selection", "says"),
    [
        (
            Selection(image_ids=frozenset({"0" * 64, "1" * 64})),
            "has the image id '0000.*nor 1 others.* nothing was erased",
        ),
        (Selection(labels=KNOWN, source_paths=frozenset({"/no/such.jpg"})), "has the source path '/no/such.jpg'"),
        (Selection(labels=KNOWN | {"Kiwi half"}), "has the label 'Kiwi half', and nothing was erased"),
    ],
)
def test_whatever_means_nothing_is_refused_since_it_may_be_misspelt(
    selection: Selection, says: str, built: Lake
) -> None:
    with pytest.raises(CatalogError, match=says):
        find(built.tables, selection, "why")


def test_a_source_that_cannot_be_asked_may_still_have_the_file(aws: AwsServer) -> None:
    bucket = aws.make_bucket("source")
    aws.s3.put_object(Bucket=bucket, Key="Kiwi/1.jpg", Body=b"")
    paths = ("s3://source/Kiwi/1.jpg", "s3://source/Kiwi/2.jpg", "s3://closed/Kiwi/1.jpg")
    assert erasure_scope._still_there(paths) == (paths[0], paths[2])
