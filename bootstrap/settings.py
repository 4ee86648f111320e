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
from catalog.storage import normalize
from expectations.facts import MAX_QUARANTINE_SHARE

Engine = Literal["onnx", "tensorflow"]
LegalBasis = Literal[
    "consent", "contract", "legal-obligation", "vital-interests", "public-task", "legitimate-interests"
]


def _default_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fruitlake"


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="FRUITLAKE_", extra="forbid", env_ignore_empty=True)

    images: str | None = Field(None, description="folder of photos, one subfolder a label, or s3://bucket/prefix")
    lake: str = Field("lake", description="folder of the lake, or s3://bucket/prefix")
    weights: str = Field("imagenet", description="imagenet, bundled, or a .keras, .h5 or .onnx file of MobileNetV2")
    variance: Annotated[float, Field(gt=0, le=1)] = Field(0.90, description="share of the variance PCA keeps")
    refit: bool = Field(False, description="fit the PCA anew instead of using the stored one")
    engine: Engine = Field("onnx", description="what runs MobileNetV2: onnx, or tensorflow as the reference")
    max_quarantine_share: Annotated[float, Field(ge=0, le=1)] = Field(
        MAX_QUARANTINE_SHARE, description="share of the files that may be unusable before a run stops"
    )
    purpose: str | None = Field(None, description="what the photos are kept for; stored with the batch")
    legal_basis: LegalBasis | None = Field(
        None,
        description="legal basis of keeping them, GDPR Art. 6(1): consent, contract, legal-obligation, "
        "vital-interests, public-task or legitimate-interests",
    )
    history_days: Annotated[int, Field(ge=0)] = Field(30, description="days until an old snapshot may be vacuumed")
    photos_days: Annotated[int, Field(ge=1)] | None = Field(
        None, description="days that photos are kept in bronze; else for good"
    )
    features_days: Annotated[int, Field(ge=1)] | None = Field(
        None, description="days that their features and vectors are kept in silver and gold; else as long as the photos"
    )
    quarantine_days: Annotated[int, Field(ge=1)] | None = Field(
        None, description="days that the list of rejected files is kept; else for good"
    )
    allowed_regions: str = Field(
        "eu-west-3", description="AWS regions where photos and lake may lie, separated by commas"
    )
    cache: Path = Field(default_factory=_default_cache, description="folder for weights and models")
    database_prefix: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")] = Field(
        "fruits", description="what the names of the lake's Glue databases start with"
    )
    workgroup: str = Field("primary", description="Athena workgroup that queries run in")
    output_location: str | None = Field(None, description="s3:// folder for Athena's results; else the workgroup's own")
    master: str = Field("local[*]", description="Spark master; a session that is already there wins")

    @property
    def regions(self) -> tuple[str, ...]:
        """The allowed regions, one by one."""
        return tuple(region.strip() for region in self.allowed_regions.split(",") if region.strip())

    @field_validator("images", "lake")
    @classmethod
    def _place(cls, value: str | None) -> str | None:
        return None if value is None else normalize(value)

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
