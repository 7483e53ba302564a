"""Timings of rushlight beside NumPy and PyTorch: `python -m bench`. README.md tells the method."""
