"""The built-in corpus: a weighted grammar of the news, with planted meaning.

stream -> tables, compile -> engine; the words are in grammar, lexicon and world.
"""
