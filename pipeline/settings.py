"""barograph.toml and the environment, validated at start: every key also as BAROGRAPH_SECTION__KEY."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NestedSecretsSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from pydantic_settings import SettingsError as UnreadableVariable

from pipeline.errors import SettingsError

__all__ = ["DEFAULT_CONFIG", "Settings", "file_or_default", "load", "value_of"]

DEFAULT_CONFIG = "barograph.toml"
# How many days of what are still asked for, and by whom: as `pipeline.aggregate` sweeps, as the pages judge
# (`pipeline.publish.judged`), as `detect` remembers (`pipeline.detect.reading`).
_NEEDED_DAYS = {
    "articles_days": (400, "series are rebuilt that far back every day"),
    "hours_days": (400, "series are rebuilt that far back every day"),
    "fits_days": (180, "pages judge days that far back by the fits of then"),
    "incidents_days": (30, "what was resolved since does not alarm again"),
}
SECRETS_VARIABLE = "BAROGRAPH_FILES"
"""Names a folder with one file per key that is a secret, such as `barograph_store__warehouse` (docs/security.md)."""


# What a header may hold: printable ASCII, no line end.
_HEADER = r"^[!-~]([ -~]*[!-~])?$"
_HEADER_OR_NONE = r"^([!-~]([ -~]*[!-~])?)?$"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Store(_Section):
    """Where things are kept. `warehouse` is `duckdb:PATH` or `ducklake:…?data_path=PATH` (docs/warehouse.md)."""

    warehouse: str = "duckdb:data/barograph.duckdb"
    published: Path = Path("data/published")
    raw: Path = Path("data/raw")
    raw_days: int = Field(30, ge=1, description="how long the feeds' answers are kept")
    lock_timeout_s: float = Field(60.0, gt=0, description="how long to wait for a store that another process holds")

    @field_validator("warehouse")
    @classmethod
    def _known_engine(cls, value: str) -> str:
        if not value.startswith(("duckdb:", "ducklake:postgres:", "ducklake:duckdb:")):
            raise ValueError("must start with duckdb:, ducklake:postgres: or ducklake:duckdb:")
        if value == "duckdb:":
            raise ValueError("must name a file: duckdb:data/barograph.duckdb")
        if value.startswith("ducklake:") and not value.partition("?data_path=")[2]:
            raise ValueError("must say where the Parquet goes: ducklake:postgres:…?data_path=/shared/barograph")
        return value


class Maintain(_Section):
    """How many days `warehouse maintain` keeps what (0: for ever); what an incident cites stays as long as it does."""

    articles_days: int = Field(0, ge=0, description="articles and all that was made of them, by when they were known")
    hours_days: int = Field(0, ge=0, description="hourly points of the series; daily ones stay")
    fetches_days: int = Field(400, ge=0, description="every attempt; of older ones a good one per feed and hour stays")
    runs_days: int = Field(90, ge=0, description="how each run of a stage went; what they counted in all stays")
    fits_days: int = Field(400, ge=0, description="expected ranges, by the day that they were fitted for")
    incidents_days: int = Field(2557, ge=0, description="resolved incidents with evidence and messages; seven years")
    snapshots_days: int = Field(7, ge=1, description="past states of a DuckLake, and files that nothing names")
    backups: Path | None = Field(None, description="where `maintain` and `backup` put backups")
    backups_kept: int = Field(7, ge=1, description="how many backups stay there")

    @field_validator(*_NEEDED_DAYS)
    @classmethod
    def _longer_than_needed(cls, value: int, info: ValidationInfo) -> int:
        needed, why = _NEEDED_DAYS[str(info.field_name)]
        if 0 < value <= needed:
            raise ValueError(f"must be 0 (for ever) or more than {needed}: {why}")
        return value


class Ingest(_Section):
    """What is fetched and how politely. `allow_hosts` are private addresses that may be fetched all the same."""

    feeds: Path = Path("feeds.opml")
    allow_hosts: tuple[str, ...] = ()
    timeout_s: float = Field(20.0, gt=0, description="one feed, from connect to last byte")
    max_body_mb: float = Field(10.0, gt=0, description="after decompression")
    concurrency: int = Field(32, ge=1, le=256, description="requests at once, of all hosts together")
    per_host: int = Field(2, ge=1, le=16, description="requests to one host at once")
    host_spacing_s: float = Field(
        0.25, ge=0, le=60, description="between two requests to one host, ±50%; hosts in allow_hosts have none"
    )
    user_agent: str = Field("Barograph/0.1 (news monitor)", pattern=_HEADER, description="who asks, told to every host")
    contact: str = Field("", pattern=_HEADER_OR_NONE, description="a page or mail address of yours, told to every host")
    proxy: str = Field(
        "", pattern=r"^(https?://[^\s/?#]+/?)?$", description="http://host:port; '' asks the feeds directly"
    )
    trust_env: bool = Field(False, description="take proxies and certificates from the environment (HTTPS_PROXY, …)")
    ca_file: Path | None = Field(None, description="PEM certificates to trust beside the usual ones")
    parsers: int = Field(0, ge=0, le=32, description="processes that parse; 0: one per core, at most 4")
    parse_timeout_s: float = Field(20.0, gt=0, description="one body; what takes longer is stopped and told")

    @property
    def who(self) -> str:
        """The User-Agent header."""
        return f"{self.user_agent} (+{self.contact})" if self.contact else self.user_agent


class Link(_Section):
    """`entities` are extra gazetteer files (CSV) beside the one that ships."""

    entities: tuple[Path, ...] = ()


class Model(_Section):
    """Which artifact scores, and where it runs (`auto`, `cpu`, `cuda`)."""

    name: str = "barograph-minilm-3"
    device: str = "auto"
    shard_rows: int = Field(50_000, ge=1, description="what a scheduler gives to one scoring task, where more waits")


class Detect(_Section):
    """`rules` say what alerts, `watchlists` whom we watch; `horizon_hours`: older buckets never open an incident."""

    rules: Path = Path("rules.toml")
    watchlists: Path = Path("watchlists.toml")
    horizon_hours: float = Field(48.0, gt=0)


class Notify(_Section):
    """`routes` say who is told; with `link_base` and `link_key` messages carry links to act by."""

    routes: Path = Path("routes.toml")
    link_base: str = Field("", pattern=r"^(https?://[^\s?#]+)?$", description="the dashboard's address in messages")
    link_key: SecretStr = Field(SecretStr(""), description="what signs the links; keep it in the environment")
    link_days: int = Field(7, ge=1, le=31, description="how long a link in a message holds")

    @model_validator(mode="after")
    def _long_key(self) -> Notify:
        if self.link_key.get_secret_value() and len(self.link_key.get_secret_value()) < 32:
            raise ValueError("link_key is too short to sign with: 32 characters or more (openssl rand -hex 32)")
        return self


class Dashboard(_Section):
    """Where the pages are served, and to whom: on a loopback address to anybody, elsewhere to who has a name."""

    host: str = "127.0.0.1"
    port: int = Field(8050, ge=0, le=65535)
    user_header: str = Field(
        "", pattern=r"^[A-Za-z0-9-]*$", description="the header in which a reverse proxy names who logged in; it must"
        " be the only way in, and must drop what clients send under that name"
    )  # fmt: skip
    passwords: Path | None = Field(None, description="a file of name:hash lines, from `barograph users add`")
    session_key: SecretStr = Field(SecretStr(""), description="signs sessions; else people log in again on a restart")


class Report(_Section):
    """The daily report: whom it is mailed to (receivers of routes.toml), at what time, and by whose clock."""

    receivers: tuple[str, ...] = ()
    at: str = Field("06:30", pattern=r"^([01]\d|2[0-3]):[0-5]\d$", description="when the `report` DAG mails it")
    zone: str = Field("UTC", description="the reader's time zone, such as Europe/London")

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        # Here, because it brings numpy, which a scheduler that reads its DAGs again and again needs not.
        from pipeline.local_time import is_zone

        if not is_zone(value):
            raise ValueError("zone is none that is known; write one such as Europe/London")
        return value


class Log(_Section):
    """What stderr is told: `format` plain (for people) or json (one object a line), from `level` up."""

    format: Literal["plain", "json"] = "plain"
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "WARNING"


class Metrics(_Section):
    """`file`: where the metrics of each cycle go as well, for node_exporter's textfile collector."""

    file: Path | None = None


class Settings(BaseSettings):
    """All settings. `demo` marks every page and message; relative paths stand from the folder of the file."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix="BAROGRAPH_", env_nested_delimiter="__", case_sensitive=False
    )

    demo: bool = False
    store: Store = Store()
    maintain: Maintain = Maintain()
    ingest: Ingest = Ingest()
    link: Link = Link()
    model: Model = Model()
    detect: Detect = Detect()
    notify: Notify = Notify()
    dashboard: Dashboard = Dashboard()
    log: Log = Log()
    metrics: Metrics = Metrics()
    report: Report = Report()

    @model_validator(mode="after")
    def _kept_as_long_as_needed(self) -> Settings:
        kept, raw, horizon = self.maintain, self.store.raw_days, self.detect.horizon_hours
        if 0 < kept.fetches_days <= raw:
            raise ValueError(
                f"[maintain] fetches_days must be 0 (for ever) or more than [store] raw_days ({raw}): an answer that"
                " is kept without its attempt counts as lost"
            )
        if 0 < kept.incidents_days * 24 <= horizon:
            raise ValueError(
                f"[maintain] incidents_days must be 0 (for ever) or more than [detect] horizon_hours ({horizon:g}):"
                " what is looked at again must find what it told"
            )
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        # The environment outranks the folder of secrets, and that the file (which comes in as init arguments).
        secrets = NestedSecretsSettingsSource(
            file_secret_settings,
            secrets_dir=_secrets_folder(),
            secrets_prefix="barograph_",
            secrets_nested_delimiter="__",
        )
        return EnvSettingsSource(settings_cls, env_ignore_empty=True), secrets, init_settings

    def anchored(self, root: Path) -> Settings:
        """The same settings with every relative path made absolute under `root`."""
        store, ingest, detect, kept, pages = self.store, self.ingest, self.detect, self.maintain, self.dashboard
        return self.model_copy(
            update={
                "store": store.model_copy(
                    update={
                        "warehouse": _anchor_warehouse(store.warehouse, root),
                        "published": root / store.published,
                        "raw": root / store.raw,
                    }
                ),
                "maintain": kept.model_copy(update={"backups": root / kept.backups if kept.backups else None}),
                "ingest": ingest.model_copy(
                    update={
                        "feeds": root / ingest.feeds,
                        "ca_file": root / ingest.ca_file if ingest.ca_file else None,
                    }
                ),
                "model": self.model.model_copy(update={"name": _anchor_model(self.model.name, root)}),
                "dashboard": pages.model_copy(
                    update={"passwords": root / pages.passwords if pages.passwords else None}
                ),
                "link": self.link.model_copy(update={"entities": tuple(root / p for p in self.link.entities)}),
                "detect": detect.model_copy(
                    update={"rules": root / detect.rules, "watchlists": root / detect.watchlists}
                ),
                "metrics": Metrics(file=root / self.metrics.file if self.metrics.file else None),
                "notify": self.notify.model_copy(update={"routes": root / self.notify.routes}),
            }
        )


def _anchor_model(name: str, root: Path) -> str:
    """A folder by its full path; the name of a model that ships as it is, also beside a folder of that name."""
    if not (root / name).is_dir():
        return name
    from models.artifacts import find
    from models.errors import ModelError

    try:
        ships = find(name) != Path(name)
    except ModelError:
        ships = False
    return name if ships else str(root / name)


def _anchor_warehouse(warehouse: str, root: Path) -> str:
    if warehouse.startswith("duckdb:"):
        return f"duckdb:{root / warehouse.removeprefix('duckdb:')}"
    head, mark, data_path = warehouse.partition("?data_path=")
    if head.startswith("ducklake:duckdb:"):
        head = f"ducklake:duckdb:{root / head.removeprefix('ducklake:duckdb:')}"
    return f"{head}{mark}{data_path if '://' in data_path else root / data_path}"


class _FileAlone(Settings):
    """The settings of the file, whatever the environment says."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


def load(path: str | Path = DEFAULT_CONFIG, *, environment: bool = True, **overrides: Any) -> Settings:
    """Read `path` and, unless `environment` is False, the BAROGRAPH_ variables.

    A missing default file means the defaults, so that the first command works in an empty folder.

    Raises:
        SettingsError: the file is missing (when named), is not TOML, or holds a key or value that cannot be used.
    """
    file = Path(path)
    values: dict[str, Any] = {}
    if file.exists():
        try:
            values = tomllib.loads(file.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SettingsError(f"{file}: not valid TOML: {error}. Mend that line and run again.") from error
        except OSError as error:
            raise SettingsError(f"{file}: cannot be read ({error.strerror}). Give --config a file.") from error
    elif str(path) != DEFAULT_CONFIG:
        raise SettingsError(f"{file}: no such file. Give --config an existing file, or make one with `barograph init`.")
    try:
        settings = (Settings if environment else _FileAlone)(**{**values, **overrides})
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        variable = "BAROGRAPH_" + "__".join(str(part) for part in first["loc"]).upper()
        # What two sections say together names its keys itself.
        where = variable if environment and variable in os.environ else f"{file}: [{key}]" if key else f"{file}:"
        said = first["msg"].removeprefix("Value error, ")
        raise SettingsError(f"{where} {said}. `barograph init` shows every key with its default.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{SECRETS_VARIABLE}: {error}. Its files must be text that we may read.") from error
    except UnreadableVariable as error:
        raise SettingsError(f"the environment: {error}: give one variable per key, BAROGRAPH_SECTION__KEY.") from error
    return settings.anchored(file.resolve().parent)


def value_of(name: str) -> str | None:
    """What the environment has under `name`, else the file of that name in the folder of secrets; None for neither.

    Raises:
        SettingsError: the folder is not there, or the file cannot be read.
    """
    folder = _secrets_folder()
    if name in os.environ or folder is None:
        return os.environ.get(name)
    file = folder / name
    try:
        return file.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file}: {error}. It must be text that we may read.") from error


def _secrets_folder() -> Path | None:
    named = os.environ.get(SECRETS_VARIABLE)
    if not named:
        return None
    if not Path(named).is_dir():
        raise SettingsError(f"{SECRETS_VARIABLE}: {named} is no folder. Make it, empty if you like, or unset that.")
    return Path(named)


def file_or_default(path: Path) -> Path:
    """`path`, or the file of that name which ships with us when the working folder has none.

    Raises:
        SettingsError: the settings name a file that is neither there nor one of ours.
    """
    if path.exists():
        return path
    bundled = Path(__file__).parent / "defaults" / path.name
    if bundled.exists():
        return bundled
    raise SettingsError(f"{path}: no such file. Make one with `barograph init`, or mend the path in the settings.")
