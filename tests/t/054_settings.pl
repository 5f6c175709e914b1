# Settings of a database or a role do not keep the worker from its work, as little as autovacuum.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use EmbedTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

# How long something may take that should take a second or two.
$PostgreSQL::Test::Utils::timeout_default = 60;

# A database for each; %s stands for its name.
my @settings = (
	q{ALTER DATABASE %s SET default_transaction_isolation = 'serializable'},
	q{ALTER DATABASE %s SET default_transaction_read_only = on},
	q{ALTER DATABASE %s SET default_transaction_isolation = 'serializable'; ALTER DATABASE %1$s SET default_transaction_deferrable = on},
	q{ALTER DATABASE %s SET statement_timeout = 1},
	q{ALTER DATABASE %s SET lock_timeout = 1},
	q{ALTER DATABASE %s SET idle_in_transaction_session_timeout = 1; ALTER DATABASE %1$s SET idle_session_timeout = 1},
	q{ALTER DATABASE %s SET search_path = 'nowhere'},
	q{ALTER DATABASE %s SET row_security = off},
	q{ALTER DATABASE %s SET session_replication_role = 'replica'},
	q{ALTER DATABASE %s SET enable_indexscan = off; ALTER DATABASE %1$s SET enable_bitmapscan = off;
		ALTER DATABASE %1$s SET enable_tidscan = off},
	q{ALTER DATABASE %s SET enable_seqscan = off; ALTER DATABASE %1$s SET jit_above_cost = 0},
	q{ALTER DATABASE %s SET role = 'bob'},
	q{ALTER DATABASE %s SET standard_conforming_strings = off; ALTER DATABASE %1$s SET quote_all_identifiers = on},
	q{ALTER DATABASE %s SET check_function_bodies = off; ALTER DATABASE %1$s SET client_min_messages = 'debug5'},
	q{ALTER ROLE postgres IN DATABASE %s SET default_transaction_read_only = on},
	q{ALTER ROLE alice IN DATABASE %s SET default_transaction_read_only = on});

my $node = start_cluster('settings', conf => q{
	shared_preload_libraries = 'pg_embed'
	max_worker_processes = 16
	pg_embed.worker_naptime = '1s'});
$node->safe_psql('postgres', 'CREATE ROLE alice LOGIN; CREATE ROLE bob LOGIN');
my $superuser = $node->safe_psql('postgres', 'SELECT current_user');

# Each with two tables, one of them alice's. The name of a column is one that a setting could make something else of.
my $tables = q{
	CREATE EXTENSION pg_embed CASCADE;
	CREATE TABLE docs (id int, "d\ 'd" text, e vector(384));
	CREATE TABLE hers ("d\ 'd" text, e vector(384));
	ALTER TABLE hers OWNER TO alice;
	SELECT embed_watch('docs', 'e', ARRAY['d\ ''d']), embed_watch('hers', 'e', ARRAY['d\ ''d'])};
for my $n (0 .. $#settings)
{
	$node->safe_psql('postgres', "CREATE DATABASE s$n");
	$node->safe_psql("s$n", $tables);
	$node->safe_psql('postgres', sprintf($settings[$n] =~ s/ROLE postgres/ROLE $superuser/r, "s$n"));
}
# All workers begin anew, with the settings.
$node->restart;

# The sessions of this test must not have them.
$ENV{PGOPTIONS} = '-c default_transaction_isolation=read\ committed -c default_transaction_read_only=off'
	. ' -c default_transaction_deferrable=off -c statement_timeout=0 -c lock_timeout=0 -c idle_session_timeout=0'
	. ' -c idle_in_transaction_session_timeout=0 -c search_path=public -c session_replication_role=origin'
	. ' -c row_security=on -c role=none -c standard_conforming_strings=on -c client_min_messages=warning';
$node->safe_psql("s$_", q{
	INSERT INTO docs SELECT i, 'item ' || i FROM generate_series(1, 100) AS i;
	INSERT INTO hers SELECT 'hers ' || i FROM generate_series(1, 100) AS i}) for 0 .. $#settings;
my $begun = time;
for my $n (0 .. $#settings)
{
	my $found;
	# One deadline for all.
	do
	{
		sleep 0.1;
		$found = $node->safe_psql("s$n", 'SELECT (SELECT count(e) FROM docs), (SELECT count(e) FROM hers)');
	} until $found eq '100|100' || time - $begun > $PostgreSQL::Test::Utils::timeout_default;
	is($found, '100|100', sprintf($settings[$n], 'a database'));
}

unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC|XX000/, 'no process crashed, no internal error');
$node->stop;
done_testing();
