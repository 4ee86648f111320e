"""The options of a run: which photos, which network, which PCA, which limits. `Settings` adds where the lake is."""

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationInfo, field_validator
from pydantic_settings import NoDecode

from catalog.errors import SettingsError
from catalog.storage import normalize
from ingestion.walk import Source

LegalBasis = Literal[
    "consent", "contract", "legal-obligation", "vital-interests", "public-task", "legitimate-interests"
]


def _default_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fruitlake"


def _split(value: object) -> object:
    return tuple(glob.strip() for glob in value.split(",") if glob.strip()) if isinstance(value, str) else value


Place = Annotated[str, AfterValidator(normalize)]
Globs = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]


class RunOptions(BaseModel):
    """The options of a run. Their descriptions are the help of the command line."""

    images: Place | None = Field(None, description="folder of photos, one subfolder per label, or s3://bucket/prefix")
    include: Globs = Field(
        (),
        description="read only photos whose path below --images matches; may be repeated, with commas in the variable",
    )
    exclude: Globs = Field(
        (), description="ignore files whose path below --images matches; may be repeated, with commas in the variable"
    )
    weights: str = Field("imagenet", description="imagenet, bundled, or a .keras, .h5 or .onnx file of MobileNetV2")
    variance: float = Field(0.90, gt=0, le=1, description="share of the variance PCA keeps")
    refit: bool = Field(False, description="fit the PCA anew instead of using the stored one")
    engine: Literal["onnx", "tensorflow"] = Field(
        "onnx", description="engine that runs MobileNetV2: onnx, or tensorflow as the reference"
    )
    precision: Literal["fp32", "int8"] = Field(
        "fp32",
        description="number format of MobileNetV2's calculations: fp32, or int8, which is faster on CPUs with VNNI",
    )
    device: Literal["cpu", "cuda"] = Field(
        "cpu",
        description="where MobileNetV2 runs: cpu, or cuda for the NVIDIA GPU of each machine, with fruitlake[gpu]",
    )
    commit_every: int | None = Field(
        None,
        ge=1,
        description="photos per commit of silver, the most that a killed run has to repeat; by default about five "
        "minutes of work",
    )
    max_quarantine_share: float = Field(
        0.05, ge=0, le=1, description="largest share of unusable files, beyond which a run stops"
    )
    purpose: str | None = Field(None, description="what the photos are kept for; stored with the batch")
    legal_basis: LegalBasis | None = Field(
        None,
        description="legal basis of keeping them, GDPR Art. 6(1): consent, contract, legal-obligation, "
        "vital-interests, public-task or legitimate-interests",
    )
    cache: Annotated[Path, AfterValidator(lambda path: path.expanduser().absolute())] = Field(
        default_factory=_default_cache, description="folder for weights and models"
    )

    def source(self) -> Source:
        """The source of the photos. Raises SettingsError if there is none."""
        if self.images is None:
            raise SettingsError("photos are needed: give --images FOLDER, or set FRUITLAKE_IMAGES")
        return Source(self.images, self.include, self.exclude)

    @field_validator("device")
    @classmethod
    def _runs_there(cls, value: str, others: ValidationInfo) -> str:
        if value == "cuda" and (others.data.get("engine"), others.data.get("precision")) != ("onnx", "fp32"):
            raise ValueError("only with --engine onnx and --precision fp32")
        return value
