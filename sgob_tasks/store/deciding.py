"""Which model's detections count for a picture, where several have looked at it."""

from __future__ import annotations

import sqlalchemy as sa

from sgob_tasks.store.tables import batch_items, batches, detections, models


def deciding_model(
    record_id: sa.ColumnElement[str], sha256: sa.ColumnElement[str], only: str | None = None
) -> sa.ScalarSelect[str]:
    """Return the model whose detections count for a picture of a record, as a subquery; null where none has looked.

    It is the champion, once it has looked at the picture, also where it found nothing; else the model that looked last:
    a promotion changes annotations as the backfill goes on, not before, and going back to an earlier champion brings
    its detections back.

    Args:
        record_id: column of a table or subquery around this one.
        sha256: column of one, too.
        only: this model or none.
    """
    around = {column.table for column in (record_id, sha256)}
    d, i, b = detections.alias("found").c, batch_items.alias("item").c, batches.alias("batch").c
    found = (
        sa.select(
            d.model_id,
            sa.cast(sa.null(), b.created_at.type).label("planned"),
            sa.func.max(d.id).label("last"),
        )
        .where(d.record_id == record_id, d.sha256 == sha256)
        .group_by(d.model_id)
        .correlate(*around)
    )
    looked = (
        sa.select(b.model_id, sa.func.max(b.created_at), sa.cast(sa.null(), sa.BigInteger))
        .where(b.id == i.batch_id, i.sha256 == sha256, i.state == "loaded")
        .group_by(b.model_id)
        .correlate(*around)
    )
    ways = sa.union_all(found, looked).subquery("ways")
    query = (
        sa.select(models.c.id)
        .join_from(ways, models, models.c.id == ways.c.model_id)
        .group_by(models.c.id)
        .order_by(
            (models.c.state == "champion").desc(),
            sa.func.max(ways.c.planned).desc().nulls_last(),
            sa.func.max(ways.c.last).desc().nulls_last(),
        )
        .limit(1)
    )
    if only is not None:
        query = query.where(models.c.id == only)
    return query.correlate(*around).scalar_subquery()
