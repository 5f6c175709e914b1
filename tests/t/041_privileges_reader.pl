# To look at a table's vectors runs none of its owner's code with the reader's privileges, not even where the reader is a
# superuser.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use EmbedTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = start_cluster('reader', conf => "shared_preload_libraries = 'pg_embed'\npg_embed.worker_naptime = '1s'");
set_traps($node, 'postgres');
$node->safe_psql('postgres', 'CREATE ROLE alice LOGIN');

# PostgreSQL evaluates immutable functions with constant arguments when it plans a query, any query, on their table: those
# in the conditions and expressions of indexes and of statistics, in CHECK constraints, in the keys of partitions. So a
# reader runs them, unless the reading is done as the owner.
my %planted = (
	'a view with a trigger' => q{
		CREATE VIEW bait AS SELECT trap('view')::text AS d, NULL::vector(384) AS e FROM generate_series(1, 3);
		CREATE TRIGGER t INSTEAD OF INSERT ON bait FOR EACH ROW EXECUTE FUNCTION embed_trigger('e', 'd')},
	'a view that says to be watched' => q{
		CREATE VIEW bait AS SELECT trap('view')::text AS d, NULL::vector(384) AS e FROM generate_series(1, 3);
		CREATE TRIGGER t INSTEAD OF INSERT ON bait FOR EACH ROW EXECUTE FUNCTION embed_mark_trigger('e', 'd')},
	'the condition of an index' => q{
		CREATE TABLE bait (id int, d text, e vector(384));
		CREATE TRIGGER t BEFORE INSERT OR UPDATE ON bait FOR EACH ROW EXECUTE FUNCTION embed_trigger('e', 'd');
		CREATE INDEX ON bait (id) WHERE constant_trap('index condition')},
	'the expression of an index' => q{
		CREATE TABLE bait (id int, d text, e vector(384));
		CREATE INDEX ON bait ((constant_trap('index expression')));
		SELECT embed_watch('bait', 'e', '{d}')},
	'the condition of an index on a table with a generated vector' => q{
		CREATE TABLE bait (id int, d text, e vector(384) GENERATED ALWAYS AS (embed_text(d)) STORED);
		CREATE INDEX ON bait (id) WHERE constant_trap('index condition')},
	'the expression of statistics' => q{
		CREATE TABLE bait (id int, d text, e vector(384));
		CREATE TRIGGER t BEFORE INSERT OR UPDATE ON bait FOR EACH ROW EXECUTE FUNCTION embed_trigger('e', 'd');
		INSERT INTO bait VALUES (0, 'first'), (-1, 'second');
		CREATE STATISTICS s ON (constant_trap('statistics')), id FROM bait;
		ANALYZE bait},
	'CHECK constraints, of a table and of its partition' => q{
		CREATE TABLE bait (id int, d text, e vector(384), CHECK (constant_trap('check'))) PARTITION BY LIST (id);
		CREATE TABLE part PARTITION OF bait (CHECK (constant_trap('check of a partition'))) DEFAULT;
		SELECT embed_watch('bait', 'e', '{d}')},
	'the key of partitions' => q{
		CREATE TABLE bait (id int, d text, e vector(384)) PARTITION BY LIST ((id > 0 AND constant_trap('key')));
		CREATE TABLE part PARTITION OF bait DEFAULT;
		CREATE TRIGGER t BEFORE INSERT OR UPDATE ON bait FOR EACH ROW EXECUTE FUNCTION embed_trigger('e', 'd')},
	'a policy' => q{
		CREATE TABLE bait (id int, d text, e vector(384));
		ALTER TABLE bait ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
		CREATE POLICY p ON bait USING (trap('policy'));
		CREATE TRIGGER t BEFORE INSERT OR UPDATE ON bait FOR EACH ROW EXECUTE FUNCTION embed_trigger('e', 'd')},
	'a policy of a table with a generated vector' => q{
		CREATE TABLE bait (id int, d text, e vector(384) GENERATED ALWAYS AS (embed_text(d)) STORED);
		ALTER TABLE bait ENABLE ROW LEVEL SECURITY;
		CREATE POLICY p ON bait USING (trap('policy'))},
	'triggers' => q{
		CREATE TABLE bait (id int, d text, e vector(384));
		CREATE TRIGGER before BEFORE UPDATE ON bait FOR EACH ROW EXECUTE FUNCTION trap_row();
		CREATE TRIGGER after AFTER UPDATE ON bait FOR EACH ROW EXECUTE FUNCTION trap_row();
		CREATE CONSTRAINT TRIGGER deferred AFTER UPDATE ON bait DEFERRABLE INITIALLY DEFERRED
			FOR EACH ROW EXECUTE FUNCTION trap_row();
		CREATE TRIGGER t BEFORE INSERT OR UPDATE ON bait FOR EACH ROW EXECUTE FUNCTION embed_trigger('e', 'd')},
	'a rule' => q{
		CREATE TABLE bait (id int, d text, e vector(384));
		CREATE RULE r AS ON UPDATE TO bait DO ALSO SELECT trap('rule');
		CREATE TRIGGER t BEFORE INSERT OR UPDATE ON bait FOR EACH ROW EXECUTE FUNCTION embed_trigger('e', 'd')});

# What a reader may do, and who.
my @reads = (
	[ 'embed_status', 'SELECT * FROM embed_status' ],
	[ 'embed_status with all constraints looked at', 'SET constraint_exclusion = on; SELECT * FROM embed_status' ],
	[ 'embed_progress', 'SELECT * FROM embed_progress' ],
	[ 'embed_watched', 'SELECT * FROM embed_watched' ],
	[ 'embed_info', 'SELECT * FROM embed_info()' ],
	[ 'embed_verify', q{SELECT * FROM embed_verify('mallory.bait', 'e', '{d}')} ],
	[ 'embed_backfill', q{CALL embed_backfill('mallory.bait', 'e', '{d}', only_missing => false)} ]);

for my $place (sort keys %planted)
{
	my $sql = "SET search_path = mallory, public; $planted{$place}; GRANT SELECT ON bait TO alice";
	$sql .= q{; INSERT INTO bait (id, d) VALUES (1, 'one'), (2, 'two')} if $place !~ /view/;
	run_as($node, 'mallory', 'postgres', $sql);
	is(sprung($node), '', "$place: nothing has happened yet");
	for my $reader ('postgres', 'alice')
	{
		for my $read (@reads)
		{
			# That it is refused is as good.
			refusal($node, 'postgres', $read->[1], '-U', $reader);
			is(sprung($node), '', "$place: $read->[0] as $reader");
		}
	}
	like($node->safe_psql('postgres', q{SELECT coalesce(max(rows), -1) FROM embed_status}),
		$place =~ /view/ ? qr/^-1$/ : qr/^(2|4|-1)$/, "$place: a view has no rows to count, a table may have");
	$node->safe_psql('postgres', $place =~ /view/ ? 'DROP VIEW mallory.bait' : 'DROP TABLE mallory.bait');
	sprung($node);
}

# Another's server: what is sent there, and as whom, is not to be decided by who owns the table.
$node->safe_psql('postgres', qq{
	CREATE EXTENSION postgres_fdw;
	CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '@{[ $node->host ]}', port '@{[ $node->port ]}',
		dbname 'postgres');
	CREATE USER MAPPING FOR postgres SERVER far OPTIONS (user 'postgres');
	GRANT USAGE ON FOREIGN SERVER far TO mallory;
	SET ROLE mallory;
	CREATE VIEW mallory.remote AS SELECT mallory.trap('remote view')::text AS d, NULL::vector(384) AS e;
	CREATE FOREIGN TABLE mallory.bait (d text, e vector(384)) SERVER far OPTIONS (schema_name 'mallory', table_name 'remote');
	CREATE TRIGGER t BEFORE INSERT ON mallory.bait FOR EACH ROW EXECUTE FUNCTION embed_trigger('e', 'd')});
sprung($node);
for my $read (@reads)
{
	refusal($node, 'postgres', $read->[1]);
	is(sprung($node), '', "a foreign table: $read->[0]");
}
$node->safe_psql('postgres', 'DROP FOREIGN TABLE mallory.bait');

unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC/, 'no process crashed');
$node->stop;
done_testing();
