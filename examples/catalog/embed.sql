-- Fills descriptions_embeddings where it is NULL. Run it outside a transaction: every batch is committed,
-- so that after an interruption the next run carries on from there.

\set ON_ERROR_STOP on

DO $$
DECLARE
	-- Enough texts to keep all threads busy, few enough to report often.
	batch_rows constant int := 256;
	started constant timestamptz := clock_timestamp();
	reported timestamptz := started;
	total bigint;
	done bigint := 0;
	last_id bigint := 0;
	ids bigint[];
	texts text[];
	vectors vector[];
BEGIN
	SELECT count(*), coalesce(min(id), 1) - 1 INTO total, last_id
	FROM products WHERE descriptions_embeddings IS NULL;

	LOOP
		-- From last_id on, so that a row without a description (its vector stays NULL) is not met again.
		SELECT array_agg(id ORDER BY id), array_agg(description ORDER BY id) INTO ids, texts
		FROM (
			SELECT id, description FROM products
			WHERE descriptions_embeddings IS NULL AND id > last_id
			ORDER BY id
			LIMIT batch_rows
		) AS batch;
		EXIT WHEN ids IS NULL;

		vectors := embed_texts(texts);
		UPDATE products SET descriptions_embeddings = e.embedding
		FROM unnest(ids, vectors) AS e(id, embedding)
		WHERE products.id = e.id;
		COMMIT;

		done := done + cardinality(ids);
		last_id := ids[cardinality(ids)];
		IF clock_timestamp() - reported >= interval '1 second' OR done = total THEN
			reported := clock_timestamp();
			RAISE NOTICE '% of % rows, % rows per second', done, total,
				round(done / extract(epoch FROM reported - started), 1);
		END IF;
	END LOOP;
END $$;
