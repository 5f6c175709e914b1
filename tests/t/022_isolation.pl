# A backfill while others change its table. It is made to stand still after it has read a batch and before it writes one
# of the rows; what another session does then either goes through or waits for it. Then it may go on.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use EmbedTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = start_cluster('isolation', conf => "shared_preload_libraries = 'pg_embed'\nlog_error_verbosity = verbose");
$node->safe_psql('postgres', q{
	CREATE FUNCTION gate() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NEW; END $$;
	CREATE TABLE log (id int);
	CREATE FUNCTION log() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN INSERT INTO public.log VALUES (NEW.id); RETURN NULL; END $$});
my $call = q{CALL embed_backfill('docs', 'e', ARRAY['d'], batch_size => };

sub connect_as
{
	my ($name) = @_;
	my $session = $node->background_psql('postgres', on_error_stop => 0);
	$session->set_query_timer_restart;
	$session->query("\\set VERBOSITY verbose\nSET application_name = '$name'");
	return $session;
}

sub waits
{
	my ($name, $what) = @_;
	return "SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name = '$name' AND $what";
}

my ($holder, $backfill, $other) = map { connect_as($_) } 'holder', 'backfill', 'other';

# Does `change` in another session while the backfill stands at row 2 of 6; gives what both say, and whether the change
# had to wait.
sub meanwhile
{
	my ($batch, $change) = @_;
	$node->safe_psql('postgres', q{
		SET client_min_messages = error;
		DROP TABLE IF EXISTS docs, docs_old;
		TRUNCATE log;
		CREATE TABLE docs (id int PRIMARY KEY, d text, e vector(384));
		INSERT INTO docs SELECT i, 'item ' || i FROM generate_series(1, 6) AS i;
		CREATE TRIGGER gate BEFORE UPDATE ON docs FOR EACH ROW
			WHEN (NEW.id = 2 AND current_setting('application_name') = 'backfill') EXECUTE FUNCTION gate();
		CREATE TRIGGER log AFTER UPDATE ON docs FOR EACH ROW EXECUTE FUNCTION log()});
	outcome($_) for $backfill, $other;
	$holder->query('SELECT pg_advisory_lock(1)');
	launch($backfill, "$call $batch)");
	$node->poll_query_until('postgres', waits('backfill', q{wait_event = 'advisory'})) or die 'the gate is open';
	# Not committed at once, so that the backfill has begun its next batch and waits in the midst of it.
	$change = "BEGIN; $change; SELECT pg_sleep(0.3); COMMIT" if $change =~ /^(ALTER|DROP|TRUNCATE)/;
	launch($other, "$change; SELECT 'changed'");
	my $changed = q{state LIKE 'idle%' AND query ~ 'changed'};
	$node->poll_query_until('postgres', waits('other', "($changed OR wait_event_type = 'Lock')"))
		or die "neither done nor waiting: $change";
	my $waited = $node->safe_psql('postgres', waits('other', "NOT ($changed)"));
	$holder->query('SELECT pg_advisory_unlock(1)');
	return (outcome($backfill), outcome($other), $waited eq 't');
}

# "rows|vectors|wrong"
sub found
{
	my ($table) = @_;
	my $is_array = $node->safe_psql('postgres', qq{SELECT atttypid = 'text[]'::regtype FROM pg_attribute
		WHERE attrelid = '$table'::regclass AND attname = 'd'});
	return $node->safe_psql('postgres', vectors_of($table, 'e', $is_array eq 't' ? 'd' : 'ARRAY[d::text]'));
}

my $trigger = q{CREATE TRIGGER embed BEFORE UPDATE ON docs FOR EACH ROW EXECUTE FUNCTION embed_trigger('e', 'd')};
my $add = q{INSERT INTO docs (id, d) SELECT i, 'more ' || i FROM generate_series(11, 14) AS i};

# What goes well: by another session, and the rows, vectors, and wrong vectors there are afterwards.
my @harmless = (
	[ 'UPDATE of texts', q{UPDATE docs SET d = 'new ' || id, e = NULL}, '6|6|0' ],
	[ 'UPDATE of texts, one by one', join('; ', map { "UPDATE docs SET d = 'new $_', e = NULL WHERE id = $_" } 1 .. 6),
		'6|6|0' ],
	[ 'UPDATE of texts to NULL', q{UPDATE docs SET d = NULL, e = NULL WHERE id < 4}, '6|3|0' ],
	[ 'UPDATE of texts undone', q{BEGIN; UPDATE docs SET d = 'new', e = NULL; ROLLBACK}, '6|6|0' ],
	[ 'a trigger, and UPDATE of texts alone', qq{$trigger; UPDATE docs SET d = 'new ' || id}, '6|6|0' ],
	[ 'DELETE', 'DELETE FROM docs WHERE id IN (1, 2, 3)', '3|3|0' ],
	[ 'DELETE of all', 'DELETE FROM docs', '0|0|0' ],
	[ 'INSERT', $add, '10|10|0' ],
	[ 'TRUNCATE', 'TRUNCATE docs', '0|0|0' ],
	[ 'TRUNCATE and INSERT', "TRUNCATE docs; $add", '4|4|0' ],
	[ 'VACUUM FULL', 'DELETE FROM docs WHERE id = 1; VACUUM FULL docs', '5|5|0' ],
	[ 'ALTER TYPE to varchar', 'ALTER TABLE docs ALTER d TYPE varchar(40)', '6|6|0' ],
	[ 'ALTER TYPE to text[]', q{ALTER TABLE docs ALTER d TYPE text[] USING ARRAY[d, 'blue'],
		ALTER e TYPE vector(384) USING NULL}, '6|6|0' ],
	[ 'columns that change their names', q{ALTER TABLE docs RENAME d TO old;
		ALTER TABLE docs ADD d text; UPDATE docs SET d = 'new ' || id, e = NULL}, '6|6|0' ]);

for my $case (@harmless)
{
	my ($name, $change, $expected) = @$case;
	for my $batch (1, 10)
	{
		my $what = "$name, batches of $batch";
		my ($said, $other_said, $waited) = meanwhile($batch, $change);
		unlike("$said$other_said", qr/ERROR|WARNING/, "$what: no error, no warning");
		# What had to wait may have come after the backfill's end, and is for the next one to do.
		like(found('docs'), $waited ? qr/\|0$/ : qr/^\Q$expected\E$/, "$what: no vector of an old text");
		$backfill->query("$call $batch)");
		is(found('docs'), $expected, "$what: all rows in the end");
	}
}

# What others have not committed is left to the next one.
for my $batch (1, 10)
{
	my ($said) = meanwhile($batch, q{BEGIN; UPDATE docs SET d = 'new ' || id, e = NULL WHERE id > 1});
	like($said, qr/NOTICE:  00000: .* rows embedded/, "UPDATE not committed, batches of $batch: comes to an end");
	$other->query('COMMIT');
	like(found('docs'), qr/\|0$/, "UPDATE not committed, batches of $batch: no vector of an old text");
	$backfill->query("$call $batch)");
	is(found('docs'), '6|6|0', "UPDATE not committed, batches of $batch: the next one");
}

# What cannot go well ends with an error that says so. What was committed stays.
my @errors = (
	[ 'DROP COLUMN of a source', 'ALTER TABLE docs DROP d', '42703', qr/"d"/ ],
	[ 'DROP COLUMN of the vectors', 'ALTER TABLE docs DROP e', '42703', qr/"e"/ ],
	[ 'RENAME of a source', 'ALTER TABLE docs RENAME d TO text', '42703', qr/"d"/ ],
	[ 'ALTER TYPE of a source to int', 'ALTER TABLE docs ALTER d TYPE int USING id', '42804', qr/"d"/ ],
	[ 'ALTER TYPE of the vectors', 'ALTER TABLE docs ALTER e TYPE vector(3) USING NULL', '42804', qr/"e"/ ],
	[ 'DROP TABLE', 'DROP TABLE docs', '42P01', qr/does not exist/ ]);

for my $case (@errors)
{
	my ($name, $change, $sqlstate, $message) = @$case;
	for my $batch (1, 10)
	{
		my ($said, $other_said) = meanwhile($batch, $change);
		like($said, qr/ERROR:  $sqlstate: .*$message/, "$name, batches of $batch: the error");
		is(() = $said =~ /ERROR/g, 1, "$name, batches of $batch: no other");
		is($other_said, '', "$name, batches of $batch: it went through");
		is(answer($backfill, q{SELECT embed_text('a') <-> embed_text('a')}), '0', "$name: the session goes on");
	}
}

# The table that was named is filled, not another that has its name now.
for my $batch (1, 10)
{
	my ($said) = meanwhile($batch, qq{ALTER TABLE docs RENAME TO docs_old;
		CREATE TABLE docs (LIKE docs_old); $add});
	unlike($said, qr/ERROR|WARNING/, "RENAME, batches of $batch: no error, no warning");
	is(found('docs_old'), '6|6|0', "RENAME, batches of $batch: the table that was meant");
	is(found('docs'), '4|0|0', "RENAME, batches of $batch: the other one");
}

# A second backfill that passes the first one leaves what the first one has locked, which is the row where it stands and
# perhaps the one before, and says so.
for my $batch (1, 10)
{
	my ($said, $other_said) = meanwhile($batch, "$call $batch)");
	like($other_said, qr/WARNING:  01000: .* [12] rows? (is|are) left/, "two backfills, batches of $batch: a warning");
	unlike($said, qr/ERROR|WARNING/, "two backfills, batches of $batch: the first one has none");
	is(found('docs'), '6|6|0', "two backfills, batches of $batch: all rows");
	is($node->safe_psql('postgres', 'SELECT count(*), count(DISTINCT id) FROM log'), '6|6',
		"two backfills, batches of $batch: each written once");
}

$_->quit for $holder, $backfill, $other;
unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC|XX000/, 'no process crashed, no internal error');
$node->stop;
done_testing();
