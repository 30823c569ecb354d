"""Pictures: arrays in, bytes out.

Each module draws one kind of picture, as a page (`*_html`, Plotly) and as
images (`*_images`, matplotlib). Equal arguments give equal bytes.
"""
