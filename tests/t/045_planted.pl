# What somebody has put into a schema beforehand, or into the search_path of a database, is never taken for what PostgreSQL,
# pgvector or the extension has under the same name.

use strict;
use warnings;
use feature 'state';

use FindBin;
use lib $FindBin::RealBin;
use EmbedTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = start_cluster('planted', conf => "shared_preload_libraries = 'pg_embed'\npg_embed.worker_naptime = '1s'");
$node->safe_psql('postgres', 'CREATE ROLE mallory LOGIN; CREATE ROLE alice LOGIN');

# A database where mallory has a schema `evil`, full of namesakes.
sub make_database
{
	my ($name) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $name");
	$node->safe_psql($name, "CREATE EXTENSION vector; GRANT CREATE ON DATABASE $name TO mallory");
	set_traps($node, $name);
	run_as($node, 'mallory', $name, q{
		CREATE SCHEMA evil;
		GRANT USAGE ON SCHEMA evil TO PUBLIC;
		DO $$
		DECLARE
			types text[] := '{oid,regclass,regproc,regprocedure,regtype,text,name,varchar,bigint,integer,smallint,"char",
				boolean,xid,tid,bytea,timestamptz,interval}';
			-- Of these types all pairs: a better match than PostgreSQL's own operators where these need a cast.
			operators CONSTANT text := 'SELECT o, l, r, CASE o WHEN ''||'' THEN ''text'' ELSE ''boolean'' END AS result
				FROM unnest(ARRAY[''='', ''<>'', ''<'', ''>'', ''||'']) AS o, unnest($1) AS l, unnest($1) AS r';
			p record;
			n int := 0;
		BEGIN
			FOR p IN EXECUTE operators USING types LOOP
				n := n + 1;
				EXECUTE format('CREATE FUNCTION evil.o%s(%s, %s) RETURNS %s LANGUAGE plpgsql AS %L', n, p.l, p.r, p.result,
					format('BEGIN PERFORM mallory.trap(%L); RETURN NULL; END', p.o));
				EXECUTE format('CREATE OPERATOR evil.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = evil.o%s)', p.o, p.l, p.r, n);
			END LOOP;
			FOR p IN SELECT DISTINCT proname, oidvectortypes(proargtypes) AS arguments, prorettype::regtype AS result
				FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace AND prokind = 'f' AND NOT proretset AND proname ~
					'^(quote_|pg_get_|pg_has_role|obj_desc|pg_relation_size|strpos|substr|format|current_|set_conf|encode|conv|make_)'
					AND oidvectortypes(proargtypes) !~ 'any|internal' AND prorettype <> 'cstring'::regtype
			LOOP
				EXECUTE format('CREATE FUNCTION evil.%I(%s) RETURNS %s LANGUAGE plpgsql AS %L', p.proname, p.arguments, p.result,
					format('BEGIN PERFORM mallory.trap(%L); RETURN NULL; END', p.proname));
			END LOOP;
		END $$;
		CREATE VIEW evil.pg_class AS SELECT *, mallory.trap('pg_class') FROM pg_class;
		CREATE VIEW evil.pg_trigger AS SELECT *, mallory.trap('pg_trigger') FROM pg_trigger;
		CREATE VIEW evil.pg_proc AS SELECT *, mallory.trap('pg_proc') FROM pg_proc;
		CREATE VIEW evil.pg_extension AS SELECT *, mallory.trap('pg_extension') FROM pg_extension;
		CREATE VIEW evil.pg_stat_activity AS SELECT *, mallory.trap('pg_stat_activity') FROM pg_stat_activity;
		-- Other arguments than those of the extension's own: else the extension could not be created at all.
		CREATE FUNCTION evil.embed_count(oid, text, text[], OUT rows bigint, OUT embedded bigint, OUT missing bigint,
			OUT problem text) LANGUAGE plpgsql AS $$ BEGIN PERFORM mallory.trap('embed_count'); END $$;
		CREATE FUNCTION evil.collect(text[], text) RETURNS text[] LANGUAGE plpgsql AS
			$$ BEGIN PERFORM mallory.trap('array_agg'); RETURN $1 || $2; END $$;
		CREATE AGGREGATE evil.array_agg(text) (SFUNC = evil.collect, STYPE = text[]);
		CREATE AGGREGATE evil.array_agg(name) (SFUNC = array_append, STYPE = name[])});
	return;
}

# A table that mallory fills with code would do as well: these read the views with the privileges of whoever they are.
my @reads = ('SELECT * FROM %s.embed_status', 'SELECT * FROM %s.embed_progress', 'SELECT * FROM %s.embed_watched',
	'SELECT * FROM %s.embed_info()', q{SELECT * FROM %s.embed_verify('public.notes', 'e', '{d}')},
	q{CALL %s.embed_backfill('public.notes', 'e', '{d}', only_missing => false)}, q{SELECT %s.embed_unwatch('public.notes', 'e')},
	q{SELECT %s.embed_watch('public.notes', 'e', '{d}')});

sub try_all
{
	my ($database, $schema, $name) = @_;
	$node->safe_psql($database, qq{
		SET search_path = pg_catalog;
		CREATE TABLE public.notes (d text, e public.vector(384), g public.vector(384)
			GENERATED ALWAYS AS ($schema.embed_text(d)) STORED, now public.vector(384));
		CREATE TRIGGER t BEFORE INSERT OR UPDATE ON public.notes
			FOR EACH ROW EXECUTE FUNCTION $schema.embed_trigger('now', 'd');
		ALTER TABLE public.notes OWNER TO alice;
		SELECT $schema.embed_watch('public.notes', 'e', '{d}');
		INSERT INTO public.notes (d) SELECT 'note ' || i FROM generate_series(1, 20) AS i});
	ok($node->poll_query_until($database, 'SELECT pg_catalog.count(e) FROM public.notes', '20'),
		"$name: the worker does its work");
	unlike(refusal($node, $database, sprintf($_, $schema)), qr/ERROR/, "$name: " . sprintf($_, $schema)) for @reads;
	is(sprung($node), '', "$name: nothing that mallory has put there has run");
	return;
}


# Before CREATE EXTENSION, in the schema that it is to go to: by a superuser, and by mallory.

# What the extension's members, their rules and defaults depend on, and is neither PostgreSQL's own (their numbers are below
# 16384) nor a schema, the extension itself or pgvector's.
my $strangers = q{
	WITH members AS (
		SELECT d.classid, d.objid FROM pg_depend AS d JOIN pg_extension AS e ON d.refobjid = e.oid
		WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND e.extname IN ('pg_embed', 'vector')
	), parts AS (
		SELECT * FROM members
		UNION SELECT 'pg_rewrite'::regclass, r.oid FROM pg_rewrite AS r JOIN members ON r.ev_class = objid
		UNION SELECT 'pg_attrdef'::regclass, a.oid FROM pg_attrdef AS a JOIN members ON a.adrelid = objid
		UNION SELECT 'pg_type'::regclass, t.oid FROM pg_type AS t JOIN members ON t.typrelid = objid
		UNION SELECT 'pg_type'::regclass, t.typarray FROM pg_type AS t JOIN members ON t.oid = objid
	)
	SELECT DISTINCT pg_describe_object(d.refclassid, d.refobjid, 0) FROM pg_depend AS d JOIN parts USING (classid, objid)
	WHERE d.refobjid >= 16384 AND d.refclassid NOT IN ('pg_namespace'::regclass, 'pg_extension'::regclass)
		AND (d.refclassid, d.refobjid) NOT IN (SELECT * FROM parts) ORDER BY 1};
for my $creator ('postgres', 'mallory')
{
	my $database = "before_$creator";
	make_database($database);
	run_as($node, $creator, $database, 'CREATE EXTENSION pg_embed SCHEMA evil');
	is($node->safe_psql($database, $strangers), '', "created by $creator: refers to nothing that is not its own");
	try_all($database, 'evil', "created by $creator");
}

# Types, which a script cannot always name in full, and functions with other arguments. Refused is as good.
for my $type ('CREATE DOMAIN evil.vector AS public.vector CHECK (mallory.trap(\'domain\'))',
	'CREATE TYPE evil.vector AS (x int)', 'CREATE DOMAIN evil.text AS text CHECK (mallory.trap(\'domain\'))',
	q{CREATE FUNCTION evil.embed_text(varchar) RETURNS bool LANGUAGE sql AS $$ SELECT mallory.trap('embed_text') $$},
	q{CREATE FUNCTION evil.embed_mark_trigger(int) RETURNS bool LANGUAGE sql AS $$ SELECT mallory.trap('mark') $$},
	'CREATE DOMAIN evil.regclass AS oid CHECK (mallory.trap(\'domain\'))')
{
	my $database = 'type' . ++(state $n);
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql($database, "CREATE EXTENSION vector; GRANT CREATE ON DATABASE $database TO mallory");
	set_traps($node, $database);
	run_as($node, 'mallory', $database, "CREATE SCHEMA evil; $type");
	my $refused = refusal($node, $database, 'CREATE EXTENSION pg_embed SCHEMA evil');
	is($node->safe_psql($database, $strangers), '', "$type: nothing refers to it") or diag $refused;
	is(sprung($node), '', "$type: it has not run");
}


# In the search_path of a database, which its owner sets, also for the worker. These are before PostgreSQL's own.

make_database('path');
$node->safe_psql('path', 'CREATE SCHEMA s; GRANT USAGE ON SCHEMA s TO PUBLIC; CREATE EXTENSION pg_embed SCHEMA s;
	ALTER DATABASE path OWNER TO mallory');
run_as($node, 'mallory', 'path', 'ALTER DATABASE path SET search_path = evil, pg_catalog, s, public');
try_all('path', 's', 'a search_path');

unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC/, 'no process crashed');
$node->stop;
done_testing();
