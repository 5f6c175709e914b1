-- What is watched is said by the triggers that embed_watch() has made; the views read nothing by name any more. Every name
-- is qualified, as in the script of the whole.

-- complain if script is sourced in psql, rather than via ALTER EXTENSION
\echo Use "ALTER EXTENSION pg_embed UPDATE TO '0.2.0'" to load this file. \quit

SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);

-- In 0.1.0, whoever made the extension could have had another type stand in the place of pgvector's.
DO LANGUAGE plpgsql $$
BEGIN
	IF (SELECT pg_catalog.count(*) FROM pg_catalog.pg_proc AS p
		JOIN pg_catalog.pg_type AS t ON t.oid OPERATOR(pg_catalog.=) p.prorettype
		JOIN pg_catalog.pg_depend AS d ON d.objid OPERATOR(pg_catalog.=)
			CASE WHEN t.typelem OPERATOR(pg_catalog.=) 0 THEN t.oid ELSE t.typelem END
		JOIN pg_catalog.pg_extension AS e ON e.oid OPERATOR(pg_catalog.=) d.refobjid
		WHERE p.oid OPERATOR(pg_catalog.=) ANY (ARRAY['@extschema@.embed_text(pg_catalog.text)'::pg_catalog.regprocedure,
				'@extschema@.embed_texts(pg_catalog.text[])'::pg_catalog.regprocedure]::pg_catalog.oid[])
			AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_type'::pg_catalog.regclass
			AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_extension'::pg_catalog.regclass
			AND d.deptype OPERATOR(pg_catalog.=) 'e' AND e.extname OPERATOR(pg_catalog.=) 'vector')
		OPERATOR(pg_catalog.<>) 2
	THEN
		RAISE EXCEPTION 'functions of the extension "pg_embed" do not give pgvector''s type'
			USING ERRCODE = '55000', HINT = 'Drop the extension and create it again.';
	END IF;
END $$;

-- At a hundredth of their true costs, which had PostgreSQL compile queries over a few rows.
ALTER FUNCTION @extschema@.embed_text(pg_catalog.text) COST 4000;
ALTER FUNCTION @extschema@.embed_texts(pg_catalog.text[]) COST 40000;
ALTER FUNCTION @extschema@.embed_token_count(pg_catalog.text) COST 25;
ALTER FUNCTION @extschema@.embed_chunks(pg_catalog.text, pg_catalog.int4, pg_catalog.int4) COST 500;
ALTER FUNCTION @extschema@.embed_trigger() COST 1;
ALTER FUNCTION @extschema@.embed_verify(pg_catalog.regclass, pg_catalog.text, pg_catalog.text[], pg_catalog.int4) COST 20000;

DROP VIEW @extschema@.embed_status;
DROP VIEW @extschema@.embed_progress;
DROP FUNCTION @extschema@.embed_count(pg_catalog.regclass, pg_catalog.text, pg_catalog.text[]);
ALTER EXTENSION pg_embed DROP TABLE @extschema@.embed_watched;
DROP TABLE @extschema@.embed_watched;

CREATE VIEW @extschema@.embed_progress AS
	SELECT p.pid, p.relation::pg_catalog.regclass AS relation, p.embedding, p.phase, p.rows_total, p.rows_done,
		p.rows_per_second, pg_catalog.make_interval(secs => p.seconds_left) AS time_left, p.last_error, p.last_error_at
	FROM @extschema@.embed_get_progress() AS p
	JOIN pg_catalog.pg_stat_activity AS a ON a.pid OPERATOR(pg_catalog.=) p.pid
	-- A number of a process may come again; who may not see when another's process began goes by the number alone.
	WHERE COALESCE(a.backend_start, p.backend_start) OPERATOR(pg_catalog.=) p.backend_start
		AND p.datid OPERATOR(pg_catalog.=) (SELECT d.oid FROM pg_catalog.pg_database AS d
			WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database());

COMMENT ON VIEW @extschema@.embed_progress IS
	'backfills under way and columns that are watched, in this database: rows done since the process began with them';

COMMENT ON COLUMN @extschema@.embed_progress.pid IS 'the process';
COMMENT ON COLUMN @extschema@.embed_progress.relation IS 'the table';
COMMENT ON COLUMN @extschema@.embed_progress.embedding IS 'the vector column';
COMMENT ON COLUMN @extschema@.embed_progress.phase IS 'what it is just doing: counting, embedding, waiting, waiting for a lock, paused after an error, idle';
COMMENT ON COLUMN @extschema@.embed_progress.rows_total IS 'rows without a vector when the work began, if they were counted';
COMMENT ON COLUMN @extschema@.embed_progress.rows_done IS 'rows that have got their vectors since the process began with the column';
COMMENT ON COLUMN @extschema@.embed_progress.rows_per_second IS 'over the last few seconds';
COMMENT ON COLUMN @extschema@.embed_progress.time_left IS 'how long the rest takes at that rate';
COMMENT ON COLUMN @extschema@.embed_progress.last_error IS 'what went wrong last; for the owner of the table';
COMMENT ON COLUMN @extschema@.embed_progress.last_error_at IS 'when that was';

CREATE FUNCTION @extschema@.embed_get_watched(
		OUT relation pg_catalog.regclass, OUT embedding pg_catalog.text, OUT sources pg_catalog.text[])
	RETURNS SETOF pg_catalog.record
	AS 'MODULE_PATHNAME', 'embed_get_watched'
	LANGUAGE C VOLATILE ROWS 10;

COMMENT ON FUNCTION @extschema@.embed_get_watched() IS
	'the columns that are watched, as the triggers say that embed_watch() has made';

CREATE VIEW @extschema@.embed_watched AS
	SELECT w.relation, w.embedding, w.sources FROM @extschema@.embed_get_watched() AS w;

COMMENT ON VIEW @extschema@.embed_watched IS
	'the columns that the background worker fills';

COMMENT ON COLUMN @extschema@.embed_watched.relation IS 'the table';
COMMENT ON COLUMN @extschema@.embed_watched.embedding IS 'the vector column';
COMMENT ON COLUMN @extschema@.embed_watched.sources IS 'the columns whose text is embedded';

CREATE FUNCTION @extschema@.embed_get_status(
		OUT relation pg_catalog.regclass, OUT embedding pg_catalog.text, OUT sources pg_catalog.text[],
		OUT mode pg_catalog.text, OUT state pg_catalog.text, OUT rows pg_catalog.int8, OUT embedded pg_catalog.int8,
		OUT missing pg_catalog.int8, OUT rows_per_second pg_catalog.float8, OUT last_error pg_catalog.text,
		OUT last_error_at pg_catalog.timestamptz, OUT next_try pg_catalog.timestamptz, OUT model pg_catalog.text)
	RETURNS SETOF pg_catalog.record
	AS 'MODULE_PATHNAME', 'embed_get_status'
	LANGUAGE C VOLATILE ROWS 10;

COMMENT ON FUNCTION @extschema@.embed_get_status() IS
	'the columns that embed themselves, with their rows counted; last_error says also why a column is in its state';

CREATE VIEW @extschema@.embed_status AS
	SELECT s.relation, s.embedding, s.sources, s.mode, s.state, s.rows, s.embedded, s.missing, s.rows_per_second,
		s.last_error, s.last_error_at, s.next_try, s.model
	FROM @extschema@.embed_get_status() AS s;

COMMENT ON VIEW @extschema@.embed_status IS
	'the columns that embed themselves; counts their rows, which takes as long as count(*) does';

COMMENT ON COLUMN @extschema@.embed_status.relation IS 'the table';
COMMENT ON COLUMN @extschema@.embed_status.embedding IS 'the vector column';
COMMENT ON COLUMN @extschema@.embed_status.sources IS 'the columns whose text is embedded; NULL for a generated column';
COMMENT ON COLUMN @extschema@.embed_status.mode IS 'what does it: trigger, watch, generated';
COMMENT ON COLUMN @extschema@.embed_status.state IS 'complete, embedding, waiting, incomplete, rows left, waiting for a lock, paused, not served, disabled, not watched, unknown';
COMMENT ON COLUMN @extschema@.embed_status.rows IS 'rows of the table and its parts';
COMMENT ON COLUMN @extschema@.embed_status.embedded IS 'rows with a vector';
COMMENT ON COLUMN @extschema@.embed_status.missing IS 'rows with a text and without a vector';
COMMENT ON COLUMN @extschema@.embed_status.rows_per_second IS 'of the processes at work on it, if there are any';
COMMENT ON COLUMN @extschema@.embed_status.last_error IS 'why the column is in its state, else what went wrong last, which is for the owner of the table, else a remark';
COMMENT ON COLUMN @extschema@.embed_status.last_error_at IS 'when something went wrong last';
COMMENT ON COLUMN @extschema@.embed_status.next_try IS 'when the worker tries again what went wrong';
COMMENT ON COLUMN @extschema@.embed_status.model IS 'SHA-256 of the weights of the model that is installed';

CREATE FUNCTION @extschema@.embed_failures(target pg_catalog.regclass, embedding pg_catalog.text)
	RETURNS TABLE (
		relation pg_catalog.regclass, place pg_catalog.tid, sqlstate pg_catalog.text, message pg_catalog.text,
		failures pg_catalog.int4, next_try pg_catalog.timestamptz)
	AS 'MODULE_PATHNAME', 'embed_failures'
	LANGUAGE C VOLATILE STRICT ROWS 10;

COMMENT ON FUNCTION @extschema@.embed_failures(pg_catalog.regclass, pg_catalog.text) IS
	'the rows of a watched column that the background worker could not give their vectors, and when it tries again';

GRANT SELECT ON @extschema@.embed_progress, @extschema@.embed_watched, @extschema@.embed_status TO PUBLIC;
