# More databases than there can be workers: all are served in turn, also beside some that have work without end.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use EmbedTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $databases = $ENV{PG_EMBED_TEST_DATABASES} // 20;
# Workers that a server may have, as many as there are by default; each has a database that keeps it busy.
my $most = 3;
my $node = start_cluster('many_databases', conf => qq{
	shared_preload_libraries = 'pg_embed'
	max_worker_processes = 8
	log_statement = none
	pg_embed.max_workers = $most
	pg_embed.worker_naptime = '1h'});

# A database as a pattern for the others, which nobody is connected to.
$node->safe_psql('postgres', 'CREATE DATABASE pattern');
$node->safe_psql('pattern', q{
	CREATE EXTENSION pg_embed CASCADE;
	CREATE TABLE docs (d text, e vector(384));
	SELECT embed_watch('docs', 'e', '{d}')});
$node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = 'pattern'});
# The worker of an older version would stay.
$node->safe_psql('postgres', q{
	ALTER DATABASE pattern ALLOW_CONNECTIONS false;
	SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = 'pattern'});
my @names = ((map { "busy$_" } 1 .. $most), (map { "db$_" } 1 .. $databases));
$node->safe_psql('postgres', "CREATE DATABASE $_ TEMPLATE pattern") for @names;

$node->safe_psql("busy$_", q{INSERT INTO docs SELECT (SELECT string_agg('word' || g, ' ') FROM generate_series(i, i + 200) AS g)
	FROM generate_series(1, 20000) AS i}) for 1 .. $most;
ok($node->poll_query_until('busy1', 'SELECT count(e) > 0 FROM docs'), 'some are busy');
$node->safe_psql("db$_", q{INSERT INTO docs SELECT 'row ' || i FROM generate_series(1, 5) AS i}) for 1 .. $databases;

my ($begun, $workers, %waiting) = (time, 0, map { $_ => 1 } 1 .. $databases);
my $patience = 30 + 2 * $databases;
while (%waiting && time - $begun < $patience)
{
	for my $n (sort { $a <=> $b } keys %waiting)
	{
		delete $waiting{$n} if $node->safe_psql("db$n", 'SELECT count(e) FROM docs') eq '5';
		# One that has gone home is still there for a moment: those count that are there twice.
		my ($one, $other) = map { { map { $_ => 1 } split /\n/,
				$node->safe_psql('postgres', q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_embed worker'}) } } 1, 2;
		my $now = grep { $other->{$_} } keys %$one;
		$workers = $now if $now > $workers;
	}
	sleep 0.2;
}
my $took = time - $begun;
is(join(' ', sort { $a <=> $b } keys %waiting), '', 'all databases are served');
cmp_ok($workers, '<=', $most, 'by so many workers at a time');
my $done = join ' ', map { $node->safe_psql("busy$_", 'SELECT count(e) FROM docs') } 1 .. $most;
is(() = $done =~ /\b0\b/g, 0, 'the busy ones too');
diag sprintf '%d databases beside %d busy ones took %.1f s; the busy ones had then done %s rows', $databases, $most, $took, $done;

# Nobody's turn is lost: each gets one more.
$node->safe_psql("busy$_", 'TRUNCATE docs') for 1 .. $most;
$node->safe_psql("db$_", q{INSERT INTO docs VALUES ('one more')}) for 1 .. $databases;
ok($node->poll_query_until("db$_", 'SELECT count(e) = 6 FROM docs'), "database $_ again") for 1 .. $databases;

unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC|XX000/, 'no process crashed, no internal error');
$node->stop;
done_testing();
