"""The embedded demo: a bundled archive of fictional news, served as real feeds, through the real pipeline."""
