-- On the coordinator: the search over all shards.

\set ON_ERROR_STOP on

-- The query: of each partition its nearest rows, and of these the nearest. $1 is a vector, $2 how many rows are wanted. A
-- LIMIT over the whole would not be sent to the shards. OFFSET 0 keeps the planner from merging the answers in their order, by
-- which one shard would be asked after another. The query is made anew from the partitions that there are; `without` names
-- shards that are to be left out.
CREATE FUNCTION search_query(without text[] DEFAULT '{}') RETURNS text LANGUAGE sql STABLE AS $$
	SELECT 'SELECT * FROM (SELECT * FROM ('
		|| string_agg(format('(SELECT id, description, url, split, descriptions_embeddings <-> $1 AS distance FROM %s '
			'ORDER BY descriptions_embeddings <-> $1 LIMIT $2)', p.relid), ' UNION ALL ' ORDER BY p.relid::oid)
		|| ') AS near OFFSET 0) AS found ORDER BY distance LIMIT $2'
	FROM pg_partition_tree('products') AS p
	LEFT JOIN pg_foreign_table ON ftrelid = p.relid
	LEFT JOIN pg_foreign_server AS s ON s.oid = ftserver
	WHERE p.isleaf AND (s.srvname = ANY (without)) IS NOT TRUE
$$;

-- The text is embedded here, once; the shards get the vector.
CREATE FUNCTION search_products(query text, how_many int DEFAULT 10, without text[] DEFAULT '{}')
RETURNS TABLE (id bigint, description text, url text, split int, distance float8) LANGUAGE plpgsql STABLE AS $$
BEGIN
	-- EXECUTE refuses NULL, the query over no shard at all.
	RETURN QUERY EXECUTE search_query(without) USING embed_text(query), how_many;
END $$;
