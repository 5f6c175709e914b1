# Many processes at once: one compiled model, and the same vectors whichever process computes them.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use EmbedTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = start_cluster('concurrent', conf => 'max_parallel_workers = 8');

# CREATE EXTENSION and an INSERT open no model: the twenty find none.
$node->safe_psql('postgres', q{
	CREATE TABLE seen (pid int, md5 text, compiled text)});
my $cache = $node->data_dir . '/pg_embed/pgsql_tmp';
is(join(' ', glob("$cache/*")), '', 'no model is compiled yet');

my (@runs, @errors);
for my $i (0 .. 19)
{
	$errors[$i] = '';
	push @runs, IPC::Run::start([ 'psql', '-X', '-q', '-d', $node->connstr('postgres'), '-c', q{
		INSERT INTO seen SELECT pg_backend_pid(), md5(embed_text('a red dress')::text), compiled_model FROM embed_info()}
	], '<', \undef, '2>', \$errors[$i], IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
}
$_->finish for @runs;
is(join('', @errors), '', 'twenty sessions at once, without a word');
is($node->safe_psql('postgres', 'SELECT count(DISTINCT pid), count(DISTINCT md5), count(DISTINCT compiled) FROM seen'),
	'20|1|1', 'give one vector, from one compiled model');
my @models = grep { -d } glob("$cache/*");
is(scalar @models, 1, 'which is the only one there');


# Parallel queries. Sums of distances, rounded, because the order of a sum is not fixed.

$node->safe_psql('postgres', q{
	CREATE TABLE texts AS SELECT i, 'item ' || i || (ARRAY[' red dress', ' blue coat', ' shoe'])[i % 3 + 1] AS text
		FROM generate_series(1, 2000) i;
	ALTER TABLE texts SET (parallel_workers = 4);
	ANALYZE texts});
my $force = $node->pg_version >= 16 ? 'debug_parallel_query' : 'force_parallel_mode';
my $checksum = q{SELECT round(sum(embed_text(text) <-> embed_text('summer wear'))::numeric, 4),
	sum(hashtext(embed_text(text)::text)::numeric) FROM texts};

my $expected;
for my $preload ('', 'pg_embed')
{
	$node->append_conf('postgresql.conf', "shared_preload_libraries = '$preload'");
	$node->restart;
	my $how = $preload ? 'preloaded' : 'not preloaded';
	for my $workers (0 .. 4)
	{
		for my $forced ('off', 'on')
		{
			my $settings = "SET max_parallel_workers_per_gather = $workers; SET $force = $forced;
				SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;";
			my $found = $node->safe_psql('postgres', "$settings $checksum");
			$expected //= $found;
			is($found, $expected, "$how, $workers workers, $force $forced");
			next unless $workers;
			like($node->safe_psql('postgres', "$settings EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) $checksum"),
				qr/Workers Launched: $workers/, "$how, $workers workers did run") if $forced eq 'off';
		}
	}
}

unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC/, 'no process crashed');
$node->stop;
done_testing();
