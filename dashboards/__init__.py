"""The pages: a Dash app that reads the published snapshot only."""
