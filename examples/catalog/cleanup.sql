-- Removes what load.sql created; the indexes go with the table.

\set ON_ERROR_STOP on

DROP TABLE products;
