-- Removes what load.sql, attributes.sql, words.sql and index.sql created; indexes and triggers go with their tables.

\set ON_ERROR_STOP on

SET client_min_messages = warning;
DROP MATERIALIZED VIEW IF EXISTS rarity;
DROP TABLE products;
DROP TABLE IF EXISTS product_attributes;
RESET client_min_messages;

SELECT format('ALTER DATABASE %I RESET %s', current_database(), name)
FROM unnest(ARRAY['hnsw.ef_search', 'ivfflat.probes']) AS name \gexec
