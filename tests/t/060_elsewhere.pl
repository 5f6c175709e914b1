# The extension in another place than the server's own directories: library, runtime and model are found together, also
# through PostgreSQL 18's extension_control_path.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use EmbedTest;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'no /proc' unless -e '/proc/self/maps';

my $node = start_cluster('elsewhere');
my ($library, $share) = map { $node->config_data($_) } '--pkglibdir', '--sharedir';
my $place = PostgreSQL::Test::Utils::tempdir;
for ("mkdir -p $place/lib $place/share/extension", "cp -L $library/pg_embed.so $place/lib/",
	"cp -RL $library/pg_embed $place/lib/", "cp -RL $share/pg_embed $place/share/",
	"cp -L $share/extension/pg_embed* $place/share/extension/")
{
	system($_) == 0 or die $_;
}

my $call = q{SELECT vector_dims(elsewhere('a text'))};
$node->safe_psql('postgres', qq{
	CREATE FUNCTION elsewhere(text) RETURNS vector LANGUAGE c STRICT AS '$place/lib/pg_embed.so', 'embed_text'});
my $session = $node->background_psql('postgres');
is(answer($session, $call), '384', 'a library in another place');
my $pid = answer($session, 'SELECT pg_backend_pid()');
like(slurp_file("/proc/$pid/maps"), qr{\Q$place/lib/pg_embed/libonnxruntime\E}, 'has the runtime that lies beside it');
unlike(slurp_file("/proc/$pid/maps"), qr{\Q$library\E/pg_embed}, 'and nothing of the server');
$session->quit;

# Whose model it is shows when that one is damaged.
append_to_file("$place/share/pg_embed/all-MiniLM-L6-v2/tokenizer.json", ' ');
like(refusal($node, 'postgres', $call), qr{ERROR:  XX001: .*\Q$place/\E.*tokenizer\.json}s, 'and the model in ../share');
system("mv $place/share/pg_embed/all-MiniLM-L6-v2 $place/lib/pg_embed/") == 0 or die 'no model';
like(refusal($node, 'postgres', $call), qr{ERROR:  XX001: .*\Q$place/lib/pg_embed\E}s, 'or beside the library');
system("rm -r $place/lib/pg_embed/*") == 0 or die 'not removed';
is($node->safe_psql('postgres', $call), '384', 'else those of the server');

SKIP:
{
	skip 'extension_control_path came with PostgreSQL 18', 3
		if $node->safe_psql('postgres', q{SELECT count(*) FROM pg_settings WHERE name = 'extension_control_path'}) eq '0';
	system("cp -RL $library/pg_embed $place/lib/ && cp -RL $share/pg_embed $place/share/") == 0 or die 'no copy';
	$node->append_conf('postgresql.conf', qq{
extension_control_path = '$place/share:\$system'
dynamic_library_path = '$place/lib:\$libdir'
shared_preload_libraries = 'pg_embed'});
	$node->restart;
	$node->safe_psql('postgres', 'CREATE DATABASE mounted');
	$node->safe_psql('mounted', 'CREATE EXTENSION pg_embed CASCADE');
	is($node->safe_psql('mounted', q{SELECT vector_dims(embed_text('a text'))}), '384', 'through extension_control_path');
	my $postmaster = (slurp_file($node->data_dir . '/postmaster.pid') =~ /^(\d+)/)[0];
	like(slurp_file("/proc/$postmaster/maps"), qr{\Q$place/lib/pg_embed.so\E}, 'it is that library which is preloaded');
	like(slurp_file("/proc/$postmaster/maps"), qr{\Q$place/lib/pg_embed/libonnxruntime\E}, 'with its runtime');
}

$node->stop;
done_testing();
