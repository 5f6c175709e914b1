# pg_dump and what restores its output, in each format, into databases with another search_path: the vectors are the
# same, and the columns go on to embed themselves.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use EmbedTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = start_cluster('dump', conf => "shared_preload_libraries = 'pg_embed'");
my $scratch = PostgreSQL::Test::Utils::tempdir();

# The extension is in a schema that is in no search_path of the restored databases, and the tables in two.
$node->safe_psql('postgres', $_)
	for 'CREATE DATABASE source', 'ALTER DATABASE source SET search_path = tools, "My shop", public';
$node->safe_psql('source', q{
	CREATE SCHEMA tools;
	CREATE SCHEMA "My shop";
	CREATE EXTENSION pg_embed SCHEMA tools CASCADE;
	CREATE TABLE public.triggered (id int PRIMARY KEY, d text, tags text[], e vector(384));
	CREATE TRIGGER embed BEFORE INSERT OR UPDATE ON triggered
		FOR EACH ROW EXECUTE FUNCTION embed_trigger('e', 'd', 'tags');
	CREATE TABLE "My shop".generated (id int PRIMARY KEY, d text, tags text[],
		e vector(384) GENERATED ALWAYS AS (embed_text(d)) STORED);
	CREATE INDEX by_vector ON generated USING hnsw (e vector_l2_ops);
	CREATE INDEX by_text ON generated USING hnsw ((embed_text(d)::vector(384)) vector_l2_ops);
	CREATE TABLE "My shop"."watched ""too""" (id int PRIMARY KEY, d text, tags text[], "The e" vector(384));
	SELECT embed_watch('"watched ""too"""', 'The e', '{d,tags}')});
my %tables = (
	'public.triggered' => [ 'e', 'ARRAY[d] || tags' ],
	'"My shop".generated' => [ 'e', 'ARRAY[d]' ],
	'"My shop"."watched ""too"""' => [ '"The e"', 'ARRAY[d] || tags' ]);

# The functions of the extension are not in the search_path where vectors are compared.
sub vectors_in
{
	my ($database, $table) = @_;
	return $node->safe_psql($database, 'SET search_path = tools; ' . vectors_of($table, @{ $tables{$table} }));
}

sub content
{
	my ($database, $table) = @_;
	return $node->safe_psql($database, qq{SELECT count(*), md5(string_agg(t::text, ' ' ORDER BY id)) FROM $table AS t});
}

sub all_filled
{
	my ($database) = @_;
	wait_for_vectors($node, $database, $_, @{ $tables{$_} }) or diag "$database: rows of $_ wait for ever"
		for keys %tables;
	return;
}

sub add_rows
{
	my ($database, $first, $last) = @_;
	$node->safe_psql($database, qq{INSERT INTO $_ (id, d, tags)
		SELECT i, 'item ' || i, CASE WHEN i % 2 = 0 THEN ARRAY['red', NULL, 'new'] END
		FROM generate_series($first, $last) AS i})
		for keys %tables;
	all_filled($database);
	return;
}

add_rows('source', 1, 100);
# These do not belong to their texts. That they come back shows that they were not computed again.
my @given = ('public.triggered', '"My shop"."watched ""too"""');
$node->safe_psql('source', "UPDATE $_ SET $tables{$_}[0] = embed_text('something else') WHERE id = 1") for @given;
my %expected = map { $_ => content('source', $_) } keys %tables;
my $objects = q{
	SET search_path = '';
	SELECT * FROM tools.embed_watched;
	SELECT tgenabled, pg_get_triggerdef(oid) FROM pg_trigger ORDER BY 2;
	SELECT pg_get_indexdef(indexrelid), obj_description(indexrelid, 'pg_class') FROM pg_index
		WHERE indrelid > 16384 AND NOT indisprimary AND indrelid::regclass::text !~ '^pg_toast' ORDER BY 1};
my $expected_objects = $node->safe_psql('source', $objects);

# A client program of PostgreSQL, with what it needs to reach a database.
sub run_ok
{
	my ($program, $database, @arguments) = @_;
	$node->command_ok([ $program, '-d', $node->connstr($database), @arguments ], "$database: $program @arguments");
	return;
}

sub make_database
{
	my ($name) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $name");
	$node->safe_psql('postgres', "ALTER DATABASE $name SET search_path = elsewhere");
	return;
}

my @psql = ('-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f');
my $file = "$scratch/dump";
run_ok('pg_dump', 'source', '-f', "$file.sql");
run_ok('pg_dump', 'source', '-Fc', '-f', "$file.custom");
run_ok('pg_dump', 'source', '-Fd', '-j2', '-f', "$file.directory");
run_ok('pg_dump', 'source', '--schema-only', '-f', "$file.schema.sql");
run_ok('pg_dump', 'source', '--data-only', '-f', "$file.data.sql");

my @restored = ('plain', 'custom', 'directory', 'parts');
make_database($_) for @restored;
run_ok('psql', 'plain', @psql, "$file.sql");
run_ok('pg_restore', 'custom', '--exit-on-error', "$file.custom");
run_ok('pg_restore', 'directory', '--exit-on-error', '-j2', "$file.directory");
# Here the triggers are there before the data.
run_ok('psql', 'parts', @psql, "$file.schema.sql");
run_ok('psql', 'parts', @psql, "$file.data.sql");

# The launcher looks at once what there is to do.
$node->restart;
for my $database (@restored)
{
	for my $table (sort keys %tables)
	{
		is(content($database, $table), $expected{$table}, "$database: $table has the same vectors");
	}
	is($node->safe_psql($database, $objects), $expected_objects,
		"$database: what is watched, triggers, indexes and what they are for");
	is($node->safe_psql($database, qq{
		SET search_path = tools;
		SET enable_seqscan = off;
		SELECT id FROM "My shop".generated ORDER BY $_ <-> embed_text('item 50') LIMIT 1}), '50', "$database: search by $_")
		for 'e', 'embed_text(d)::vector(384)';

	# Only new rows get vectors.
	add_rows($database, 101, 150);
	$node->safe_psql($database, "UPDATE $_ SET d = 'new text' WHERE id = 2") for keys %tables;
	all_filled($database);
	for my $table (sort keys %tables)
	{
		my $wrong = grep { $_ eq $table } @given;
		is(vectors_in($database, $table), "150|150|$wrong", "$database: $table goes on");
	}
}
$node->safe_psql('plain', q{SELECT tools.embed_unwatch('"My shop"."watched ""too"""', 'The e')});
is($node->safe_psql('plain', q{SELECT (SELECT count(*) FROM tools.embed_watched),
	(SELECT count(*) FROM pg_trigger WHERE tgrelid = '"My shop"."watched ""too"""'::regclass),
	(SELECT count(*) FROM pg_index WHERE indrelid = '"My shop"."watched ""too"""'::regclass)}), '0|0|1',
	'embed_unwatch finds what was restored');


# Parts of a database, in other hands: one table, its data alone, a role that is no superuser, a database that is made anew.

sub fills
{
	my ($database, $count, $name) = @_;
	ok(wait_for_vectors($node, $database, 'products', 'e', 'ARRAY[d]'), "$name: none waits for ever");
	is($node->safe_psql($database, 'SET search_path = public, tools; ' . vectors_of('products', 'e', 'ARRAY[d]')),
		"$count|$count|0", "$name: rows, vectors, wrong ones");
	return;
}

$node->safe_psql('postgres', $_) for 'CREATE ROLE keeper LOGIN', 'CREATE DATABASE shop OWNER keeper';
$node->safe_psql('shop', q{
	CREATE EXTENSION vector;
	CREATE EXTENSION pg_embed;
	GRANT CREATE ON SCHEMA public TO keeper});
run_as($node, 'keeper', 'shop', q{
	CREATE TABLE products (id int PRIMARY KEY, d text, e vector(384));
	SELECT embed_watch('products', 'e', '{d}');
	INSERT INTO products SELECT i, 'item ' || i FROM generate_series(1, 50) AS i});
fills('shop', 50, 'the source');
for my $restore ('table', 'table_by_owner', 'data', 'data_again')
{
	my @as = $restore eq 'table_by_owner' ? ('-U', 'keeper') : ();
	$node->safe_psql('postgres', "CREATE DATABASE shop_$restore OWNER keeper");
	$node->safe_psql("shop_$restore", q{CREATE EXTENSION vector; CREATE EXTENSION pg_embed; GRANT CREATE ON SCHEMA public TO keeper});
	if ($restore =~ /^table/)
	{
		run_ok('pg_dump', 'shop', '-t', 'products', '-f', "$file.$restore.sql", @as);
	}
	else
	{
		# The table is there, watched already, and may have rows.
		run_as($node, 'keeper', "shop_$restore", q{
			CREATE TABLE products (id int PRIMARY KEY, d text, e vector(384));
			SELECT embed_watch('products', 'e', '{d}')});
		run_as($node, 'keeper', "shop_$restore", q{INSERT INTO products VALUES (1000, 'was here')}) if $restore eq 'data_again';
		run_ok('pg_dump', 'shop', '--data-only', '-f', "$file.$restore.sql");
	}
	run_ok('psql', "shop_$restore", @psql, "$file.$restore.sql", @as);
	my $count = $restore eq 'data_again' ? 51 : 50;
	fills("shop_$restore", $count, "pg_dump of $restore");
	$node->safe_psql("shop_$restore", q{UPDATE products SET d = 'changed ' || id WHERE id <= 10});
	fills("shop_$restore", $count, "pg_dump of $restore, then an update");
	is($node->safe_psql("shop_$restore", q{SELECT relation, embedding, sources FROM embed_watched}), 'products|e|{d}',
		"pg_dump of $restore: it is watched");
}
# Disabling triggers makes them ordinary ones; they mark rows as before.
run_ok('pg_dump', 'shop', '-Fc', '-f', "$file.shop");
$node->safe_psql('shop_data', 'TRUNCATE products');
run_ok('pg_restore', 'shop_data', '--data-only', '--disable-triggers', "$file.shop");
$node->safe_psql('shop_data', q{UPDATE products SET d = 'once more ' || id WHERE id <= 10});
fills('shop_data', 50, 'pg_restore --disable-triggers, then an update');
# Over itself.
run_ok('pg_restore', 'postgres', '--clean', '--create', '--exit-on-error', "$file.shop");
$node->safe_psql('shop', q{UPDATE products SET d = 'after all ' || id WHERE id <= 10});
fills('shop', 50, 'pg_restore --clean --create, then an update');
is($node->safe_psql('shop', 'SELECT state, last_error FROM embed_status'), 'complete|', 'pg_restore --clean --create: embed_status');

unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC/, 'no process crashed');
$node->stop;
done_testing();
