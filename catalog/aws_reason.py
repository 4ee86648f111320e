"""One line with the next step for an error of AWS, whether boto3, Java's SDK inside Spark or Arrow reports it."""

import re

_DENIED = {"accessdenied", "unauthorizedoperation", "forbidden", "403"}
_KEYS = {"expiredtoken", "invalidaccesskeyid", "signaturedoesnotmatch", "unrecognizedclient", "invalidclienttokenid"}
_JAVA = re.compile(r"software\.amazon\.awssdk\.services\.\S+\.(\w+): (.*) \(Service: \w+, Status Code: (\d+)")
_JAVA_OPERATION = re.compile(r"\.Default\w+Client\.(\w+)\(")
_ARROW = re.compile(r"AWS Error (\w+) during (\w+) operation: (.*)")


def refusal(code: str, operation: str, said: str) -> str:
    """The line for an error code, the operation that failed and AWS' message."""
    name = code.replace("_", "").lower().removesuffix("exception")
    said = " ".join(said.split())[:300]
    if name in _DENIED:
        return f"no permission for {operation} ({said}): use other credentials, or have it granted"
    if name in _KEYS or "token has expired" in said:
        return f"AWS refuses the credentials ({code}): renew them, with `aws sso login` or `aws configure`"
    return f"{operation} failed ({code}: {said})"


def refusal_in(text: str) -> str | None:
    """The line for an AWS error inside the text of a Spark or Arrow error; None if it holds none."""
    if found := list(_JAVA.finditer(text)):
        code, said, status = found[-1].groups()
        called = _JAVA_OPERATION.search(text, found[-1].end())
        operation = called[1][0].upper() + called[1][1:] if called else "a request"
        return refusal(status if status == "403" else code, operation, said)
    if answer := _ARROW.search(text):
        return refusal(*answer.groups())
    return None
