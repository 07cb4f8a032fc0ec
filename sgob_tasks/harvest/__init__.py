"""Europeana search, records and media: what goes into the store and the media folder."""
