# Through pgbouncer in transaction mode, where clients share a server process from one transaction to the next: what they
# share and what they do not, backfills, and a client that is killed in the middle of one.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use EmbedTest;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

$ENV{PATH} .= ':/usr/sbin';
my ($version) = map { /(\d+)\.(\d+)/ ? $1 * 100 + $2 : () } scalar `pgbouncer --version 2>&1`;
plan skip_all => 'no pgbouncer: run make test-deps' unless defined $version;

my $node = start_cluster('pooled', conf => "shared_preload_libraries = 'pg_embed'\nlog_statement = none");
my $user = $node->safe_psql('postgres', 'SELECT current_user');
my ($host, $port) = ($node->host, PostgreSQL::Test::Cluster::get_free_port());
my $dir = PostgreSQL::Test::Utils::tempdir();
append_to_file("$dir/users", qq{"$user" ""\n});
# One server process for all clients, so that each meets what the others leave. Version 1.21 knows prepared statements.
my $knows_prepared = $version >= 121;
append_to_file("$dir/pgbouncer.ini", qq{
[databases]
postgres = host=$host port=@{[ $node->port ]}
[pgbouncer]
unix_socket_dir = $host
listen_port = $port
auth_type = trust
auth_file = $dir/users
pool_mode = transaction
default_pool_size = 1
logfile = $dir/log
} . ($knows_prepared ? "max_prepared_statements = 100\n" : ''));
# In the foreground: a daemon's start returns before there is anything to connect to, or a file with its process ID.
my $pgbouncer = IPC::Run::start([ 'pgbouncer', '-q', "$dir/pgbouncer.ini" ], '<', \undef, '>', "$dir/output", '2>&1');
# Its exit status is not the test's.
END { local $?; $pgbouncer->kill_kill(grace => 0) if $pgbouncer }
my $pooled = "host=$host port=$port dbname=postgres user=$user";
my $tries = 10 * $PostgreSQL::Test::Utils::timeout_default;
sleep 0.1 while --$tries && $pgbouncer->pumpable && (run_command([ 'psql', '-XAtqc', 'SELECT 1', '-d', $pooled ]))[0] ne '1';
ok($tries && $pgbouncer->pumpable, 'pgbouncer starts') or die slurp_file("$dir/output");

# What psql answers through the pool; each call is another client.
sub client
{
	my (@statements) = @_;
	my ($stdout, $stderr) = run_command([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $pooled, map { ('-c', $_) } @statements ]);
	return $stderr =~ /ERROR|FATAL|error/ ? $stderr : $stdout;
}

# The process, its model and its memo are shared.
my $process = client('SELECT pg_backend_pid()');
is(client('SELECT pg_backend_pid()'), $process, 'clients share a server process');
my $vector = q{SELECT md5(embed_text('a green dress')::text)};
is(client($vector), $node->safe_psql('postgres', $vector), 'an embedding through the pool');
is(client($vector), $node->safe_psql('postgres', $vector), 'and the same for another client, which finds it remembered');
is(client('SET pg_embed.memo_size = 0; ' . $vector . '; RESET pg_embed.memo_size'), $node->safe_psql('postgres', $vector), 'and computed anew');

# Settings.
is(client('SHOW pg_embed.threads'), '1', 'a setting');
client('SET pg_embed.threads = 2');
is(client('SHOW pg_embed.threads'), '2', 'SET reaches other clients');
client('RESET pg_embed.threads');
is(client('BEGIN; SET LOCAL pg_embed.threads = 2; SHOW pg_embed.threads; COMMIT'), '2', 'SET LOCAL');
is(client('SHOW pg_embed.threads'), '1', 'does not reach other clients');
$node->safe_psql('postgres', qq{ALTER ROLE "$user" SET pg_embed.threads = 3; SELECT pg_terminate_backend($process)});
$node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $process");
is(client('SHOW pg_embed.threads'), '3', 'ALTER ROLE ... SET holds for new server processes');
$node->safe_psql('postgres', qq{ALTER ROLE "$user" RESET pg_embed.threads});

# Backfills commit, and hold on to the server process all the same.
$node->safe_psql('postgres', q{
	CREATE TABLE products (id int PRIMARY KEY, d text, e vector(384));
	INSERT INTO products SELECT i, 'dress number ' || i || repeat(' of green cotton with long sleeves', 10) FROM generate_series(1, 40) AS i});
client(q{CALL embed_backfill('products', 'e', '{d}', batch_size => 10)});
is($node->safe_psql('postgres', 'SELECT count(e) FROM products'), '40', 'a backfill through the pool');
like(client(q{SELECT embed_watch('products', 'e', '{d}')}), qr/^\s*$/, 'embed_watch through the pool');
client(q{UPDATE products SET d = 'other ' || d});
ok(wait_for_vectors($node, 'postgres', 'products', 'e', 'ARRAY[d]'), 'what is written through the pool wakes the worker');
$node->safe_psql('postgres', q{SELECT embed_unwatch('products', 'e')});

# Prepared statements. Those of the protocol without a name work with any pgbouncer.
my $script = "$dir/search.sql";
append_to_file($script, "\\set n random(1, 40)\nSELECT id FROM products ORDER BY e <-> embed_text('dress number ' || :n) LIMIT 3;\n");
for my $protocol ('extended', $knows_prepared ? 'prepared' : ())
{
	my ($stdout, $stderr) = run_command([ 'pgbench', '-n', '-M', $protocol, '-c', '4', '-t', '25', '-f', $script, '-h', $host, '-p', $port, '-U', $user, 'postgres' ]);
	like($stdout, qr{transactions actually processed: 100/100}, "four clients search with the $protocol protocol") or diag $stderr;
}
is(client(q{BEGIN; PREPARE q (text) AS SELECT id FROM products ORDER BY e <-> embed_text($1) LIMIT 1;
	EXECUTE q('other dress number 7'); DEALLOCATE q; COMMIT}) =~ /^\d+$/ ? 'a row' : '', 'a row', 'PREPARE within a transaction');

# A client that is killed during a backfill.
$node->safe_psql('postgres', q{INSERT INTO products SELECT i, 'dress number ' || i || repeat(' of red wool with a belt and two pockets', 20)
	FROM generate_series(41, 2000) AS i});
my ($stdout, $stderr) = ('', '');
my $psql = IPC::Run::start([ 'psql', '-XAtq', '-d', $pooled, '-c', q{CALL embed_backfill('products', 'e', '{d}', batch_size => 20)} ],
	'<', \undef, '>', \$stdout, '2>', \$stderr);
ok($node->poll_query_until('postgres', 'SELECT count(e) >= 60 FROM products'), 'a backfill is under way');
$psql->kill_kill(grace => 0);
ok($node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE query ~ '^CALL embed_backfill' AND state = 'active'}),
	'its server process ends soon after its client was killed');
my $filled = $node->safe_psql('postgres', 'SELECT count(e) FROM products');
cmp_ok($filled, '<', 2000, "with $filled of 2000 rows filled");
is(client('SELECT 1'), '1', 'the pool serves others');
$node->safe_psql('postgres', q{DELETE FROM products WHERE id > 200; CALL embed_backfill('products', 'e', '{d}')});
is($node->safe_psql('postgres', vectors_of('products', 'e', 'ARRAY[d]')), '200|200|0', 'another backfill goes on where it stopped');

unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC|XX000/, 'no process crashed, no internal error');
$node->stop;
done_testing();
