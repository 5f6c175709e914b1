"""python3 search.py 'green sleeveless summer wear'   (psycopg 3; the PG* variables say where the database is)"""

import sys

import psycopg

SEARCH = """
    SELECT id, descriptions_embeddings <-> embed_text(%(query)s) AS distance, description
    FROM products
    ORDER BY descriptions_embeddings <-> embed_text(%(query)s)
    LIMIT 3
"""

with psycopg.connect() as connection:
    for id, distance, description in connection.execute(SEARCH, {"query": sys.argv[1]}):
        print(f"{id}  {distance:.4f}  {description[:60]}")
