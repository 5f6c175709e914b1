-- The public surface of pg_embed. Written by hand; src/functions.rs has the bodies.

-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION pg_embed CASCADE" to load this file. \quit

-- The costs are measured: a text of twelve tokens takes 2 ms, an operator such as "+" 5 ns.
CREATE FUNCTION embed_text(input text) RETURNS vector(384)
	AS 'MODULE_PATHNAME', 'embed_text'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 400000;

COMMENT ON FUNCTION embed_text(text) IS
	'the unit vector of a text; of a text with more than 256 tokens, that of its first 256';

CREATE FUNCTION embed_texts(inputs text[]) RETURNS vector[]
	AS 'MODULE_PATHNAME', 'embed_texts'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 4000000;

COMMENT ON FUNCTION embed_texts(text[]) IS
	'the vectors of many texts, in their order; NULL where a text is NULL';

CREATE FUNCTION embed_token_count(input text) RETURNS int
	AS 'MODULE_PATHNAME', 'embed_token_count'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 2500;

COMMENT ON FUNCTION embed_token_count(text) IS
	'how many tokens a text has before truncation, [CLS] and [SEP] included';

CREATE FUNCTION embed_chunks(input text, max_tokens int DEFAULT 256, overlap int DEFAULT 0)
	RETURNS TABLE (chunk_no int, chunk text, start_char int, token_count int)
	AS 'MODULE_PATHNAME', 'embed_chunks'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 50000 ROWS 10;

COMMENT ON FUNCTION embed_chunks(text, int, int) IS
	'cuts a long text into pieces that each fit the model; start_char counts from 1, as in substring()';

CREATE FUNCTION embed_info(
		OUT model text, OUT weights_sha256 text, OUT dimensions int, OUT max_tokens int, OUT runtime_version text,
		OUT compiled_model text, OUT session text, OUT open_ms float8, OUT threads int)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'embed_info'
	LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED COST 100 ROWS 1;

COMMENT ON FUNCTION embed_info() IS
	'the model that this session uses, and where it comes from: session is "inherited" (preloaded) or "opened"';

CREATE FUNCTION embed_trigger() RETURNS trigger
	AS 'MODULE_PATHNAME', 'embed_trigger'
	LANGUAGE C COST 400000;

COMMENT ON FUNCTION embed_trigger() IS
	'BEFORE INSERT OR UPDATE trigger: embeds the joined text of the row; arguments: vector column, source columns';

CREATE FUNCTION embed_mark_trigger() RETURNS trigger
	AS 'MODULE_PATHNAME', 'embed_mark_trigger'
	LANGUAGE C;

COMMENT ON FUNCTION embed_mark_trigger() IS
	'trigger that embed_watch() creates: sets the vector of a row to NULL when its text changes';

CREATE PROCEDURE embed_backfill(
		target regclass, embedding text, sources text[], batch_size int DEFAULT 256, threads int DEFAULT NULL,
		only_missing bool DEFAULT true)
	AS 'MODULE_PATHNAME', 'embed_backfill'
	LANGUAGE C;

COMMENT ON PROCEDURE embed_backfill(regclass, text, text[], int, int, bool) IS
	'gives the rows of a table their vectors, batch by batch, each committed; can be repeated';

-- What is watched. Users may read it; embed_watch() and embed_unwatch() write it. A column of a table that was dropped
-- may stay behind, but not in a dump.
CREATE TABLE embed_watched (
	relation regclass NOT NULL,
	embedding text NOT NULL,
	sources text[] NOT NULL,
	PRIMARY KEY (relation, embedding)
);

GRANT SELECT ON embed_watched TO PUBLIC;

SELECT pg_catalog.pg_extension_config_dump('embed_watched',
	'WHERE EXISTS (SELECT FROM pg_catalog.pg_class AS c WHERE c.oid = relation)');

COMMENT ON TABLE embed_watched IS
	'the columns that the background worker fills, as embed_watch() has noted them';

CREATE FUNCTION embed_watch(target regclass, embedding text, sources text[]) RETURNS void
	AS 'MODULE_PATHNAME', 'embed_watch'
	LANGUAGE C;

COMMENT ON FUNCTION embed_watch(regclass, text, text[]) IS
	'has the background worker give the rows of a table their vectors, moments after they were written';

CREATE FUNCTION embed_unwatch(target regclass, embedding text) RETURNS void
	AS 'MODULE_PATHNAME', 'embed_unwatch'
	LANGUAGE C;

COMMENT ON FUNCTION embed_unwatch(regclass, text) IS
	'ends what embed_watch() began; the vectors stay';

CREATE FUNCTION embed_verify(target regclass, embedding text, sources text[], sample int DEFAULT 1000)
	RETURNS TABLE (checked bigint, missing bigint, stale bigint, max_deviation float8)
	AS 'MODULE_PATHNAME', 'embed_verify'
	LANGUAGE C VOLATILE COST 2000000 ROWS 1;

COMMENT ON FUNCTION embed_verify(regclass, text, text[], int) IS
	'embeds a sample of rows again: how many lack a vector, and how many have one that is not that of their text';

CREATE FUNCTION embed_get_progress(
		OUT pid int, OUT backend_start timestamptz, OUT datid oid, OUT relation oid, OUT embedding text, OUT phase text,
		OUT rows_total bigint, OUT rows_done bigint, OUT rows_per_second float8, OUT seconds_left float8,
		OUT last_error text, OUT last_error_at timestamptz)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'embed_get_progress'
	LANGUAGE C VOLATILE PARALLEL RESTRICTED ROWS 10;

COMMENT ON FUNCTION embed_get_progress() IS
	'what processes that fill vectors say of themselves; embed_progress leaves out those that were killed';

CREATE VIEW embed_progress AS
	SELECT p.pid, p.relation::regclass AS relation, p.embedding, p.phase, p.rows_total, p.rows_done, p.rows_per_second,
		make_interval(secs => p.seconds_left) AS time_left, p.last_error, p.last_error_at
	FROM embed_get_progress() AS p
	JOIN pg_stat_activity AS a USING (pid)
	-- A number of a process may come again; who may not see when another's process began goes by the number alone.
	WHERE coalesce(a.backend_start, p.backend_start) = p.backend_start
		AND p.datid = (SELECT oid FROM pg_database WHERE datname = current_database());

COMMENT ON VIEW embed_progress IS
	'backfills under way and columns that are watched, in this database: rows done since the process began with them';

CREATE FUNCTION embed_count(
		target regclass, embedding text, sources text[],
		OUT rows bigint, OUT embedded bigint, OUT missing bigint, OUT problem text)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'embed_count'
	LANGUAGE C VOLATILE ROWS 1;

COMMENT ON FUNCTION embed_count(regclass, text, text[]) IS
	'counts rows, rows with a vector, and rows that have a text but no vector; problem says why it cannot';

-- The arguments of a trigger are strings that each end with a zero byte.
CREATE VIEW embed_status AS
	WITH trigger_arguments AS (
		SELECT t.tgrelid, array_agg(convert_from(decode(a.argument[1], 'hex'), getdatabaseencoding()) ORDER BY a.n) AS names
		FROM pg_trigger AS t,
			regexp_matches(encode(t.tgargs, 'hex'), '((?:[1-9a-f][0-9a-f]|0[1-9a-f])*)00', 'g')
				WITH ORDINALITY AS a (argument, n)
		WHERE t.tgfoid = 'embed_trigger'::regproc AND t.tgparentid = 0
		GROUP BY t.oid
	), columns AS (
		SELECT tgrelid AS relation, names[1] AS embedding, names[2:] AS sources, 'trigger' AS mode
		FROM trigger_arguments
		UNION ALL
		SELECT relation, embedding, sources, 'watch'
		FROM embed_watched
		WHERE EXISTS (SELECT FROM pg_class AS c WHERE c.oid = relation)
		UNION ALL
		SELECT a.attrelid, a.attname, NULL, 'generated'
		FROM pg_attribute AS a
		JOIN pg_attrdef AS e ON e.adrelid = a.attrelid AND e.adnum = a.attnum
		JOIN pg_depend AS d ON d.classid = 'pg_attrdef'::regclass AND d.objid = e.oid
		JOIN pg_class AS c ON c.oid = a.attrelid
		WHERE a.attgenerated = 's' AND NOT c.relispartition
			AND d.refclassid = 'pg_proc'::regclass AND d.refobjid = 'embed_text'::regproc
	)
	SELECT c.relation::regclass AS relation, c.embedding, c.sources, c.mode, n.rows, n.embedded, n.missing,
		p.rows_per_second, coalesce(n.problem, p.last_error) AS last_error, p.last_error_at, i.weights_sha256 AS model
	FROM columns AS c
	CROSS JOIN embed_info() AS i
	LEFT JOIN LATERAL embed_count(c.relation, c.embedding, c.sources) AS n ON true
	LEFT JOIN embed_progress AS p ON p.relation = c.relation AND p.embedding = c.embedding;

COMMENT ON VIEW embed_status IS
	'the columns that embed themselves; counts their rows, which takes as long as count(*) does';

GRANT SELECT ON embed_progress, embed_status TO PUBLIC;
