"""The store: connect, guards, schema, migrations. Everything that defines tables lives in this room."""

from pipeline.warehouse.store import Transaction, Warehouse

__all__ = ["Transaction", "Warehouse"]
