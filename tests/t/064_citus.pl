# Tables that Citus keeps in shards: nothing is silently left undone, and what a hint says works. On a single server, which
# Citus calls a coordinator with shards of its own.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use EmbedTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = start_cluster('citus', conf => "shared_preload_libraries = 'pg_embed'");
# A table by the name of Citus's catalogue, but of nobody's, says nothing.
is($node->safe_psql('postgres', q{
	CREATE TABLE pg_dist_partition (logicalrelid regclass, partmethod "char", partkey text, colocationid int, repmodel "char");
	CREATE TABLE plain (id int, d text, e vector(384)); INSERT INTO plain VALUES (1, 'a');
	INSERT INTO pg_dist_partition VALUES ('plain', 'h', '', 1, 's');
	CALL embed_backfill('plain', 'e', '{d}'); SELECT count(e) FROM plain; DROP TABLE pg_dist_partition}), 1, 'without Citus nothing is refused');

SKIP:
{
	skip 'Citus is not installed', 9
		if $node->safe_psql('postgres', q{SELECT count(*) FROM pg_available_extensions WHERE name = 'citus'}) eq '0';

	$node->append_conf('postgresql.conf', "shared_preload_libraries = 'citus,pg_embed'");
	$node->restart;
	$node->safe_psql('postgres', $_) for 'CREATE EXTENSION citus',
		q{SELECT citus_set_coordinator_host('localhost', (SELECT setting::int FROM pg_settings WHERE name = 'port'))},
		q{CREATE TABLE products (id int PRIMARY KEY, d text, e vector(384)); SELECT create_distributed_table('products', 'id', shard_count => 4)},
		q{CREATE TABLE colours (id int PRIMARY KEY, d text, e vector(384)); SELECT create_reference_table('colours')},
		q{CREATE TABLE later (id int PRIMARY KEY, d text, e vector(384)); SELECT embed_watch('later', 'e', '{d}')};
	$node->safe_psql('postgres', "INSERT INTO $_ SELECT i, 'item ' || i FROM generate_series(1, 20) AS i") for qw(products colours);

	for my $case ([ 'products', 'run_command_on_shards' ], [ 'colours', 'run_command_on_placements' ])
	{
		my ($table, $function) = @$case;
		my $said = refusal($node, 'postgres', "CALL embed_backfill('$table', 'e', '{d}')");
		like($said, qr/ERROR:  0A000: table "$table" is kept in shards by Citus.*HINT:  SELECT $function/s, "$table: a backfill is refused");
		like(refusal($node, 'postgres', "SELECT embed_watch('$table', 'e', '{d}')"), qr/ERROR:  0A000: table "$table" is kept/, "$table: watching is refused");
		my ($hint) = $said =~ /HINT:  (SELECT .*\$\$\))/;
		is($node->safe_psql('postgres', "SELECT bool_and(success) FROM ($hint) AS s" =~ s/SELECT (run_command_on_\w+)/SELECT * FROM $1/r), 't', "$table: what the hint says works");
		is($node->safe_psql('postgres', "SELECT count(e) FROM $table"), 20, "$table: and fills the rows");
	}
	$node->safe_psql('postgres', q{SELECT create_distributed_table('later', 'id', shard_count => 4)});
	like($node->safe_psql('postgres', q{SELECT state, last_error FROM embed_status WHERE relation = 'later'::regclass}), qr/^not served\|Citus keeps its rows in shards/,
		'a watched table that was distributed later is told');
}
done_testing();
