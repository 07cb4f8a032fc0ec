"""Scene graph: who holds, rides and wears what in a picture, as edges between its boxes.

``things`` says what a node and an edge are, ``geometry`` measures two boxes, ``roles`` knows which class can do what to
which, ``relate`` puts the three together, ``graph`` adds identifiers, ``jsonld`` and ``svg`` write the graph down.
"""
