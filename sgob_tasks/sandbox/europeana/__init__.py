"""A stand-in for Europeana: Search, Record, media, thumbnails, tokens and annotations, quirks included.

It serves a folder of pictures (or any number of synthetic records) the way the real services would, keeps the
annotations it is sent, and can be told to misbehave. Run it with ``python -m sgob_tasks.sandbox.europeana --help``.
"""
