# A watched table whose name is given to a view of somebody else while it is being filled: the worker and embed_backfill()
# write the table, and never run the view's code as the owner of the table.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use EmbedTest;
use PostgreSQL::Test::Utils;
use Test::More;

# Two rows a transaction, so that there are many moments at which a name is looked up.
my $node = start_cluster('names', conf => q{
	shared_preload_libraries = 'pg_embed'
	pg_embed.worker_naptime = '1s'
	pg_embed.worker_batch_size = 2});
set_traps($node, 'postgres');

# Two schemas of mallory's. One has a table of alice's and one of the superuser's, the other has views with their names.
$node->safe_psql('postgres', q{
	CREATE ROLE alice LOGIN;
	CREATE SCHEMA home AUTHORIZATION mallory;
	CREATE SCHEMA decoy AUTHORIZATION mallory;
	GRANT USAGE ON SCHEMA home, decoy TO PUBLIC;
	GRANT CREATE ON DATABASE postgres TO mallory});
for my $owner ('alice', 'postgres')
{
	# A view may have a column `ctid`.
	$node->safe_psql('postgres', qq{
		CREATE TABLE home.of_$owner (d text, e vector(384));
		ALTER TABLE home.of_$owner OWNER TO $owner;
		SET ROLE mallory;
		CREATE VIEW decoy.of_$owner AS SELECT '(0,1)'::tid AS ctid, '3'::xid AS xmin, 'home.of_$owner'::regclass::oid AS tableoid,
			CASE WHEN mallory.trap('view in the place of a table') THEN 'text' END AS d, NULL::vector(384) AS e
			FROM generate_series(1, 3);
		GRANT ALL ON decoy.of_$owner TO PUBLIC;
		CREATE TRIGGER t INSTEAD OF UPDATE ON decoy.of_$owner FOR EACH ROW EXECUTE FUNCTION mallory.trap_row()});
}

# Starts to exchange the names, again and again.
my $mallory;
sub exchange
{
	my ($times) = @_;
	$mallory = $node->background_psql('postgres', extra_params => [ '-U', 'mallory' ]);
	launch($mallory, qq{DO \$\$
		BEGIN
			-- Twice each time: at the end all is as it was.
			FOR i IN 1..2 * $times LOOP
				ALTER SCHEMA home RENAME TO for_a_moment;
				ALTER SCHEMA decoy RENAME TO home;
				ALTER SCHEMA for_a_moment RENAME TO decoy;
				COMMIT;
				PERFORM pg_sleep(0.001);
			END LOOP;
		END \$\$});
	return;
}

sub exchanged
{
	outcome($mallory);
	$mallory->quit;
	return;
}

for my $owner ('alice', 'postgres')
{
	my $table = "home.of_$owner";
	my $oid = $node->safe_psql('postgres', "SELECT '$table'::regclass::oid");
	$node->safe_psql('postgres', qq{
		SELECT embed_watch($oid, 'e', '{d}');
		INSERT INTO $table SELECT 'row ' || i || repeat(' and more of it', i % 20) FROM generate_series(1, 60) AS i});
	exchange(300);
	exchanged();
	is(sprung($node), '', "the worker writes a table of $owner");
	wait_for_vectors($node, 'postgres', $table, 'e', 'ARRAY[d]');
	is($node->safe_psql('postgres', vectors_of($table, 'e', 'ARRAY[d]')), '60|60|0', 'and it is the table that it writes');
	$node->safe_psql('postgres', "SELECT embed_unwatch($oid, 'e'); UPDATE $table SET e = NULL");

	# As whoever does it, and as a superuser.
	for my $caller ($owner eq 'postgres' ? 'postgres' : ($owner, 'postgres'))
	{
		exchange(600);
		for my $time (1 .. 6)
		{
			# One that fails because of a name that is gone has done no harm.
			refusal($node, 'postgres', qq{
				CALL embed_backfill($oid, 'e', '{d}', batch_size => 2, only_missing => @{[ $time % 2 ? 'true' : 'false' ]})},
				'-U', $caller);
			refusal($node, 'postgres', qq{SELECT * FROM embed_verify($oid, 'e', '{d}'); SELECT * FROM embed_status},
				'-U', $caller);
		}
		exchanged();
		is(sprung($node), '', "backfill and verification of a table of $owner by $caller");
	}
}

unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC/, 'no process crashed');
$node->stop;
done_testing();
