"""Rules against the past: what they would have sent, as the store knew it then. SIMULATED, faster than life."""
