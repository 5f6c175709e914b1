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
