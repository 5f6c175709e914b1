# What an unprivileged user can reach, and what a base backup and a standby get.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('privileges');
$node->init(allows_streaming => 1, extra => [ '--encoding=UTF8', '--no-locale' ]);
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION pg_embed CASCADE; CREATE ROLE guest LOGIN');
my $vector = $node->safe_psql('postgres', q{SELECT embed_text('a red dress')});

# Runs as the guest, in a session that has not loaded the library; gives (exit code, output, errors).
sub as_guest
{
	my ($sql) = @_;
	return $node->psql('postgres', $sql, extra_params => [ '-U', 'guest' ]);
}

is((as_guest(q{SELECT embed_text('a red dress')}))[1], $vector, 'a guest can embed');

# The path names no file: were it taken, the call would fail.
my $evil = '/tmp/evil.so';
for my $setting ("SET pg_embed.runtime_library = '$evil'", "SET pg_embed.model_directory = '/tmp'",
	"ALTER ROLE guest SET pg_embed.runtime_library = '$evil'", "ALTER ROLE guest SET pg_embed.model_directory = '/tmp'")
{
	# Before the library is loaded PostgreSQL takes any name with a dot; the value must be void once it is.
	as_guest($setting);
	my ($code, $out) = as_guest("$setting; SELECT embed_text('a red dress')");
	is($out, $vector, "no effect: $setting") if $code == 0;
	is((as_guest(q{SELECT embed_text('a red dress')}))[1], $vector, "none later: $setting");
}
{
	local $ENV{PGOPTIONS} = "-c pg_embed.runtime_library=$evil -c pg_embed.model_directory=/tmp";
	is((as_guest(q{SELECT embed_text('a red dress')}))[1], $vector, 'no effect: PGOPTIONS');
}
unlike((as_guest(q{SELECT compiled_model FROM embed_info()}))[1], qr{^/}, 'the data directory is not shown');

# The compiled model is not in a base backup; the standby makes its own and gives the same vector.
$node->backup('base');
ok(-d glob($node->data_dir . '/pg_embed/pgsql_tmp/all-MiniLM-L6-v2-*'), 'the compiled model is in the data directory');
ok(!-e $node->backup_dir . '/base/pg_embed/pgsql_tmp', 'and not in the backup');
$node->safe_psql('postgres', q{CREATE TABLE dresses AS SELECT t AS text, embed_text(t) AS embedding
	FROM unnest(ARRAY['a red dress', 'a blue coat']) AS t});
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby, 'replay', $node->lsn('write'));
is($standby->safe_psql('postgres', q{SELECT text FROM dresses ORDER BY embedding <-> embed_text('something red') LIMIT 1}),
	'a red dress', 'the standby answers a search');
is($standby->safe_psql('postgres', q{SELECT embed_text('a red dress')}), $vector, 'with the same vector');

$standby->stop;
$node->stop;
done_testing();
