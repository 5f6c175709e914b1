# embed_backfill(): tables of every shape, who may call it and where, calls that are ended in the middle, and what it
# leaves to others.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use EmbedTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $node = start_cluster('backfill',
	conf => "shared_preload_libraries = 'pg_embed'\nlog_error_verbosity = verbose");
$node->safe_psql('postgres', q{
	CREATE TABLE log (table_name text, id int, pid int DEFAULT pg_backend_pid());
	CREATE FUNCTION log() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
		$$ BEGIN INSERT INTO public.log VALUES (TG_ARGV[0], NEW.id); RETURN NULL; END $$});

# Runs SQL in a session of its own; gives the last line of its output, and all that it says.
sub run
{
	my ($sql, @parameters) = @_;
	my ($stdout, $stderr);
	$node->psql('postgres', "\\set VERBOSITY verbose\n$sql", stdout => \$stdout, stderr => \$stderr,
		extra_params => \@parameters);
	return ($stdout =~ /([^\n]*)\n*\z/ ? $1 : '', $stderr);
}

# How many rows the CALL said it embedded.
sub embedded
{
	my ($said) = @_;
	return $said =~ /(\d+) rows? embedded/ && $said !~ /ERROR|WARNING/ ? $1 : $said;
}

# As a string constant, and with the identifier quoted.
sub literal { my ($name) = @_; return "'" . $name =~ s/'/''/gr . "'" }
sub quoted { my ($name) = @_; return '"' . $name =~ s/"/""/gr . '"' }

# A table with ids and texts, whose updates are logged.
sub make_table
{
	my ($table, $rows, $words) = @_;
	$words //= '';
	$node->safe_psql('postgres', qq{
		CREATE TABLE $table (id int, d text, e vector(384));
		INSERT INTO $table SELECT i, 'item ' || i || '$words' FROM generate_series(1, $rows) AS i;
		CREATE TRIGGER log AFTER UPDATE ON $table FOR EACH ROW EXECUTE FUNCTION log('$table')});
	return;
}

sub logged
{
	my ($table) = @_;
	return $node->safe_psql('postgres', "SELECT count(*), count(DISTINCT id) FROM log WHERE table_name = '$table'");
}

sub filled
{
	my ($table) = @_;
	return $node->safe_psql('postgres', "SELECT count(e) FROM $table");
}


# Shapes: SQL that makes a table "t", its vector column, its source columns, SQL for an array of their texts, and the
# rows and vectors expected.

my $columns = '(d text, e vector(384))';
my $insert = q{INSERT INTO t (d) SELECT nullif('item ' || i, 'item 7') FROM generate_series(1, 30) AS i};
# Names of 63 bytes, the most there can be, in UTF-8.
my $long = 'é' x 31;
my $table = quoted('é' x 29 . q{ "T'\\});
my @shapes = (
	[ 'no primary key', "CREATE TABLE t $columns; $insert", 'e', [ 'd' ], 'ARRAY[d]', '30|29' ],
	[ 'an empty table', "CREATE TABLE t $columns", 'e', [ 'd' ], 'ARRAY[d]', '0|0' ],
	[ 'no text at all', "CREATE TABLE t $columns; INSERT INTO t VALUES (NULL)", 'e', [ 'd' ], 'ARRAY[d]', '1|0' ],
	[ 'an empty text', "CREATE TABLE t $columns; INSERT INTO t VALUES (''), (' ')", 'e', [ 'd' ], 'ARRAY[d]', '2|2' ],
	[ 'an unlogged table', "CREATE UNLOGGED TABLE t $columns; $insert", 'e', [ 'd' ], 'ARRAY[d]', '30|29' ],
	[ 'a temporary table', "CREATE TEMP TABLE t $columns; $insert", 'e', [ 'd' ], 'ARRAY[d]', '30|29' ],
	[ 'a vector index, dropped columns', qq{CREATE TABLE t (x int, e vector(384), y int, d text); ALTER TABLE t DROP x,
		DROP y; CREATE INDEX ON t USING hnsw (e vector_l2_ops); $insert}, 'e', [ 'd' ], 'ARRAY[d]', '30|29' ],
	[ 'quoted names', q{CREATE TABLE t ("A ""x""" text, "select" varchar(20), "e'\\" vector(384));
		INSERT INTO t VALUES ('red', 'dress'), (NULL, 'coat'), ('shoe', NULL), (NULL, NULL), ('', 'x')},
		q{e'\\}, [ 'A "x"', 'select' ], q{ARRAY["A ""x""", "select"]}, '5|4' ],
	[ 'names of 63 bytes', qq{CREATE TABLE t ("${long}d" text, "${long}e" vector(384));
		INSERT INTO t SELECT 'item ' || i FROM generate_series(1, 5) AS i},
		"${long}e", [ "${long}d" ], qq{ARRAY["${long}d"]}, '5|5' ],
	[ 'arrays', q{CREATE DOMAIN tags AS text[]; CREATE TABLE t (d text, element text[], "any" varchar(9)[], g tags,
		e vector(384)); INSERT INTO t VALUES ('a', '{b,NULL,"c d"}', '{e}', '{f}'), (NULL, '{}', '{NULL}', NULL),
		(NULL, NULL, '{x}', '{}'), (NULL, '{""}', NULL, NULL)},
		'e', [ 'd', 'element', 'any', 'g' ], 'ARRAY[d] || element || "any"::text[] || g::text[]', '4|3' ],
	[ 'nested arrays', q{CREATE TABLE t (d text[], e vector(384));
		INSERT INTO t VALUES ('{{a,b},{c,NULL}}'), ('{{NULL}}')}, 'e', [ 'd' ], 'd', '2|1' ],
	[ 'types of text', q{CREATE DOMAIN title AS varchar(30) NOT NULL; CREATE TABLE t (a title, b varchar, c char(9),
		f title[], e vector(384)); INSERT INTO t VALUES ('a', 'b', 'c', '{d,e}'), ('a', NULL, NULL, NULL)},
		'e', [ 'a', 'b', 'c', 'f' ], 'ARRAY[a::text, b::text, c::text] || f::text[]', '2|2' ],
	[ 'texts out of line', qq{CREATE TABLE t $columns; ALTER TABLE t ALTER d SET STORAGE EXTERNAL;
		INSERT INTO t SELECT i || repeat(' ', 100000) || 'x' FROM generate_series(1, 9) AS i},
		'e', [ 'd' ], 'ARRAY[d]', '9|9' ],
	[ 'partitions', q{CREATE TABLE t (k int, d text, e vector(384)) PARTITION BY LIST (k);
		CREATE TABLE t1 (e vector(384), x int, d varchar, k int); ALTER TABLE t1 DROP x;
		ALTER TABLE t1 ALTER d TYPE text; ALTER TABLE t ATTACH PARTITION t1 FOR VALUES IN (1);
		CREATE TABLE t2 PARTITION OF t DEFAULT PARTITION BY RANGE (k);
		CREATE TABLE t3 PARTITION OF t2 FOR VALUES FROM (2) TO (3); CREATE TABLE t4 PARTITION OF t2 DEFAULT;
		INSERT INTO t SELECT i % 4, 'item ' || i FROM generate_series(1, 40) AS i}, 'e', [ 'd' ], 'ARRAY[d]', '40|40' ],
	[ 'children', qq{CREATE TABLE t $columns; CREATE TABLE a (x int) INHERITS (t); CREATE TABLE b (y int) INHERITS (t);
		CREATE TABLE c (z int) INHERITS (a, b); ALTER TABLE a ALTER d SET NOT NULL; $insert;
		INSERT INTO a SELECT 'a'; INSERT INTO b SELECT 'b'; INSERT INTO c SELECT 'c'},
		'e', [ 'd' ], 'ARRAY[d]', '33|32' ],
	[ 'a self-made trigger', qq{CREATE TABLE t $columns; $insert; CREATE TRIGGER embed BEFORE INSERT OR UPDATE ON t
		FOR EACH ROW EXECUTE FUNCTION embed_trigger('e', 'd')}, 'e', [ 'd' ], 'ARRAY[d]', '30|29' ]);
push @shapes, [ 'citext', q{CREATE EXTENSION citext; CREATE TABLE t (d citext, tags citext[], e vector(384));
	INSERT INTO t VALUES ('Red', '{Dress,NULL}'), (NULL, '{}')}, 'e', [ 'd', 'tags' ], 'ARRAY[d::text] || tags::text[]',
	'2|1' ] if -e $node->config_data('--sharedir') . '/extension/citext.control';

for my $shape (@shapes)
{
	my ($name, $sql, $embedding, $sources, $texts, $expected) = @$shape;
	my $arguments = join(', ', map { literal($_) } $table, $embedding)
		. ', ARRAY[' . join(', ', map { literal($_) } @$sources) . ']';
	my ($n) = $expected =~ /\|(\d+)/;
	# All in one session, for the sake of the temporary table.
	my ($found, $said) = run(qq{SET client_min_messages = warning; CREATE SCHEMA "S ""'";
		SET search_path = "S ""'", public; $sql; ALTER TABLE t RENAME TO $table; RESET client_min_messages;
		CALL embed_backfill($arguments, batch_size => 7);
		CALL embed_backfill($arguments);
		CALL embed_backfill($arguments, batch_size => 1, threads => 2, only_missing => false);
		} . vectors_of($table, quoted($embedding), $texts));
	unlike($said, qr/ERROR|WARNING/, "$name: no error, no warning");
	is(join(' ', $said =~ /(\d+) rows? embedded/g), "$n 0 $n", "$name: once, not again, unless it is asked for");
	is($found, "$expected|0", "$name: rows, vectors, wrong ones");
	run(q{DROP SCHEMA "S ""'" CASCADE});
}

# Temporary children of other sessions cannot be read; PostgreSQL's own statements leave them out.
make_table('parent', 3);
my $owner = $node->background_psql('postgres');
$owner->query(q{CREATE TEMP TABLE child () INHERITS (parent); INSERT INTO child VALUES (4, 'a')});
is(embedded((run(q{CALL embed_backfill('parent', 'e', ARRAY['d'])}))[1]), 3, "another session's temporary child");
$owner->quit;


# User's triggers that get in the way: it comes to an end, and says what is left.

for my $case ([ 'returns NULL', 'RETURN NULL', '0|0' ], [ 'sets NULL', 'NEW.e = NULL; RETURN NEW', '0|0' ])
{
	my ($name, $body, $expected) = @$case;
	for my $only_missing ('true', 'false')
	{
		make_table('odd', 20);
		$node->safe_psql('postgres', qq{TRUNCATE log;
			CREATE FUNCTION odd() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN $body; END \$\$;
			CREATE TRIGGER odd BEFORE UPDATE ON odd FOR EACH ROW EXECUTE FUNCTION odd()});
		my ($found, $said) = run(qq{CALL embed_backfill('odd', 'e', ARRAY['d'], batch_size => 3,
			only_missing => $only_missing); SELECT count(*), count(e) FROM odd});
		unlike($said, qr/ERROR/, "a trigger that $name, only_missing $only_missing: no error");
		is($found, '20|0', "a trigger that $name, only_missing $only_missing: comes to an end");
		is(logged('odd'), $expected, "a trigger that $name, only_missing $only_missing: what it writes is undone");
		like($said, qr/WARNING:  01000: .* 20 rows are left\nDETAIL:  20 could not be stored:\nplace \(0,1\) .*: 27000 a trigger/,
			"a trigger that $name, only_missing $only_missing: a warning");
		$node->safe_psql('postgres', 'DROP TABLE odd; DROP FUNCTION odd');
	}
}

# One that fails, at once or in the end: its row is left, the others are done.
for my $trigger ('TRIGGER fails BEFORE UPDATE ON odd',
	'CONSTRAINT TRIGGER fails AFTER UPDATE ON odd DEFERRABLE INITIALLY DEFERRED')
{
	make_table('odd', 20);
	$node->safe_psql('postgres', qq{TRUNCATE log;
		CREATE FUNCTION fails() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN RAISE 'enough' USING ERRCODE = 'MY001'; END \$\$;
		CREATE $trigger FOR EACH ROW WHEN (NEW.id = 15) EXECUTE FUNCTION fails()});
	my ($found, $said) = run(q{CALL embed_backfill('odd', 'e', ARRAY['d'], batch_size => 6); SELECT count(e) FROM odd});
	like($said, qr/WARNING:  01000: .* 1 row is left\nDETAIL:  1 could not be stored:\nplace \(0,15\) of "odd": MY001 enough/,
		'a trigger that fails: the row is named');
	unlike($said, qr/ERROR/, 'a trigger that fails: no error');
	is($found, '19', 'a trigger that fails: the others are done');
	is(logged('odd'), '19|19', 'a trigger that fails: nothing else is written');
	$node->safe_psql('postgres', 'DROP TABLE odd; DROP FUNCTION fails()');
}

# One row that writes another: both get their vectors, of the texts they have then.
make_table('chain', 20);
$node->safe_psql('postgres', q{
	CREATE FUNCTION chain() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN UPDATE chain SET d = d || ' more', e = NULL WHERE id = NEW.id + 1 AND d !~ 'more'; RETURN NULL; END $$;
	CREATE TRIGGER chain AFTER UPDATE ON chain FOR EACH ROW EXECUTE FUNCTION chain()});
unlike((run(q{CALL embed_backfill('chain', 'e', ARRAY['d'])}))[1], qr/ERROR/, 'rows that write others: no error');
run(q{CALL embed_backfill('chain', 'e', ARRAY['d'])});
is($node->safe_psql('postgres', vectors_of('chain', 'e', 'ARRAY[d]')), '20|20|0', 'rows that write others');


# Row-level security.

make_table('secret', 10);
$node->safe_psql('postgres', q{
	CREATE ROLE keeper LOGIN; CREATE ROLE reader LOGIN; CREATE ROLE passer LOGIN BYPASSRLS;
	GRANT ALL ON secret TO reader, passer;
	ALTER TABLE secret OWNER TO keeper;
	ALTER TABLE secret ENABLE ROW LEVEL SECURITY;
	CREATE POLICY half ON secret USING (id % 2 = 0);
	CREATE TABLE heirs () INHERITS (secret);
	GRANT ALL ON heirs TO reader, passer, keeper});
my $call = q{CALL embed_backfill('secret', 'e', ARRAY['d'])};
like((run($call, '-U', 'reader'))[1], qr/ERROR:  42501: row-level security .*"secret"/, 'rows are hidden: an error');
like((run("SET row_security = off; $call", '-U', 'reader'))[1], qr/ERROR:  42501/, 'with row_security = off too');
like((run("SET ROLE reader; $call"))[1], qr/ERROR:  42501/, 'and for a superuser who has taken the role');
$node->safe_psql('postgres', 'ALTER TABLE secret FORCE ROW LEVEL SECURITY');
like((run($call, '-U', 'keeper'))[1], qr/ERROR:  42501: row-level security .*"secret"/, 'FORCE: for the owner too');
is(filled('secret'), 0, 'nothing was done');
$node->safe_psql('postgres', 'ALTER TABLE secret NO FORCE ROW LEVEL SECURITY');
is(embedded((run($call, '-U', 'keeper'))[1]), 10, 'the owner may');
$node->safe_psql('postgres', 'UPDATE secret SET e = NULL');
is(embedded((run($call, '-U', 'passer'))[1]), 10, 'a role with BYPASSRLS may');

# A policy of a part, whatever the whole says.
$node->safe_psql('postgres', q{
	ALTER TABLE secret DISABLE ROW LEVEL SECURITY;
	UPDATE secret SET e = NULL;
	ALTER TABLE heirs ENABLE ROW LEVEL SECURITY});
like((run($call, '-U', 'reader'))[1], qr/ERROR:  42501: row-level security .*"heirs"/, 'a child whose rows are hidden');
$node->safe_psql('postgres', 'DROP TABLE heirs; REVOKE UPDATE ON secret FROM reader');
like((run($call, '-U', 'reader'))[1], qr/ERROR:  42501: permission denied for table secret/, 'who may not UPDATE');
is(filled('secret'), 0, 'nothing was done');


# Where it can be called: it commits, so not where that cannot be.

make_table('placed', 30);
my $placed = q{CALL embed_backfill('placed', 'e', ARRAY['d'], batch_size => 10)};
$node->safe_psql('postgres', qq{
	CREATE FUNCTION calls() RETURNS void LANGUAGE plpgsql AS \$\$ BEGIN $placed; END \$\$;
	CREATE PROCEDURE calls_too() LANGUAGE plpgsql AS \$\$ BEGIN $placed; END \$\$});
for my $case (
	[ 'a transaction block', "BEGIN; $placed" ],
	[ 'several statements in one message', "SELECT 1\\; $placed" ],
	[ 'a function', 'SELECT calls()' ],
	[ 'a DO block with EXCEPTION', "DO \$\$ BEGIN $placed; EXCEPTION WHEN division_by_zero THEN NULL; END \$\$" ],
	[ 'a procedure in a transaction block', 'BEGIN; CALL calls_too()' ])
{
	like((run($case->[1]))[1], qr/ERROR:  2D000: /, "not in $case->[0]");
}
is(filled('placed'), 0, 'nothing was done');
for my $case (
	[ 'a DO block', "DO \$\$ BEGIN $placed; END \$\$" ],
	[ 'a procedure', 'CALL calls_too()' ],
	[ 'a loop over a query', "DO \$\$ DECLARE t regclass; BEGIN FOR t IN SELECT oid FROM pg_class
		WHERE relname IN ('placed', 'chain') LOOP CALL embed_backfill(t, 'e', ARRAY['d']); END LOOP; END \$\$" ])
{
	my $said = (run($case->[1]))[1];
	unlike($said, qr/ERROR|WARNING/, "in $case->[0]");
	is(filled('placed'), 30, "in $case->[0]: done");
	$node->safe_psql('postgres', 'UPDATE placed SET e = NULL');
}

# Whatever the isolation, each batch sees what others have committed: here a row that its trigger writes.
$node->safe_psql('postgres', q{
	CREATE TABLE counter AS SELECT 0 AS n;
	CREATE FUNCTION counted() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN UPDATE counter SET n = n + 1; RETURN NULL; END $$;
	CREATE TRIGGER count AFTER UPDATE OF e ON placed FOR EACH ROW EXECUTE FUNCTION counted()});
for my $isolation ('repeatable read', 'serializable')
{
	$node->safe_psql('postgres', q{ALTER TABLE placed DISABLE TRIGGER count; UPDATE placed SET e = NULL;
		ALTER TABLE placed ENABLE TRIGGER count; UPDATE counter SET n = 0});
	my ($session, $other) = map { $node->background_psql('postgres', on_error_stop => 0) } 1, 2;
	$other->query('BEGIN; UPDATE counter SET n = 100');
	$session->query("SET default_transaction_isolation = '$isolation'");
	outcome($session);
	launch($session, $placed);
	$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity
		WHERE wait_event_type = 'Lock' AND query ~ 'embed_backfill' AND pid <> pg_backend_pid()}) or die 'does not wait';
	$other->query('COMMIT');
	unlike(outcome($session), qr/ERROR|WARNING/, "$isolation: no error");
	is($node->safe_psql('postgres', 'SELECT count(e), n FROM placed, counter GROUP BY n'), '30|130', "$isolation: done");
	is(answer($session, 'SHOW transaction_isolation'), $isolation, "$isolation: is back in force");
	# So it is for what follows in the same block.
	$session->query(qq{CREATE TEMP TABLE seen (isolation text);
		DO \$\$ BEGIN $placed; INSERT INTO seen SELECT current_setting('transaction_isolation'); END \$\$});
	is(answer($session, 'SELECT isolation FROM seen'), $isolation, "$isolation: in a DO block too");
	$_->quit for $session, $other;
}


# Calls that are ended in the middle: what was committed stays, and the next call does the rest, and no more.

$node->safe_psql('postgres', 'TRUNCATE log');
make_table('many', 2000, ' with some more words to read');
my $many = q{CALL embed_backfill('many', 'e', ARRAY['d'], batch_size => 20, threads => 1)};
my $before = 0;
for my $end ('pg_cancel_backend', 'pg_terminate_backend')
{
	my $session = $node->background_psql('postgres', on_error_stop => 0);
	$session->query('\set VERBOSITY verbose');
	my $pid = answer($session, 'SELECT pg_backend_pid()');
	outcome($session);
	launch($session, $many);
	$node->poll_query_until('postgres', "SELECT count(e) > $before + 100 FROM many") or die 'does not run';
	is($node->safe_psql('postgres', "SELECT $end($pid)"), 't', "$end: is sent");
	if ($end eq 'pg_cancel_backend')
	{
		like(outcome($session), qr/ERROR:  57014: canceling statement due to user request/, "$end: the error");
		is(answer($session, 'SHOW enable_seqscan'), 'on', "$end: settings are as before");
		is(answer($session, q{SELECT vector_dims(embed_text('a'))}), '384', "$end: the session goes on");
		$session->quit;
	}
	else
	{
		$node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $pid")
			or die 'does not end';
		eval { $session->quit };
	}
	my $filled = filled('many');
	cmp_ok($filled, '>', $before + 100, "$end: what was committed stays");
	cmp_ok($filled, '<', 2000, "$end: it was in the middle");
	$before = $filled;
}
my ($dimensions, $said) = run(qq{SET statement_timeout = '200ms';
	$many; RESET statement_timeout; SELECT vector_dims(embed_text('a'))}, '-v', 'ON_ERROR_STOP=0');
like($said, qr/ERROR:  57014: canceling statement due to statement timeout/, 'statement_timeout: the error');
is($dimensions, '384', 'statement_timeout: the session goes on');
cmp_ok(filled('many'), '>=', $before, 'statement_timeout: what was committed stays');
my $rest = 2000 - filled('many');
is(embedded((run($many))[1]), $rest, 'the next call does the rest');
is(logged('many'), '2000|2000', 'each row is written once');
is($node->safe_psql('postgres', vectors_of('many', 'e', 'ARRAY[d]')), '2000|2000|0', 'with the vector of its text');


# Others at work. Rows that a transaction keeps locked are left, and it is said how many; not so if it ends in time.

make_table('shared', 200);
my $shared = q{CALL embed_backfill('shared', 'e', ARRAY['d'], batch_size => 16)};
my $holder = $node->background_psql('postgres', on_error_stop => 0);
$holder->query(q{BEGIN; SELECT FROM shared WHERE id <= 5 FOR UPDATE;
	UPDATE shared SET d = 'new' WHERE id IN (100, 101)});
($said) = (run($shared))[1];
like($said, qr/ 193 rows embedded/, 'rows are locked: the others are done');
like($said, qr/WARNING:  01000: .* 7 rows are left\nDETAIL/, 'rows are locked: a warning');
is((run('SELECT count(e) FROM shared'))[0], '193', 'rows are locked: the others have vectors');
# The call waits a little for them. A busy machine may need more than one attempt to be in time.
for (1 .. 10)
{
	$holder->query(q{COMMIT; UPDATE shared SET e = NULL WHERE id = 9; BEGIN; SELECT FROM shared WHERE id < 10 FOR UPDATE});
	my $session = $node->background_psql('postgres', on_error_stop => 0);
	$session->query('\set VERBOSITY verbose');
	outcome($session);
	launch($session, $shared);
	sleep 0.5;
	$holder->query('COMMIT');
	$said = outcome($session);
	$session->quit;
	last unless $said =~ /WARNING/;
}
unlike($said, qr/ERROR|WARNING/, 'the transaction ends meanwhile: no error, no warning');
is($node->safe_psql('postgres', vectors_of('shared', 'e', 'ARRAY[d]')), '200|200|0',
	'the transaction ends meanwhile: all rows');
$holder->quit;

# Two at once share the work. A lock on the table makes them begin together.
make_table('halved', 1200);
$holder = $node->background_psql('postgres', on_error_stop => 0);
$holder->query('BEGIN; LOCK TABLE halved');
my @sessions = map { $node->background_psql('postgres', on_error_stop => 0) } 1, 2;
launch($_, q{CALL embed_backfill('halved', 'e', ARRAY['d'], batch_size => 20, threads => 1)}) for @sessions;
$node->poll_query_until('postgres', q{SELECT count(*) = 2 FROM pg_locks
	WHERE relation = 'halved'::regclass AND NOT granted}) or die 'they do not wait';
$holder->query('COMMIT');
unlike(outcome($_), qr/ERROR|WARNING/, 'two at once: no error, no warning') for @sessions;
is(logged('halved'), '1200|1200', 'two at once: each row is written once');
is($node->safe_psql('postgres', vectors_of('halved', 'e', 'ARRAY[d]')), '1200|1200|0', 'two at once: all rows');
is($node->safe_psql('postgres', q{SELECT count(DISTINCT pid) FROM log WHERE table_name = 'halved'}), 2,
	'two at once: both have worked');
$_->quit for $holder, @sessions;


# Memory: the texts are mostly blanks, which cost no time but would be seen if they were kept.

SKIP:
{
	skip 'no /proc', 1 unless -e '/proc/self/status';
	make_table('few', 500, q{' || repeat(' ', 30000) || '});
	make_table('lots', 3000, q{' || repeat(' ', 30000) || '});
	my $session = $node->background_psql('postgres');
	my $pid = answer($session, 'SELECT pg_backend_pid()');
	my @peaks = map {
		$session->query("CALL embed_backfill('$_', 'e', ARRAY['d'], only_missing => false)");
		slurp_file("/proc/$pid/status") =~ /VmHWM:\s+(\d+) kB/ ? $1 / 1024 : 0;
	} 'few', 'lots';
	is(filled('lots'), 3000, 'memory: rows are done');
	cmp_ok($peaks[1] - $peaks[0], '<', 60, "memory: @peaks MB");
	$session->quit;
}

unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC|XX000/, 'no process crashed, no internal error');
$node->stop;
done_testing();
