-- The settings, the errors and their SQLSTATEs, what an unprivileged user may do.
\set SHOW_CONTEXT never
LOAD 'pg_embed';
-- the wording of PostgreSQL's own errors differs between its versions: only their SQLSTATE is shown
SELECT name, setting, min_val, max_val, enumvals, context FROM pg_settings WHERE name LIKE 'pg\_embed.%' ORDER BY name;

CREATE FUNCTION outcome(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE state text; message text; detail text; hint text;
BEGIN
	EXECUTE statement;
	RETURN 'ok';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(' | ', state, message, nullif(detail, ''), nullif(hint, ''));
END $$;

-- truncation: a notice once per statement, silence, or an error
SELECT count(embed_text(repeat('word ', 300) || i)) FROM generate_series(1, 3) AS i;
SELECT count(*) FROM unnest(embed_texts(ARRAY['short', NULL, repeat('word ', 300), repeat('word ', 400)]));
SET pg_embed.truncation = silent;
SELECT count(embed_text(repeat('word ', 300)));
SET pg_embed.truncation = error;
SELECT outcome($$SELECT embed_text(repeat('word ', 254))$$);
SELECT outcome($$SELECT embed_text(repeat('word ', 255))$$);
SELECT outcome($$SELECT embed_texts(ARRAY['short', repeat('word ', 300)])$$);
SET pg_embed.truncation = loud;
RESET pg_embed.truncation;

-- the memo changes nothing but speed
SET pg_embed.memo_size = 0;
SELECT round((embed_text('a') <-> embed_text('a'))::numeric, 4) AS distance;
SET pg_embed.memo_size = 2;
SELECT round((embed_text('a' || i % 3) <-> embed_text('a' || i % 3))::numeric, 4) AS distance FROM generate_series(1, 5) AS i;
RESET pg_embed.memo_size;

SELECT outcome($$SELECT embed_texts(ARRAY[['a'], ['b']])$$);
SELECT left(outcome('SET pg_embed.threads = 0'), 5);
SELECT left(outcome($$SET pg_embed.model_directory = '/tmp'$$), 5);
SELECT left(outcome($$SET pg_embed.runtime_library = '/tmp/x.so'$$), 5);

SELECT model, dimensions, max_tokens, runtime_version, session, open_ms > 0 AS took_time, threads,
	compiled_model LIKE 'pg_embed/pgsql_tmp/%' AS compiled FROM embed_info();

CREATE ROLE regress_pg_embed_user;
SET ROLE regress_pg_embed_user;
SELECT vector_dims(embed_text('a')), array_length(embed_texts('{a,b}'), 1), embed_token_count('a'), (embed_chunks('a')).chunk;
SELECT left(outcome($$ALTER ROLE regress_pg_embed_user SET pg_embed.runtime_library = '/tmp/x.so'$$), 5);
SELECT left(outcome('SHOW pg_embed.runtime_library'), 5);
RESET ROLE;
DROP ROLE regress_pg_embed_user;
DROP FUNCTION outcome;

-- every function has a comment and the properties that indexes, constants and parallel plans need
SELECT p.oid::regprocedure, provolatile, proisstrict, proparallel, procost, obj_description(p.oid) IS NOT NULL AS commented
FROM pg_depend AS d JOIN pg_proc AS p ON p.oid = d.objid
WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
	AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'pg_embed')
ORDER BY 1;
