"""The DAGs: their shape without a scheduler, and one run of the whole chain in a real one."""
