"""The commands: one file per group. Only wires; nothing imports it."""
