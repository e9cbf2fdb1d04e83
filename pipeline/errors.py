"""What can go wrong, drawn as a tree; every message is one line that says what to do next.

BarographError                  anything we say to a user on purpose
├── UsageError                  the call, a file or a setting is wrong (exit status 2)
│   ├── SettingsError           barograph.toml or a BAROGRAPH_ variable
│   ├── RulesError              rules.toml, watchlists.toml or routes.toml
│   └── InputError              an archive, an OPML or a labelled file
└── WorkError                   the work failed and can be tried again (exit status 1)
    ├── StoreError              the warehouse
    │   ├── StoreBusy           another process holds it
    │   ├── StoreConflict       another writer committed first (retried by `Warehouse.transact`)
    │   └── SchemaTooNew        written by a later version than this one
    ├── FetchFailed             a feed could not be had; carries the enumerated outcome
    ├── SnapshotMissing         nothing was published yet, or the snapshot is damaged
    ├── DeliveryFailed          a channel refused a message
    ├── ReplayDiffers           what was made again is not what was kept
    └── PortInUse               the address of a server of ours is taken
"""

from datetime import timedelta

__all__ = [
    "BarographError",
    "DeliveryFailed",
    "FetchFailed",
    "InputError",
    "PortInUse",
    "ReplayDiffers",
    "RulesError",
    "SchemaTooNew",
    "SettingsError",
    "SnapshotMissing",
    "StoreBusy",
    "StoreConflict",
    "StoreError",
    "UsageError",
    "WorkError",
]


class BarographError(Exception):
    """Root of all errors meant for a user; `exit_status` is what the command ends with."""

    exit_status = 1


class UsageError(BarographError):
    """The call, a file or a setting is wrong."""

    exit_status = 2


class SettingsError(UsageError):
    """barograph.toml or a BAROGRAPH_ variable cannot be used."""


class RulesError(UsageError):
    """rules.toml, watchlists.toml or routes.toml cannot be used."""


class InputError(UsageError):
    """A file handed to us (archive, OPML, labelled data) cannot be used."""


class WorkError(BarographError):
    """The work failed; nothing is lost and it can be tried again."""


class StoreError(WorkError):
    """The warehouse cannot be read or written."""


class StoreBusy(StoreError):
    """Another process holds the warehouse and did not let go in time."""


class StoreConflict(StoreError):
    """Another writer committed first."""


class SchemaTooNew(StoreError):
    """The store was written by a later version of Barograph."""


class FetchFailed(WorkError):
    """A feed could not be had.

    `outcome` is the value kept in `fetches.outcome`; `status` is the HTTP status where one came.
    """

    def __init__(self, outcome: str, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.outcome = outcome
        self.status = status


class SnapshotMissing(WorkError):
    """No snapshot was published yet, or a part of it is missing."""


class DeliveryFailed(WorkError):
    """A channel refused a message or could not be reached; `unsure` where the message may have been taken.

    `wait`: how long the other side asked to be left alone, where it did.
    """

    def __init__(self, message: str, *, unsure: bool = False, wait: timedelta | None = None) -> None:
        super().__init__(message)
        self.unsure = unsure
        self.wait = wait


class ReplayDiffers(WorkError):
    """A decision or a message, made again from what was kept, is another one."""


class PortInUse(WorkError):
    """A server of ours cannot listen because the port is taken."""
