"""Which classes of the detector a museum's subject terms name: "dog - non-specific" is a dog, "boat, sailing" a boat.

The names are those by which the language model knows the classes (``language/class_labels.csv``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from sgob_tasks.context.language.classes import class_labels
from sgob_tasks.context.language.text import label_key


def classes_of_terms(terms: Iterable[str], classes: Collection[str]) -> frozenset[str]:
    """Return the classes that any of the terms name.

    Args:
        terms: in English, such as Tate's leaf terms: a noun, a noun and its kind ("boat, sailing"), or a name of the
            table.
        classes: names of the classes.
    """
    names = {label_key(label): name for name, labels in class_labels().items() for label in labels}
    found = set()
    for term in terms:
        key = label_key(term).removesuffix(" - non-specific")
        for name in (key, names.get(key), key.partition(", ")[0]):
            if name in classes:
                found.add(name)
                break
    return frozenset(name for name in found if name is not None)
