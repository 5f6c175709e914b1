# Tables that Citus keeps in shards: nothing is silently left undone, and what hints and docs/scaling.md say works. With a
# coordinator and a worker.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use EmbedTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $coordinator = start_cluster('coordinator', conf => "shared_preload_libraries = 'pg_embed'");
# A table by the name of Citus's catalogue, but of nobody's, says nothing.
is($coordinator->safe_psql('postgres', q{
	CREATE TABLE pg_dist_partition (logicalrelid regclass, partmethod "char", partkey text, colocationid int, repmodel "char");
	CREATE TABLE plain (id int, d text, e vector(384)); INSERT INTO plain VALUES (1, 'a');
	INSERT INTO pg_dist_partition VALUES ('plain', 'h', '', 1, 's');
	CALL embed_backfill('plain', 'e', '{d}'); SELECT count(e) FROM plain; DROP TABLE pg_dist_partition}), 1, 'without Citus nothing is refused');
my $is_installed = $coordinator->safe_psql('postgres', q{SELECT count(*) FROM pg_available_extensions WHERE name = 'citus'});

SKIP:
{
	skip 'Citus is not installed', 1 if $is_installed eq '0';

	# Citus reaches its servers by host and port.
	my $worker = start_cluster('worker', conf => "shared_preload_libraries = 'pg_embed'");
	for my $node ($coordinator, $worker)
	{
		$node->append_conf('postgresql.conf', "shared_preload_libraries = 'citus,pg_embed'
			listen_addresses = '127.0.0.1'
			citus.node_conninfo = 'sslmode=prefer'");
		$node->append_conf('pg_hba.conf', 'host all all 127.0.0.1/32 trust');
		$node->restart;
		$node->safe_psql('postgres', 'CREATE DATABASE shards');
		$node->safe_psql('shards', 'CREATE EXTENSION citus');
	}
	my ($own, $other) = map { "'127.0.0.1', " . $_->port } $coordinator, $worker;
	my $run = sub { return $coordinator->safe_psql('shards', $_[0]) };
	$run->("SELECT citus_set_coordinator_host($own)");
	$run->("SELECT citus_add_node($other)");
	$run->("SELECT citus_set_node_property($own, 'shouldhaveshards', true)");
	$run->($_) for 'CREATE EXTENSION vector', 'CREATE EXTENSION pg_embed';
	is($worker->safe_psql('shards', q{SELECT count(*) FROM pg_extension WHERE extname IN ('vector', 'pg_embed')}), '2',
		'the workers have the extension that is created after they were added');
	$run->($_) for
		q{CREATE TABLE products (id int PRIMARY KEY, d text, e vector(384))},
		q{SELECT create_distributed_table('products', 'id', shard_count => 4)},
		q{CREATE TABLE generated (id int PRIMARY KEY, d text, e vector(384) GENERATED ALWAYS AS (embed_text(d)) STORED)},
		q{SELECT create_distributed_table('generated', 'id', colocate_with => 'products')},
		q{CREATE TABLE colours (id int PRIMARY KEY, d text, e vector(384))},
		q{SELECT create_reference_table('colours')};
	$run->("INSERT INTO $_ (id, d) SELECT i, (ARRAY['red dress', 'blue coat'])[1 + i % 2] || ' number ' || i FROM generate_series(1, 20) AS i")
		for qw(products colours generated);

	# Everything of a table, wherever it is, by what a hint says.
	my $by_hint = sub {
		my ($said, $what) = @_;
		my ($function, $arguments) = $said =~ /HINT:  SELECT (run_command_on_\w+)(\(.*\$\$\))/ or return "no hint: $said";
		return $run->("SELECT $what FROM $function$arguments");
	};
	for my $case ([ 'products', 'run_command_on_shards', 20 ], [ 'colours', 'run_command_on_placements', 40 ])
	{
		my ($table, $function, $rows) = @$case;
		my $said = refusal($coordinator, 'shards', "CALL embed_backfill('$table', 'e', '{d}')");
		like($said, qr/ERROR:  0A000: table "$table" is kept in shards by Citus.*HINT:  SELECT $function/s, "$table: a backfill is refused");
		like(refusal($coordinator, 'shards', "SELECT embed_watch('$table', 'e', '{d}')"), qr/ERROR:  0A000: table "$table" is kept/, "$table: watching is refused");
		is($by_hint->($said, 'bool_and(success)'), 't', "$table: what the hint says works");
		is($run->("SELECT count(e) FROM $table"), '20', "$table: and fills the rows");
		$said = refusal($coordinator, 'shards', "SELECT * FROM embed_verify('$table', 'e', '{d}')");
		like($said, qr/ERROR:  0A000: table "$table" is kept in shards by Citus.*HINT:  SELECT $function/s, "$table: verification is refused");
		# Each answers with a row: (checked,missing,stale,max_deviation).
		is($by_hint->($said, q{sum(split_part(trim(result, '()'), ',', 1)::int), sum(split_part(result, ',', 2)::int), sum(split_part(result, ',', 3)::int)}),
			"$rows|0|0", "$table: what the hint says verifies all, each copy of a reference table too");
	}

	# A shard by itself, where Citus hides it from queries on pg_class.
	my $shard = $run->(q{SELECT shard_name FROM citus_shards WHERE table_name = 'products'::regclass AND nodeport = } . $worker->port . ' LIMIT 1');
	$run->('UPDATE products SET e = NULL');
	my ($status, undef, $said) = $worker->psql('shards', "CALL embed_backfill('$shard', 'e', '{d}')");
	like($said, qr/: [1-9]\d* rows? embedded/, 'a backfill of a shard on its worker');
	isnt($run->('SELECT count(e) FROM products'), '0', 'fills its rows');
	$run->(q{SELECT run_command_on_shards('products', $$CALL embed_backfill('%s', 'e', '{d}')$$)});

	# Search, and the move of a shard with its rows and what is generated in them.
	my $move = q{SELECT citus_move_shard_placement(shardid, nodename, nodeport, %s, shard_transfer_mode => 'block_writes') FROM citus_shards
		WHERE table_name = 'products'::regclass AND nodeport = %s LIMIT 1};
	for my $when ('before a shard is moved', 'after')
	{
		$run->(sprintf $move, $own, $worker->port) if $when eq 'after';
		for my $table ('products', 'generated')
		{
			is($run->("SELECT count(*), count(e) FROM $table"), '20|20', "$table, $when: all rows have vectors");
			like($run->("SELECT string_agg(d, ',') FROM (SELECT d FROM $table ORDER BY e <-> embed_text('something red to wear') LIMIT 3) AS s"),
				qr/^red.*,red.*,red/, "$table, $when: a search");
		}
	}

	# Settings: a session's own does not reach the workers.
	my $threads = q{SELECT string_agg(DISTINCT result, ' ') FROM run_command_on_workers('SHOW pg_embed.threads')};
	is($run->("SET pg_embed.threads = 2; $threads"), '1', 'SET is not carried to the workers');
	$_->safe_psql('shards', 'ALTER DATABASE shards SET pg_embed.threads = 2') for $coordinator, $worker;
	is($run->($threads), '2', 'ALTER DATABASE ... SET on each server is');

	# What is watched and becomes Citus's afterwards.
	$run->(q{CREATE TABLE later (id int PRIMARY KEY, d text, e vector(384)); SELECT embed_watch('later', 'e', '{d}');
		CREATE TABLE referring (id int PRIMARY KEY, colour int, d text, e vector(384)); SELECT embed_watch('referring', 'e', '{d}')});
	$run->(q{SET citus.enable_unsafe_triggers = on; SELECT create_distributed_table('later', 'id', shard_count => 4)});
	$run->('ALTER TABLE referring ADD FOREIGN KEY (colour) REFERENCES colours');
	for my $table ('later', 'referring')
	{
		like($run->("SELECT state, last_error FROM embed_status WHERE relation = '$table'::regclass"),
			qr/^not served\|Citus keeps its rows in shards/, "$table: a watched table that has become Citus's is told");
	}
	$_->stop for $worker;
}
$coordinator->stop;
done_testing();
