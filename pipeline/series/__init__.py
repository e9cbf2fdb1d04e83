"""Series as everybody reads them: bucket SQL as of a time, index and band, the expected range, coverage."""
