# A standby that is searched while its primary writes, and that is promoted while rows wait for their vectors: no search
# fails, and its own workers do the rest.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use EmbedTest;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $primary = start_cluster('primary', allows_streaming => 1, conf => "shared_preload_libraries = 'pg_embed'\nlog_statement = none");
$primary->safe_psql('postgres', q{
	CREATE TABLE products (id int PRIMARY KEY, d text, e vector(384));
	CREATE INDEX ON products USING hnsw (e vector_l2_ops);
	SELECT embed_watch('products', 'e', '{d}')});

# Texts of some length, so that a worker needs seconds for them.
sub add_rows
{
	my ($node, $first, $last) = @_;
	$node->safe_psql('postgres', qq{INSERT INTO products SELECT i, 'dress number ' || i || repeat(' of green cotton with long sleeves', 10)
		FROM generate_series($first, $last) AS i});
	return;
}
add_rows($primary, 1, 100);
wait_for_vectors($primary, 'postgres', 'products', 'e', 'ARRAY[d]') or die 'the primary does not fill its rows';
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;

# Searches until they are told to stop, from before the writing until after the promotion.
my $script = PostgreSQL::Test::Utils::tempdir() . '/search.sql';
append_to_file($script, "\\set n random(1, 1000000)\nSELECT id FROM products ORDER BY e <-> embed_text('a green dress, :n') LIMIT 10;\n");
my ($counted, $said) = ('', '');
my $searches = IPC::Run::start([ 'pgbench', '-n', '-c', '2', '-T', '600', '-P', '1', '-f', $script, '-h', $standby->host, '-p', $standby->port,
	'postgres' ], '<', \undef, '>', \$counted, '2>', \$said);

add_rows($primary, 101, 200);
$primary->safe_psql('postgres', q{UPDATE products SET d = 'other ' || d WHERE id % 10 = 0});
wait_for_vectors($primary, 'postgres', 'products', 'e', 'ARRAY[d]') or die 'the primary does not fill its rows';
$primary->wait_for_catchup($standby);
is($standby->safe_psql('postgres', vectors_of('products', 'e', 'ARRAY[d]')), '200|200|0', 'the standby has followed under search load');

# The primary is lost while most rows wait.
add_rows($primary, 201, 500);
$primary->wait_for_catchup($standby);
$primary->stop('immediate');
my $waiting = $standby->safe_psql('postgres', 'SELECT count(*) FROM products WHERE e IS NULL');
cmp_ok($waiting, '>', 0, "$waiting rows wait when the primary is lost");
is($standby->safe_psql('postgres', q{SELECT state FROM embed_status}), 'not served', 'embed_status of the standby says that nobody serves them');
my $begun = time;
$standby->promote;
my $promoted = time;
ok(wait_for_vectors($standby, 'postgres', 'products', 'e', 'ARRAY[d]'), 'the promoted server fills them');
note(sprintf '%d rows waited; seconds from the call of promote: %.1f until it is promoted, %.1f until the last of them has its vector',
	$waiting, $promoted - $begun, time - $begun);
is($standby->safe_psql('postgres', vectors_of('products', 'e', 'ARRAY[d]')), '500|500|0', 'with the vectors of their texts');
is($standby->safe_psql('postgres', q{SELECT state FROM embed_status}), 'complete', 'embed_status');

ok($searches->pumpable, 'searches have gone on all the time') or diag $said;
# Not INT, which whoever started the tests may have had ignored.
$searches->signal('TERM');
$searches->finish;
my @progress = $said =~ /^progress: ([^\n]*)/mg;
cmp_ok(@progress, '>', 2, 'they were counted each second') or diag $said;
unlike($said, qr/ERROR|FATAL|aborted/, 'and none has failed');
note("searches: $progress[0]; in the end: $progress[-1]");

unlike(slurp_file($_->logfile), qr/terminated by signal|PANIC|XX000/, $_->name . ': no process crashed, no internal error') for $primary, $standby;
$standby->stop;
done_testing();
