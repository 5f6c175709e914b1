# A table whose partitions are on other servers, as examples/shards makes it: the vectors are made where the rows are, a
# search embeds once and asks each shard for no more than it wants, a shard that is down is named, shards are added, and
# partitions moved under writers.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use EmbedTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $examples = "$FindBin::RealBin/../../examples/shards";
my $conf = "shared_preload_libraries = 'pg_embed'\nlog_statement = none\nwal_level = logical\nmax_wal_senders = 10";
my $coordinator = start_cluster('coordinator', conf => $conf);
plan skip_all => 'no postgres_fdw' unless -e $coordinator->config_data('--sharedir') . '/extension/postgres_fdw.control';
my @shards = map { start_cluster("shard_$_", conf => $conf) } 1 .. 2;

sub run_file
{
	my ($node, $file, %variables) = @_;
	$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', (map { ('-v', "$_=$variables{$_}") } sort keys %variables),
		'-f', "$examples/$file", '-d', $node->connstr('postgres') ], $node->name . ": $file");
	return;
}

sub add_shard
{
	my ($shard) = @_;
	run_file($coordinator, 'server.sql', shard => $shard->name, host => $shard->host, port => $shard->port, dbname => 'postgres');
	return;
}

run_file($coordinator, $_) for 'coordinator.sql', 'search.sql', 'move.sql';
add_shard($_) for @shards;
for my $n (0 .. 3)
{
	run_file($shards[ $n % 2 ], 'shard.sql', table => "products_$n");
	run_file($coordinator, 'partition.sql', shard => $shards[ $n % 2 ]->name, table => "products_$n", modulus => 4, remainder => $n);
}
$coordinator->safe_psql('postgres', q{INSERT INTO products (description)
	SELECT (ARRAY['red', 'blue', 'green', 'black'])[1 + i % 4] || (ARRAY[' dress', ' coat', ' scarf'])[1 + i % 3] || ' number ' || i
	FROM generate_series(1, 200) AS i});
run_file($_, 'fill.sql') for @shards;
run_file($_, 'ready.sql') for @shards;

# All rows have the vectors of their texts, and each partition's rows are where the coordinator looks for them.
sub all_right
{
	my ($rows, $name) = @_;
	is($coordinator->safe_psql('postgres', vectors_of('products', 'descriptions_embeddings', 'ARRAY[description]')),
		"$rows|$rows|0", "$name: all rows have their vectors");
	return;
}
all_right(200, 'filled');


# The search.

# The plan of the query that the function makes.
sub plan_of_search
{
	return $coordinator->safe_psql('postgres', q{
		SELECT 'PREPARE search (vector, int) AS ' || search_query() \gexec
		EXPLAIN (VERBOSE, COSTS off) EXECUTE search(embed_text('a red dress'), 5)});
}
my $sent = qr/Remote SQL: SELECT [^\n]* FROM public\.products_\d ORDER BY \(descriptions_embeddings OPERATOR\(public\.<->\) '\[[^\]]*\]'\) ASC NULLS LAST LIMIT 5::bigint/;
my $plan = plan_of_search();
is(() = $plan =~ /$sent/g, 4, 'each partition is sent the vector, the order and the limit') or diag $plan;
unlike($plan, qr/embed_text/, 'and no text');
SKIP:
{
	skip 'asynchronous execution below UNION ALL came with PostgreSQL 15', 1 if $coordinator->pg_version < 15;
	is(() = $plan =~ /Async Foreign Scan/g, 4, 'the shards are asked side by side');
}
my $exact = q{SELECT string_agg(id::text, ' ' ORDER BY distance) FROM (SELECT id, descriptions_embeddings <-> embed_text('a red dress') AS distance
	FROM products ORDER BY 2 LIMIT 5) AS s};
my $search = q{SELECT string_agg(id::text, ' ' ORDER BY distance) FROM search_products('a red dress', 5)};
my $nearest = $coordinator->safe_psql('postgres', $exact);
is($coordinator->safe_psql('postgres', $search), $nearest, 'it finds what is nearest of all');
# On the shards, the query is answered by the index, where there are rows enough.
my ($remote) = $plan =~ /Remote SQL: (SELECT [^\n]* FROM public\.products_0 [^\n]*)/;
like($shards[0]->safe_psql('postgres', "SET enable_seqscan = off; SET enable_sort = off; EXPLAIN $remote"), qr/Index Scan using products_0_hnsw/,
	'and can be answered by the index');
# Who may not embed on the shards can search all the same: they embed nothing.
for my $shard (@shards)
{
	$shard->safe_psql('postgres', 'REVOKE EXECUTE ON FUNCTION embed_text(text) FROM PUBLIC; CREATE ROLE reader LOGIN;
		GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader');
	$coordinator->safe_psql('postgres', 'ALTER USER MAPPING FOR CURRENT_USER SERVER ' . $shard->name . q{ OPTIONS (ADD user 'reader')});
}
is($coordinator->safe_psql('postgres', $search), $nearest, 'the shards embed nothing for a search');
is($coordinator->safe_psql('postgres', $exact), $nearest, 'nor for a literal');
# In a generic plan, the vector of a parameter is sent if it comes from a subquery; else all rows are fetched to be sorted.
my $generic = sub {
	my ($vector) = @_;
	return $coordinator->safe_psql('postgres', "SET plan_cache_mode = force_generic_plan;
		PREPARE q (text) AS SELECT id FROM products ORDER BY descriptions_embeddings <-> $vector LIMIT 1;
		EXPLAIN (VERBOSE, COSTS off) EXECUTE q('a red dress'); EXECUTE q('a red dress')");
};
my ($first) = split / /, $nearest;
like($generic->('(SELECT embed_text($1))'), qr/Remote SQL: [^\n]* ORDER BY .*\n$first\z/s, 'nor for a parameter in a subquery');
unlike($generic->('embed_text($1)'), qr/Remote SQL: [^\n]* ORDER BY/, 'without a subquery, the shards would send all rows');
for my $shard (@shards)
{
	$coordinator->safe_psql('postgres', 'ALTER USER MAPPING FOR CURRENT_USER SERVER ' . $shard->name . ' OPTIONS (DROP user)');
	$shard->safe_psql('postgres', 'GRANT EXECUTE ON FUNCTION embed_text(text) TO PUBLIC');
}


# Rows that are written through the coordinator.

$coordinator->safe_psql('postgres', q{
	INSERT INTO products (description) SELECT 'a parrot that can talk, number ' || i FROM generate_series(1, 20) AS i;
	UPDATE products SET description = 'a grand piano' WHERE id = 17;
	UPDATE products SET url = 'elsewhere' WHERE id < 10;
	DELETE FROM products WHERE id BETWEEN 30 AND 39});
all_right(210, 'written through the coordinator');
is($coordinator->safe_psql('postgres', q{SELECT id FROM search_products('musical instrument', 1)}), '17', 'an updated row is found by its new text');


# A shard that is down.

$shards[1]->stop;
my $said = refusal($coordinator, 'postgres', $search);
like($said, qr/ERROR:  08001: could not connect to server "shard_2"/, 'the error names the shard that is down');
like($coordinator->safe_psql('postgres', q{SELECT count(*) FROM search_products('a red dress', 5, without => '{shard_2}')}), qr/^5$/,
	'the others can be searched');
like(refusal($coordinator, 'postgres', q{SELECT count(*) FROM search_products('a red dress', 5, without => '{shard_1,shard_2}')}),
	qr/ERROR:  22004/, 'if all are left out, there is an error');
$shards[1]->start;
is($coordinator->safe_psql('postgres', q{SELECT count(*) FROM search_products('a red dress', 5)}), '5', 'when it is there again, it is searched');


# A shard is added: it takes a partition of another, while rows are written.

my $added = start_cluster('shard_3', conf => $conf);
add_shard($added);
run_file($added, 'shard.sql', table => 'products_0');
my $writer = $coordinator->background_psql('postgres');
launch($writer, q{DO $$ BEGIN
	FOR n IN 1001..1200 LOOP
		INSERT INTO products (id, description) VALUES (n, 'written while a partition is moved, number ' || n);
		UPDATE products SET description = 'changed ' || description WHERE id = n - 1 AND n % 2 = 0;
		COMMIT;
	END LOOP;
END $$});
$coordinator->safe_psql('postgres', q{CALL copy_partition('products_0', 'shard_3')});
run_file($added, 'ready.sql');
$coordinator->safe_psql('postgres', q{CALL switch_partition('products_0', 'shard_3')});
is(outcome($writer), '', 'writers go on while a partition is moved');
$writer->quit;
is($coordinator->safe_psql('postgres', q{SELECT shard_of('products_0'), count(*) FROM products WHERE id > 1000}), 'shard_3|200', 'no row is lost');
all_right(410, 'moved');
is($added->safe_psql('postgres', 'SELECT count(*) FROM products_0'), $coordinator->safe_psql('postgres', 'SELECT count(*) FROM products_0'),
	'the added shard has its rows');
is($shards[0]->safe_psql('postgres', q{SELECT to_regclass('products_0') IS NULL, count(*) FROM pg_replication_slots}), 't|0',
	'nothing is left where they were');
is(() = plan_of_search() =~ /$sent/g, 4, 'the search is sent to all partitions as before');
is($coordinator->safe_psql('postgres', $search), $coordinator->safe_psql('postgres', $exact), 'and finds what is nearest of all');
$coordinator->safe_psql('postgres', q{INSERT INTO products (description) SELECT 'after the move, number ' || i FROM generate_series(1, 20) AS i});
all_right(430, 'after the move');
run_file($_, 'verify.sql') for @shards, $added;

unlike(slurp_file($_->logfile), qr/terminated by signal|PANIC|XX000/, $_->name . ': no process crashed, no internal error')
	for $coordinator, @shards, $added;
$_->stop for $coordinator, @shards, $added;


# The example from start to end, which leaves nothing behind.

my $demo = sub {
	my (%settings) = @_;
	local @ENV{ keys %settings } = values %settings;
	return run_command([ 'bash', "$examples/demo.sh" ]);
};
my ($stdout, $stderr) = $demo->(ROWS => 100, SHARDS => 2);
like($stdout, qr/^rows embedded a second +[\d.]+ +[\d.]+\n.*\nsearch, p50 in ms, one by one +[\d.]+ +[\d.]+\nsearch, p50 in ms, async_capable +[\d.]+$/m,
	'the example ends with its table') or diag "$stdout\n$stderr";
unlike($stderr, qr/ERROR(?!:  could not connect to server "shard_2")/, 'its only error is that of the shard that is down');
(undef, $stderr) = $demo->(ROWS => 100, PROGRAMS => '/nowhere');
like($stderr, qr/demo\.sh: failed/, 'one that fails says so');
my ($work) = $stderr =~ m{server's log (/tmp/pg_embed\.\w+)/};
ok($work && !-e $work, 'and leaves nothing behind, either');
done_testing();
