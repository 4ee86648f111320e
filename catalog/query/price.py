"""Athena's price of a query: per terabyte read, for at least 10 MB.

A workgroup with provisioned capacity is billed by the hour instead. Requests to S3 and Glue are billed separately.
"""

from __future__ import annotations

_MB = 2**20  # Athena rounds up to whole megabytes
MINIMUM = 10 * _MB
PER_TB = {"us-east-1": 5.00}  # US dollars per TB, AWS' public price; other regions are shown at us-east-1's
AS_OF = "November 2026"
_TB = 2**40


def cost(scanned: int, region: str) -> float:
    """The price in US dollars of a query that read this many bytes."""
    megabytes = -(-max(scanned, MINIMUM) // _MB)
    return megabytes * _MB / _TB * PER_TB[_listed(region)]


def in_words(scanned: int, region: str) -> str:
    """`3,400,000 bytes scanned, about $0.00005 ($5.00 a TB, at least 10 MB: us-east-1, November 2026)`."""
    listed = _listed(region)
    other = "" if region == listed else f"; {region} may ask more"
    return (
        f"{scanned:,} bytes scanned, about ${cost(scanned, region):.5f} "
        f"(${PER_TB[listed]:.2f} a TB, at least 10 MB: {listed}, {AS_OF}{other})"
    )


def _listed(region: str) -> str:
    return region if region in PER_TB else "us-east-1"
