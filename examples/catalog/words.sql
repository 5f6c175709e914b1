-- What searches by words need (docs/search.md): the words of each description, an index of them, and how rare each is.

\set ON_ERROR_STOP on

ALTER TABLE products ADD COLUMN words tsvector GENERATED ALWAYS AS (to_tsvector('english', description)) STORED;

CREATE INDEX products_words ON products USING gin (words);

-- Of words in more than half of the products none tells anything. To count those of later products, refresh it. The schema is
-- named because PostgreSQL 17 and later make and refresh such views without a search_path.
CREATE MATERIALIZED VIEW rarity AS
SELECT word, array_to_tsvector(ARRAY[word])::text::tsquery AS query, ln((n - ndoc + 0.5) / (ndoc + 0.5))::float8 AS idf
FROM ts_stat('SELECT words FROM public.products'), (SELECT count(*) AS n FROM products) AS p
WHERE ndoc < n / 2.0;

CREATE UNIQUE INDEX rarity_word ON rarity (word);

VACUUM ANALYZE rarity;
