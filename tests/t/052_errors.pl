# Errors that others raise reach the user as they were raised: with SQLSTATE, detail, hint, context, and what they name.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use EmbedTest;
use PostgreSQL::Test::Utils;
use Test::More;

# Without care, they would get a backtrace on their way through Rust.
$ENV{RUST_BACKTRACE} = 1;

my $node = start_cluster('errors', conf => "shared_preload_libraries = 'pg_embed'");

# embed_watch() creates an index and a trigger, which may set off an event trigger.

$node->safe_psql('postgres', q{
	CREATE FUNCTION object() RETURNS event_trigger LANGUAGE plpgsql AS $$
	BEGIN
		RAISE 'not in this house' USING ERRCODE = 'MY042', DETAIL = 'the detail', HINT = 'the hint', CONSTRAINT = 'a_constraint',
			COLUMN = 'a_column', TABLE = 'a_table', SCHEMA = 'a_schema', DATATYPE = 'a_type';
	END $$;
	CREATE TABLE plain (d text, e vector(384));
	CREATE EVENT TRIGGER object ON ddl_command_end WHEN TAG IN ('CREATE INDEX', 'CREATE TRIGGER') EXECUTE FUNCTION object()});
my @fields = ('ERROR:  MY042: not in this house', 'DETAIL:  the detail', 'HINT:  the hint',
	'CONTEXT:  PL/pgSQL function (public\.)?object\(\) line 3 at RAISE', 'SCHEMA NAME:  a_schema', 'TABLE NAME:  a_table',
	'COLUMN NAME:  a_column', 'DATATYPE NAME:  a_type', 'CONSTRAINT NAME:  a_constraint');
my $refused = refusal($node, 'postgres', q{SELECT embed_watch('plain', 'e', '{d}')});
like($refused, qr/(^|: )$_/m, "an event trigger's error: $_") for @fields;
is(refusal($node, 'postgres', q{
	DO $$
	BEGIN
		PERFORM embed_watch('plain', 'e', '{d}');
	EXCEPTION WHEN SQLSTATE 'MY042' THEN
		NULL;
	END $$}), '', "an event trigger's error can be caught by its SQLSTATE");
$node->safe_psql('postgres', 'DROP EVENT TRIGGER object');

# And beside embed_trigger().
$node->safe_psql('postgres', q{
	CREATE FUNCTION object_to_row() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		RAISE 'not in this house' USING ERRCODE = 'MY042', DETAIL = 'the detail', HINT = 'the hint', CONSTRAINT = 'a_constraint',
			COLUMN = 'a_column', TABLE = 'a_table', SCHEMA = 'a_schema', DATATYPE = 'a_type';
	END $$;
	CREATE TRIGGER a BEFORE INSERT ON plain FOR EACH ROW EXECUTE FUNCTION embed_trigger('e', 'd');
	CREATE TRIGGER b BEFORE INSERT ON plain FOR EACH ROW EXECUTE FUNCTION object_to_row()});
$refused = refusal($node, 'postgres', q{INSERT INTO plain VALUES ('x')});
like($refused, qr/(^|: )$_/m, "a trigger's error: $_") for map { s/object/object_to_row/r } @fields;

is(join("\n", grep { /terminated by signal|PANIC|XX000|backtrace/ } split /\n/, slurp_file($node->logfile)), '',
	'no process crashed, no internal error');
$node->stop;
done_testing();
