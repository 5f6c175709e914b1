# Workers come when there is something to do and go when there is not, so that an idle database can be dropped, renamed,
# copied. Whatever becomes of them, the work goes on.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use EmbedTest;
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

# At this level of messages, the postmaster tells of each process that it starts. With this naptime, whatever comes in
# time comes because of a wake-up.
my $node = start_cluster('workers', conf => q{
	shared_preload_libraries = 'pg_embed'
	restart_after_crash = on
	max_prepared_transactions = 5
	log_min_messages = debug1
	log_statement = none
	pg_embed.worker_naptime = '1h'});
# How long something may take that should take a second or two.
$PostgreSQL::Test::Utils::timeout_default = 30;

my $watched = q{
	CREATE EXTENSION IF NOT EXISTS pg_embed CASCADE;
	CREATE TABLE docs (d text, e vector(384));
	SELECT embed_watch('docs', 'e', '{d}')};

sub reload
{
	my (%settings) = @_;
	$node->append_conf('postgresql.conf', "$_ = $settings{$_}") for sort keys %settings;
	$node->reload;
	return;
}

sub add_row
{
	my ($database) = @_;
	$node->safe_psql($database, q{INSERT INTO docs SELECT 'row ' || count(*) FROM docs});
	return;
}

sub is_done
{
	my ($database, $name) = @_;
	return ok($node->poll_query_until($database, 'SELECT count(*) > 0 AND count(*) = count(e) FROM docs'), $name);
}

my $workers = q{FROM pg_stat_activity WHERE backend_type = 'pg_embed worker'};

sub all_go_home
{
	my ($name) = @_;
	return ok($node->poll_query_until('postgres', "SELECT count(*) = 0 $workers"), $name);
}

sub log_since
{
	my ($start) = @_;
	return substr(slurp_file($node->logfile), $start);
}


# Five databases. Once there is nothing to do, there is no worker, and none is started.

my @databases = map { "db$_" } 1 .. 5;
for my $database (@databases)
{
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql($database, $watched);
	add_row($database);
}
is_done($_, "$_: a row gets its vector") for @databases;
all_go_home('the workers go home');
my $end_of_log = -s $node->logfile;
my $seen = $node->safe_psql('postgres', qq{
	CREATE TABLE seen (pid int PRIMARY KEY);
	DO \$\$
	BEGIN
		FOR i IN 1 .. 80 LOOP
			INSERT INTO seen SELECT pid $workers ON CONFLICT DO NOTHING;
			PERFORM pg_stat_clear_snapshot(), pg_sleep(0.1);
		END LOOP;
	END \$\$;
	SELECT count(*) FROM seen});
is($seen, '0', 'and nobody comes for several seconds');
is(() = log_since($end_of_log) =~ /starting background worker process "pg_embed/g, 0, 'nor is anybody started');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_embed launcher'}), '1',
	'the launcher stays');
add_row('db1');
is_done('db1', 'a row that is written afterwards');


# What needs a database without connections, both when it has been idle for long and right after a row was written.

for my $when ('long after', 'right after')
{
	all_go_home("$when: the workers go home");
	my %suffix = (ALTER => $when eq 'long after' ? 'a' : 'b');
	for my $case ([ 'db2', 'ALTER DATABASE %s RENAME TO renamed_%s', 'renamed_%s' ],
		[ 'db3', 'CREATE DATABASE copied_%2$s TEMPLATE %1$s', 'copied_%s' ], [ 'db4', 'DROP DATABASE %s', undef ])
	{
		my ($database, $sql, $new) = @$case;
		$sql = sprintf($sql, $database, $suffix{ALTER});
		add_row($database) if $when eq 'right after';
		is(refusal($node, 'postgres', $sql), '', "$when: $sql");
		if (defined $new)
		{
			$new = sprintf($new, $suffix{ALTER});
			add_row($new);
			is_done($new, "$when: $sql: what is written to it then");
		}
		next if $database eq 'db3';
		# There is another with the same name for the next round.
		$node->safe_psql('postgres', "CREATE DATABASE $database");
		$node->safe_psql($database, $watched);
		add_row($database);
		is_done($database, "$when: a new $database");
	}
}


# A dump brings the rows first and the trigger last. In the source, the rows did not wake anybody.

$node->safe_psql('db5', q{SET session_replication_role = replica; INSERT INTO docs SELECT 'dumped ' || i FROM generate_series(1, 50) AS i});
$node->safe_psql('postgres', 'CREATE DATABASE restored');
my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump.sql';
$node->command_ok([ 'pg_dump', '-f', $dump, $node->connstr('db5') ], 'a dump');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $dump, $node->connstr('restored') ], 'is restored');
is_done('restored', 'rows that were restored before there was a trigger');
is($node->safe_psql('restored', vectors_of('docs', 'e', 'ARRAY[d]')), '51|51|0', 'with the vectors of their texts');

# What no commit tells of is found when the worker looks of its own accord.
$node->safe_psql('db1', q{BEGIN; INSERT INTO docs VALUES ('prepared'); PREPARE TRANSACTION 'p'});
$node->safe_psql('db1', q{COMMIT PREPARED 'p'});
$node->safe_psql('renamed_a', q{SET session_replication_role = replica; INSERT INTO docs VALUES ('from elsewhere')});
reload('pg_embed.worker_naptime' => "'1s'");
is_done('db1', 'a prepared transaction');
is_done('renamed_a', 'a row that was replicated');
is_done('db5', 'rows that were written long ago');
# Also when the setting is not new.
$node->safe_psql('db1', q{BEGIN; INSERT INTO docs VALUES ('prepared'); PREPARE TRANSACTION 'p'});
sleep 3;
$node->safe_psql('db1', q{COMMIT PREPARED 'p'});
is_done('db1', 'a prepared transaction, later');
# What is undone is no work.
$node->safe_psql('db1', q{BEGIN; INSERT INTO docs VALUES ('undone'); ROLLBACK; BEGIN; SAVEPOINT s;
	INSERT INTO docs VALUES ('undone'); ROLLBACK TO s; INSERT INTO docs VALUES ('kept'); COMMIT});
is_done('db1', 'a subtransaction that is undone, and one that is not');
reload('pg_embed.worker_naptime' => "'1h'");


# Processes that are killed, and a server that is restarted.

sub process
{
	my ($type) = @_;
	my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;
	while (time < $deadline)
	{
		my $pid = ask($node, qq{SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_embed $type'
			AND coalesce(datname, 'db1') = 'db1'});
		return $pid if $pid;
		sleep 0.02;
	}
	return BAIL_OUT("no $type");
}

for my $end ('pg_cancel_backend', 'pg_terminate_backend', 'SIGKILL')
{
	for my $type ('worker', 'launcher', 'worker')
	{
		$node->safe_psql('db1', q{INSERT INTO docs SELECT 'more ' || i FROM generate_series(1, 300) AS i});
		my $pid = process($type);
		$end eq 'SIGKILL' ? kill('KILL', $pid) : $node->safe_psql('postgres', "SELECT $end($pid)");
		if ($end eq 'SIGKILL')
		{
			# The server notices, and begins anew.
			sleep 0.5;
			wait_for_server($node);
		}
		is_done('db1', "$end of the $type");
		add_row('db1');
		is_done('db1', "$end of the $type: what is written then");
	}
}
$node->safe_psql('db1', q{INSERT INTO docs SELECT 'more ' || i FROM generate_series(1, 300) AS i});
$node->safe_psql('db5', q{SET session_replication_role = replica; INSERT INTO docs VALUES ('from elsewhere')});
$node->restart;
is_done('db1', 'a restart with rows waiting');
is_done('db5', 'a restart with rows waiting that no commit told of');
all_go_home('all is done, and the workers go home again');

unlike(slurp_file($node->logfile), qr/terminated by signal (?!9)|PANIC|XX000/, 'no process crashed, no internal error');
$node->stop;
done_testing();
