-- Gives the planner its figures, and index-only scans their map.

\set ON_ERROR_STOP on

VACUUM ANALYZE products;
