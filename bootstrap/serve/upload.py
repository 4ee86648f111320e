"""Read an uploaded photo, from the request's body or a form. It stays in memory, with a limit on its size."""

from collections.abc import AsyncGenerator

from fastapi import HTTPException, Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

_FIELDS = 8  # most fields in a form; one is the photo


class _InMemory(MultiPartParser):
    spool_max_size = 2**31  # bytes before spooling to disk: never


async def receive_photo(request: Request, max_bytes: int) -> bytes:
    """The photo of a request. Raises HTTPException: 413 for a body over max_bytes, 400 for a form without one file."""
    body = await _body(request, max_bytes)
    if not request.headers.get("content-type", "").lower().startswith("multipart/"):
        return body
    parser = _InMemory(request.headers, _once(body), max_files=1, max_fields=_FIELDS, max_part_size=max_bytes)
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise HTTPException(400, f"the form cannot be read: {error.message}") from error
    try:
        for _, value in form.multi_items():
            if isinstance(value, UploadFile):
                return await value.read()
        raise HTTPException(400, "the form has no file: send the photo as a file, or as the body itself")
    finally:
        await form.close()


async def _body(request: Request, max_bytes: int) -> bytes:
    """Raises HTTPException before more than max_bytes are held."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise HTTPException(413, f"too large: over {max_bytes:,} bytes")
    return bytes(body)


async def _once(body: bytes) -> AsyncGenerator[bytes, None]:
    yield body
