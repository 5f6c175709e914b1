-- Loads a catalogue of the FEIDEGGER format: a JSON array of {"url", "descriptions": [...], "split"}.
--   psql -v catalog=examples/catalog/sample.json -f examples/catalog/load.sql
-- All in one transaction: a file with one bad record leaves nothing behind.

\set ON_ERROR_STOP on

\if :{?catalog}
\else
	DO $$ BEGIN
		RAISE EXCEPTION 'name the catalogue file: psql -v catalog=file.json -f load.sql' USING ERRCODE = '22023';
	END $$;
\endif

BEGIN;

CREATE TABLE products (
	id bigserial PRIMARY KEY,
	description text,
	url text,
	split int,
	descriptions_embeddings vector(384)
);

CREATE TEMP TABLE catalog_lines (n bigint GENERATED ALWAYS AS IDENTITY, line text) ON COMMIT DROP;

-- psql reads the file, so the server needs no right to it. JSON text has no raw control characters, so
-- with two of them as quote and delimiter every line arrives as it is, backslashes and quotes included.
-- \copy expands no variables of its own, hence the command in a variable.
\set copy_lines '\\copy catalog_lines (line) FROM ' :'catalog' ' WITH (FORMAT csv, QUOTE e''\\x01'', DELIMITER e''\\x02'', ENCODING ''UTF8'')'
:copy_lines

DO $$
DECLARE
	content text;
	catalog jsonb;
	bad record;
	cause text;
	cause_detail text;
	cause_place text;
BEGIN
	-- COPY reads an empty line as NULL; it counts for the line numbers in messages. A byte order mark is not JSON.
	SELECT ltrim(string_agg(coalesce(line, ''), e'\n' ORDER BY n), e'\uFEFF') INTO content FROM catalog_lines;
	IF coalesce(content, '') !~ '\S' THEN
		RAISE EXCEPTION 'the catalogue file is empty' USING ERRCODE = '22023';
	END IF;

	BEGIN
		catalog := content::jsonb;
	EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
		GET STACKED DIAGNOSTICS cause = MESSAGE_TEXT, cause_detail = PG_EXCEPTION_DETAIL,
			cause_place = PG_EXCEPTION_CONTEXT;
		RAISE EXCEPTION 'the catalogue file is not JSON: %', cause
			USING ERRCODE = '22023', DETAIL = concat_ws(' ', cause_detail, split_part(cause_place, e'\n', 1));
	END;

	IF jsonb_typeof(catalog) <> 'array' THEN
		RAISE EXCEPTION 'the catalogue is not a JSON array but of type %', jsonb_typeof(catalog)
			USING ERRCODE = '22023';
	END IF;
	IF jsonb_array_length(catalog) = 0 THEN
		RAISE EXCEPTION 'the catalogue has no records' USING ERRCODE = '22023';
	END IF;

	-- The strict order of CASE matters: each test relies on the ones before it.
	SELECT n, problem INTO bad
	FROM jsonb_array_elements(catalog) WITH ORDINALITY AS r(product, n),
		LATERAL (SELECT CASE
			WHEN jsonb_typeof(product) <> 'object' THEN 'is not an object'
			WHEN coalesce(jsonb_typeof(product -> 'descriptions'), 'null') = 'null' THEN 'has no descriptions'
			WHEN jsonb_typeof(product -> 'descriptions') <> 'array' THEN 'has descriptions that are not an array'
			WHEN jsonb_path_exists(product, 'strict $.descriptions[*] ? (@.type() != "string" && @.type() != "null")')
				THEN 'has a description that is not a string'
			WHEN NOT jsonb_path_exists(product, 'strict $.descriptions[*] ? (@ like_regex "\\S")')
				THEN 'has no descriptions'
			WHEN coalesce(jsonb_typeof(product -> 'url'), 'null') NOT IN ('string', 'null')
				THEN 'has a url that is not a string'
			WHEN product ->> 'split' !~ '^[0-9]{1,9}$' THEN 'has a split that is not a whole number'
		END) AS c(problem)
	WHERE problem IS NOT NULL
	ORDER BY n
	LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION 'record % of the catalogue %', bad.n, bad.problem USING ERRCODE = '22023';
	END IF;

	INSERT INTO products (description, url, split)
	SELECT
		(SELECT string_agg(d, ' ' ORDER BY i)
			FROM jsonb_array_elements_text(product -> 'descriptions') WITH ORDINALITY AS t(d, i) WHERE d ~ '\S'),
		product ->> 'url',
		(product ->> 'split')::int
	FROM jsonb_array_elements(catalog) WITH ORDINALITY AS r(product, n)
	ORDER BY n;
END $$;

COMMIT;

SELECT count(*) AS products FROM products;
