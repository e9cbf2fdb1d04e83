"""Tables of the snapshot as files: CSV and Excel in which no cell is a formula, and Parquet as published."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import UTC, datetime

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from dash import html
from flask import Flask, Response, request

from dashboards.address import Asked, href
from dashboards.data import MARKET, SHOWN, TRENDS, Reader, View, parse_series, stories_of
from dashboards.export import spreadsheet_safe
from pipeline.errors import InputError
from pipeline.publish.tables import TABLES

__all__ = ["downloads", "wire"]

_MOST = 200_000


def wire(server: Flask, reader: Reader) -> None:
    """Add `/download/TABLE.csv`, `.xlsx`, `.parquet`; `series`, `grain`, `from` and `to` narrow stories and trends."""

    @server.get("/download/<table>.<kind>")
    def download(table: str, kind: str) -> Response:
        if table not in TABLES or kind not in _WRITERS:
            raise InputError(
                f"there is no {table}.{kind}. Tables: {', '.join(sorted(TABLES))}; as {', '.join(_WRITERS)}."
            )
        view = reader.view()
        rows = _rows(view, table, Asked.parse(request.path, request.query_string.decode("ascii", "replace")))
        if len(rows) > _MOST:
            raise InputError(f"{table} has over {_MOST:,} rows. Use `barograph export {table} --published --to FILE`.")
        write, mime = _WRITERS[kind]
        name = f"barograph-{'demo-' if view.snapshot.demo else ''}{table}-{view.snapshot.snapshot_id}.{kind}"
        return Response(
            write(rows, table), mimetype=mime, headers={"Content-Disposition": f'attachment; filename="{name}"'}
        )


def downloads(table: str, asked: Asked | None = None) -> html.Span:
    """Links to a table in each form; with the series and the time of `asked`."""
    narrowed = {name: asked.text(name) for name in ("series", "grain", "from", "to")} if asked else {}
    links = [
        html.A(text, href=href(f"/download/{table}.{kind}", **narrowed), download="") for kind, text in _NAMES.items()
    ]
    return html.Span(["download ", links[0], " · ", links[1], " · ", links[2]], className="downloads")


def _rows(view: View, table: str, asked: Asked) -> pd.DataFrame:
    scope, key = parse_series(asked.text("series", MARKET))
    grain = asked.one_of("grain", ("hour", "day"), "day")
    if table == "trends" and asked.text("series"):
        return view.query(
            TRENDS, scope=scope, key=key, grain=grain, model=view.model_version, since=datetime(1970, 1, 1, tzinfo=UTC)
        )
    if table == "stories" and asked.text("series"):
        until = view.until()
        start, end = asked.moment("from") or until - SHOWN[grain], asked.moment("to") or until
        return stories_of(view, scope, key, start, end, _MOST + 1).drop(columns="found")
    return view.query(f"SELECT * FROM {table} LIMIT {_MOST + 1}")


def _csv(rows: pd.DataFrame, _table: str) -> bytes:
    return spreadsheet_safe(rows).to_csv(index=False, date_format="%Y-%m-%dT%H:%M:%SZ").encode()


def _excel(rows: pd.DataFrame, table: str) -> bytes:
    safe = spreadsheet_safe(rows)
    for column in safe.columns:
        if isinstance(safe[column].dtype, pd.DatetimeTZDtype):
            # Excel knows no zones: UTC, as everywhere.
            safe[column] = safe[column].dt.tz_convert("UTC").dt.tz_localize(None)
    options = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False, "in_memory": True}
    made = io.BytesIO()
    with pd.ExcelWriter(made, engine="xlsxwriter", engine_kwargs={"options": options}) as writer:
        safe.to_excel(writer, sheet_name=table, index=False, freeze_panes=(1, 0))
    return made.getvalue()


def _parquet(rows: pd.DataFrame, table: str) -> bytes:
    made = io.BytesIO()
    schema = TABLES[table].schema
    pq.write_table(pa.Table.from_pandas(rows[schema.names], schema, preserve_index=False), made, compression="zstd")
    return made.getvalue()


_EXCEL = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_WRITERS: dict[str, tuple[Callable[[pd.DataFrame, str], bytes], str]] = {
    "csv": (_csv, "text/csv; charset=utf-8"),
    "xlsx": (_excel, _EXCEL),
    "parquet": (_parquet, "application/vnd.apache.parquet"),
}
_NAMES = {"csv": "CSV", "xlsx": "Excel", "parquet": "Parquet"}
