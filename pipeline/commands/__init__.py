"""Commands of `w2v` that need no Hydra, a module for each theme."""
