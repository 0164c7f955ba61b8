"""`bot`: which dimensions there are."""

from collections import defaultdict

from sqlalchemy import Connection, text

_EACH = {
    "postgresql": """
        SELECT DISTINCT dimension.key, said.value
        FROM bot, jsonb_each(dimensions) AS dimension, jsonb_array_elements_text(dimension.value) AS said(value)
        WHERE dimension.key <> 'id' AND (CAST(:pool AS text) IS NULL OR
            dimensions @> jsonb_build_object('pool', jsonb_build_array(CAST(:pool AS text))))
    """,
    "sqlite": """
        SELECT DISTINCT dimension.key, said.value
        FROM bot, json_each(dimensions) AS dimension, json_each(dimension.value) AS said
        WHERE dimension.key <> 'id' AND (:pool IS NULL OR EXISTS (
            SELECT 1 FROM json_each(dimensions, '$.pool') AS pool WHERE pool.value = :pool))
    """,
}


def dimensions_in_use(connection: Connection, pool: str | None) -> dict[str, list[str]]:
    """All values of each key but `id`, of all bots or of a pool's; sorted."""
    values: dict[str, list[str]] = defaultdict(list)
    for key, value in connection.execute(text(_EACH[connection.dialect.name]), {"pool": pool}):
        values[key].append(value)
    return {key: sorted(values[key]) for key in sorted(values)}
