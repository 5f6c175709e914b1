# No role gets the privileges of the superuser, of the extension's owner or of another role through the worker,
# embed_watch() or embed_unwatch(), by putting something of its own where one of the extension's objects was. The extension
# belongs to mallory, who has no more than CREATE on the database.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use EmbedTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

# A small batch, so that the worker has many reasons to look again what is watched.
my $node = start_cluster('thief', conf => q{
	shared_preload_libraries = 'pg_embed'
	pg_embed.worker_naptime = '1s'
	pg_embed.worker_batch_size = 1
	max_worker_processes = 16});
$node->safe_psql('postgres', 'CREATE ROLE mallory LOGIN; CREATE ROLE alice LOGIN');

# A database where mallory owns the extension, its schema and a watched table, and alice a table.
sub make_database
{
	my ($name) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $name");
	$node->safe_psql($name, "CREATE EXTENSION vector; GRANT CREATE ON DATABASE $name TO mallory");
	set_traps($node, $name);
	run_as($node, 'mallory', $name, q{
		CREATE SCHEMA s;
		GRANT USAGE ON SCHEMA s TO PUBLIC;
		CREATE EXTENSION pg_embed SCHEMA s;
		CREATE TABLE mallory.own (d text, e vector(384));
		SELECT s.embed_watch('mallory.own', 'e', '{d}')});
	$node->safe_psql($name, q{
		CREATE SCHEMA alice AUTHORIZATION alice;
		GRANT USAGE ON SCHEMA alice TO PUBLIC;
		CREATE TABLE alice.own (d text, e vector(384));
		ALTER TABLE alice.own OWNER TO alice});
	return;
}

# Waits until a process of this kind waits for a lock, or for so long that it never will.
sub waits_for_lock
{
	my ($database, $kind) = @_;
	my $end = time + 5;
	until (time > $end)
	{
		last if $node->safe_psql('postgres', qq{SELECT count(*) > 0 FROM pg_stat_activity
			WHERE datname = '$database' AND backend_type = '$kind' AND wait_event_type = 'Lock'}) eq 't';
		sleep 0.05;
	}
	return;
}

# What mallory puts in the place of the extension's objects when they are dropped.
my $instead = q{
	CREATE VIEW s.embed_watched AS SELECT 'alice.own'::regclass AS relation,
		CASE WHEN mallory.trap('the view') THEN 'e' END AS embedding, ARRAY['d'] AS sources;
	CREATE TRIGGER t INSTEAD OF INSERT OR UPDATE OR DELETE ON s.embed_watched
		FOR EACH ROW EXECUTE FUNCTION mallory.trap_row();
	CREATE FUNCTION s.embed_text(text) RETURNS vector LANGUAGE plpgsql AS
		$$ BEGIN PERFORM mallory.trap('embed_text'); RETURN NULL; END $$;
	CREATE FUNCTION s.embed_trigger() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN PERFORM mallory.trap('embed_trigger'); RETURN NEW; END $$;
	CREATE FUNCTION s.embed_mark_trigger() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN PERFORM mallory.trap('embed_mark_trigger'); RETURN NEW; END $$};

# The moment at which the extension is dropped: that at which somebody else is about to use its objects. PostgreSQL looks
# names up again when it has waited for a lock.
my $watch = q{SELECT s.embed_watch('alice.own', 'e', '{d}')};
my $unwatch = q{SELECT s.embed_unwatch('alice.own', 'e')};
my %moment = (
	'the worker looks what is watched' => sub { },
	'alice watches a table' => sub { launch($_[0], $watch) },
	'alice ends it' => sub { launch($_[0], $unwatch) });
my $number = 0;
for my $moment (sort keys %moment)
{
	my $database = 'drop' . ++$number;
	make_database($database);
	my $alice = $node->background_psql($database, on_error_stop => 0, extra_params => [ '-U', 'alice' ]);
	answer($alice, $watch) if $moment eq 'alice ends it';
	my $mallory = $node->background_psql($database, extra_params => [ '-U', 'mallory' ]);
	answer($mallory, q{INSERT INTO mallory.own SELECT 'row ' || i FROM generate_series(1, 300) AS i});
	answer($mallory, "BEGIN; SET client_min_messages = error; DROP EXTENSION pg_embed CASCADE; $instead");
	$moment{$moment}->($alice);
	waits_for_lock($database, $moment =~ /worker/ ? 'pg_embed worker' : 'client backend');
	answer($mallory, 'COMMIT');
	outcome($alice);
	sleep 2;
	is(sprung($node), '', "the extension is dropped while $moment");
	$_->quit for $alice, $mallory;
}


# The same without a lock to wait for: the schema of the extension changes names with another one, again and again.

make_database('rename');
run_as($node, 'mallory', 'rename', 'CREATE SCHEMA other; GRANT USAGE ON SCHEMA other TO PUBLIC;' . $instead =~ s/ s\./ other./gr);
my $mallory = $node->background_psql('rename', extra_params => [ '-U', 'mallory' ]);
answer($mallory, q{INSERT INTO mallory.own SELECT 'row ' || i FROM generate_series(1, 1500) AS i});
launch($mallory, q{DO $$
	BEGIN
		-- An even number: at the end all is as it was.
		FOR i IN 1..4000 LOOP
			ALTER SCHEMA s RENAME TO for_a_moment;
			ALTER SCHEMA other RENAME TO s;
			ALTER SCHEMA for_a_moment RENAME TO other;
			COMMIT;
		END LOOP;
	END $$});
my $alice = $node->background_psql('rename', on_error_stop => 0, extra_params => [ '-U', 'alice' ]);
my $end = time + 10;
while (time < $end)
{
	# Under one of the names.
	for my $schema ('s', 'other')
	{
		answer($alice, $_) for $watch =~ s/s\./$schema./r, q{INSERT INTO alice.own VALUES ('one')},
			$unwatch =~ s/s\./$schema./r;
	}
}
outcome($mallory);
is(sprung($node), '', 'the schema of the extension changes names with another one');
wait_for_vectors($node, 'rename', 'mallory.own', 'e', 'ARRAY[d]');
is($node->safe_psql('rename', 'SELECT count(*), count(e) FROM mallory.own'), '1500|1500', 'and the worker does its work');
$_->quit for $alice, $mallory;


# Functions that are made members of the extension, before and after its own: they have the right names, not more.

make_database('member');
run_as($node, 'mallory', 'member', q{
	DROP EXTENSION pg_embed CASCADE;
	CREATE SCHEMA before;
	CREATE SCHEMA after;
	GRANT USAGE ON SCHEMA before, after TO PUBLIC;
	} . $instead =~ s/ s\./ before./gr . '; CREATE EXTENSION pg_embed SCHEMA s; ' . $instead =~ s/ s\./ after./gr);
for my $schema ('before', 'after')
{
	for my $object ('VIEW embed_watched', 'FUNCTION embed_text(text)', 'FUNCTION embed_trigger()',
		'FUNCTION embed_mark_trigger()')
	{
		# It may as well be refused.
		refusal($node, 'member', "ALTER EXTENSION pg_embed ADD " . $object =~ s/ / $schema./r, '-U', 'mallory');
	}
}
run_as($node, 'mallory', 'member', qq{
	CREATE TABLE mallory.$_ (d text, e vector(384));
	CREATE TRIGGER t BEFORE INSERT OR UPDATE ON mallory.$_ FOR EACH ROW EXECUTE FUNCTION $_.embed_mark_trigger('e', 'd');
	INSERT INTO mallory.$_ VALUES ('one')}) for 'before', 'after';
run_as($node, 'alice', 'member', "$watch; INSERT INTO alice.own VALUES ('one'); UPDATE alice.own SET d = 'two'");
wait_for_vectors($node, 'member', 'alice.own', 'e', 'ARRAY[d]');
# What mallory watched with an extension that was dropped is told as no longer watched.
is($node->safe_psql('member', q{SELECT * FROM s.embed_watched WHERE embedding IS NULL;
		SELECT count(*) FROM s.embed_status WHERE state <> 'not watched'}),
	'1', 'there is one column that is watched, that of alice');
run_as($node, 'alice', 'member', "INSERT INTO alice.own VALUES ('three'); $unwatch");
run_as($node, 'postgres', 'member', q{CALL s.embed_backfill('alice.own', 'e', '{d}')});
is(sprung($node), '', 'members of the extension that are not its own');

unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC/, 'no process crashed');
$node->stop;
done_testing();
