"""What a run tells a tracking store, whichever it is."""
