-- The public surface of pg_embed. Written by hand; src/sql has the bodies.
--
-- Every name is qualified, so that nothing which others have put into a schema beforehand is taken for what is meant. The
-- one that cannot be is pgvector's type, whose schema is known only when the script runs: the search_path is that schema
-- alone, and at the end it is checked that the type is pgvector's.

-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION pg_embed CASCADE" to load this file. \quit

SELECT pg_catalog.set_config('search_path', pg_catalog.format('%I, pg_temp', n.nspname), true)
	FROM pg_catalog.pg_extension AS e
	JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) e.extnamespace
	WHERE e.extname OPERATOR(pg_catalog.=) 'vector';

-- The costs are a hundredth of what was measured: a text of twelve tokens takes 2 ms, an operator such as "+" 5 ns. That is
-- enough to have it computed last, and by parallel workers. With all of it, PostgreSQL would compile queries over a few
-- rows, which takes longer than they do.
CREATE FUNCTION @extschema@.embed_text(input pg_catalog.text) RETURNS vector(384)
	AS 'MODULE_PATHNAME', 'embed_text'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 4000;

COMMENT ON FUNCTION @extschema@.embed_text(pg_catalog.text) IS
	'the unit vector of a text; of a text with more than 256 tokens, that of its first 256';

-- Not STRICT: without a prompt, the model's own is taken.
CREATE FUNCTION @extschema@.embed_text(
		input pg_catalog.text, model pg_catalog.text, prompt pg_catalog.text DEFAULT NULL)
	RETURNS vector
	AS 'MODULE_PATHNAME', 'embed_text_with_model'
	LANGUAGE C IMMUTABLE PARALLEL SAFE COST 4000;

COMMENT ON FUNCTION @extschema@.embed_text(pg_catalog.text, pg_catalog.text, pg_catalog.text) IS
	'the vector that a model of embed_models gives for a text, with one of the model''s prompts before it; NULL if text or model is';

CREATE FUNCTION @extschema@.embed_texts(inputs pg_catalog.text[]) RETURNS vector[]
	AS 'MODULE_PATHNAME', 'embed_texts'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 40000;

COMMENT ON FUNCTION @extschema@.embed_texts(pg_catalog.text[]) IS
	'the vectors of many texts, in their order; NULL where a text is NULL';

CREATE FUNCTION @extschema@.embed_texts(
		inputs pg_catalog.text[], model pg_catalog.text, prompt pg_catalog.text DEFAULT NULL)
	RETURNS vector[]
	AS 'MODULE_PATHNAME', 'embed_texts_with_model'
	LANGUAGE C IMMUTABLE PARALLEL SAFE COST 40000;

COMMENT ON FUNCTION @extschema@.embed_texts(pg_catalog.text[], pg_catalog.text, pg_catalog.text) IS
	'the same with a model of embed_models';

CREATE FUNCTION @extschema@.embed_token_count(input pg_catalog.text) RETURNS pg_catalog.int4
	AS 'MODULE_PATHNAME', 'embed_token_count'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 25;

COMMENT ON FUNCTION @extschema@.embed_token_count(pg_catalog.text) IS
	'how many tokens a text has before truncation, [CLS] and [SEP] included';

CREATE FUNCTION @extschema@.embed_token_count(
		input pg_catalog.text, model pg_catalog.text, prompt pg_catalog.text DEFAULT NULL)
	RETURNS pg_catalog.int4
	AS 'MODULE_PATHNAME', 'embed_token_count_with_model'
	LANGUAGE C IMMUTABLE PARALLEL SAFE COST 25;

COMMENT ON FUNCTION @extschema@.embed_token_count(pg_catalog.text, pg_catalog.text, pg_catalog.text) IS
	'the same with a model of embed_models, its prompt included';

CREATE FUNCTION @extschema@.embed_chunks(
		input pg_catalog.text, max_tokens pg_catalog.int4 DEFAULT 256, overlap pg_catalog.int4 DEFAULT 0,
		split pg_catalog.text DEFAULT 'text', headings pg_catalog.bool DEFAULT false)
	RETURNS TABLE (
		chunk_no pg_catalog.int4, chunk pg_catalog.text, start_char pg_catalog.int4, token_count pg_catalog.int4)
	AS 'MODULE_PATHNAME', 'embed_chunks_of_split'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 500 ROWS 10;

COMMENT ON FUNCTION @extschema@.embed_chunks(
		pg_catalog.text, pg_catalog.int4, pg_catalog.int4, pg_catalog.text, pg_catalog.bool) IS
	'cuts a long text, Markdown or HTML into pieces that each fit the model; start_char counts from 1, as in substring()';

CREATE FUNCTION @extschema@.embed_chunks(
		input pg_catalog.text, model pg_catalog.text, prompt pg_catalog.text DEFAULT NULL,
		max_tokens pg_catalog.int4 DEFAULT NULL, overlap pg_catalog.int4 DEFAULT 0,
		split pg_catalog.text DEFAULT 'text', headings pg_catalog.bool DEFAULT false)
	RETURNS TABLE (
		chunk_no pg_catalog.int4, chunk pg_catalog.text, start_char pg_catalog.int4, token_count pg_catalog.int4)
	AS 'MODULE_PATHNAME', 'embed_chunks_with_model'
	LANGUAGE C IMMUTABLE PARALLEL SAFE COST 500 ROWS 10;

COMMENT ON FUNCTION @extschema@.embed_chunks(
		pg_catalog.text, pg_catalog.text, pg_catalog.text, pg_catalog.int4, pg_catalog.int4, pg_catalog.text,
		pg_catalog.bool) IS
	'the same with a model of embed_models; token_count includes its prompt, max_tokens is by default what the model reads';

CREATE FUNCTION @extschema@.embed_info(
		OUT model pg_catalog.text, OUT weights_sha256 pg_catalog.text, OUT dimensions pg_catalog.int4,
		OUT max_tokens pg_catalog.int4, OUT runtime_version pg_catalog.text, OUT compiled_model pg_catalog.text,
		OUT session pg_catalog.text, OUT open_ms pg_catalog.float8, OUT threads pg_catalog.int4)
	RETURNS SETOF pg_catalog.record
	AS 'MODULE_PATHNAME', 'embed_info'
	LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED COST 100 ROWS 1;

COMMENT ON FUNCTION @extschema@.embed_info() IS
	'the model that this session uses, and where it comes from: session is "inherited" (preloaded) or "opened"';

CREATE FUNCTION @extschema@.embed_trigger() RETURNS pg_catalog.trigger
	AS 'MODULE_PATHNAME', 'embed_trigger'
	LANGUAGE C;

COMMENT ON FUNCTION @extschema@.embed_trigger() IS
	'BEFORE INSERT OR UPDATE trigger: embeds the joined text of the row; arguments: vector column, source columns';

CREATE FUNCTION @extschema@.embed_model_trigger() RETURNS pg_catalog.trigger
	AS 'MODULE_PATHNAME', 'embed_model_trigger'
	LANGUAGE C;

COMMENT ON FUNCTION @extschema@.embed_model_trigger() IS
	'the same with a model; arguments: model, prompt (empty for the model''s own), vector column, source columns';

CREATE FUNCTION @extschema@.embed_mark_trigger() RETURNS pg_catalog.trigger
	AS 'MODULE_PATHNAME', 'embed_mark_trigger'
	LANGUAGE C;

COMMENT ON FUNCTION @extschema@.embed_mark_trigger() IS
	'trigger that embed_watch() creates: sets the vector of a row to NULL when its text changes';

CREATE FUNCTION @extschema@.embed_model_mark_trigger() RETURNS pg_catalog.trigger
	AS 'MODULE_PATHNAME', 'embed_model_mark_trigger'
	LANGUAGE C;

COMMENT ON FUNCTION @extschema@.embed_model_mark_trigger() IS
	'the same with a model';

CREATE PROCEDURE @extschema@.embed_backfill(
		target pg_catalog.regclass, embedding pg_catalog.text, sources pg_catalog.text[],
		batch_size pg_catalog.int4 DEFAULT 256, threads pg_catalog.int4 DEFAULT NULL,
		only_missing pg_catalog.bool DEFAULT true)
	AS 'MODULE_PATHNAME', 'embed_backfill'
	LANGUAGE C;

COMMENT ON PROCEDURE @extschema@.embed_backfill(
		pg_catalog.regclass, pg_catalog.text, pg_catalog.text[], pg_catalog.int4, pg_catalog.int4, pg_catalog.bool) IS
	'gives the rows of a table their vectors, batch by batch, each committed; can be repeated';

CREATE PROCEDURE @extschema@.embed_backfill(
		target pg_catalog.regclass, embedding pg_catalog.text, sources pg_catalog.text[],
		model pg_catalog.text, prompt pg_catalog.text DEFAULT NULL,
		batch_size pg_catalog.int4 DEFAULT 256, threads pg_catalog.int4 DEFAULT NULL,
		only_missing pg_catalog.bool DEFAULT true)
	AS 'MODULE_PATHNAME', 'embed_backfill_with_model'
	LANGUAGE C;

COMMENT ON PROCEDURE @extschema@.embed_backfill(
		pg_catalog.regclass, pg_catalog.text, pg_catalog.text[], pg_catalog.text, pg_catalog.text, pg_catalog.int4,
		pg_catalog.int4, pg_catalog.bool) IS
	'the same with a model of embed_models';

CREATE FUNCTION @extschema@.embed_watch(
		target pg_catalog.regclass, embedding pg_catalog.text, sources pg_catalog.text[])
	RETURNS pg_catalog.void
	AS 'MODULE_PATHNAME', 'embed_watch'
	LANGUAGE C;

COMMENT ON FUNCTION @extschema@.embed_watch(pg_catalog.regclass, pg_catalog.text, pg_catalog.text[]) IS
	'has the background worker give the rows of a table their vectors, moments after they were written';

CREATE FUNCTION @extschema@.embed_watch(
		target pg_catalog.regclass, embedding pg_catalog.text, sources pg_catalog.text[],
		model pg_catalog.text, prompt pg_catalog.text DEFAULT NULL)
	RETURNS pg_catalog.void
	AS 'MODULE_PATHNAME', 'embed_watch_with_model'
	LANGUAGE C;

COMMENT ON FUNCTION @extschema@.embed_watch(
		pg_catalog.regclass, pg_catalog.text, pg_catalog.text[], pg_catalog.text, pg_catalog.text) IS
	'the same with a model of embed_models';

CREATE FUNCTION @extschema@.embed_unwatch(target pg_catalog.regclass, embedding pg_catalog.text)
	RETURNS pg_catalog.void
	AS 'MODULE_PATHNAME', 'embed_unwatch'
	LANGUAGE C;

COMMENT ON FUNCTION @extschema@.embed_unwatch(pg_catalog.regclass, pg_catalog.text) IS
	'ends what embed_watch() began; the vectors stay';

CREATE FUNCTION @extschema@.embed_chunks_trigger() RETURNS pg_catalog.trigger
	AS 'MODULE_PATHNAME', 'embed_chunks_trigger'
	LANGUAGE C;

COMMENT ON FUNCTION @extschema@.embed_chunks_trigger() IS
	'trigger that embed_watch_chunks() creates: cuts a document again when its text changes';

CREATE FUNCTION @extschema@.embed_watch_chunks(
		target pg_catalog.regclass, source pg_catalog.text, chunks pg_catalog.text,
		max_tokens pg_catalog.int4 DEFAULT NULL, overlap pg_catalog.int4 DEFAULT 0,
		split pg_catalog.text DEFAULT 'text', headings pg_catalog.bool DEFAULT false,
		model pg_catalog.text DEFAULT NULL, prompt pg_catalog.text DEFAULT NULL,
		vectors pg_catalog.text DEFAULT 'worker', key pg_catalog.text[] DEFAULT NULL)
	RETURNS pg_catalog.regclass
	AS 'MODULE_PATHNAME', 'embed_watch_chunks'
	LANGUAGE C;

COMMENT ON FUNCTION @extschema@.embed_watch_chunks(
		pg_catalog.regclass, pg_catalog.text, pg_catalog.text, pg_catalog.int4, pg_catalog.int4, pg_catalog.text,
		pg_catalog.bool, pg_catalog.text, pg_catalog.text, pg_catalog.text, pg_catalog.text[]) IS
	'makes a table of the chunks of a column''s texts, with their vectors, and keeps it in step; vectors: worker, at_once; key: columns that are unique, by default the primary key';

CREATE FUNCTION @extschema@.embed_unwatch_chunks(target pg_catalog.regclass, chunks pg_catalog.regclass)
	RETURNS pg_catalog.void
	AS 'MODULE_PATHNAME', 'embed_unwatch_chunks'
	LANGUAGE C;

COMMENT ON FUNCTION @extschema@.embed_unwatch_chunks(pg_catalog.regclass, pg_catalog.regclass) IS
	'ends what embed_watch_chunks() began; the table of chunks stays as it is';

CREATE FUNCTION @extschema@.embed_verify(
		target pg_catalog.regclass, embedding pg_catalog.text, sources pg_catalog.text[],
		sample pg_catalog.int4 DEFAULT 1000)
	RETURNS TABLE (
		checked pg_catalog.int8, missing pg_catalog.int8, stale pg_catalog.int8, max_deviation pg_catalog.float8)
	AS 'MODULE_PATHNAME', 'embed_verify'
	LANGUAGE C VOLATILE COST 20000 ROWS 1;

COMMENT ON FUNCTION @extschema@.embed_verify(
		pg_catalog.regclass, pg_catalog.text, pg_catalog.text[], pg_catalog.int4) IS
	'embeds a sample of rows again: how many lack a vector, and how many have one that is not that of their text';

CREATE FUNCTION @extschema@.embed_verify(
		target pg_catalog.regclass, embedding pg_catalog.text, sources pg_catalog.text[],
		model pg_catalog.text, prompt pg_catalog.text DEFAULT NULL, sample pg_catalog.int4 DEFAULT 1000)
	RETURNS TABLE (
		checked pg_catalog.int8, missing pg_catalog.int8, stale pg_catalog.int8, max_deviation pg_catalog.float8)
	AS 'MODULE_PATHNAME', 'embed_verify_with_model'
	LANGUAGE C VOLATILE COST 20000 ROWS 1;

COMMENT ON FUNCTION @extschema@.embed_verify(
		pg_catalog.regclass, pg_catalog.text, pg_catalog.text[], pg_catalog.text, pg_catalog.text, pg_catalog.int4) IS
	'the same with a model of embed_models';

CREATE FUNCTION @extschema@.embed_get_progress(
		OUT pid pg_catalog.int4, OUT backend_start pg_catalog.timestamptz, OUT datid pg_catalog.oid,
		OUT relation pg_catalog.oid, OUT embedding pg_catalog.text, OUT phase pg_catalog.text,
		OUT rows_total pg_catalog.int8, OUT rows_done pg_catalog.int8, OUT rows_per_second pg_catalog.float8,
		OUT seconds_left pg_catalog.float8, OUT last_error pg_catalog.text, OUT last_error_at pg_catalog.timestamptz)
	RETURNS SETOF pg_catalog.record
	AS 'MODULE_PATHNAME', 'embed_get_progress'
	LANGUAGE C VOLATILE PARALLEL RESTRICTED ROWS 10;

COMMENT ON FUNCTION @extschema@.embed_get_progress() IS
	'what processes that fill vectors say of themselves; embed_progress leaves out those that were killed';

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
COMMENT ON COLUMN @extschema@.embed_status.model IS 'the model, by its name in embed_models';

CREATE FUNCTION @extschema@.embed_failures(target pg_catalog.regclass, embedding pg_catalog.text)
	RETURNS TABLE (
		relation pg_catalog.regclass, place pg_catalog.tid, sqlstate pg_catalog.text, message pg_catalog.text,
		failures pg_catalog.int4, next_try pg_catalog.timestamptz)
	AS 'MODULE_PATHNAME', 'embed_failures'
	LANGUAGE C VOLATILE STRICT ROWS 10;

COMMENT ON FUNCTION @extschema@.embed_failures(pg_catalog.regclass, pg_catalog.text) IS
	'the rows of a watched column that the background worker could not give their vectors, and when it tries again';

-- A model is a foreign server of this wrapper: it has an owner and privileges, and a dump makes it before the tables.
CREATE FUNCTION @extschema@.embed_model_validator(options pg_catalog.text[], catalog pg_catalog.oid)
	RETURNS pg_catalog.void
	AS 'MODULE_PATHNAME', 'embed_model_validator'
	LANGUAGE C STRICT;

COMMENT ON FUNCTION @extschema@.embed_model_validator(pg_catalog.text[], pg_catalog.oid) IS
	'checks the options of models';

CREATE FOREIGN DATA WRAPPER embed_model VALIDATOR @extschema@.embed_model_validator;

COMMENT ON FOREIGN DATA WRAPPER embed_model IS
	'models that embed_add_model() adds; who has USAGE may add those below the server''s share directory';

CREATE FUNCTION @extschema@.embed_add_model(
		name pg_catalog.text, directory pg_catalog.text DEFAULT NULL, "precision" pg_catalog.text DEFAULT 'exact')
	RETURNS pg_catalog.void
	AS 'MODULE_PATHNAME', 'embed_add_model'
	LANGUAGE C;

COMMENT ON FUNCTION @extschema@.embed_add_model(pg_catalog.text, pg_catalog.text, pg_catalog.text) IS
	'gives a model a name, which stands for its present files for ever; directory: below the share directory, by default of that name, or, by a superuser, any with its path; precision: exact, or int8 for vectors close to those, faster';

CREATE FUNCTION @extschema@.embed_drop_model(name pg_catalog.text)
	RETURNS pg_catalog.void
	AS 'MODULE_PATHNAME', 'embed_drop_model'
	LANGUAGE C;

COMMENT ON FUNCTION @extschema@.embed_drop_model(pg_catalog.text) IS
	'takes the name from a model; vectors and files stay';

CREATE VIEW @extschema@.embed_models AS
	SELECT m.name, m.directory, m.fingerprint, m.architecture, m.dimensions, m.max_tokens, m.pooling, m.precision, m.prompts, m.owner
	FROM (SELECT s.srvname AS name, o.directory, o.fingerprint, o.architecture, o.dimensions::pg_catalog.int4,
			o.max_tokens::pg_catalog.int4, o.pooling, o.precision, o.prompts::pg_catalog.jsonb, s.srvowner::pg_catalog.regrole AS owner
		FROM pg_catalog.pg_foreign_server AS s
		JOIN pg_catalog.pg_foreign_data_wrapper AS w ON w.oid OPERATOR(pg_catalog.=) s.srvfdw
		CROSS JOIN LATERAL (SELECT
				pg_catalog.max(p.option_value) FILTER (WHERE p.option_name OPERATOR(pg_catalog.=) 'directory') AS directory,
				pg_catalog.max(p.option_value) FILTER (WHERE p.option_name OPERATOR(pg_catalog.=) 'fingerprint') AS fingerprint,
				pg_catalog.max(p.option_value) FILTER (WHERE p.option_name OPERATOR(pg_catalog.=) 'architecture') AS architecture,
				pg_catalog.max(p.option_value) FILTER (WHERE p.option_name OPERATOR(pg_catalog.=) 'dimensions') AS dimensions,
				pg_catalog.max(p.option_value) FILTER (WHERE p.option_name OPERATOR(pg_catalog.=) 'max_tokens') AS max_tokens,
				pg_catalog.max(p.option_value) FILTER (WHERE p.option_name OPERATOR(pg_catalog.=) 'pooling') AS pooling,
				pg_catalog.max(p.option_value) FILTER (WHERE p.option_name OPERATOR(pg_catalog.=) 'precision') AS precision,
				pg_catalog.max(p.option_value) FILTER (WHERE p.option_name OPERATOR(pg_catalog.=) 'prompts') AS prompts
			FROM pg_catalog.pg_options_to_table(s.srvoptions) AS p) AS o
		WHERE w.fdwname OPERATOR(pg_catalog.=) 'embed_model'
		UNION ALL
		SELECT 'all-MiniLM-L6-v2', 'all-MiniLM-L6-v2',
			'f30672685ec90a3dcb55a1dc6f8e2770aef8c35379a15dc32dba46681d570100', 'bert', 384, 256, 'mean', 'exact', '{}', NULL
		UNION ALL
		SELECT 'all-MiniLM-L6-v2-int8', 'all-MiniLM-L6-v2',
			'c43532e60ce9c3c5bfe876c6c41a5ce65f72acf4b4046cb7747a1b584af01a9a', 'bert', 384, 256, 'mean', 'int8', '{}', NULL) AS m;

COMMENT ON VIEW @extschema@.embed_models IS
	'the models that can be named in embed_text() and wherever else a model is an argument';

COMMENT ON COLUMN @extschema@.embed_models.name IS 'the name';
COMMENT ON COLUMN @extschema@.embed_models.directory IS 'where its files are: below the server''s share directory, or a path';
COMMENT ON COLUMN @extschema@.embed_models.fingerprint IS 'SHA-256 over all that decides a vector: files, and how they are quantised';
COMMENT ON COLUMN @extschema@.embed_models.architecture IS 'the model_type of its config.json';
COMMENT ON COLUMN @extschema@.embed_models.dimensions IS 'components of a vector';
COMMENT ON COLUMN @extschema@.embed_models.max_tokens IS 'tokens of a text that it reads, those that enclose it included';
COMMENT ON COLUMN @extschema@.embed_models.pooling IS 'how the vectors of tokens become one: mean, cls';
COMMENT ON COLUMN @extschema@.embed_models.precision IS 'what it is computed with: exact, that is float32, or int8';
COMMENT ON COLUMN @extschema@.embed_models.prompts IS 'what it wants to stand before a text, by name';
COMMENT ON COLUMN @extschema@.embed_models.owner IS 'who may drop it and grant its use; NULL for those that came with the extension';

CREATE FUNCTION @extschema@.embed_remove_compiled() RETURNS pg_catalog.text[]
	AS 'MODULE_PATHNAME', 'embed_remove_compiled'
	LANGUAGE C;

COMMENT ON FUNCTION @extschema@.embed_remove_compiled() IS
	'removes the compiled models that no living process uses, and gives their directories; they are made again when they are needed';

REVOKE EXECUTE ON FUNCTION @extschema@.embed_remove_compiled() FROM PUBLIC;

GRANT SELECT ON @extschema@.embed_models, @extschema@.embed_progress, @extschema@.embed_watched, @extschema@.embed_status TO PUBLIC;

-- The library writes vectors as pgvector does: as the results of these functions they must be of its type.
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
		RAISE EXCEPTION 'the type "vector" in the schema of the extension "vector" is not pgvector''s'
			USING ERRCODE = '55000', HINT = 'Look who has made it, and drop it.';
	END IF;
END $$;
