"""Every choice of a run, in one object: option, else FRUITLAKE_* variable, else the default here.

No other module reads the environment or asks "am I local?".
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from catalog.errors import SettingsError
from catalog.storage import is_remote, normalize
from expectations.facts import MAX_QUARANTINE_SHARE

Engine = Literal["onnx", "tensorflow"]


def _default_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fruitlake"


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="FRUITLAKE_", extra="forbid", env_ignore_empty=True)

    images: str | None = Field(None, description="folder of photos, one subfolder a label")
    lake: str = Field("lake", description="folder of the lake")
    weights: str = Field("imagenet", description="imagenet, bundled, or a .keras or .h5 file of MobileNetV2")
    variance: Annotated[float, Field(gt=0, le=1)] = Field(0.90, description="share of the variance PCA keeps")
    refit: bool = Field(False, description="fit the PCA anew instead of using the stored one")
    engine: Engine = Field("onnx", description="what runs MobileNetV2: onnx, or tensorflow as the reference")
    max_quarantine_share: Annotated[float, Field(ge=0, le=1)] = Field(
        MAX_QUARANTINE_SHARE, description="share of the files that may be unusable before a run stops"
    )
    cache: Path = Field(default_factory=_default_cache, description="folder for weights and models")
    master: str = Field("local[*]", description="Spark master; a session that is already there wins")

    @field_validator("images", "lake")
    @classmethod
    def _place(cls, value: str | None) -> str | None:
        if value is None:
            return None
        place = normalize(value)
        if is_remote(place):  # storage is ready for buckets, the catalog is not: it would publish half of it
            raise SettingsError(f"'{value}' is in a bucket, which is not supported yet: give a local folder")
        return place

    @field_validator("cache")
    @classmethod
    def _folder(cls, value: Path) -> Path:
        return value.expanduser().absolute()


def load(**options: object) -> Settings:
    """Settings from the options that were given and the environment. Raises SettingsError."""
    given = {name: value for name, value in options.items() if value is not None}
    try:
        return Settings(**given)  # type: ignore[arg-type]  # pydantic checks the values
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        source = f"--{name.replace('_', '-')}" if name in given else f"FRUITLAKE_{name.upper()}"
        legal = Settings.model_fields[name].description if name in Settings.model_fields else "not a setting"
        raise SettingsError(f"{source} cannot be '{first['input']}' ({first['msg'].lower()}): {legal}") from error
