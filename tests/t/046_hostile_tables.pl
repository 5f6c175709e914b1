# The code that belongs to a watched table runs as its owner when the worker writes there, in a security-restricted
# operation, never as anybody else; and what it does to the session is gone with it.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use EmbedTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $node = start_cluster('hostile', conf => "shared_preload_libraries = 'pg_embed'\npg_embed.worker_naptime = '1s'");
set_traps($node, 'postgres');
$node->safe_psql('postgres', q{
	CREATE ROLE alice LOGIN;
	CREATE SCHEMA alice AUTHORIZATION alice;
	GRANT USAGE ON SCHEMA alice TO PUBLIC});

sub as_mallory
{
	my ($sql) = @_;
	return run_as($node, 'mallory', 'postgres', "SET search_path = mallory, public; $sql");
}

# Who looks at a table runs what is in its indexes: so does it as the owner, that is, as the name of the schema.
sub filled
{
	my ($table, $name) = @_;
	local $ENV{PGUSER} = $table =~ /(\w+)\./ ? $1 : die;
	ok(wait_for_vectors($node, 'postgres', $table, 'e', 'ARRAY[d]'), $name);
	return;
}

sub comes_true
{
	my ($role, $sql) = @_;
	local $ENV{PGUSER} = $role;
	return $node->poll_query_until('postgres', $sql);
}

# Waits until the worker waits for a lock, or for so long that it never will.
sub wait_for_lock
{
	my $end = time + 3;
	until (time > $end)
	{
		last if $node->safe_psql('postgres', q{SELECT count(*) > 0 FROM pg_stat_activity
			WHERE backend_type = 'pg_embed worker' AND wait_event_type = 'Lock'}) eq 't';
		sleep 0.05;
	}
	return;
}


# All that can hang on a table.

as_mallory(q{
	CREATE DOMAIN checked AS text CHECK (trap('domain'));
	CREATE TABLE own (id int DEFAULT length(trap('default')::text), d checked, e vector(384),
		g bool GENERATED ALWAYS AS (constant_trap('generated')) STORED,
		CHECK (constant_trap('check')), CHECK (trap('check of a row')));
	CREATE INDEX ON own (id) WHERE constant_trap('index condition');
	CREATE INDEX ON own ((constant_trap('index expression')));
	CREATE STATISTICS s ON (constant_trap('statistics')), id FROM own;
	CREATE TRIGGER before BEFORE INSERT OR UPDATE ON own FOR EACH ROW EXECUTE FUNCTION trap_row();
	CREATE TRIGGER conditional BEFORE UPDATE ON own FOR EACH ROW WHEN (trap('trigger condition')) EXECUTE FUNCTION trap_row();
	CREATE TRIGGER after AFTER INSERT OR UPDATE ON own FOR EACH ROW EXECUTE FUNCTION trap_row();
	CREATE TRIGGER statement AFTER UPDATE ON own FOR EACH STATEMENT EXECUTE FUNCTION trap_row();
	CREATE CONSTRAINT TRIGGER deferred AFTER UPDATE ON own DEFERRABLE INITIALLY DEFERRED
		FOR EACH ROW EXECUTE FUNCTION trap_row();
	INSERT INTO own (d) SELECT 'row ' || i FROM generate_series(1, 5) AS i;
	SELECT embed_watch('own', 'e', '{d}');
	-- That such a table is refused is as good.
	CREATE TABLE ruled (id int, d text, e vector(384));
	CREATE RULE r AS ON UPDATE TO ruled DO ALSO SELECT trap('rule');
	INSERT INTO ruled VALUES (1, 'one');
	CREATE TABLE keyed (id int, d text, e vector(384)) PARTITION BY LIST ((id > 0 AND constant_trap('key')));
	CREATE TABLE part PARTITION OF keyed DEFAULT;
	SELECT embed_watch('keyed', 'e', '{d}');
	INSERT INTO keyed SELECT i, 'row ' || i FROM generate_series(1, 5) AS i});
refusal($node, 'postgres', q{SELECT embed_watch('mallory.ruled', 'e', '{d}')}, '-U', 'mallory');
filled('mallory.own', 'a table with all that can hang on it gets its vectors');
filled('mallory.keyed', 'and one that is partitioned');
is(sprung($node), '', 'what hangs on a table runs as its owner');
is(as_mallory('SELECT count(*) FROM own'), '5', 'no rows were added');


# What would last longer than the transaction, or get out of it.

my $log = -s $node->logfile;
$node->safe_psql('postgres', q{
	CREATE TABLE alice.own (d text, e vector(384));
	CREATE FUNCTION alice.look() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN
			RAISE LOG 'seen: %|%|%|%|%|%', current_user, current_setting('search_path'), current_setting('work_mem'),
				current_setting('default_transaction_read_only'), current_setting('mallory.left', true),
				(SELECT count(*) FROM pg_prepared_statements WHERE name = 'left');
			RETURN NEW;
		END $$;
	CREATE TRIGGER look BEFORE UPDATE ON alice.own FOR EACH ROW EXECUTE FUNCTION alice.look();
	ALTER TABLE alice.own OWNER TO alice;
	INSERT INTO alice.own VALUES ('before')});
run_as($node, 'alice', 'postgres', q{SELECT embed_watch('alice.own', 'e', '{d}')});
filled('alice.own', 'another table');
as_mallory(q{
	CREATE FUNCTION leave() RETURNS trigger LANGUAGE plpgsql AS $$
		DECLARE
			thing text;
		BEGIN
			FOREACH thing IN ARRAY ARRAY['SET search_path = mallory', 'SET work_mem = ''77MB''',
				'SET default_transaction_read_only = on', 'SET mallory.left = ''something''', 'PREPARE "left" AS SELECT 1',
				'CREATE TEMP TABLE pg_class (oid oid)', 'SET CONSTRAINTS ALL DEFERRED', 'SELECT pg_advisory_unlock_all()',
				'SELECT pg_advisory_lock(4711)', 'DECLARE "left" CURSOR WITH HOLD FOR SELECT 1', 'LISTEN "left"']
			LOOP
				BEGIN
					EXECUTE thing;
					RAISE LOG 'did: %', thing;
				EXCEPTION WHEN OTHERS THEN NULL;
				END;
			END LOOP;
			RETURN NEW;
		END $$;
	CREATE TABLE leaves (d text, e vector(384));
	CREATE TRIGGER leave BEFORE UPDATE ON leaves FOR EACH ROW EXECUTE FUNCTION leave();
	CREATE CONSTRAINT TRIGGER deferred AFTER UPDATE ON leaves DEFERRABLE INITIALLY IMMEDIATE
		FOR EACH ROW EXECUTE FUNCTION trap_row();
	CREATE CONSTRAINT TRIGGER deferred_leave AFTER UPDATE ON leaves DEFERRABLE INITIALLY DEFERRED
		FOR EACH ROW EXECUTE FUNCTION leave();
	SELECT embed_watch('leaves', 'e', '{d}');
	INSERT INTO leaves SELECT 'row ' || i FROM generate_series(1, 3) AS i});
comes_true('mallory', q{SELECT count(e) = 3 OR max(s.last_error) IS NOT NULL
	FROM mallory.leaves, embed_status AS s WHERE relation = 'mallory.leaves'::regclass});
run_as($node, 'alice', 'postgres', q{INSERT INTO alice.own VALUES ('after')});
filled('alice.own', 'the worker goes on after a trigger that leaves things behind');
my $text = slurp_file($node->logfile, $log);
my ($first, @later) = $text =~ /LOG:  seen: (.*)/g;
is($_, $first, 'a trigger of another table finds nothing of it') for @later;
unlike($text, qr/did: (CREATE TEMP|PREPARE|DECLARE|LISTEN)/, 'what outlives a transaction is refused');
is(sprung($node), '', 'deferred triggers do not run as somebody else');
ok($node->poll_query_until('postgres', q{SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711}, '0'),
	'a lock that it took does not stay');
# That one process fills the columns of a database must not hang on a lock that its triggers can let go.
as_mallory(q{DROP TRIGGER leave ON leaves; DROP TRIGGER deferred_leave ON leaves;
	CREATE FUNCTION let_go() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN PERFORM pg_advisory_unlock_all(); PERFORM pg_sleep(0.01); RETURN NEW; END $$;
	CREATE TRIGGER let_go BEFORE UPDATE ON leaves FOR EACH ROW EXECUTE FUNCTION let_go();
	INSERT INTO leaves SELECT 'row ' || i FROM generate_series(1, 400) AS i});
my ($most, $end) = (0, time + 5);
while (time < $end)
{
	run_as($node, 'alice', 'postgres', q{SELECT embed_watch('alice.own', 'e', '{d}'); INSERT INTO alice.own VALUES ('again')});
	my $workers = $node->safe_psql('postgres', q{SELECT count(*) FROM pg_locks WHERE relation = 'mallory.leaves'::regclass
		AND mode = 'RowExclusiveLock' AND pid IN (SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_embed worker')});
	$most = $workers if $workers > $most;
}
cmp_ok($most, '<=', 1, 'there are not two workers, when a trigger has let all advisory locks go');
as_mallory('DROP TABLE leaves');


# Triggers that were made by hand, with arguments that mean nothing, or where nothing can be watched.

as_mallory(q{
	CREATE VIEW seen AS SELECT trap('view')::text AS d, NULL::vector(384) AS e FROM generate_series(1, 3);
	CREATE TRIGGER t INSTEAD OF INSERT ON seen FOR EACH ROW EXECUTE FUNCTION embed_mark_trigger('e', 'd');
	CREATE TRIGGER u INSTEAD OF UPDATE ON seen FOR EACH ROW EXECUTE FUNCTION trap_row();
	CREATE TABLE odd (d text, e vector(384));
	INSERT INTO odd VALUES ('one')});
as_mallory("CREATE TRIGGER t$_->[0] $_->[1] ON odd FOR EACH $_->[2] EXECUTE FUNCTION embed_mark_trigger($_->[3])")
	for [ 1, 'BEFORE INSERT', 'ROW', '' ], [ 2, 'BEFORE INSERT', 'ROW', q{'e'} ], [ 3, 'AFTER DELETE', 'ROW', q{'e', 'd'} ],
	[ 4, 'BEFORE UPDATE', 'ROW', q{'x', 'y'} ], [ 5, 'AFTER INSERT', 'STATEMENT', q{'d', 'e'} ],
	[ 6, 'BEFORE INSERT', 'ROW', q{'', ''} ], [ 7, 'BEFORE UPDATE', 'ROW', q{'ctid', 'tableoid'} ],
	[ 8, 'BEFORE UPDATE', 'ROW', q{'e', 'e'} ];
sprung($node);
run_as($node, 'alice', 'postgres', q{INSERT INTO alice.own VALUES ('and on')});
filled('alice.own', 'the worker goes on beside triggers that make no sense');
is(as_mallory(q{SELECT count(*) FROM embed_status WHERE relation = 'seen'::regclass AND rows > 0}),
	'0', 'a view is not watched');
is(sprung($node), '', 'and its code does not run as somebody else');
as_mallory('DROP TABLE odd; DROP VIEW seen');


# Partitions whose owner is another than that of the whole: the triggers of the whole fire on them, and what is in their
# indexes is evaluated with the whole.

as_mallory(q{
	CREATE TABLE whole (id int, d text, e vector(384)) PARTITION BY LIST (id);
	CREATE TRIGGER trap BEFORE UPDATE ON whole FOR EACH ROW EXECUTE FUNCTION trap_row();
	CREATE TABLE part_1 PARTITION OF whole FOR VALUES IN (1);
	SELECT embed_watch('whole', 'e', '{d}')});
$node->safe_psql('postgres', q{
	CREATE TABLE mallory.part_2 PARTITION OF mallory.whole FOR VALUES IN (2);
	CREATE TABLE alice.whole (id int, d text, e vector(384)) PARTITION BY LIST (id);
	CREATE TABLE mallory.part_3 PARTITION OF alice.whole DEFAULT;
	ALTER TABLE mallory.part_3 OWNER TO mallory;
	ALTER TABLE alice.whole OWNER TO alice;
	GRANT SELECT ON alice.whole TO mallory;
	SELECT embed_watch('alice.whole', 'e', '{d}')});
as_mallory(q{
	CREATE INDEX ON part_3 (id) WHERE constant_trap('index of a partition');
	CREATE TRIGGER trap BEFORE UPDATE ON part_3 FOR EACH ROW EXECUTE FUNCTION trap_row();
	INSERT INTO whole VALUES (1, 'one'), (2, 'two'), (1, 'three')});
# That somebody does this himself is not what is looked at.
run_as($node, 'alice', 'postgres', q{INSERT INTO alice.whole VALUES (1, 'one')});
sprung($node);
filled('(SELECT * FROM mallory.whole WHERE id = 1) AS t', 'partitions with the owner of the whole');
sleep 3;
is(sprung($node), '', 'no partition is filled with the privileges of somebody whose code it is not');
# A partition of another owner may be left out, but then that is said.
ok(comes_true('mallory', q{SELECT (SELECT count(*) = count(e) FROM mallory.whole)
	OR last_error IS NOT NULL FROM embed_status WHERE relation = 'mallory.whole'::regclass}), 'and it is said, if not filled');
sprung($node);
as_mallory('SELECT * FROM embed_status');
refusal($node, 'postgres', q{SELECT embed_verify('alice.whole', 'e', '{d}')}, '-U', 'mallory');
is(sprung($node), '', 'who owns a partition runs nothing as the owner of the whole by reading');
for my $table ('mallory.whole', 'alice.whole')
{
	refusal($node, 'postgres', "CALL embed_backfill('$table', 'e', '{d}', only_missing => false)");
	is(sprung($node), '', "nor does it by somebody's backfill of $table");
}


# A table that gets another owner while the worker waits for it.

$node->safe_psql('postgres', q{
	CREATE TABLE mallory.given (d text, e vector(384));
	SELECT embed_watch('mallory.given', 'e', '{d}')});
my $session = $node->background_psql('postgres');
answer($session, q{BEGIN; LOCK TABLE mallory.given IN SHARE ROW EXCLUSIVE MODE;
	INSERT INTO mallory.given VALUES ('mine'); COMMIT;
	BEGIN; ALTER TABLE mallory.given OWNER TO mallory; SET ROLE mallory;
	CREATE TRIGGER t BEFORE UPDATE ON mallory.given FOR EACH ROW EXECUTE FUNCTION mallory.trap_row(); RESET ROLE});
wait_for_lock();
answer($session, q{COMMIT});
filled('mallory.given', 'a table that changes its owner');
is(sprung($node), '', 'its code runs as the new owner');

unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC/, 'no process crashed');
$session->quit;
$node->stop;
done_testing();
