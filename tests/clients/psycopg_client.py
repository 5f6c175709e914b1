"""psycopg 3 and pg_embed: psycopg_client.py SOCKET_DIRECTORY PORT DATABASE USER

The table products is there and empty. Stops at the first difference.
"""

import sys

import psycopg

JOINED = "embed_text(concat_ws(' ', title, description))"
INSERT = "INSERT INTO products (id, title, description, price) VALUES (%s, %s, %s, %s)"
COPY = "COPY products (id, title, description, price) FROM STDIN"
SEARCH = "SELECT id FROM products ORDER BY embedding <-> embed_text(%s) LIMIT 3"

ROWS = [
    (1, "Red dress", "sleeveless", 40),
    (2, "Leather boots", None, 120),
    (3, "Coffee machine", "makes espresso", 300),
    (4, "Garden hose", "20 m\tgreen", 25),
    (5, "Acoustic guitar", "six strings", 180),
    (6, "Office chair", "it's adjustable", 90),
    (7, "Winter coat", "wool \\ cashmere", 150),
    (8, None, "café table", 60),
    (9, "Tent", "for two\nor three", 110),
]
COPIED = [(10, "Kitchen knife", "tab\there", 15), (11, "Pillow", None, 20)]
COPIED_BINARY = [(12, "Bicycle", "line\nbreak", 400), (13, None, "desk lamp", 35)]
WANTED = {"espresso": 3, "musical instrument": 5, "furniture for the office": 6}


def check(found, wanted, what):
    if found != wanted:
        sys.exit(f"not ok - {what}: found {ascii(found)}, wanted {ascii(wanted)}")
    print("ok -", what)


def one(query, *params):
    return conn.execute(query, params).fetchone()[0]


def check_vectors(count, what):
    query = f"SELECT count(*), count(*) FILTER (WHERE embedding = {JOINED}) FROM products"
    check(conn.execute(query).fetchone(), (count, count), what)


def check_generic(statement, count):
    """The server keeps a prepared statement, and ran it with a generic plan."""
    query = "SELECT coalesce(sum(generic_plans), 0) >= %s FROM pg_prepared_statements WHERE statement LIKE %s"
    check(one(query, count, statement + "%"), True, f"{statement}: prepared, with a generic plan")


host, port, dbname, user = sys.argv[1:]
conn = psycopg.connect(host=host, port=port, dbname=dbname, user=user, autocommit=True)
print("# psycopg", psycopg.__version__)
# Puts the parameters into the text itself, which makes it a simple statement.
simple = psycopg.ClientCursor(conn)

for row in ROWS[:2]:
    simple.execute(INSERT, row)
check_vectors(2, "INSERT, simple")
for row in ROWS[2:]:
    conn.execute(INSERT, row, prepare=True)
check_vectors(9, "INSERT, prepared")
check_generic("INSERT", 1)

with conn.cursor() as cursor:
    with cursor.copy(COPY) as copy:
        for row in COPIED:
            copy.write_row(row)
    check_vectors(11, "COPY, text")
    with cursor.copy(COPY + " (FORMAT binary)") as copy:
        copy.set_types(["int4", "text", "text", "int4"])
        for row in COPIED_BINARY:
            copy.write_row(row)
    check_vectors(13, "COPY, binary")

query = f"SELECT id, title, description, price, embedding, {JOINED}::text, vector_send({JOINED}) FROM products ORDER BY id"
for binary in False, True:
    name = "binary" if binary else "text"
    rows = conn.execute(query, binary=binary).fetchall()
    check([row[:4] for row in rows], ROWS + COPIED + COPIED_BINARY, f"rows in {name} format")
    check([row[4] for row in rows], [row[6 if binary else 5] for row in rows], f"vectors in {name} format")

# A vector that no text has: it would not survive being computed again.
marker = "[" + ",".join(["0.5"] * 384) + "]"
conn.execute("UPDATE products SET embedding = %s WHERE id = 1", (marker,))
simple.execute("UPDATE products SET price = %s WHERE id = %s", (1, 1))
check(one("SELECT embedding = %s FROM products WHERE id = 1", marker), True, "UPDATE of the price, simple: same vector")
for row in ROWS:
    conn.execute("UPDATE products SET price = %s WHERE id = %s", (row[3] + 1, row[0]), prepare=True)
check(one("SELECT embedding = %s FROM products WHERE id = 1", marker), True, "UPDATE of the price, prepared: same vector")
check_generic("UPDATE products SET price", 1)

simple.execute("UPDATE products SET title = %s WHERE id = %s", ("Blue dress", 1))
check_vectors(13, "UPDATE of the text, simple: new vector")
for row in ROWS:
    conn.execute("UPDATE products SET description = %s WHERE id = %s", (f"edition {row[0]}", row[0]), prepare=True)
check_vectors(13, "UPDATE of the text, prepared: new vectors")
check_generic("UPDATE products SET description", 1)

for text, wanted in WANTED.items():
    check(simple.execute(SEARCH, (text,)).fetchone()[0], wanted, f"search for {text}, simple")
    for binary in False, True:
        found = conn.execute(SEARCH, (text,), binary=binary, prepare=False).fetchone()[0]
        check(found, wanted, f"search for {text}, {'binary' if binary else 'text'} result")
# Left alone, the planner makes a new plan each time: it is cheaper with the query's vector as a constant.
for mode in "auto", "force_generic_plan":
    conn.execute(f"SET plan_cache_mode = {mode}")
    for text, wanted in WANTED.items():
        found = [conn.execute(SEARCH, (text,), prepare=True, binary=n % 2 == 1).fetchall() for n in range(7)]
        check([(rows[0][0], len(rows)) for rows in found], [(wanted, 3)] * 7, f"search for {text}, prepared, {mode}")
check_generic("SELECT id", 21)
conn.close()
