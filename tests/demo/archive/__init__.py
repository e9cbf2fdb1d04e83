"""Tests of the bundled archive."""
