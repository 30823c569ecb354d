"""The pipeline's stages: one file, one function and one config each."""
