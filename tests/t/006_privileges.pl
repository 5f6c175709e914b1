# Who may do what: everyone may embed; only the server's configuration files say which files are loaded; and a base
# backup leaves the compiled model out.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use EmbedTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $vector_of = q{SELECT embed_text('a red dress')};

# Without preloading: a session that has not loaded the library yet does not know the settings, and takes any value.
my $node = start_cluster('primary', allows_streaming => 1);
$node->safe_psql('postgres', 'CREATE ROLE plain LOGIN');
my $vector = $node->safe_psql('postgres', $vector_of);

sub as_plain
{
	my ($sql) = @_;
	return $node->psql('postgres', "\\set VERBOSITY verbose\n$sql", extra_params => [ '-U', 'plain' ]);
}

is((as_plain($vector_of))[1], $vector, 'a role without privileges may call embed_text');
is((as_plain(q{SELECT array_length(embed_texts(ARRAY['a', 'b']), 1), embed_token_count('a b')}))[1], '2|4',
	'and embed_texts and embed_token_count');
is((as_plain(q{SELECT count(*) FROM embed_chunks('a b')}))[1], '1', 'and embed_chunks');
is((as_plain('SELECT dimensions FROM embed_info()'))[1], '384', 'and embed_info');
like((as_plain('LOAD \'$libdir/pg_embed\''))[2], qr/42501/, 'but not load the library by its path');

for my $name ('pg_embed.model_directory', 'pg_embed.runtime_library')
{
	like((as_plain("$vector_of; SET $name = '/tmp/evil'"))[2], qr/ERROR:  55P02/, "$name: no SET");
	like((as_plain("$vector_of; SHOW $name"))[2], qr/ERROR:  42501/, "$name: no SHOW");
	like((as_plain("$vector_of; SELECT set_config('$name', '/tmp/evil', true)"))[2], qr/ERROR:  55P02/,
		"$name: no set_config");
	is($node->safe_psql('postgres', "$vector_of; SHOW $name"), "$vector\n", "$name: a superuser may SHOW it");
	like(($node->psql('postgres', "\\set VERBOSITY verbose\n$vector_of; SET $name = '/tmp/evil'"))[2],
		qr/ERROR:  55P02/, "$name: no SET by a superuser either");

	# Set before the library is loaded, as a placeholder. Loading the library drops the value, with a warning.
	is((as_plain("SET $name = '/tmp/evil'; $vector_of"))[1], $vector, "$name: SET before loading has no effect");
	{
		local $ENV{PGOPTIONS} = "-c $name=/tmp/evil";
		is((as_plain($vector_of))[1], $vector, "$name: PGOPTIONS has no effect");
		is($node->safe_psql('postgres', "$vector_of; SHOW $name"), "$vector\n", "$name: nor for a superuser");
	}

	# These may be refused or stored, depending on the version; they never take effect.
	for my $owner ('ROLE plain', 'DATABASE postgres')
	{
		$node->psql('postgres', "ALTER $owner SET $name = '/tmp/evil'");
		is((as_plain($vector_of))[1], $vector, "$name: ALTER $owner has no effect");
		$node->safe_psql('postgres', "ALTER $owner RESET ALL");
	}
	as_plain("ALTER ROLE plain SET $name = '/tmp/evil'");
	is((as_plain($vector_of))[1], $vector, "$name: ALTER ROLE by the role itself has no effect");
	$node->safe_psql('postgres', 'ALTER ROLE plain RESET ALL');
}

# What the extension writes belongs to the server's user alone.
my ($compiled) = grep { -d } glob($node->data_dir . '/pg_embed/pgsql_tmp/*');
is(sprintf('%o', (stat $compiled)[2] & 0777), '700', 'the compiled model is private');

$node->safe_psql('postgres', q{CREATE TABLE dresses AS SELECT t AS text, embed_text(t) AS embedding
	FROM unnest(ARRAY['a red dress', 'a blue coat']) AS t});

# A standby on another machine may have another processor: it compiles its own.
$node->backup('base');
ok(!-e $node->backup_dir . '/base/pg_embed/pgsql_tmp', 'the base backup has no compiled model');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_embed'");
$standby->start;
$node->wait_for_catchup($standby);
is($standby->safe_psql('postgres', 'SELECT pg_is_in_recovery()'), 't', 'the standby is one');
is($standby->safe_psql('postgres', q{SELECT text FROM dresses ORDER BY embedding <-> embed_text('something red') LIMIT 1}),
	'a red dress', 'it answers a search');
is($standby->safe_psql('postgres', $vector_of), $vector, 'and gives the same vector');
ok(-d $standby->data_dir . '/' . $standby->safe_psql('postgres', 'SELECT compiled_model FROM embed_info()'),
	'from a compiled model of its own');

unlike(slurp_file($_->logfile), qr/terminated by signal|PANIC/, $_->name . ': no process crashed') for $node, $standby;
$standby->stop;
$node->stop;
done_testing();
