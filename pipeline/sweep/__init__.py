"""Sweeps: many runs as one, in a ledger that any of them can be gone on with from."""
