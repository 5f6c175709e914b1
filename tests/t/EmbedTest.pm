# What the cluster tests share.

package EmbedTest;

use strict;
use warnings;

use Exporter 'import';
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Time::HiRes qw(sleep time);

our @EXPORT = qw(start_cluster answer launch outcome refusal vectors_of wait_for_vectors has_halfvec has_iterative_scans ask wait_for_server set_traps
	sprung run_as);

# Starts a cluster that has the extension in its database postgres. `conf` is appended to postgresql.conf, `install_path`
# is that of another server than the one that is tested; the other parameters are those of init().
sub start_cluster
{
	my ($name, %params) = @_;
	my ($conf, $path) = delete @params{ 'conf', 'install_path' };
	my $node = PostgreSQL::Test::Cluster->new($name, $path ? (install_path => $path) : ());
	$node->init(extra => [ '--encoding=UTF8', '--no-locale' ], %params);
	$node->append_conf('postgresql.conf', $conf) if defined $conf;
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION pg_embed CASCADE');
	return $node;
}

# What a background session answers. Some versions of PostgreSQL's module leave the last newline on it, or their own
# mark for its end.
sub answer
{
	my ($session, $query) = @_;
	my $answer = $session->query($query);
	return $answer =~ s/(^|\n)(background_psql: QUERY_SEPARATOR.*)?\n*\z//r;
}

# Starts a statement in a background session and does not wait for its end.
sub launch
{
	my ($session, $query) = @_;
	$session->query_until(qr/launched/, "\\echo launched\n$query;\n");
	return;
}

# Waits for its end; gives what the session has said on stderr since the last time.
sub outcome
{
	my ($session) = @_;
	$session->query('SELECT 1');
	my $said = $session->{stderr} =~ s/background_psql: QUERY_SEPARATOR.*\n//gr;
	$session->{stderr} = '';
	return $said;
}

# What psql answers, nothing where the server is not there. The statement is not given on stdin: psql might end before it
# reads.
sub ask
{
	my ($node, $sql) = @_;
	my ($answer, $said) = ('', '');
	IPC::Run::run([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', $sql ],
		'<', \undef, '>', \$answer, '2>', \$said);
	chomp $answer;
	return $answer;
}

# Waits until a server that is recovering takes connections.
sub wait_for_server
{
	my ($node) = @_;
	my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;
	until (ask($node, 'SELECT true') eq 't')
	{
		die 'the server does not come back' if time > $deadline;
		sleep 0.05;
	}
	return;
}

# What a statement that should fail says, with its SQLSTATE.
sub refusal
{
	my ($node, $database, $sql, @params) = @_;
	my ($status, $stdout, $stderr) =
		$node->psql($database, "\\set VERBOSITY verbose\n$sql", on_error_stop => 0, extra_params => \@params);
	return $stderr;
}

# A query for "rows|vectors|wrong": how many rows of `table` have a vector in the column `embedding`, and how many of
# these are not that of the row's text, which is made of the elements of `texts`, a text[].
sub vectors_of
{
	my ($table, $embedding, $texts) = @_;
	return qq{
		WITH seen AS MATERIALIZED (SELECT row_number() OVER () AS n, $embedding AS vector,
				(SELECT string_agg(x, ' ' ORDER BY o) FROM unnest($texts) WITH ORDINALITY AS u (x, o)) AS text FROM $table),
			fresh AS (SELECT u.* FROM (SELECT embed_texts(array_agg(text ORDER BY n)) AS v FROM seen) AS s,
				unnest(v) WITH ORDINALITY AS u (fresh, n))
		SELECT count(*), count(vector), count(*) FILTER (WHERE coalesce(vector <-> fresh > 1e-4, vector IS NOT NULL))
			FROM seen LEFT JOIN fresh USING (n)};
}

# Waits until each row of `table` has a vector, if it has a text; for the parameters, see vectors_of().
sub wait_for_vectors
{
	my ($node, $database, $table, $embedding, $texts) = @_;
	return $node->poll_query_until($database, qq{SELECT count(*) FROM $table
		WHERE $embedding IS NULL AND EXISTS (SELECT FROM unnest($texts) AS t WHERE t IS NOT NULL)}, '0');
}

# Whether pgvector has vectors of half the precision, as from 0.7 on.
sub has_halfvec
{
	my ($node) = @_;
	return $node->safe_psql('postgres', q{SELECT to_regtype('halfvec') IS NOT NULL}) eq 't';
}

# Whether this pgvector goes on where a filter leaves too few. It has the settings once it is loaded.
sub has_iterative_scans
{
	my ($node, $dbname) = @_;
	return $node->safe_psql($dbname, q{SELECT '[1]'::vector; SELECT count(*) FROM pg_settings WHERE name = 'hnsw.iterative_scan'})
		=~ /^1$/m;
}

# As one role or another.
sub run_as
{
	my ($node, $role, $database, $sql) = @_;
	return $node->safe_psql($database, $sql, extra_params => [ '-U', $role ]);
}

# Gives a database the schema `mallory`, which belongs to the role of that name, with functions that the role may plant
# wherever code can be: trap() writes into the server's log, which no rollback takes back, as whom it runs, and takes
# all that this gives it.
sub set_traps
{
	my ($node, $database) = @_;
	$node->safe_psql($database, q{
		DO $$ BEGIN CREATE ROLE mallory LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
		CREATE SCHEMA mallory AUTHORIZATION mallory;
		GRANT USAGE ON SCHEMA mallory TO PUBLIC;
		SET SESSION AUTHORIZATION mallory;
		CREATE FUNCTION mallory.trap(place text) RETURNS bool LANGUAGE plpgsql SET search_path = pg_catalog AS $$
		DECLARE
			before text := current_user;
			way_out text;
		BEGIN
			RAISE LOG 'trap: % as %', place, before;
			FOREACH way_out IN ARRAY ARRAY['RESET ROLE', 'SET ROLE postgres', 'RESET SESSION AUTHORIZATION',
				'SET SESSION AUTHORIZATION postgres', 'ALTER ROLE mallory SUPERUSER']
			LOOP
				BEGIN
					EXECUTE way_out;
					IF before = 'mallory' AND (current_user <> before OR way_out LIKE 'ALTER%') THEN
						RAISE LOG 'trap: % as % after %', place, current_user, way_out;
					END IF;
				EXCEPTION WHEN OTHERS THEN NULL;
				END;
			END LOOP;
			RETURN true;
		END $$;
		-- For where PostgreSQL demands that it be immutable. It evaluates such a call when it plans.
		CREATE FUNCTION mallory.constant_trap(place text) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS
			$$ BEGIN RETURN mallory.trap(place); END $$;
		CREATE FUNCTION mallory.trap_row() RETURNS trigger LANGUAGE plpgsql AS
			$$ BEGIN PERFORM mallory.trap(TG_NAME); RETURN NEW; END $$});
	return;
}

# The traps that have run as somebody else than mallory since the last call, a line for each; empty if all is well. Takes
# back what they may have gained.
my %read;
sub sprung
{
	my ($node) = @_;
	my $log = PostgreSQL::Test::Utils::slurp_file($node->logfile, $read{ $node->name } // 0);
	$read{ $node->name } = -s $node->logfile;
	my %found = map { $_ => 1 } grep { !/as mallory$/ } $log =~ /LOG:  (?:00000: )?trap: (.*)/g;
	if ($node->safe_psql('postgres', q{SELECT rolsuper FROM pg_roles WHERE rolname = 'mallory'}) eq 't')
	{
		$found{'mallory is a superuser'} = 1;
		$node->safe_psql('postgres', 'ALTER ROLE mallory NOSUPERUSER');
	}
	return join("\n", sort keys %found);
}

1;
