-- What each product of the catalogue is, as the page's filters want it: a JSON array of {"url", "colour", ...}.
--   psql -v attributes=examples/catalog/sample.attributes.json -f examples/catalog/attributes.sql
-- All in one transaction, like load.sql. The search itself does not need this table.

\set ON_ERROR_STOP on

\if :{?attributes}
\else
	DO $$ BEGIN
		RAISE EXCEPTION 'name the attributes file: psql -v attributes=file.json -f attributes.sql' USING ERRCODE = '22023';
	END $$;
\endif

BEGIN;

CREATE TABLE product_attributes (
	url text PRIMARY KEY,
	attributes jsonb NOT NULL CHECK (jsonb_typeof(attributes) = 'object')
);

CREATE TEMP TABLE attributes_lines (n bigint GENERATED ALWAYS AS IDENTITY, line text) ON COMMIT DROP;

-- As in load.sql: every line arrives as it is.
\set copy_lines '\\copy attributes_lines (line) FROM ' :'attributes' ' WITH (FORMAT csv, QUOTE e''\\x01'', DELIMITER e''\\x02'', ENCODING ''UTF8'')'
:copy_lines

DO $$
DECLARE
	content text;
	items jsonb;
	bad record;
BEGIN
	SELECT ltrim(string_agg(coalesce(line, ''), e'\n' ORDER BY n), e'\uFEFF') INTO content FROM attributes_lines;
	IF coalesce(content, '') !~ '\S' THEN
		RAISE EXCEPTION 'the attributes file is empty' USING ERRCODE = '22023';
	END IF;

	BEGIN
		items := content::jsonb;
	EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
		RAISE EXCEPTION 'the attributes file is not JSON: %', SQLERRM USING ERRCODE = '22023';
	END;

	IF jsonb_typeof(items) <> 'array' THEN
		RAISE EXCEPTION 'the attributes are not a JSON array but of type %', jsonb_typeof(items)
			USING ERRCODE = '22023';
	END IF;

	-- The strict order of CASE matters: each test relies on the ones before it.
	SELECT n, problem INTO bad
	FROM (SELECT item, n, count(*) OVER (PARTITION BY item -> 'url') AS times
			FROM jsonb_array_elements(items) WITH ORDINALITY AS r(item, n)) AS r,
		LATERAL (SELECT CASE
			WHEN jsonb_typeof(item) <> 'object' THEN 'is not an object'
			WHEN coalesce(jsonb_typeof(item -> 'url'), 'null') <> 'string' THEN 'has no url'
			WHEN times > 1 THEN 'has the url of another record'
		END) AS c(problem)
	WHERE problem IS NOT NULL
	ORDER BY n
	LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION 'record % of the attributes %', bad.n, bad.problem USING ERRCODE = '22023';
	END IF;

	INSERT INTO product_attributes (url, attributes)
	SELECT item ->> 'url', item - 'url' FROM jsonb_array_elements(items) AS item;
END $$;

COMMIT;

ANALYZE product_attributes;

SELECT count(*) AS attributes FROM product_attributes;
