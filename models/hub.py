"""Fetching from the Hugging Face hub: named files of one revision, into its own cache, with errors in one line."""

from functools import cache
from pathlib import Path

from models.errors import WeightsMissing


@cache
def fetched(name: str, revision: str | None, files: tuple[str, ...]) -> Path:
    """Return the folder of a hub model's files (names or patterns), fetched where they are not in the cache yet.

    Raises WeightsMissing where the hub cannot be reached or has no such model or revision.
    """
    import httpx
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OfflineModeIsEnabled

    try:
        place = snapshot_download(name, revision=revision, allow_patterns=list(files), library_name="barograph")
    except HFValidationError as problem:
        raise WeightsMissing(
            f"{name!r} is neither a local folder nor a name on the hub; give owner/model or the path of a folder"
        ) from problem
    except (LocalEntryNotFoundError, OfflineModeIsEnabled, HfHubHTTPError, httpx.TransportError, OSError) as problem:
        if isinstance(problem, HfHubHTTPError):
            status = getattr(problem.response, "status_code", "an error")
            raise WeightsMissing(
                f"the hub has no model {name!r} for you (it answered {status}); check the name and its revision"
            ) from problem
        raise WeightsMissing(
            f"{name!r} is no local folder and cannot be fetched from the hub (no network?); name a local folder, "
            "or fetch it once where there is internet"
        ) from problem
    return Path(place)
