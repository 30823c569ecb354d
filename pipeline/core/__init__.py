"""The algorithms: NumPy, Numba, PyArrow and what they stand on; no policy."""
