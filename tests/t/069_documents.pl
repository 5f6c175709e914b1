# Tables of chunks that follow their documents: whatever is written, the chunks are those of embed_chunks(), each has the
# vector of its text, and none is embedded again that has not changed.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use EmbedTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = start_cluster('documents', conf => "shared_preload_libraries = 'pg_embed'\nwal_level = logical", allows_streaming => 'logical');

# How many chunks are wrong or missing; `key` are the key's columns, `how` further arguments of embed_chunks().
sub out_of_step
{
	my ($documents, $chunks, $key, $source, $how, $on) = @_;
	my $is = "SELECT $key, chunk_no, chunk, start_char, token_count FROM $chunks";
	my $columns = join ', ', map { "d.$_" } split /, /, $key;
	my $should_be = "SELECT $columns, c.* FROM $documents AS d, embed_chunks(d.$source, $how) AS c";
	return ($on // $node)->safe_psql('postgres', "SELECT count(*) FROM (($is EXCEPT ALL $should_be) UNION ALL ($should_be EXCEPT ALL $is)) AS d");
}

sub sql
{
	my ($sql, %params) = @_;
	return $node->safe_psql('postgres', $sql, %params);
}

my @sentences = map { "The $_ stands on the shelf beside the window of the shop." }
	qw(lamp clock vase mirror basket candle bottle statue teapot radio);
my $body = join ' ', @sentences;

# What is there already.
sql(qq{
	CREATE TABLE articles (id int PRIMARY KEY, title text, body text);
	INSERT INTO articles VALUES (1, 'a', '$body'), (2, 'b', 'Short.'), (3, 'c', NULL), (4, 'd', '')});
is(sql(q{SELECT embed_watch_chunks('articles', 'body', 'article_chunks', max_tokens => 16, overlap => 0)}), 'article_chunks',
	'embed_watch_chunks() gives the table of chunks');
my @step = ('articles', 'article_chunks', 'id', 'body', '16, 0');
is(out_of_step(@step), '0', 'documents that are there are cut');
is(sql('SELECT count(*) FROM article_chunks WHERE id = 1'), '10', 'each sentence is a chunk');
my $versions = sql('SELECT string_agg(xmin::text, chr(32) ORDER BY id) FROM articles');
ok(wait_for_vectors($node, 'postgres', 'article_chunks', 'embedding', 'ARRAY[chunk]'), 'the worker embeds them');
is(sql(vectors_of('article_chunks', 'embedding', 'ARRAY[chunk]')), '11|11|0', 'with the right vectors');
is(sql('SELECT string_agg(xmin::text, chr(32) ORDER BY id) FROM articles'), $versions, 'documents are not written to');

# What is written.
sql(qq{INSERT INTO articles SELECT i, 'x', repeat('$sentences[0] ', i) FROM generate_series(10, 20) AS i});
is(out_of_step(@step), '0', 'INSERT');
sql(q{COPY articles (id, title, body) FROM stdin;
30	x	The first line of a document that came by COPY. And another line of it, which is longer than the first one is.
31	y	\N
\.
});
is(out_of_step(@step), '0', 'COPY');
sql(q{UPDATE articles SET body = body || ' One sentence more, which comes after all the others of the text.' WHERE id < 15});
is(out_of_step(@step), '0', 'UPDATE');
sql(q{INSERT INTO articles VALUES (10, 'x', 'Another text.'), (40, 'x', 'A new text.') ON CONFLICT (id) DO UPDATE SET body = excluded.body});
is(out_of_step(@step), '0', 'INSERT ... ON CONFLICT DO UPDATE');
sql(q{UPDATE articles SET body = NULL WHERE id = 11; UPDATE articles SET body = '' WHERE id = 12});
is(out_of_step(@step), '0', 'texts that become NULL or empty');
sql('DELETE FROM articles WHERE id BETWEEN 15 AND 18');
is(out_of_step(@step), '0', 'DELETE');
# With nothing left to be filled: a row that the worker is just writing is a serialization failure, as any other would be.
ok(wait_for_vectors($node, 'postgres', 'article_chunks', 'embedding', 'ARRAY[chunk]'), 'the worker follows');
sql(q{BEGIN ISOLATION LEVEL SERIALIZABLE; UPDATE articles SET body = 'One. ' || body WHERE id = 13;
	SAVEPOINT s; DELETE FROM articles; ROLLBACK TO s; UPDATE articles SET body = 'Two. ' || body; COMMIT});
is(out_of_step(@step), '0', 'subtransactions');
ok(wait_for_vectors($node, 'postgres', 'article_chunks', 'embedding', 'ARRAY[chunk]'), 'vectors come');
my $session = $node->background_psql('postgres');
answer($session, 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM article_chunks');
sql('UPDATE article_chunks SET embedding = NULL');
ok(wait_for_vectors($node, 'postgres', 'article_chunks', 'embedding', 'ARRAY[chunk]'), 'and come again');
answer($session, q{UPDATE articles SET body = 'Three. ' || body});
answer($session, 'COMMIT');
$session->quit;
is(out_of_step(@step), '0', 'a transaction that does not see what the worker has written');
sql(q{UPDATE articles SET id = id + 100});
is(out_of_step(@step), '0', 'a key that changes');
like(refusal($node, 'postgres', 'TRUNCATE articles;'), qr/0A000.*cannot truncate/, 'TRUNCATE is for both or none');
sql(qq{TRUNCATE articles CASCADE; INSERT INTO articles VALUES (1, 'a', '$body')});
is(out_of_step(@step), '0', 'TRUNCATE ... CASCADE');
ok(wait_for_vectors($node, 'postgres', 'article_chunks', 'embedding', 'ARRAY[chunk]'), 'all of them get their vectors');
is(sql(vectors_of('article_chunks', 'embedding', 'ARRAY[chunk]')), '10|10|0', 'the right ones');

# A chunk that has not changed keeps its vector, and the row if it has not moved. A vector that is like no other shows it.
sql(q{UPDATE article_chunks SET embedding = array_fill(0.5, ARRAY[384])::vector WHERE chunk_no IN (1, 6)});
my $odd = q{SELECT string_agg(chunk_no::text, ' ' ORDER BY chunk_no) FROM article_chunks
	WHERE embedding = array_fill(0.5, ARRAY[384])::vector AND id = 1};
my $row = sql('SELECT ctid FROM article_chunks WHERE chunk_no = 1');
sql(q{UPDATE articles SET title = 'new'; UPDATE articles SET body = body || ' The end of the text is here now, and nothing comes after it.'});
is(sql($odd), '1 6', 'vectors stay when another chunk is added');
is(sql('SELECT ctid FROM article_chunks WHERE chunk_no = 1'), $row, 'rows, too');
sql(qq{UPDATE articles SET body = 'The newest thing stands on the table beside the door of the shop. ' || body});
is(sql($odd), '2 7', 'and go with their chunks when these move');
is(out_of_step(@step), '0', 'which are right');
sql(q{UPDATE articles SET body = replace(body, 'candle', 'lantern')});
is(sql($odd), '2', 'the vector of a changed chunk goes');
sql(q{UPDATE articles SET id = 2});
is(sql(q{SELECT chunk_no FROM article_chunks WHERE embedding = array_fill(0.5, ARRAY[384])::vector AND id = 2}), '2', 'a new key leaves vectors');
sql(q{UPDATE article_chunks SET embedding = NULL});
ok(wait_for_vectors($node, 'postgres', 'article_chunks', 'embedding', 'ARRAY[chunk]'), 'what is emptied by hand is embedded');

# Called again.
sql(q{SELECT embed_watch_chunks('articles', 'body', 'article_chunks', max_tokens => 16, overlap => 0)});
is(sql(q{SELECT count(*) FROM pg_trigger WHERE tgrelid = 'articles'::regclass AND NOT tgisinternal}), '1', 'once is enough');
sql(q{SET session_replication_role = replica; UPDATE articles SET body = 'Behind its back.'});
isnt(out_of_step(@step), '0', 'what no trigger sees');
sql(q{SELECT embed_watch_chunks('articles', 'body', 'article_chunks', max_tokens => 16, overlap => 0)});
is(out_of_step(@step), '0', 'is caught up with by a call');
sql(qq{UPDATE articles SET body = '$body'; SELECT embed_watch_chunks('articles', 'body', 'article_chunks', max_tokens => 40, overlap => 8)});
is(out_of_step('articles', 'article_chunks', 'id', 'body', '40, 8'), '0', 'another size cuts again');
sql(q{UPDATE articles SET body = body || ' And more.'});
is(out_of_step('articles', 'article_chunks', 'id', 'body', '40, 8'), '0', 'and is kept');

# Names are nothing.
sql(q{CREATE SCHEMA other; ALTER TABLE articles RENAME TO papers; ALTER TABLE article_chunks RENAME TO pieces; ALTER TABLE pieces SET SCHEMA other;
	ALTER TABLE papers RENAME id TO number; ALTER TABLE other.pieces RENAME id TO number; INSERT INTO papers VALUES (9, 'x', 'A new text.')});
is(out_of_step('papers', 'other.pieces', 'number', 'body', '40, 8'), '0', 'tables and keys with other names');
sql('ALTER TABLE papers RENAME body TO content');
like(refusal($node, 'postgres', q{UPDATE papers SET title = 'y', content = 'z';}), qr/42703.*"body".*HINT:.*embed_watch_chunks/s,
	'a source with another name is an error');
sql(q{SELECT embed_watch_chunks('papers', 'content', 'other.pieces', max_tokens => 40, overlap => 8); UPDATE papers SET content = 'z'});
is(out_of_step('papers', 'other.pieces', 'number', 'content', '40, 8'), '0', 'which a call mends');

# Two tables of chunks, one with vectors at once and another model.
sql(q{
	SELECT embed_watch_chunks('papers', 'content', 'other.small', max_tokens => 12, vectors => 'at_once', model => 'all-MiniLM-L6-v2-int8');
	BEGIN; INSERT INTO papers VALUES (50, 'x', repeat('One sentence of some words that is not short. ', 20));
	CREATE TABLE seen AS SELECT count(*), count(embedding) AS embedded FROM other.small WHERE number = 50; COMMIT});
is(sql(q{SELECT count = embedded AND count > 5 FROM seen}), 't', 'vectors at once');
is(sql(q{SELECT count(*) FROM other.small WHERE embedding <-> embed_text(chunk, 'all-MiniLM-L6-v2-int8') > 1e-4 OR embedding IS NULL}), '0',
	'of the model that was named');
is(out_of_step('papers', 'other.pieces', 'number', 'content', '40, 8'), '0', 'beside the other table');
sql(q{SELECT embed_unwatch_chunks('papers', 'other.small'); DELETE FROM papers WHERE number = 50; INSERT INTO papers VALUES (51, 'x', 'Text.')});
is(sql('SELECT count(*) FROM other.small WHERE number IN (50, 51)'), '0', 'after embed_unwatch_chunks() only the foreign key is left');
sql(q{DROP TABLE other.pieces; UPDATE papers SET content = 'Nobody cuts this.'; INSERT INTO papers VALUES (52, 'x', 'y')});
is(sql(q{SELECT count(*) FROM pg_trigger WHERE tgrelid = 'papers'::regclass AND NOT tgisinternal}), '0', 'a table that is dropped leaves nothing');

# Composite keys, partitions, columns in another order, a table of chunks of one's own.
sql(q{
	CREATE TABLE pages (site text COLLATE "C", body text, path varchar(200), PRIMARY KEY (site, path)) PARTITION BY LIST (site);
	CREATE TABLE pages_a PARTITION OF pages FOR VALUES IN ('a');
	INSERT INTO pages VALUES ('a', 'A page of the first site. With two sentences.', '/1');
	SELECT embed_watch_chunks('pages', 'body', '"Page chunks"', max_tokens => 10, overlap => 2, vectors => 'at_once');
	CREATE TABLE pages_b (path varchar(200) NOT NULL, gone int, site text COLLATE "C" NOT NULL, body text);
	ALTER TABLE pages_b DROP COLUMN gone;
	ALTER TABLE pages ATTACH PARTITION pages_b FOR VALUES IN ('b');
	INSERT INTO pages VALUES ('b', 'A page of the second site. It has two sentences as well.', '/1'), ('a', 'And another.', '/2')});
my @pages = ('pages', '"Page chunks"', 'site, path', 'body', '10, 2');
is(out_of_step(@pages), '0', 'partitions');
sql(q{UPDATE pages SET site = 'b', path = '/3' WHERE path = '/2'; UPDATE pages SET body = body || ' More of it.'; INSERT INTO pages_b (site, path, body) VALUES ('b', '/4', 'Straight into it.')});
is(out_of_step(@pages), '0', 'rows that move between them');
is(sql(vectors_of('"Page chunks"', 'embedding', 'ARRAY[chunk]')), sql(q{SELECT count(*) || '|' || count(*) || '|0' FROM "Page chunks"}), 'with vectors');
sql(q{
	CREATE TABLE notes (chunk bigint PRIMARY KEY, memo text[]);
	CREATE TABLE note_chunks (note bigint REFERENCES notes ON DELETE CASCADE, chunk_no int, chunk text, start_char int, token_count int,
		embedding vector(384), seen timestamptz DEFAULT now());
	SELECT embed_watch_chunks('notes', 'memo', 'note_chunks');
	INSERT INTO notes VALUES (7, ARRAY['one', NULL, 'two'])});
is(sql('SELECT note, chunk_no, chunk, start_char, token_count, seen IS NOT NULL FROM note_chunks'), '7|1|one two|1|4|t', 'a table of chunks of one\'s own');

sql(q{
	CREATE TABLE letters (id int PRIMARY KEY, body text);
	CREATE TABLE letter_chunks (id int REFERENCES letters ON DELETE CASCADE, chunk_no int, chunk text, start_char int, token_count int,
		embedding vector(384), of_number vector(384));
	CREATE TRIGGER another BEFORE INSERT ON letter_chunks FOR EACH ROW EXECUTE FUNCTION embed_trigger('of_number', 'chunk');
	SELECT embed_watch_chunks('letters', 'body', 'letter_chunks', vectors => 'at_once')});
is(sql(q{SELECT string_agg(format('%s %s', tgname, tgenabled), ', ' ORDER BY tgname) FROM pg_trigger
	WHERE tgrelid = 'letter_chunks'::regclass AND NOT tgisinternal}), 'another O, embed_chunks A', 'beside a trigger for another column');

# Markdown, with the headings before the chunks.
sql(q{
	CREATE TABLE guides (id int PRIMARY KEY, body text);
	SELECT embed_watch_chunks('guides', 'body', 'guide_chunks', max_tokens => 40, split => 'markdown', headings => true, vectors => 'at_once');
	INSERT INTO guides VALUES (1, E'# Lamps\n\nOf glass.\n\n## Cleaning\n\nWith water.\n\n## Repair\n\nBy hand.')});
my @guides = ('guides', 'guide_chunks', 'id', 'body', q{40, 0, 'markdown', true});
is(out_of_step(@guides), '0', 'Markdown');
sql(q{UPDATE guide_chunks SET embedding = array_fill(0.5, ARRAY[384])::vector; UPDATE guides SET body = replace(body, 'By hand', 'By machine')});
is(sql(q{SELECT count(*) - 1 = count(*) FILTER (WHERE embedding = array_fill(0.5, ARRAY[384])::vector) FROM guide_chunks}), 't', 'one section is embedded again');
is(out_of_step(@guides), '0', 'and is right');

# Search by the best chunk, as the page has it: chunks are read until there are enough documents, by the index. One document
# has the nearest 200.
my ($search) = slurp_file("$FindBin::RealBin/../../docs/documents.md") =~ /^(CREATE FUNCTION search_manuals.*?^END \$\$;)$/ms;
SKIP:
{
	skip 'pgvector before 0.8 has no iterative scans', 4
		unless sql(q{SELECT string_to_array(extversion, '.')::int[] >= '{0,8}' FROM pg_extension WHERE extname = 'vector'}) eq 't';
	sql(qq{
		CREATE TABLE manuals (id bigint PRIMARY KEY, title text, body text);
		SELECT embed_watch_chunks('manuals', 'body', 'manual_chunks', max_tokens => 16, vectors => 'at_once');
		INSERT INTO manuals SELECT 1, 'lamps', string_agg('A lamp of glass is cleaned with water, says line ' || i || '. ', '') FROM generate_series(1, 200) AS i;
		INSERT INTO manuals SELECT i + 1, 'other', 'The thing number ' || i || ' is of wood.' FROM generate_series(1, 20) AS i;
		CREATE INDEX ON manual_chunks USING hnsw (embedding vector_l2_ops);
		ANALYZE manual_chunks});
	cmp_ok(sql('SELECT count(*) FROM manual_chunks WHERE id = 1'), '>', 100, 'a document of many chunks');
	sql($search);
	my $found = sql(q{SELECT string_agg(id::text, ' ' ORDER BY distance) FROM search_manuals('cleaning a lamp of glass', 5)});
	like($found, qr/^1( \d+){4}$/, 'five documents are found, though one has the nearest chunks');
	is(sql(q{SELECT string_agg(id::text, ' ' ORDER BY d) FROM (SELECT id, min(embedding <-> embed_text('cleaning a lamp of glass')) AS d
		FROM manual_chunks GROUP BY id ORDER BY d LIMIT 5) AS f}), $found, 'the right ones');
	like(sql(q{SET enable_sort = off; EXPLAIN SELECT c.id FROM manual_chunks AS c ORDER BY c.embedding <-> (SELECT embed_text('a lamp'))}),
		qr/Index Scan using manual_chunks_embedding_idx/, 'by the index');
}

# What keeps a document from being cut is told, and what was told to the trigger stays.
my $said = sub { sql("SELECT last_error FROM embed_status WHERE relation = '$_[0]'::regclass") };
my $watch_guides = q{SELECT embed_watch_chunks('guides', 'body', 'guide_chunks', vectors => 'at_once', max_tokens => %s)};
is($said->('guide_chunks'), '', 'embed_status has nothing to say of a table of chunks that is kept');
my $keeps = sql(q{SELECT tgname FROM pg_trigger WHERE tgrelid = 'guides'::regclass AND tgname LIKE 'embed%'});
sql("ALTER TABLE guides DISABLE TRIGGER $keeps");
is($said->('guide_chunks'), qq{trigger "$keeps" of table "guides" is disabled: documents are not cut}, 'embed_status: a trigger is disabled');
sql(sprintf $watch_guides, 20);
is(out_of_step('guides', 'guide_chunks', 'id', 'body', '20, 0'), '0', 'cut in another way');
like($said->('guide_chunks'), qr/is disabled: documents are not cut/, 'and the trigger is disabled still');
sql("ALTER TABLE guides ENABLE ALWAYS TRIGGER $keeps");
sql(sprintf $watch_guides, 16);
is(sql("SELECT tgenabled FROM pg_trigger WHERE tgname = '$keeps'"), 'A', 'a trigger that fires always');
my ($part) = sql(q{SELECT tgname FROM pg_trigger WHERE tgrelid = 'pages_b'::regclass AND tgconstrrelid = '"Page chunks"'::regclass AND tgname LIKE 'embed%'});
sql(qq{ALTER TABLE pages_b DISABLE TRIGGER "$part"});
is($said->('"Page chunks"'), qq{trigger "$part" of table "pages_b" is disabled: documents are not cut}, 'embed_status: in a partition');
sql(qq{ALTER TABLE pages_b ENABLE TRIGGER "$part"});
is($said->('"Page chunks"'), '', 'and not any more');

# Rights: who writes documents need not be allowed to write chunks; nobody's code runs in another's name.
set_traps($node, 'postgres');
sql('CREATE ROLE writer LOGIN');
run_as($node, 'mallory', 'postgres', q{
	CREATE TABLE mallory.docs (id int PRIMARY KEY, body text);
	SELECT embed_watch_chunks('mallory.docs', 'body', 'mallory.doc_chunks', vectors => 'at_once');
	CREATE TRIGGER "chunk is written" BEFORE INSERT OR UPDATE ON mallory.doc_chunks FOR EACH ROW EXECUTE FUNCTION mallory.trap_row();
	CREATE INDEX ON mallory.doc_chunks ((mallory.constant_trap('index')));
	GRANT INSERT, UPDATE, SELECT ON mallory.docs TO writer});
is(sql(q{SELECT tableowner FROM pg_tables WHERE tablename = 'doc_chunks'}), 'mallory', 'chunks belong to who owns the documents');
run_as($node, 'writer', 'postgres', q{INSERT INTO mallory.docs VALUES (1, 'A text of the writer.'); UPDATE mallory.docs SET body = 'Another.'});
# A superuser's own query would spring the index's.
is(run_as($node, 'mallory', 'postgres', 'SELECT chunk, embedding IS NULL FROM mallory.doc_chunks'), 'Another.|f', 'a writer without rights on the chunks');
sql(q{UPDATE mallory.docs SET body = 'By a superuser.'; SELECT embed_watch_chunks('mallory.docs', 'body', 'mallory.doc_chunks', vectors => 'at_once')});
is(sprung($node), '', 'no trap has sprung');
sql(q{CREATE TABLE treasure (id int PRIMARY KEY, body text); SELECT embed_watch_chunks('treasure', 'body', 'treasure_chunks', vectors => 'at_once')});
my $trigger = q{CREATE CONSTRAINT TRIGGER steal AFTER INSERT ON mallory.docs FROM treasure_chunks FOR EACH ROW
	EXECUTE FUNCTION embed_chunks_trigger('body', '', '0', 'text', '', '', '');};
like(refusal($node, 'postgres', $trigger, '-U', 'mallory'), qr/42501/, 'nobody writes chunks of others');
sql('GRANT TRIGGER ON treasure_chunks TO mallory');
run_as($node, 'mallory', 'postgres', $trigger);
like(refusal($node, 'postgres', q{INSERT INTO mallory.docs VALUES (2, 'x');}, '-U', 'mallory'), qr/42501.*another owner/, 'not even with a trigger');
run_as($node, 'mallory', 'postgres', 'DROP TRIGGER steal ON mallory.docs');
run_as($node, 'mallory', 'postgres', q{CREATE INDEX ON mallory.docs ((mallory.constant_trap('index of documents')))});
sql(q{SELECT embed_watch_chunks('mallory.docs', 'body', 'mallory.by_superuser', max_tokens => 20); SELECT embed_unwatch_chunks('mallory.docs', 'mallory.doc_chunks')});
ok(wait_for_vectors($node, 'postgres', 'mallory.by_superuser', 'embedding', 'ARRAY[chunk]'), 'the worker embeds what is planted');
is(sprung($node), '', 'no trap has sprung');
is(sql(q{SELECT tableowner FROM pg_tables WHERE tablename = 'by_superuser'}), 'mallory', 'also if a superuser has them kept');

# Dump and restore. To restore what is planted would spring it.
sql('DROP SCHEMA mallory CASCADE');
my $dump = $node->backup_dir . '/dump.sql';
sql(q{CREATE TABLE books (id uuid PRIMARY KEY, body text); SELECT embed_watch_chunks('books', 'body', 'book_chunks', max_tokens => 10, overlap => 0);
	INSERT INTO books VALUES ('00000000-0000-0000-0000-000000000001', 'The first sentence of it. The second sentence of it.')});
ok(wait_for_vectors($node, 'postgres', 'book_chunks', 'embedding', 'ARRAY[chunk]'), 'a book is embedded');
mkdir $node->backup_dir;
run_command([ 'pg_dump', '-d', $node->connstr('postgres'), '-f', $dump ]);
$node->safe_psql('postgres', 'CREATE DATABASE restored');
my ($stdout, $stderr) = run_command([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('restored'), '-f', $dump ]);
is($stderr, '', 'a dump is restored');
my $all = 'SELECT md5(string_agg(c::text, chr(10) ORDER BY c::text)) FROM book_chunks AS c';
is($node->safe_psql('restored', $all), sql($all), 'with all that was in it');
is($node->safe_psql('restored', q{UPDATE books SET body = 'Only one sentence now.'; SELECT chunk FROM book_chunks}), 'Only one sentence now.', 'and is kept there');
is($node->safe_psql('restored', q{DROP TABLE book_chunks; INSERT INTO books VALUES (gen_random_uuid(), 'x'); SELECT count(*) FROM pg_trigger WHERE tgrelid = 'books'::regclass AND NOT tgisinternal}),
	'0', 'until the table is dropped');

# Replication: with the chunks, and of the documents alone.
my $subscriber = start_cluster('subscriber', conf => "shared_preload_libraries = 'pg_embed'");
for my $server ($node, $subscriber)
{
	$server->safe_psql('postgres', q{
		CREATE TABLE both_sent (id int PRIMARY KEY, body text); SELECT embed_watch_chunks('both_sent', 'body', 'both_chunks', vectors => 'at_once');
		CREATE TABLE text_sent (id int PRIMARY KEY, body text); SELECT embed_watch_chunks('text_sent', 'body', 'text_chunks', vectors => 'at_once')});
}
sql('CREATE PUBLICATION p FOR TABLE both_sent, both_chunks, text_sent');
$subscriber->safe_psql('postgres', sprintf(q{CREATE SUBSCRIPTION s CONNECTION '%s' PUBLICATION p}, $node->connstr('postgres') =~ s/'//gr));
is($subscriber->safe_psql('postgres', q{SELECT relation, last_error ~ '^the trigger of table "text_sent" does not fire for rows of a subscription'
	FROM embed_status WHERE last_error IS NOT NULL}), 'text_chunks|t', 'embed_status: replicated documents are not cut');
$subscriber->safe_psql('postgres', q{SELECT format('ALTER TABLE text_sent ENABLE ALWAYS TRIGGER %I', tgname) FROM pg_trigger
	WHERE tgrelid = 'text_sent'::regclass AND NOT tgisinternal \gexec});
$subscriber->wait_for_subscription_sync if $subscriber->can('wait_for_subscription_sync');
$subscriber->poll_query_until('postgres', q{SELECT count(*) = 0 FROM pg_subscription_rel WHERE srsubstate <> 'r'});
for my $table (qw(both text))
{
	sql(qq{INSERT INTO ${table}_sent VALUES (1, 'A text that is sent.'), (2, 'Another one.'), (3, 'A third.'); UPDATE ${table}_sent SET body = body || ' Then changed.' WHERE id = 1;
		DELETE FROM ${table}_sent WHERE id = 2});
}
$node->wait_for_catchup('s');
for my $table (qw(both text))
{
	is(out_of_step("${table}_sent", "${table}_chunks", 'id', 'body', '256, 0', $subscriber), '0', "a subscriber of $table");
	is($subscriber->safe_psql('postgres', vectors_of("${table}_chunks", 'embedding', 'ARRAY[chunk]')), '2|2|0', 'has the vectors');
}
$subscriber->safe_psql('postgres', 'DROP SUBSCRIPTION s');
unlike(slurp_file($subscriber->logfile), qr/terminated by signal|PANIC|XX000|ERROR:  duplicate/, 'no error there');
$subscriber->stop;

# What cannot be.
sql(q{CREATE TABLE keyless (body text); CREATE VIEW seeming AS SELECT 1 AS id, 'x' AS body; CREATE TABLE taken (chunk_no int PRIMARY KEY, body text);
	CREATE TABLE plain (id int PRIMARY KEY, body text, n int); CREATE TABLE no_reference (id int, chunk_no int, chunk text, start_char int, token_count int, embedding vector(384))});
for my $case (
	[ q{'keyless', 'body', 'c'}, qr/42704.*no primary key.*HINT/s, 'a table without a key' ],
	[ q{'seeming', 'body', 'c'}, qr/42809/, 'a view' ],
	[ q{'taken', 'body', 'c'}, qr/42701.*HINT/s, 'a key with a name that is taken' ],
	[ q{'plain', 'nothing', 'c'}, qr/42703/, 'a source that is not there' ],
	[ q{'plain', 'n', 'c'}, qr/42804/, 'a source that is no text' ],
	[ q{'plain', 'body', 'seeming'}, qr/42809/, 'a view for the chunks' ],
	[ q{'plain', 'body', 'no_reference'}, qr/55000.*foreign key.*HINT/s, 'a table without a foreign key' ],
	[ q{'plain', 'body', 'nowhere.c'}, qr/3F000/, 'a schema that is not there' ],
	[ q{'plain', 'body', 'c', max_tokens => 1}, qr/22023/, 'too few tokens' ],
	[ q{'plain', 'body', 'c', vectors => 'never'}, qr/22023.*HINT/s, 'no such way to embed' ],
	[ q{'plain', 'body', 'c', model => 'nobody'}, qr/42704/, 'no such model' ],
	[ q{'plain', 'body', 'c', key => '{n}'}, qr/42830/, 'a key that is not unique' ],
	[ q{'plain', NULL, 'c'}, qr/22004/, 'no source' ])
{
	my ($arguments, $error, $name) = @$case;
	like(refusal($node, 'postgres', "SELECT embed_watch_chunks($arguments);"), $error, $name);
}
like(refusal($node, 'postgres', q{SELECT embed_watch_chunks('plain', 'body', 'c');}, '-U', 'mallory'), qr/42501/, 'a table of others');
like(refusal($node, 'postgres', q{SELECT embed_unwatch_chunks('plain', 'no_reference');}), qr/42704/, 'what is not kept cannot be ended');
is(sql(q{SELECT to_regclass('c') IS NULL AND count(*) = 0 FROM pg_trigger WHERE tgrelid = 'plain'::regclass}), 't', 'nothing is left of what was refused');

unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC|XX000/, 'no process crashed, no internal error');
$node->stop;
done_testing();
