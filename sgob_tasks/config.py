"""All settings in one place: nothing else reads the environment.

Sources, strongest first: environment variables (``SGOB_EUROPEANA__API_KEY``), then the file ``$SGOB_HOME/sgob.toml``
(written by ``sgob sandbox up`` with mode 600, or by an operator), then the defaults below, which fit the real services.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import tomllib
from pydantic import BaseModel, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from sgob_tasks.errors import InputError


def home() -> Path:
    """Return the folder that holds everything this installation writes (``SGOB_HOME``, by default ``.sgob``)."""
    return Path(os.environ.get("SGOB_HOME", ".sgob")).resolve()


def site_environment() -> dict[str, str]:
    """Return the variables ``SGOB_SITE__...``, which replace values of the site's files (``cluster.site``)."""
    return {name: value for name, value in os.environ.items() if name.startswith("SGOB_SITE__")}


class EuropeanaSettings(BaseModel):
    """Europeana's Search, Record and Annotation APIs."""

    api_url: str = "https://api.europeana.eu"
    api_key: SecretStr = SecretStr("")
    token_url: str = "https://auth.europeana.eu/auth/realms/europeana/protocol/openid-connect/token"  # noqa: S105
    client_id: str = ""
    client_secret: SecretStr = SecretStr("")
    username: str = ""
    password: SecretStr = SecretStr("")
    query: str = "*:*"
    filters: list[str] = ["TYPE:IMAGE", "contentTier:(3 OR 4)"]
    reusability: str = Field("open", description="empty: ask for all records; rights are checked on our side anyway")
    min_interval_s: float = Field(0.5, ge=0, description="pause between two calls")
    timeout_s: float = Field(60.0, gt=0)
    max_window_records: int = Field(50_000, ge=100, description="split an update window that holds more")
    user_agent: str = "SaintGeorgeOnABike/0.1 (+https://saintgeorgeonabike.eu)"


class MediaSettings(BaseModel):
    """Limits for fetching pictures from strangers' hosts."""

    workers: int = Field(8, ge=1)
    per_host: int = Field(2, ge=1)
    timeout_s: float = Field(60.0, gt=0)
    max_bytes: int = Field(50 * 2**20, gt=0)
    max_pixels: int = Field(100_000_000, gt=0)
    min_side_px: int = Field(32, gt=0)
    max_attempts: int = Field(5, ge=1)
    allow_private_addresses: bool = False


class ClusterSettings(BaseModel):
    """Which site of hpc_templates/sites to use, and how the command line reaches it."""

    site: str = Field("sandbox", description="name of a file in hpc_templates/sites, or a path to one")
    host: str = "127.0.0.1"
    port: int = 22
    user: str = ""
    key_file: Path | None = None
    host_key: str = Field("", description="'ssh-ed25519 AAAA...' of the login node; it is pinned")
    shard_size: int = Field(200, ge=1, description="pictures of one inference task")


class StorageSettings(BaseModel):
    """An S3-compatible object store for published data sets."""

    endpoint_url: str | None = None
    bucket: str = "sgob-datasets"
    region: str = "eu-west-1"
    access_key: SecretStr = SecretStr("")
    secret_key: SecretStr = SecretStr("")


class PublishSettings(BaseModel):
    """What is published and when a person has to approve it first."""

    min_score: float = Field(0.5, ge=0, le=1)
    require_approval: bool = True
    describe: bool = True
    settle_s: float = Field(60.0, ge=0, description="how long Europeana's index may lag behind what it has stored")
    licence: str = "http://creativecommons.org/publicdomain/zero/1.0/"


class TrainingSettings(BaseModel):
    """Where the detector's training data is and how it is trained unless a run says otherwise."""

    dataset: Path | None = Field(
        None, description="what `sgob dataset prepare` wrote, or anything it reads: Pascal VOC, COCO, VIA"
    )
    captions: Path | None = Field(
        None, description="the caption generator's training data; unset: the captions found in the store"
    )
    preset: str = "resnet101"
    epochs: int = Field(50, ge=1)
    batch_size: int = Field(0, ge=0, description="pictures of one rank and step; 0: the preset's own")
    initial_weights: Path | None = Field(
        None,
        description="weights to start from: a .h5 in the Matterport layout (COCO, the released ones), or a model",
    )
    parameters: dict[str, Any] = Field(
        default_factory=dict, description="other fields of detection.parameters.TrainingParameters, such as stages"
    )
    require_approval: bool = Field(False, description="a person approves the plan of nodes and hours first")
    promote_margin: float = Field(
        0.01, ge=0, le=1, description="AP50 by which a model has to beat the champion to replace it by itself"
    )
    require_promotion_approval: bool = Field(
        True, description="a person is asked about a model that is not clearly better; else it stays a candidate"
    )


class EnrichSettings(BaseModel):
    """What the nightly enrichment leaves to the backfill."""

    backfill_limit: int = Field(
        2000, ge=0, description="pictures of one run that brings an earlier champion's up to date; 0 pauses"
    )


class ContextSettings(BaseModel):
    """What corrects the detector beside the dates' bounds; each part is left out where there is no file."""

    language_model: Path | None = Field(None, description="folder that `sgob context train-lm` wrote")
    time_priors: Path | None = Field(None, description="how often classes occur in works of a time: a JSON file")
    fusion: Path | None = Field(None, description="weights of detector, time and language model: a JSON file")
    iconclass: Path | None = Field(None, description="a copy of the Iconclass data, for texts in its languages")


class Settings(BaseSettings):
    """The whole configuration of one installation."""

    model_config = SettingsConfigDict(env_prefix="SGOB_", env_nested_delimiter="__", extra="forbid")

    home: Path = Field(default_factory=home)
    database_url: SecretStr | None = Field(None, description="a PostgreSQL server; unset: the embedded one")
    hpc_python: Path | None = Field(None, description="a Python with TensorFlow on this machine; unset: .venv-hpc")
    captions_csv: Path | None = Field(None, description="labelled sentences (text,label) for the caption classifier")
    europeana: EuropeanaSettings = EuropeanaSettings()
    media: MediaSettings = MediaSettings()
    cluster: ClusterSettings = ClusterSettings()
    storage: StorageSettings = StorageSettings()
    publish: PublishSettings = PublishSettings()
    training: TrainingSettings = TrainingSettings()
    enrich: EnrichSettings = EnrichSettings()
    context: ContextSettings = ContextSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order the sources: arguments, environment, then the installation's file."""
        toml = TomlConfigSettingsSource(settings_cls, toml_file=home() / "sgob.toml")
        return init_settings, env_settings, toml

    @property
    def media_dir(self) -> Path:
        """Pictures, addressed by SHA-256: ``media/ab/abcdef...`` (see harvest.media.media_path)."""
        return self.home / "media"

    @property
    def models_dir(self) -> Path:
        """Trained models, one folder per version."""
        return self.home / "models"

    @property
    def jobs_dir(self) -> Path:
        """Local side of the cluster's job directories."""
        return self.home / "jobs"

    @property
    def datasets_dir(self) -> Path:
        """One folder per version of the data set."""
        return self.home / "datasets"

    @property
    def runs_dir(self) -> Path:
        """One folder per nightly run, with its static report."""
        return self.home / "runs"


def load_settings() -> Settings:
    """Read the settings.

    Raises:
        InputError: a value is wrong, or the file cannot be read; names source, field and value.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        secret = isinstance(first["input"], SecretStr) or any(word in name for word in ("key", "secret", "password"))
        shown = "(not shown)" if secret else first["input"]
        raise InputError("settings (SGOB_... or sgob.toml)", name, shown, first["msg"]) from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(home() / "sgob.toml", "file", "", f"is not TOML: {error}") from error
