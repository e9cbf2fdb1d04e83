"""A load like a news day on every stage at once: what lags, what piles up, and whether anything is lost or twice."""
