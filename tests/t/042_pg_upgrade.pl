# pg_upgrade of a cluster whose watched columns have a backlog. It reads the old server's next transaction number while
# that server runs, so whoever writes there in this mode, be it a background worker, makes the new one lose rows. Then a dump
# of the old server is restored into the new one.
#   UPGRADE_FROM  the pg_config of an older server that has the extension, too (default: the server that is tested)

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use EmbedTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my ($bindir) = run_command([ 'pg_config', '--bindir' ]);
plan skip_all => 'this installation has no pg_upgrade' unless -x "$bindir/pg_upgrade";

my $from = $ENV{UPGRADE_FROM};
my $old_bindir = $from ? (run_command([ $from, '--bindir' ]))[0] : $bindir;
my ($old_major, $new_major) = map { (run_command([ "$_/postgres", '--version' ]))[0] =~ /\) (\d+)/ } $old_bindir, $bindir;
note "from PostgreSQL $old_major to $new_major";

my $rows = 1000;
my @databases = map { "shop$_" } 1 .. 8;

# One row a transaction, so that a worker that should not run would be seen. In the log, each process that is started.
my $conf = q{
	shared_preload_libraries = 'pg_embed'
	pg_embed.worker_batch_size = 1
	pg_embed.worker_naptime = '1s'
	log_min_messages = debug1};
my $old = start_cluster('old', conf => "$conf\nmax_worker_processes = 1",
	$from ? (install_path => $old_bindir =~ s{/bin$}{}r) : ());
my $new = PostgreSQL::Test::Cluster->new('new');
# Both need the same, and 18 has checksums unless told otherwise.
my @plain = $new_major >= 18 && $old_major < 18 ? ('--no-data-checksums') : ();
$new->init(extra => [ '--encoding=UTF8', '--no-locale', @plain ]);
$new->append_conf('postgresql.conf', "$conf\nmax_worker_processes = 16");

# The launcher has taken the one place for a background worker, so that the rows wait.
for my $database (@databases)
{
	$old->safe_psql('postgres', "CREATE DATABASE $database");
	$old->safe_psql($database, qq{
		CREATE EXTENSION pg_embed CASCADE;
		CREATE EXTENSION amcheck;
		CREATE TABLE watched (id int PRIMARY KEY, d text, e vector(384));
		CREATE TABLE triggered (id int PRIMARY KEY, d text, e vector(384));
		CREATE TRIGGER t BEFORE INSERT OR UPDATE ON triggered FOR EACH ROW EXECUTE FUNCTION embed_trigger('e', 'd');
		CREATE TABLE generated (id int PRIMARY KEY, d text, e vector(384) GENERATED ALWAYS AS (embed_text(d)) STORED);
		CREATE INDEX ON generated USING hnsw (e vector_l2_ops);
		SELECT embed_watch('watched', 'e', '{d}');
		CREATE TABLE documents (id int PRIMARY KEY, d text);
		SELECT embed_watch_chunks('documents', 'd', 'chunks', vectors => 'at_once');
		INSERT INTO documents VALUES (1, 'A document.');
		INSERT INTO watched SELECT i, 'row ' || i FROM generate_series(1, $rows) AS i;
		INSERT INTO triggered SELECT i, 'row ' || i FROM generate_series(1, 20) AS i;
		INSERT INTO generated SELECT i, 'row ' || i FROM generate_series(1, 20) AS i});
}
$old->append_conf('postgresql.conf', 'max_worker_processes = 16');
my $waiting = $old->safe_psql('shop1', 'SELECT count(*) FROM watched WHERE e IS NULL');
cmp_ok($waiting, '>', $rows / 2, 'rows wait when the old server is stopped');
$old->stop;

# What it compiled for itself: it is not to do that again.
my @compiled = map { $_->data_dir . '/pg_embed' } $old, $new;
system_or_bail('rm', '-rf', @compiled);
my $start = -s $old->logfile;

# pg_upgrade writes its logs below the directory it is started in, or below that of the new cluster.
my $scratch = PostgreSQL::Test::Utils::tempdir();
chdir $scratch or die "could not enter $scratch: $!";
my ($said, $errors);
my $upgraded = IPC::Run::run([ "$bindir/pg_upgrade", '--retain', '-b', $old_bindir, '-B', $bindir, '-d', $old->data_dir, '-D',
		$new->data_dir, '-s', $new->host, '-p', $old->port, '-P', $new->port ], '<', \undef, '>', \$said, '2>', \$errors);
ok($upgraded, 'pg_upgrade succeeds') or diag $said, $errors;
like($said, qr/Upgrade Complete/, 'and says so');

my @logs = split /\n/, (run_command([ 'find', $scratch, $new->data_dir, '-name', 'pg_upgrade_server*.log' ]))[0];
my $log = join('', map { slurp_file($_) } @logs);
like($log, qr/database system is ready/, 'the log of the servers that it ran is there');
# The logs are long: only what does not belong there is shown.
my @lines = split /\n/, $log;
is(join("\n", grep { /starting background worker process "pg_embed/ } @lines), '', 'no process of the extension was started');
is(join("\n", grep { /(WARNING|ERROR|PANIC):.*embed/ } @lines), '', 'nothing of the extension complains');
ok(!-e $_, "nothing was written to $_") for @compiled;

$new->start;
my ($visible, $complaints) = (0, '');
for my $database (@databases)
{
	$visible += $new->safe_psql($database, "SELECT count(*) FROM $_") for 'watched', 'triggered', 'generated';
	$complaints .= $new->safe_psql($database, qq{
		SELECT c.oid::regclass, v.* FROM pg_class AS c, verify_heapam(c.oid) AS v WHERE c.relkind IN ('r', 'm', 't')
			AND c.relpersistence = 'p' LIMIT 3});
}
is($visible, @databases * ($rows + 40), 'every row is there');
is($complaints, '', 'verify_heapam finds nothing');

# To have it over with.
$new->append_conf('postgresql.conf', 'pg_embed.worker_batch_size = 256');
$new->reload;
for my $database (@databases)
{
	wait_for_vectors($new, $database, 'watched', 'e', 'ARRAY[d]');
	is($new->safe_psql($database, vectors_of('watched', 'e', 'ARRAY[d]')), "$rows|$rows|0", "$database: the worker goes on");
}
$new->safe_psql('shop1', q{INSERT INTO watched VALUES (0, 'new'); INSERT INTO triggered VALUES (0, 'new');
	INSERT INTO generated VALUES (0, 'new')});
wait_for_vectors($new, 'shop1', 'watched', 'e', 'ARRAY[d]');
is($new->safe_psql('shop1', vectors_of($_->[0], 'e', 'ARRAY[d]')), "$_->[1]|$_->[1]|0", "new rows: $_->[0]")
	for [ 'watched', $rows + 1 ], [ 'triggered', 21 ], [ 'generated', 21 ];

# Documents go on to be cut.
sub follows
{
	my ($database) = @_;
	return $new->safe_psql($database, q{UPDATE documents SET d = 'Another text.'; SELECT chunk, embedding <-> embed_text(chunk) < 1e-4 FROM chunks});
}
is(follows('shop1'), 'Another text.|t', 'chunks follow their documents');

# A dump, by the new server's pg_dump.

$old->start;
$old->safe_psql('shop1', q{INSERT INTO watched VALUES (-1, 'not yet embedded')});
$new->safe_psql('postgres', 'CREATE DATABASE restored');
run_log([ "$bindir/pg_dump", '-d', $old->connstr('shop1'), '-f', "$scratch/dump" ]) or die 'no dump';
is(refusal($new, 'restored', "\\i $scratch/dump"), '', 'a dump is restored');
wait_for_vectors($new, 'restored', 'watched', 'e', 'ARRAY[d]');
is($new->safe_psql('restored', vectors_of($_->[0], 'e', 'ARRAY[d]')), "$_->[1]|$_->[1]|0", "restored: $_->[0]")
	for [ 'watched', $rows + 1 ], [ 'triggered', 20 ], [ 'generated', 20 ];
is(follows('restored'), 'Another text.|t', 'restored: chunks follow their documents');
$old->stop;

unlike(slurp_file($new->logfile), qr/terminated by signal|PANIC/, 'no process crashed');
$new->stop;
chdir '/';
done_testing();
