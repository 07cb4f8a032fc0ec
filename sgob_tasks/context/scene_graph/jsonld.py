"""Writes a scene graph as JSON-LD: nodes, edges, and a W3C Web Annotation for each box and each subject.

The context is written out in the document, so that it expands without a network; its terms for annotations are those
of http://www.w3.org/ns/anno.jsonld. An edge is a triple between two depicted things, and once more a statement about
that triple, with score and reason (RDF 1.1 reification). Predicates are those of existing vocabularies where one means
the same (OBO's part of, located in, adjacent to; Wikidata's wears), else the project's.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from sgob_tasks.context.iconography.links import concept_uris, iconclass_uri, wikidata_uri
from sgob_tasks.context.iconography.names import names
from sgob_tasks.context.scene_graph.graph import Graph
from sgob_tasks.context.scene_graph.things import (
    ABOVE,
    BEHIND,
    BELOW,
    CARRIES,
    HOLDS,
    IN_FRONT_OF,
    INSIDE,
    NEXT_TO,
    PART_OF,
    RIDES,
    SITS_ON,
    STANDS_ON,
    WEARS,
    Relation,
    Thing,
)
from sgob_tasks.detection.classes import ClassTable

NAMESPACE = "https://saintgeorgeonabike.eu/ns#"
_OBO = "http://purl.obolibrary.org/obo/"
PREDICATE_URIS = {
    HOLDS: f"{NAMESPACE}holds",
    CARRIES: f"{NAMESPACE}carries",
    RIDES: f"{NAMESPACE}rides",
    WEARS: "http://www.wikidata.org/prop/direct/P3828",
    SITS_ON: f"{NAMESPACE}sitsOn",
    STANDS_ON: f"{NAMESPACE}standsOn",
    PART_OF: f"{_OBO}BFO_0000050",
    INSIDE: f"{_OBO}RO_0001025",
    NEXT_TO: f"{_OBO}RO_0002220",
    ABOVE: f"{NAMESPACE}above",
    BELOW: f"{NAMESPACE}below",
    BEHIND: f"{NAMESPACE}behind",
    IN_FRONT_OF: f"{NAMESPACE}inFrontOf",
}
CONTEXT: dict[str, Any] = {
    "oa": "http://www.w3.org/ns/oa#",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "dcterms": "http://purl.org/dc/terms/",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    "sgob": NAMESPACE,
    "id": "@id",
    "type": "@type",
    "Annotation": "oa:Annotation",
    "SpecificResource": "oa:SpecificResource",
    "FragmentSelector": "oa:FragmentSelector",
    "body": {"@id": "oa:hasBody", "@type": "@id"},
    "target": {"@id": "oa:hasTarget", "@type": "@id"},
    "source": {"@id": "oa:hasSource", "@type": "@id"},
    "selector": {"@id": "oa:hasSelector", "@type": "@id"},
    "motivation": {"@id": "oa:motivatedBy", "@type": "@vocab"},
    "tagging": "oa:tagging",
    "classifying": "oa:classifying",
    "conformsTo": {"@id": "dcterms:conformsTo", "@type": "@id"},
    "value": "rdf:value",
    "title": "dcterms:title",
    "SceneGraph": "sgob:SceneGraph",
    "DepictedThing": "sgob:DepictedThing",
    "Statement": "rdf:Statement",
    "things": {"@id": "sgob:hasThing", "@type": "@id"},
    "statements": {"@id": "sgob:hasStatement", "@type": "@id"},
    "annotations": {"@id": "sgob:hasAnnotation", "@type": "@id"},
    "subject": {"@id": "rdf:subject", "@type": "@id"},
    "predicate": {"@id": "rdf:predicate", "@type": "@id"},
    "object": {"@id": "rdf:object", "@type": "@id"},
    "label": "rdfs:label",
    "names": {"@id": "skos:prefLabel", "@container": "@language"},
    "ofClass": {"@id": "dcterms:type", "@type": "@id"},
    "notation": "skos:notation",
    "confidence": {"@id": "sgob:confidence", "@type": "xsd:double"},
    "timePlausibility": {"@id": "sgob:timePlausibility", "@type": "xsd:double"},
    "reason": "sgob:reason",
} | {predicate: {"@id": uri, "@type": "@id"} for predicate, uri in PREDICATE_URIS.items()}


def graph_document(graph: Graph, table: ClassTable | None = None) -> dict[str, Any]:
    """Return a scene graph as a JSON-LD document.

    Args:
        graph: the graph; its ``id`` becomes the document's, with ``#graph``.
        table: the class table; by default the package's.
    """
    table = table or ClassTable.load()
    base = _iri(graph.id)
    image = _iri(graph.image)
    document: dict[str, Any] = {"@context": CONTEXT, "id": f"{base}#graph", "type": "SceneGraph", "source": image}
    if graph.title:
        document["title"] = graph.title
    edges: dict[int, list[Relation]] = {}
    for relation in graph.relations:
        edges.setdefault(relation.subject, []).append(relation)
    document["things"] = [_node(base, thing, edges.get(thing.id, ()), table) for thing in graph.things]
    document["statements"] = [_statement(base, relation) for relation in graph.relations]
    document["annotations"] = [
        one for thing in graph.things if (one := _box_annotation(base, image, thing, table)) is not None
    ] + [_subject_annotation(base, image, place, subject) for place, subject in enumerate(graph.subjects, 1)]
    return document


def graph_json(graph: Graph) -> str:
    """Return the document of :func:`graph_document` as text."""
    return json.dumps(graph_document(graph), ensure_ascii=False, indent=1) + "\n"


def _iri(text: str) -> str:
    """Return a text as an absolute IRI without a fragment: addresses as they are, other names as URNs."""
    plain = quote(text.split("#", 1)[0], safe="/:?=&;,+~!$'()*@%")
    return plain if plain.startswith(("http://", "https://", "urn:")) else f"urn:sgob:{plain.lstrip('/')}"


def _node(base: str, thing: Thing, edges: Iterable[Relation], table: ClassTable) -> dict[str, Any]:
    entry = table.get(thing.label)
    node: dict[str, Any] = {"id": f"{base}#thing-{thing.id}", "type": "DepictedThing", "label": thing.label}
    if named := names(thing.label):
        node["names"] = named
    if concepts := concept_uris(thing.label, table):
        node["ofClass"] = concepts
    if entry is not None and entry.iconclass:
        node["notation"] = entry.iconclass
    node["confidence"] = round(thing.score, 4)
    node["timePlausibility"] = round(thing.plausibility, 4)
    for relation in edges:
        node.setdefault(relation.predicate, []).append(f"{base}#thing-{relation.object}")
    return node


def _statement(base: str, relation: Relation) -> dict[str, Any]:
    return {
        "type": "Statement",
        "subject": f"{base}#thing-{relation.subject}",
        "predicate": PREDICATE_URIS[relation.predicate],
        "object": f"{base}#thing-{relation.object}",
        "confidence": round(relation.score, 4),
        "reason": relation.reason,
    }


def _box_annotation(base: str, image: str, thing: Thing, table: ClassTable) -> dict[str, Any] | None:
    concepts = concept_uris(thing.label, table)
    if not concepts:
        return None
    region = ",".join(str(round(side)) for side in thing.box)
    return {
        "id": f"{base}#annotation-{thing.id}",
        "type": "Annotation",
        "motivation": "tagging",
        "body": concepts[0],
        "target": {
            "type": "SpecificResource",
            "source": image,
            "selector": {
                "type": "FragmentSelector",
                "conformsTo": "http://www.w3.org/TR/media-frags/",
                "value": f"xywh=pixel:{region}",
            },
        },
        "confidence": round(thing.score, 4),
    }


def _subject_annotation(base: str, image: str, place: int, subject: Any) -> dict[str, Any]:
    bodies = [iconclass_uri(subject.notation)]
    bodies += [wikidata_uri(subject.wikidata)] if subject.wikidata else []
    return {
        "id": f"{base}#subject-{place}",
        "type": "Annotation",
        "motivation": "classifying",
        "label": subject.label,
        "body": bodies,
        "target": image,
        "confidence": round(subject.score, 4),
        "reason": subject.reason,
    }
