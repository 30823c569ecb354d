"""Pictures: arrays in, bytes out.

Each module draws one kind of picture, as a page (`*_html`, Plotly) and as an image
(`*_png`, matplotlib). Equal arguments give equal bytes.
"""
