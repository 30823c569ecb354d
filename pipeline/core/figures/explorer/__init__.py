"""The explorer: one page that shows the words of a run and answers questions.

`page.py` puts it together from Python's numbers and from the files beside it, which
are its whole program: `explorer.html`, `explorer.css` and the scripts of `SCRIPTS`.
"""
