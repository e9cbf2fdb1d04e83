"""Files of any length through the model: read, answered and written chunk by chunk, gone on with after a kill."""
