# Whatever one row does to the UPDATE that brings its vector, the other rows get theirs, from the worker and from a
# backfill.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use EmbedTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $node = start_cluster('row_trouble', conf => q{
	shared_preload_libraries = 'pg_embed'
	log_statement = none
	pg_embed.worker_naptime = '1s'
	pg_embed.worker_batch_size = 16});
# How long something may take that should take a second or two.
$PostgreSQL::Test::Utils::timeout_default = 60;

$node->safe_psql('postgres', q{
	CREATE ROLE alice LOGIN;
	GRANT CREATE ON SCHEMA public TO alice;
	CREATE TABLE private (id int);
	CREATE SEQUENCE attempts;
	CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN RAISE 'row % is bad', NEW.id USING ERRCODE = TG_ARGV[0]; END $$;
	CREATE FUNCTION ask() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN PERFORM current_setting('no.such'); RETURN NEW; END $$;
	CREATE FUNCTION intrude() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN INSERT INTO public.private VALUES (NEW.id); RETURN NEW; END $$;
	CREATE FUNCTION recurse(n int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN public.recurse(n + 1); END $$;
	CREATE FUNCTION recurse() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN PERFORM public.recurse(1); RETURN NEW; END $$;
	CREATE FUNCTION set() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM set_config(TG_ARGV[0], TG_ARGV[1], TG_ARGV[2]::bool);
		RETURN NEW;
	END $$;
	CREATE FUNCTION wish_for_space() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM nextval('public.attempts');
		IF EXISTS (SELECT FROM public.full_disk) THEN
			RAISE 'could not extend file' USING ERRCODE = '53100';
		END IF;
		RETURN NEW;
	END $$;
	CREATE TABLE full_disk AS SELECT true;
	GRANT SELECT ON full_disk TO alice;
	GRANT USAGE ON attempts TO alice});

# Rows 1 to 40, of which row 7 is to be the bad one: a name, what makes it so, the SQLSTATE and the message. Where these
# are missing, all rows are to get their vectors.
my $trigger = 'CREATE TRIGGER z BEFORE UPDATE ON t FOR EACH ROW WHEN (NEW.id = 7) EXECUTE FUNCTION';
my @troubles = (
	(map { [ "a trigger that raises $_", "$trigger fail('$_')", $_, 'row 7 is bad' ] }
		'P0001', 'MY001', '45000', '57014', '57P01', '53100', '53200', '58030', 'XX000', '42501', '40001', '40P01', '55P03', '25P02'),
	[ 'one that fires afterwards', $trigger =~ s/BEFORE/AFTER/r . q{ fail('MY001')}, 'MY001', 'row 7 is bad' ],
	[ 'a missing setting', "$trigger ask()", '42704', 'no.such' ],
	[ 'a missing privilege', "$trigger intrude()", '42501', 'permission denied for table private' ],
	[ 'a recursion without end', "$trigger recurse()", '54001', 'stack depth limit exceeded' ],
	[ 'a CHECK', 'ALTER TABLE t ADD CONSTRAINT c CHECK (id <> 7 OR e IS NULL)', '23514', '"c"' ],
	# One of two rows has to lose.
	[ 'a unique index', 'ALTER TABLE t ADD u int; UPDATE t SET u = least(id, 39);
		CREATE UNIQUE INDEX u ON t (u) WHERE e IS NOT NULL', '23505', '"u"' ],
	[ 'a deferred constraint trigger', q{CREATE CONSTRAINT TRIGGER z AFTER UPDATE ON t DEFERRABLE INITIALLY DEFERRED
		FOR EACH ROW WHEN (NEW.id = 7) EXECUTE FUNCTION fail('MY001')}, 'MY001', 'row 7 is bad' ],
	[ 'a deferred unique constraint', q{ALTER TABLE t ADD u int UNIQUE DEFERRABLE INITIALLY DEFERRED;
		UPDATE t SET u = id; CREATE FUNCTION same() RETURNS trigger LANGUAGE plpgsql AS
			'BEGIN NEW.u = 40; RETURN NEW; END'; CREATE TRIGGER z BEFORE UPDATE OF e ON t FOR EACH ROW WHEN (NEW.id = 7)
			EXECUTE FUNCTION same()}, '23505', 'u_key' ],
	[ 'a trigger that makes the transaction read-only', "$trigger set('transaction_read_only', 'on', 'true')" ],
	[ 'a trigger that makes the session read-only', "$trigger set('default_transaction_read_only', 'on', 'false')" ],
	[ 'a trigger that sets a search_path', "$trigger set('search_path', 'nowhere', 'false')" ],
	[ 'a trigger that sets statement_timeout', "$trigger set('statement_timeout', '1', 'false')" ],
	[ 'a trigger that sets lock_timeout', "$trigger set('lock_timeout', '1', 'false')" ]);

# A table for each, twice: one to be watched, one to be backfilled. All are alice's.
sub make_tables
{
	my ($schema) = @_;
	my $sql = "CREATE SCHEMA $schema AUTHORIZATION alice; SET client_min_messages = warning;\n";
	for my $n (0 .. $#troubles)
	{
		$sql .= qq{CREATE SCHEMA ${schema}_$n AUTHORIZATION alice; SET ROLE alice; SET search_path = ${schema}_$n, public;
			CREATE TABLE t (id int, d text, e vector(384));
			INSERT INTO t SELECT i, 'item ' || i FROM generate_series(1, 40) AS i;
			$troubles[$n][1]; RESET ROLE;\n};
	}
	$node->safe_psql('postgres', $sql);
	return;
}

sub as_alice
{
	my ($sql) = @_;
	my ($stdout, $stderr);
	$node->psql('postgres', "\\set VERBOSITY verbose\n$sql", stdout => \$stdout, stderr => \$stderr, on_error_stop => 0,
		extra_params => [ '-U', 'alice' ]);
	return ($stdout, $stderr);
}

sub filled
{
	my ($table) = @_;
	return $node->safe_psql('postgres', "SELECT count(e) FROM $table");
}


# A backfill.

make_tables('b');
for my $n (0 .. $#troubles)
{
	my ($name, undef, $sqlstate, $message) = @{ $troubles[$n] };
	my $expected = defined $sqlstate ? 39 : 40;
	$name = "backfill, $name";
	my (undef, $said) = as_alice("CALL embed_backfill('b_$n.t', 'e', ARRAY['d'], batch_size => 8)");
	unlike($said, qr/ERROR:/, "$name: no error");
	is(filled("b_$n.t"), $expected, "$name: the other rows have their vectors");
	like($said, qr/ $expected rows embedded/, "$name: so it says");
	if (defined $sqlstate)
	{
		like($said, qr/WARNING:.* 1 rows? (is|are) left/, "$name: a warning");
		like($said, qr/WARNING:.*\(\d+,\d+\)/s, "$name: with the row's place");
		like($said, qr/WARNING:.*$sqlstate/s, "$name: with the SQLSTATE");
		like($said, qr/WARNING:.*$message/s, "$name: with the message");
	}
	else
	{
		unlike($said, qr/WARNING:/, "$name: no warning");
	}
}

# Bad rows by the hundred, in front of the good ones.
my $many = q{
	CREATE TABLE %s (id int, d text, e vector(384));
	INSERT INTO %1$s SELECT i, 'item ' || i FROM generate_series(1, 340) AS i;
	CREATE TRIGGER z BEFORE UPDATE ON %1$s FOR EACH ROW WHEN (NEW.id <= 300) EXECUTE FUNCTION fail('MY001')};
as_alice(sprintf $many, 'many');
my (undef, $said) = as_alice(q{CALL embed_backfill('many', 'e', ARRAY['d'], batch_size => 16)});
unlike($said, qr/ERROR:/, 'backfill, 300 bad rows: no error');
is(filled('many'), 40, 'backfill, 300 bad rows: the others');
like($said, qr/WARNING:.* 300 rows are left/, 'backfill, 300 bad rows: a warning');
cmp_ok(() = $said =~ /row \d+ is bad/g, '<=', 20, 'backfill, 300 bad rows: only some of them by name');
# Once the cause is gone, one more call does the rest.
as_alice('DROP TRIGGER z ON many');
(undef, $said) = as_alice(q{CALL embed_backfill('many', 'e', ARRAY['d'])});
like($said, qr/ 300 rows embedded/, 'backfill, 300 bad rows: the next one does the rest');
unlike($said, qr/ERROR|WARNING/, 'backfill, 300 bad rows: without a warning');


# The worker. All tables are watched before the first is waited for.

make_tables('w');
as_alice(sprintf($many, 'queue') . q{; SELECT embed_watch('queue', 'e', '{d}')});
as_alice("SELECT embed_watch('w_$_.t', 'e', '{d}')") for 0 .. $#troubles;
# One deadline for all. What the worker says of an error is there as long as the worker is.
my $begun = time;
my (%filled, %errors);
until (time - $begun > $PostgreSQL::Test::Utils::timeout_default)
{
	for (split /\n/, $node->safe_psql('postgres', 'SELECT relation, last_error FROM embed_progress WHERE last_error IS NOT NULL'))
	{
		my ($table, $error) = split /\|/, $_, 2;
		$errors{$table} = $error if defined $error;
	}
	%filled = map { split /\|/ } split /\n/, $node->safe_psql('postgres', join ' UNION ALL ',
		map { "SELECT $_, count(e) FROM w_$_.t" } 0 .. $#troubles);
	last unless grep { $filled{$_} < 39 || (defined $troubles[$_][2] ? !$errors{"w_$_.t"} : $filled{$_} < 40) } 0 .. $#troubles;
	sleep 0.1;
}
for my $n (0 .. $#troubles)
{
	my ($name, undef, $sqlstate, $message) = @{ $troubles[$n] };
	is($filled{$n}, defined $sqlstate ? 39 : 40, "worker, $name: the other rows have their vectors");
	like($errors{"w_$n.t"} // '', qr/$message/, "worker, $name: embed_progress has the message") if defined $sqlstate;
}
sleep 0.1 while filled('queue') < 40 && time - $begun < $PostgreSQL::Test::Utils::timeout_default;
is(filled('queue'), 40, 'worker, 300 bad rows: the others');

# Rows that were bad are tried again, after pauses that grow.
my $number = (grep { $troubles[$_][0] =~ /MY001/ } 0 .. $#troubles)[0];
as_alice("DROP TRIGGER z ON $_") for "w_$number.t", 'queue';
ok($node->poll_query_until('postgres', "SELECT count(e) = 40 FROM w_$number.t"), 'worker: a row that is mended');
ok($node->poll_query_until('postgres', 'SELECT count(e) = 340 FROM queue'), 'worker: 300 rows that are mended');

# What all rows fail with is not theirs: the column pauses, the others do not.
as_alice(q{
	CREATE TABLE unstorable (d text, e vector(384));
	CREATE TRIGGER z BEFORE UPDATE ON unstorable FOR EACH ROW EXECUTE FUNCTION wish_for_space();
	SELECT embed_watch('unstorable', 'e', '{d}');
	INSERT INTO unstorable SELECT 'item ' || i FROM generate_series(1, 100) AS i});
ok($node->poll_query_until('postgres', q{SELECT phase ~ 'paused' AND last_error ~ 'could not extend file' FROM embed_progress
	WHERE relation = 'unstorable'::regclass}), "the server's trouble: the column is paused");
as_alice(q{INSERT INTO w_0.t VALUES (41, 'one more')});
ok($node->poll_query_until('postgres', 'SELECT e IS NOT NULL FROM w_0.t WHERE id = 41'),
	"the server's trouble: other columns go on");
sleep 3;
cmp_ok($node->safe_psql('postgres', 'SELECT last_value FROM attempts'), '<', 2000,
	"the server's trouble: it is not tried without end");
$node->safe_psql('postgres', 'TRUNCATE full_disk');
ok($node->poll_query_until('postgres', 'SELECT count(e) = 100 FROM unstorable'), "the server's trouble: it is over");

# Settings that a row left behind, here a read-only session, would be found by the next.
as_alice(q{CREATE TABLE next (d text, e vector(384)); SELECT embed_watch('next', 'e', '{d}'); INSERT INTO next VALUES ('x')});
ok($node->poll_query_until('postgres', 'SELECT count(e) = 1 FROM next'), 'the worker works on');


# The one internal error is that of a trigger.
is(join("\n", grep { /terminated by signal|PANIC|XX000(?!.*row 7)/ } split /\n/, slurp_file($node->logfile)), '',
	'no process crashed, no internal error');
$node->stop;
done_testing();
