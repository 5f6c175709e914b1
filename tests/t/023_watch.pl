# embed_watch(): tables of every shape, errors of rows and of tables, what the owner of a table may not do through the
# worker, and that there is one worker, whatever happens to it.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use EmbedTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

# Without preloading there would be no worker.
my $node = start_cluster('watch', conf => 'log_error_verbosity = verbose');
$node->safe_psql('postgres', q{
	CREATE TABLE dresses (id int PRIMARY KEY, price int DEFAULT 1, title text, body text, embedding vector(384));
	INSERT INTO dresses (id, title) SELECT i, 'dress ' || i FROM generate_series(1, 100) AS i;
	INSERT INTO dresses (id) VALUES (101);
	CREATE ROLE alice LOGIN;
	CREATE ROLE mallory LOGIN;
	CREATE SCHEMA mallory AUTHORIZATION mallory});
like(refusal($node, 'postgres', q{SELECT embed_watch('dresses', 'embedding', '{title,body}')}),
	qr/ERROR:  55000: .*HINT:  .*shared_preload_libraries/s, 'refused where the library is not preloaded');
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_embed'\npg_embed.worker_naptime = '1s'");
$node->restart;

sub fills
{
	my ($database, $table, $embedding, $texts, $expected, $name) = @_;
	wait_for_vectors($node, $database, $table, $embedding, $texts) or diag "$name: rows wait for ever";
	is($node->safe_psql($database, vectors_of($table, $embedding, $texts)), $expected, $name);
	return;
}

# Whether a process is there, in the database postgres if it is a worker.
sub process_is_there
{
	my ($process, $condition) = @_;
	return "FROM pg_stat_activity WHERE backend_type = 'pg_embed $process' AND coalesce(datname, 'postgres') = 'postgres'"
		. ($condition ? " AND $condition" : '');
}

sub last_error_is
{
	my ($table, $error, $name) = @_;
	ok($node->poll_query_until('postgres', qq{SELECT last_error ~ '$error' AND last_error_at <= now()
		FROM embed_status WHERE relation = '$table'::regclass}), $name);
	return;
}

sub reload
{
	my (%settings) = @_;
	$node->append_conf('postgresql.conf', "$_ = $settings{$_}") for sort keys %settings;
	$node->reload;
	return;
}

sub log_since
{
	my ($start) = @_;
	return substr(slurp_file($node->logfile), $start);
}


# Tables of every shape.

my @dresses = ('dresses', 'embedding', 'ARRAY[title, body]');
$node->safe_psql('postgres', q{SELECT embed_watch('dresses', 'embedding', '{title,body}')});
fills('postgres', @dresses, '101|100|0', 'rows that were there; one without text has no vector');
$node->safe_psql('postgres', q{INSERT INTO dresses (id, title, body)
	SELECT i, 'dress ' || i, CASE WHEN i % 2 = 0 THEN 'of wool' END FROM generate_series(102, 300) AS i});
fills('postgres', @dresses, '300|299|0', 'new rows');
is($node->safe_psql('postgres', q{
	BEGIN;
	UPDATE dresses SET title = 'coat ' || id WHERE id <= 50;
	UPDATE dresses SET price = 2 WHERE id BETWEEN 51 AND 99;
	SELECT count(*), count(embedding) FROM dresses WHERE id <= 50 UNION ALL
	SELECT count(*), count(embedding) FROM dresses WHERE id BETWEEN 51 AND 99;
	COMMIT}), "50|0\n49|49", 'an UPDATE of the text empties the vector, one of the price does not');
$node->safe_psql('postgres', 'UPDATE dresses SET title = NULL, body = NULL WHERE id = 100');
fills('postgres', @dresses, '300|298|0', 'texts that were updated');
ok($node->poll_query_until('postgres', q{SELECT n_tup_upd >= 100 + 349 FROM pg_stat_user_tables
	WHERE relname = 'dresses'}), 'the statistics that autovacuum goes by count what a living worker writes');
is($node->safe_psql('postgres', q{SELECT mode, rows, embedded, missing, last_error IS NULL FROM embed_status}),
	'watch|300|298|0|t', 'embed_status');

$node->safe_psql('postgres', q{
	CREATE TABLE parts (id int, text text, e vector(384)) PARTITION BY RANGE (id);
	CREATE TABLE parts_1 (e vector(384), dropped int, text text, id int);
	ALTER TABLE parts_1 DROP dropped;
	ALTER TABLE parts ATTACH PARTITION parts_1 FOR VALUES FROM (0) TO (100);
	CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (100) TO (200) PARTITION BY LIST (id);
	CREATE TABLE parts_3 PARTITION OF parts_2 DEFAULT;
	INSERT INTO parts SELECT i, 'part ' || i FROM generate_series(90, 110) AS i;
	SELECT embed_watch('parts', 'e', '{text}');
	CREATE TABLE parts_4 (text text, e vector(384), id int);
	INSERT INTO parts_4 VALUES ('later', NULL, 201);
	ALTER TABLE parts ATTACH PARTITION parts_4 FOR VALUES FROM (200) TO (300);
	INSERT INTO parts VALUES (202, 'more');
	CREATE SCHEMA "Odd ""s'";
	CREATE TABLE "Odd ""s'"."T 'q' ""d""" ("The ""text'" varchar(40), more text[], "E e" vector(384));
	INSERT INTO "Odd ""s'"."T 'q' ""d""" VALUES ('odd', '{a,NULL,c}'), ('odder', '{NULL}'), (NULL, '{}'), (NULL, '{x}');
	SELECT embed_watch('"Odd ""s''"."T ''q'' ""d"""', 'E e', ARRAY['The "text''', 'more'])});
fills('postgres', 'parts', 'e', 'ARRAY[text]', '23|23|0', 'a partitioned table');
$node->safe_psql('postgres', q{UPDATE parts SET id = id + 100, text = 'moved' WHERE id < 95});
fills('postgres', 'parts', 'e', 'ARRAY[text]', '23|23|0', 'rows that moved to another partition');
fills('postgres', q{"Odd ""s'"."T 'q' ""d"""}, '"E e"', q{ARRAY["The ""text'"] || more}, '4|3|0',
	'names to be quoted, an array');


# Another database.

$node->safe_psql('postgres', 'CREATE DATABASE other');
$node->safe_psql('other', q{
	CREATE EXTENSION pg_embed CASCADE;
	CREATE TABLE notes AS SELECT 'note ' || i AS note, NULL::vector(384) AS e FROM generate_series(1, 20) AS i});
my $watch_notes = q{SELECT embed_watch('notes', 'e', '{note}')};
$node->safe_psql('other', $watch_notes);
fills('other', 'notes', 'e', 'ARRAY[note]', '20|20|0', 'another database');
$node->safe_psql('other', q{SELECT embed_unwatch('notes', 'e')});
is($node->safe_psql('other', q{SELECT (SELECT count(*) FROM pg_trigger WHERE tgrelid = 'notes'::regclass),
	(SELECT count(*) FROM pg_index WHERE indrelid = 'notes'::regclass), (SELECT count(*) FROM embed_watched),
	(SELECT count(e) FROM notes)}), '0|0|0|20', 'no trigger, index and line are left; vectors are');
like(refusal($node, 'other', q{SELECT embed_unwatch('notes', 'e')}), qr/ERROR:  42704: .*HINT:/s, 'nothing to end');
$node->safe_psql('other', "$watch_notes; INSERT INTO notes VALUES ('one more')");
fills('other', 'notes', 'e', 'ARRAY[note]', '21|21|0', 'watched again');


# Watched again with other columns, and indexes.

# Whether the rows that wait can be found by an index.
sub is_indexed
{
	my ($table, $condition, $name) = @_;
	like($node->safe_psql('postgres', "SET enable_seqscan = off; EXPLAIN SELECT ctid FROM $table WHERE $condition"),
		qr/Index/, $name);
	return;
}

is_indexed('dresses', 'embedding IS NULL AND (title IS NOT NULL OR body IS NOT NULL)', 'an index finds what waits');
$node->safe_psql('postgres', q{
	SELECT embed_watch('dresses', 'embedding', '{body}');
	UPDATE dresses SET body = 'of silk', title = NULL;
	UPDATE dresses SET title = 'not embedded'});
fills('postgres', 'dresses', 'embedding', 'ARRAY[body]', '300|300|0', 'other sources');
is($node->safe_psql('postgres', q{SELECT count(*),
	(SELECT sources FROM embed_watched WHERE relation = 'dresses'::regclass)
	FROM pg_trigger WHERE tgrelid = 'dresses'::regclass}), '1|{body}', 'trigger and line are replaced');
$node->safe_psql('postgres', q{
	CREATE TABLE renewed (a text, b text, e vector(384));
	SELECT embed_watch('renewed', 'e', '{a}');
	SELECT embed_watch('renewed', 'e', '{b}')});
is_indexed('renewed', 'e IS NULL AND b IS NOT NULL', 'an index finds what waits, with other sources too');

$node->safe_psql('postgres', 'CREATE TABLE big (id int, text text, "Big e" vector(384), e vector(384))');
$node->safe_psql('postgres', 'CREATE INDEX CONCURRENTLY beforehand ON big (id) WHERE "Big e" IS NULL');
$node->safe_psql('postgres', q{SELECT embed_watch('big', 'Big e', '{text}'); INSERT INTO big VALUES (1, 'x')});
fills('postgres', 'big', '"Big e"', 'ARRAY[text]', '1|1|0', 'an index made beforehand');
my $indexes = q{SELECT string_agg(indexrelid::regclass::text, ' ') FROM pg_index WHERE indrelid = 'big'::regclass};
is($node->safe_psql('postgres', $indexes), 'beforehand', 'is used instead of another');
$node->safe_psql('postgres', q{SELECT embed_unwatch('big', 'Big e')});
is($node->safe_psql('postgres', $indexes), 'beforehand', 'and stays');
$node->safe_psql('postgres', q{
	CREATE TABLE two (text text, big_e vector(384), e vector(384));
	SELECT embed_watch('two', 'big_e', '{text}');
	SELECT embed_watch('two', 'e', '{text}');
	INSERT INTO two VALUES ('x')});
is_indexed('two', "$_ IS NULL AND text IS NOT NULL", "two columns of a table: $_") for 'big_e', 'e';
fills('postgres', 'two', $_, 'ARRAY[text]', '1|1|0', "two columns of a table: vectors in $_") for 'big_e', 'e';


# Errors.

$node->safe_psql('postgres', 'CREATE TABLE bad (id int, d text, e vector(384))');
like(refusal($node, 'postgres', q{SELECT embed_watch('bad', 'e', '{d}')}, '-U', 'alice'), qr/ERROR:  42501/,
	'only the owner may watch');
like(refusal($node, 'postgres', q{SELECT embed_unwatch('two', 'e')}, '-U', 'alice'), qr/ERROR:  42501/,
	'only the owner may end it');
like(refusal($node, 'postgres', q{SELECT embed_watch('embed_status', 'e', '{d}')}), qr/ERROR:  42809/, 'a view');
like(refusal($node, 'postgres',
	q{CREATE TEMP TABLE own (d text, e vector(384)); SELECT embed_watch('own', 'e', '{d}')}),
	qr/ERROR:  /, 'a temporary table, which the worker cannot read');

$node->safe_psql('postgres', q{
	CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not this one'; END $$;
	CREATE FUNCTION suppress() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$});
# What is wrong with row 7 of 20, what ends it, and the error.
my $trigger = 'CREATE TRIGGER z BEFORE UPDATE ON bad FOR EACH ROW WHEN (NEW.id = 7) EXECUTE FUNCTION';
my @bad = (
	[ 'a constraint', 'ALTER TABLE bad ADD CHECK (id <> 7) NOT VALID', 'ALTER TABLE bad DROP CONSTRAINT bad_id_check',
		'bad_id_check' ],
	[ 'a trigger', "$trigger refuse()", 'DROP TRIGGER z ON bad', 'not this one' ],
	[ 'a trigger that runs afterwards', $trigger =~ s/BEFORE/AFTER/r . ' refuse()', 'DROP TRIGGER z ON bad',
		'not this one' ],
	[ 'a long text', q{UPDATE bad SET d = repeat('word ', 1000) WHERE id = 7}, '', 'longer than the model reads' ]);
for my $batch (4, 64)
{
	reload('pg_embed.worker_batch_size' => $batch, 'pg_embed.truncation' => 'error');
	for my $case (@bad)
	{
		my ($name, $cause, $cure, $error) = ("$case->[0], batches of $batch", @$case[ 1 .. 3 ]);
		$node->safe_psql('postgres', qq{
			TRUNCATE bad;
			INSERT INTO bad SELECT i, 'item ' || i FROM generate_series(1, 20) AS i;
			$cause;
			SELECT embed_watch('bad', 'e', '{d}')});
		ok($node->poll_query_until('postgres', 'SELECT count(e) = 19 FROM bad WHERE id <> 7'), "$name: the others");
		last_error_is('bad', $error, "$name: is reported");
		is($node->safe_psql('postgres', 'SELECT count(e) FROM bad'), '19', "$name: the row is left");
		$cure ? $node->safe_psql('postgres', $cure) : reload('pg_embed.truncation' => 'silent');
		# Once, the pause is waited for.
		$node->safe_psql('postgres', q{SELECT embed_watch('bad', 'e', '{d}')}) unless $batch == 4 && $case == $bad[0];
		fills('postgres', 'bad', 'e', 'ARRAY[d]', '20|20|0', "$name: once the cause is gone");
		$node->safe_psql('postgres', q{SELECT embed_unwatch('bad', 'e')});
	}
}
ok(slurp_file($node->logfile) =~ /WARNING: .*"e" of table "bad"/, 'the log names table and column');

# Not an error; all the same, rows like these must not stand in the way of the others.
reload('pg_embed.worker_batch_size' => 4);
$node->safe_psql('postgres', qq{
	TRUNCATE bad;
	INSERT INTO bad SELECT i, 'item ' || i FROM generate_series(1, 20) AS i;
	@{[ $trigger =~ s/= 7/<= 7/r ]} suppress();
	SELECT embed_watch('bad', 'e', '{d}')});
ok($node->poll_query_until('postgres', 'SELECT count(e) = 13 FROM bad'), 'a trigger that suppresses: the others');
$node->safe_psql('postgres', 'DROP TRIGGER z ON bad');
fills('postgres', 'bad', 'e', 'ARRAY[d]', '20|20|0', 'a trigger that suppresses: once it is gone');

# The worker lives for long, and must give back what errors took. A sequence counts them, as nothing undoes it.
sub worker_memory
{
	my $pid = $node->safe_psql('postgres', q{SELECT pid FROM pg_stat_activity
		WHERE backend_type = 'pg_embed worker' AND datname = 'postgres'});
	return slurp_file("/proc/$pid/status") =~ /RssAnon:\s+(\d+) kB/ ? $1 : undef;
}

my $memory = worker_memory();
$node->safe_psql('postgres', qq{
	CREATE SEQUENCE errors;
	CREATE FUNCTION refuse_and_count() RETURNS trigger LANGUAGE plpgsql AS
		\$\$ BEGIN PERFORM nextval('public.errors'); RAISE 'not these'; END \$\$;
	@{[ $trigger =~ s/= 7/< 0/r ]} refuse_and_count();
	INSERT INTO bad SELECT -i, 'item ' || i FROM generate_series(1, 300) AS i});
ok($node->poll_query_until('postgres', 'SELECT last_value >= 900 FROM errors'), 'many errors');
cmp_ok(worker_memory() - $memory, '<', 20_000, 'many errors: the memory that they took, in kB');
$node->safe_psql('postgres', q{SELECT embed_unwatch('bad', 'e')});

# Columns that change their names or go. Whatever the names, the vectors are in the last column.
my $gowns = 0;
for my $change ([ 'd', 'e', 'RENAME d TO text', 'text', 'e' ], [ 'text', 'e', 'DROP text', 'more', 'e' ],
	[ 'more', 'e', 'RENAME e TO vector', 'more', 'vector' ])
{
	my ($source, $embedding, $sql, @new) = @$change;
	$node->safe_psql('postgres', q{
		CREATE TABLE gowns (id int, d text, more text, e vector(384));
		INSERT INTO gowns VALUES (0, 'first', 'of all');
		SELECT embed_watch('gowns', 'e', '{d}')}) unless $gowns++;
	fills('postgres', 'gowns', $embedding, "ARRAY[$source]", "$gowns|$gowns|0", "before $sql");
	$node->safe_psql('postgres', "ALTER TABLE gowns $sql");
	my $lost = $sql =~ /e TO/ ? $embedding : $source;
	last_error_is('gowns', qq{"$lost"}, "$sql: is reported");
	ok($node->poll_query_until('postgres', qq{SELECT last_error LIKE '%"$lost"%' FROM embed_progress
		WHERE relation = 'gowns'::regclass}), "$sql: by the worker too");
	$node->safe_psql('postgres', qq{SELECT embed_unwatch('gowns', '$embedding')}) if $lost eq $embedding;
	$node->safe_psql('postgres', qq{
		SELECT embed_watch('gowns', '$new[1]', '{$new[0]}');
		UPDATE gowns SET $new[0] = 'new ' || id;
		INSERT INTO gowns (id, $new[0]) VALUES ($gowns, 'another')});
	fills('postgres', 'gowns', $new[1], "ARRAY[$new[0]]", join('|', $gowns + 1, $gowns + 1, 0), "$sql: mended");
}

# What was being filled goes, or its rows do.
my $end_of_log = -s $node->logfile;
$node->safe_psql('postgres', qq{
	CREATE TABLE $_ AS SELECT i AS id, 'row ' || i AS text, NULL::vector(384) AS e FROM generate_series(1, 1000) AS i;
	SELECT embed_watch('$_', 'e', '{text}')}) for 'gone', 'emptied';
$node->safe_psql('postgres', q{TRUNCATE emptied; INSERT INTO emptied (text) VALUES ('new'), (NULL); DROP TABLE gone});
fills('postgres', 'emptied', 'e', 'ARRAY[text]', '2|1|0', 'TRUNCATE and DROP TABLE');
$node->safe_psql('postgres', q{INSERT INTO emptied (text) VALUES ('one more')});
fills('postgres', 'emptied', 'e', 'ARRAY[text]', '3|2|0', 'and then');
is($node->safe_psql('postgres', q{SELECT count(*) FROM embed_status WHERE relation::text LIKE '%gone%'}), '0',
	'embed_status does not know it any more');
cmp_ok(() = log_since($end_of_log) =~ /WARNING:/g, '<=', 1, 'the log does not fill');


# The worker does as the owner of a table what it does there. All of these are tried in the owner's triggers.

my $superuser = $node->safe_psql('postgres', 'SELECT current_user');
my @attacks = ('ALTER ROLE mallory SUPERUSER', 'INSERT INTO public.secrets VALUES (current_user)',
	"SET ROLE $superuser", 'RESET ROLE', "SET SESSION AUTHORIZATION $superuser", 'RESET SESSION AUTHORIZATION',
	'CREATE TEMP TABLE t ()', q{COPY (SELECT 1) TO PROGRAM 'true'});
$node->safe_psql('postgres', 'CREATE TABLE secrets (who text)');
run_as($node, 'mallory', 'postgres', q{
	SET search_path = mallory, public;
	CREATE TABLE seen (attack text, who text, result text);
	CREATE FUNCTION attack() RETURNS trigger LANGUAGE plpgsql AS $$
	DECLARE
		result text := 'done';
	BEGIN
		BEGIN
			EXECUTE TG_ARGV[0];
		EXCEPTION WHEN OTHERS THEN
			result := SQLSTATE;
		END;
		INSERT INTO mallory.seen VALUES (TG_ARGV[0], current_user, result);
		RETURN NEW;
	END $$;
	CREATE TABLE bait (text text, e vector(384));
	INSERT INTO bait VALUES ('come');
	CREATE TABLE deferred (text text, e vector(384));
	INSERT INTO deferred VALUES ('come')});
for my $n (0 .. $#attacks)
{
	my $attack = $attacks[$n] =~ s/'/''/gr;
	run_as($node, 'mallory', 'postgres', qq{
		SET search_path = mallory, public;
		CREATE TRIGGER b$n BEFORE UPDATE ON bait FOR EACH ROW EXECUTE FUNCTION attack('$attack');
		CREATE TRIGGER a$n AFTER UPDATE ON bait FOR EACH ROW EXECUTE FUNCTION attack('$attack');
		CREATE CONSTRAINT TRIGGER d$n AFTER UPDATE ON deferred DEFERRABLE INITIALLY DEFERRED
			FOR EACH ROW EXECUTE FUNCTION attack('$attack')});
}
run_as($node, 'mallory', 'postgres', "SELECT embed_watch('mallory.$_', 'e', '{text}')") for 'bait', 'deferred';
fills('postgres', 'mallory.bait', 'e', 'ARRAY[text]', '1|1|0', 'triggers that try too much: the row');
fills('postgres', 'mallory.deferred', 'e', 'ARRAY[text]', '1|1|0', 'the same in deferred triggers');
is($node->safe_psql('postgres', 'SELECT DISTINCT who, result, count(*) FROM mallory.seen GROUP BY attack, who, result'),
	'mallory|42501|3', 'each was the owner, and was refused');
run_as($node, 'mallory', 'postgres', q{SELECT embed_unwatch('mallory.deferred', 'e')});

# A setting must not stay behind for the next table: its owner's triggers would then call functions of mallory's.
$node->safe_psql('postgres', q{
	CREATE FUNCTION helper() RETURNS void LANGUAGE sql AS '';
	CREATE FUNCTION call_helper() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM public.helper(); RETURN NEW; END $$;
	CREATE TABLE victim (text text, e vector(384));
	CREATE TRIGGER z BEFORE UPDATE ON victim FOR EACH ROW EXECUTE FUNCTION call_helper();
	SELECT embed_watch('victim', 'e', '{text}')});
run_as($node, 'mallory', 'postgres', q{
	SET search_path = mallory, public;
	CREATE FUNCTION helper() RETURNS void LANGUAGE sql AS 'INSERT INTO public.secrets VALUES (current_user)';
	CREATE FUNCTION set_path() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN PERFORM set_config('search_path', 'mallory, public', false); RETURN NEW; END $$;
	CREATE TABLE setter (text text, e vector(384));
	CREATE TRIGGER z BEFORE UPDATE ON setter FOR EACH ROW EXECUTE FUNCTION set_path();
	INSERT INTO setter VALUES ('x');
	SELECT embed_watch('mallory.setter', 'e', '{text}')});
fills('postgres', 'mallory.setter', 'e', 'ARRAY[text]', '1|1|0', 'a trigger that changes a setting: its row');
$node->safe_psql('postgres', q{INSERT INTO victim VALUES ('y')});
fills('postgres', 'victim', 'e', 'ARRAY[text]', '1|1|0', "a trigger that changes a setting: another owner's row");
is($node->safe_psql('postgres', 'SELECT count(*), string_agg(who, NULL) FROM secrets'), '0|',
	"a trigger that changes a setting: it does not reach another owner's trigger");
is($node->safe_psql('postgres', q{SELECT rolsuper FROM pg_roles WHERE rolname = 'mallory'}), 'f',
	'no superuser came of it');


# Signals, settings, restarts.

my $rows = 3;
sub add_rows
{
	my ($count) = @_;
	$node->safe_psql('postgres', qq{INSERT INTO emptied
		SELECT i, 'row ' || i FROM generate_series($rows + 1, $rows + $count) AS i});
	$rows += $count;
	return;
}

sub are_filled
{
	my ($name) = @_;
	fills('postgres', 'emptied', 'e', 'ARRAY[text]', join('|', $rows, $rows - 1, 0), $name);
	return;
}

for my $process ('worker', 'launcher', 'worker')
{
	for my $signal ('pg_cancel_backend', 'pg_terminate_backend')
	{
		add_rows(600);
		$node->poll_query_until('postgres', 'SELECT count(*) = 1 ' . process_is_there($process)) or die "no $process";
		my ($pid) =
			$node->safe_psql('postgres', "SELECT pid, $signal(pid) " . process_is_there($process)) =~ /^(\d+)/;
		are_filled("$signal of the $process");
		ok($node->poll_query_until('postgres', 'SELECT count(*) = 1 '
			. process_is_there('launcher', $signal =~ /terminate/ ? "pid <> $pid" : undef)),
			"$signal: there is a launcher again") if $process eq 'launcher';
	}
}

# The size of its batches: so many rows are read together, so they are stored one after the other.
reload('pg_embed.worker_batch_size' => 7);
add_rows(100);
are_filled('other settings');

add_rows(500);
$node->restart;
are_filled('a restart with rows waiting');
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$node->restart;
add_rows(100);
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_embed'");
$node->restart;
are_filled('rows written while there was no worker');

$end_of_log = -s $node->logfile;
$node->safe_psql('other', q{DROP EXTENSION pg_embed CASCADE; INSERT INTO notes VALUES ('too late')});
sleep 3;
cmp_ok(() = log_since($end_of_log) =~ /WARNING:/g, '<=', 1, 'the log does not fill');
$node->safe_psql('other', "CREATE EXTENSION pg_embed; $watch_notes");
fills('other', 'notes', 'e', 'ARRAY[note]', '22|22|0', 'a new extension');
$node->safe_psql('postgres', $_) for 'DROP DATABASE other WITH (FORCE)', 'CREATE DATABASE other';
add_rows(1);
are_filled('the worker of the other goes on');

unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC|XX000/, 'no process crashed, no internal error');
$node->stop;
done_testing();
