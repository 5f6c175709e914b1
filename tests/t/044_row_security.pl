# Who sees what: rows that row-level security hides are shown to nobody, nor passed over without a word; and triggers need
# no privilege on the schema of the extension.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use EmbedTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = start_cluster('row_security',
	conf => "shared_preload_libraries = 'pg_embed'\npg_embed.worker_naptime = '1s'");
$node->safe_psql('postgres', 'CREATE ROLE alice LOGIN; CREATE ROLE bob LOGIN; CREATE SCHEMA bob AUTHORIZATION bob');

# What a query answers, with what went wrong.
sub told
{
	my ($role, $sql) = @_;
	my ($status, $stdout, $stderr) = $node->psql('postgres', $sql, extra_params => [ '-U', $role ]);
	return $stdout . $stderr;
}


# Row-level security.

my %mode = (
	trigger => q{
		CREATE TABLE %s (id int, d text, e vector(384));
		CREATE TRIGGER t BEFORE INSERT OR UPDATE ON %1$s FOR EACH ROW EXECUTE FUNCTION public.embed_trigger('e', 'd')},
	watch => q{
		CREATE TABLE %s (id int, d text, e vector(384));
		SELECT embed_watch('%1$s', 'e', '{d}')},
	partitioned => q{
		CREATE TABLE %s (id int, d text, e vector(384)) PARTITION BY LIST (id);
		CREATE TABLE %1$s_all PARTITION OF %1$s DEFAULT;
		CREATE TRIGGER t BEFORE INSERT OR UPDATE ON %1$s FOR EACH ROW EXECUTE FUNCTION public.embed_trigger('e', 'd')},
	generated => q{
		CREATE TABLE %s (id int, d text, e vector(384) GENERATED ALWAYS AS (embed_text(d)) STORED)});
for my $mode (sort keys %mode)
{
	my $table = "bob.$mode";
	run_as($node, 'bob', 'postgres', sprintf($mode{$mode}, $table) . qq{;
		INSERT INTO $table (id, d) SELECT i, 'row ' || i FROM generate_series(1, 10) AS i});
	wait_for_vectors($node, 'postgres', $table, 'e', 'ARRAY[d]');
	my $oid = $node->safe_psql('postgres', qq{SELECT '$table'::regclass::oid});
	my $status = qq{SELECT rows, embedded, missing, last_error ~ 'row-level security' FROM embed_status
		WHERE relation = $oid};
	my $verify = qq{SELECT checked, missing, stale FROM embed_verify($oid, 'e', '{d}')};

	# What SELECT on the table itself would need is needed here.
	for my $grant ('', "GRANT USAGE ON SCHEMA bob TO alice; GRANT SELECT (id) ON $table TO alice",
		"REVOKE USAGE ON SCHEMA bob FROM alice; GRANT SELECT ON $table TO alice")
	{
		my $name = $grant ? "$mode, after $grant" : "$mode, without privileges";
		run_as($node, 'bob', 'postgres', $grant);
		is(told('alice', $status), '|||f', "$name: no counts");
		like(refusal($node, 'postgres', $verify, '-U', 'alice'), qr/ERROR:  42501: permission denied/, "$name: no verification");
	}
	run_as($node, 'bob', 'postgres', 'GRANT USAGE ON SCHEMA bob TO alice');
	is(told('alice', $status), '10|10|0|', "$mode: all rows where there is no row-level security");
	$node->safe_psql('postgres', qq{
		ALTER TABLE $table ENABLE ROW LEVEL SECURITY;
		CREATE POLICY p ON $table FOR SELECT USING (id <= 3)});
	is(told('alice', $status), '|||t', "$mode: refused where it hides rows");
	like(refusal($node, 'postgres', $verify, '-U', 'alice'), qr/ERROR:  42501: .*row-level security/,
		"$mode: verification too");
	for my $reader ('bob', 'postgres')
	{
		is(told($reader, "$status; $verify"), "10|10|0|\n10|0|0", "$mode: $reader sees all rows");
	}
	$node->safe_psql('postgres', "ALTER TABLE $table FORCE ROW LEVEL SECURITY");
	is(told('bob', $status), '|||t', "$mode: refused to the owner, who forces it");
	# What a superuser sees may not be a part that looks like the whole.
	like($node->safe_psql('postgres', $status), qr/^(10\|10\|0\||\|\|\|t)$/, "$mode: all or nothing for the superuser then");
	like(refusal($node, 'postgres', "$verify WHERE checked <> 10"), qr/^$|ERROR:  42501/, "$mode: verification too");
	is(refusal($node, 'postgres', 'SET row_security = off; SELECT * FROM embed_status', '-U', 'alice'), '',
		"$mode: the view answers all the same to who demands to see all rows");
	run_as($node, 'bob', 'postgres', "DROP TABLE $table");
}


# Triggers need no privilege on their function or its schema: that was asked when they were created.

$node->safe_psql('postgres', 'CREATE DATABASE shut');
$node->safe_psql('shut', q{
	CREATE SCHEMA ext;
	CREATE EXTENSION pg_embed SCHEMA ext CASCADE;
	REVOKE ALL ON SCHEMA ext FROM PUBLIC;
	SET search_path = public, ext;
	CREATE TABLE notes (id int PRIMARY KEY, d text, now vector(384), soon vector(384));
	CREATE TRIGGER t BEFORE INSERT OR UPDATE ON notes FOR EACH ROW EXECUTE FUNCTION embed_trigger('now', 'd');
	ALTER TABLE notes OWNER TO bob;
	SELECT embed_watch('notes', 'soon', '{d}');
	GRANT SELECT, INSERT, UPDATE ON notes TO alice});
is(refusal($node, 'shut', q{INSERT INTO notes VALUES (1, 'one'), (2, 'two'); UPDATE notes SET d = 'three' WHERE id = 2},
	'-U', 'alice'), '', 'an application writes without USAGE on the schema of the extension');
wait_for_vectors($node, 'shut', 'notes', 'soon', 'ARRAY[d]');
is($node->safe_psql('shut', 'SET search_path = public, ext; ' . vectors_of('notes', $_, 'ARRAY[d]')), '2|2|0',
	"vectors: $_")
	for 'now', 'soon';

unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC/, 'no process crashed');
$node->stop;
done_testing();
