"""The migrations that ship: numbered without gaps, each number once."""

from __future__ import annotations

from importlib.resources import files

from pipeline.warehouse.schema import migrations


def test_no_two_migrations_have_one_number_and_none_is_missing() -> None:
    assert [one.version for one in migrations()] == list(range(1, len(migrations()) + 1))


def test_every_file_there_is_a_migration() -> None:
    folder = files("pipeline.warehouse").joinpath("migrations")
    assert {file.name for file in folder.iterdir() if file.name.endswith(".sql")} == {
        f"{one.version:04}_{one.name}.sql" for one in migrations()
    }
