"""All settings in one object: each comes from its option, its FRUITLAKE_* variable, or the default."""

import json
from typing import Annotated

from pydantic import BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from catalog.errors import SettingsError
from catalog.lake import Lake, open_lake
from catalog.storage import check_allowed
from ingestion.walk import Source
from transforms.options import Place, RunOptions


def _parsed(value: object) -> object:
    return json.loads(value) if isinstance(value, str) else value


class Settings(RunOptions, BaseSettings):
    """The settings of one command: the options of its run, and those below. Pydantic checks them."""

    model_config = SettingsConfigDict(env_prefix="FRUITLAKE_", extra="forbid", env_ignore_empty=True)

    lake: Place = Field("lake", description="folder of the lake, or s3://bucket/prefix")
    history_days: int = Field(30, ge=0, description="days until an old snapshot may be vacuumed")
    photos_days: int | None = Field(None, ge=1, description="days that photos are kept in bronze; without it, forever")
    features_days: int | None = Field(
        None,
        ge=1,
        description="days that features and vectors are kept in silver and gold; without it, as long as the photos",
    )
    quarantine_days: int | None = Field(
        None, ge=1, description="days that the list of rejected files is kept; without it, forever"
    )
    allowed_regions: str = Field(
        "eu-west-3", description="AWS regions that photos and lake may be in, separated by commas"
    )
    database_prefix: str = Field(
        "fruits", pattern=r"^[a-z][a-z0-9_]*$", description="prefix of the names of the lake's databases"
    )
    workgroup: str = Field("primary", description="Athena workgroup that queries run in")
    output_location: str | None = Field(
        None, description="s3:// folder for Athena's results; without it, the workgroup's own"
    )
    catalog: Annotated[dict[str, str], NoDecode, BeforeValidator(_parsed)] = Field(
        default_factory=dict,
        description="another Iceberg catalog, as JSON of the properties that PyIceberg and Spark share: "
        '{"type": "rest", "uri": "https://…"}',
    )
    maven_repository: str = Field(
        "https://repo1.maven.org/maven2", description="Maven repository to download Spark's jars from, once"
    )
    driver_memory: str | None = Field(
        None,
        pattern=r"^\d+[mg]$",
        description="heap of embedded Spark, such as 2g; without it, a quarter of the memory or more, 1 to 8 GiB",
    )
    master: str | None = Field(
        None,
        description="Spark master, such as local[2]; without it, a task slot per core, as long as each has 1.25 GiB; "
        "ignored where a session exists already",
    )

    def open_lake(self) -> Lake:
        """Open the lake. Raises RegionError, AwsError for its bucket, CatalogError for a lake of Fruitlake 0.1."""
        lake = open_lake(self.lake, self.database_prefix, self.catalog)
        lake.check_place(self.regions)
        lake.check_edition()
        return lake

    def published_lake(self) -> Lake:
        """Open the lake, as `open_lake` does. Raises CatalogError if nothing was ever published in it, too."""
        lake = self.open_lake()
        lake.check_published()
        return lake

    def source(self) -> Source:
        """The source of the photos. Raises SettingsError if there is none, RegionError or AwsError for its bucket."""
        source = super().source()
        check_allowed(source.root, self.regions)
        return source

    @property
    def regions(self) -> tuple[str, ...]:
        """The allowed regions as a tuple."""
        return tuple(region.strip() for region in self.allowed_regions.split(",") if region.strip())


def load(**options: object) -> Settings:
    """Settings from the given options and the environment. Raises SettingsError, naming the option or variable."""
    given = {name: value for name, value in options.items() if value is not None}
    try:
        return Settings(**given)  # type: ignore[arg-type]  # pydantic checks the values
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        reason = first["msg"].removeprefix("Value error, ").lower()
        source = f"--{name.replace('_', '-')}" if name in given else f"FRUITLAKE_{name.upper()}"
        legal = Settings.model_fields[name].description if name in Settings.model_fields else "not a setting"
        raise SettingsError(f"{source} cannot be '{first['input']}' ({reason}): {legal}") from error
