"""Tables of the snapshot as files: CSV and Excel in which no cell is a formula, and Parquet as published."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from dash import html
from flask import Flask, Response, request

from dashboards.address import Asked, href
from dashboards.data import SHOWN, Reader, View, parse_series
from dashboards.export import spreadsheet_safe
from pipeline.errors import InputError
from pipeline.publish.tables import TABLES

__all__ = ["downloads", "rows_of", "wire"]

_MOST = 200_000
_TRENDS = """
SELECT * FROM trends WHERE grain = $grain AND scope = $scope AND key = $key AND model_version = $model
ORDER BY bucket_start"""
_STORIES = """
SELECT s.* FROM stories AS s JOIN members AS m USING (story_id)
WHERE m.scope = $scope AND m.key = $key AND m.first_at >= $start AND m.first_at < $end
    AND s.first_at >= $start AND s.first_at < $end
ORDER BY m.owners DESC, m.articles DESC, m.strength DESC, s.story_id"""


def wire(server: Flask, reader: Reader) -> None:
    """Add `/download/TABLE.csv`, `.xlsx`, `.parquet`; `series`, `grain`, `from` and `to` narrow stories and trends."""

    @server.get("/download/<table>.<kind>")
    def download(table: str, kind: str) -> Response:
        if table not in TABLES or kind not in _WRITERS:
            raise InputError(
                f"there is no {table}.{kind}. Tables: {', '.join(sorted(TABLES))}; as {', '.join(_WRITERS)}."
            )
        view = reader.view()
        asked = Asked.parse(request.path, request.query_string.decode("ascii", "replace"))
        rows = rows_of(view, table, asked, _MOST)
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


def rows_of(view: View, table: str, asked: Asked, most: int) -> pd.DataFrame:
    """A published table, narrowed as asked. Not kept: a download is large, and seldom asked for twice.

    Raises:
        InputError: it would be more than `most` rows; they are counted first, and not read.
    """
    sql, values = _question(view, table, asked)
    if int(view.query(f"SELECT count(*) AS found FROM ({sql})", **values)["found"].iloc[0]) > most:
        raise InputError(f"{table} has over {most:,} rows. Use `barograph export {table} --published --to FILE`.")
    return view.query(sql, **values)


def _question(view: View, table: str, asked: Asked) -> tuple[str, dict[str, Any]]:
    if table not in ("trends", "stories") or not asked.text("series"):
        return f"SELECT * FROM {table}", {}
    scope, key = parse_series(asked.text("series"))
    grain = asked.one_of("grain", ("hour", "day"), "day")
    if table == "trends":
        return _TRENDS, {"scope": scope, "key": key, "grain": grain, "model": view.model_version}
    until = view.until()
    start, end = asked.moment("from") or until - SHOWN[grain], asked.moment("to") or until
    return _STORIES, {"scope": scope, "key": key, "start": start, "end": end}


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
