"""Iconography: which saint or scene a picture shows, and what its classes are called and linked to.

``names`` and ``links`` name a class in fifteen languages and at Wikidata and Iconclass; ``iconclass_data`` reads the
full texts where the operator has a copy; ``saints`` and ``scenes`` hold what is known of subjects, ``titles`` finds
them named in texts, ``rank`` weighs everything, ``describe`` does it for the pictures of the store.
"""
