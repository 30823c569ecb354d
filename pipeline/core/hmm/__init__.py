"""A hidden Markov model that labels the tokens of sentences.

States are what tags are made of, transitions are those of the last one or two states,
and what a state emits is a token as seen through several streams.

Source: Rabiner 1989, "A Tutorial on Hidden Markov Models and Selected Applications in
Speech Recognition"; Brants 2000, "TnT - A Statistical Part-of-Speech Tagger".
"""
