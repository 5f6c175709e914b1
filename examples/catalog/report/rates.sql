-- Texts a second by their length, with as many threads as the server's setting says.

\set ON_ERROR_STOP on

-- A text that was embedded before must not be had for nothing.
SET pg_embed.memo_size = 0;

CREATE TABLE rates (tokens int, texts int, mean_tokens float8, texts_per_second float8);

DO $$
DECLARE
	-- Some seconds each, whatever the length.
	tokens_in_all constant int := 30000;
	source constant text := (SELECT string_agg(description, ' ' ORDER BY id) FROM products WHERE id <= 1500);
	size int;
	inputs text[];
	mean float8;
	begun timestamptz;
	spent float8[];
BEGIN
	FOR size IN SELECT 2 ^ e FROM generate_series(3, 8) AS e ORDER BY e LOOP
		-- The descriptions, one after the other, cut into pieces; those that came out much shorter are left out.
		SELECT array_agg(chunk), avg(token_count) INTO inputs, mean
		FROM (
			SELECT chunk, token_count FROM embed_chunks(source, size)
			WHERE token_count >= 0.75 * size
			ORDER BY chunk_no
			LIMIT tokens_in_all / size
		) AS pieces;

		spent := '{}';
		FOR round IN 1 .. 3 LOOP
			begun := clock_timestamp();
			PERFORM embed_texts(inputs);
			spent := spent || extract(epoch FROM clock_timestamp() - begun)::float8;
		END LOOP;

		INSERT INTO rates
		SELECT size, cardinality(inputs), mean, cardinality(inputs) / percentile_cont(0.5) WITHIN GROUP (ORDER BY s)
		FROM unnest(spent) AS s;
	END LOOP;
END $$;

SELECT texts, round(mean_tokens::numeric, 1) AS mean_tokens, round(texts_per_second::numeric, 1) AS texts_per_second FROM rates;
