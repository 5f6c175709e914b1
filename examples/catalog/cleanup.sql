-- Removes what load.sql and attributes.sql created; indexes and triggers go with their tables.

\set ON_ERROR_STOP on

SET client_min_messages = warning;
DROP TABLE products;
DROP TABLE IF EXISTS product_attributes;
RESET client_min_messages;
