# Every file the extension reads, damaged: an error that names it, and the same session works once it is mended. The
# compiled model is different: nobody installed it, so whatever is wrong with it is put right unasked.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use EmbedTest;
use File::Copy qw(copy);
use File::Path qw(remove_tree);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes;

my $query = q{SELECT embed_text('green sleeveless summer wear')};

my $node = PostgreSQL::Test::Cluster->new('damage');
my $files = PostgreSQL::Test::Utils::tempdir . '/files';
my $model = "$files/model";
my $runtime = "$files/libonnxruntime.so";
mkdir $files or die "$files: $!";
system_or_bail('cp', '-R', $node->config_data('--sharedir') . '/pg_embed/all-MiniLM-L6-v2', $model);
my ($installed) = glob($node->config_data('--pkglibdir') . '/pg_embed/libonnxruntime.so.*');
copy($installed, $runtime) or die "$runtime: $!";

$node->init(extra => [ '--encoding=UTF8', '--no-locale' ]);
$node->append_conf('postgresql.conf', "pg_embed.model_directory = '$model'\npg_embed.runtime_library = '$runtime'");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION pg_embed CASCADE');
my $cache = $node->data_dir . '/pg_embed';
my $vector = $node->safe_psql('postgres', $query);

# Replaces a file as a package manager does, by a new one of that name: others may have the old one mapped.
sub replace
{
	my ($path, $change) = @_;
	my $bytes = slurp_file($path);
	$bytes = $change->($bytes);
	open(my $fh, '>:raw', "$path.new") or die "$path.new: $!";
	print $fh $bytes;
	close($fh) or die "$path.new: $!";
	rename("$path.new", $path) or die "$path: $!";
	return;
}

sub flip
{
	my ($bytes) = @_;
	my $middle = int(length($bytes) / 2);
	substr($bytes, $middle, 1) = chr(ord(substr($bytes, $middle, 1)) ^ 1);
	return $bytes;
}

# What changes when the model is compiled again. An inode number alone may be given out twice.
sub identity
{
	my ($path) = @_;
	return join(' ', (Time::HiRes::stat($path))[ 1, 9 ]);
}

sub is_near
{
	my ($found, $name) = @_;
	is($node->safe_psql('postgres', qq{SELECT '$found'::vector <-> '$vector'::vector < 1e-6}), 't', $name);
	return;
}

# What an administrator installed.

my $missing = sub { my ($path) = @_; unlink($path) or die "$path: $!" };
my $flipped = sub { replace($_[0], \&flip) };
my @cases = (
	[ "$model/tokenizer.json", 'missing', $missing, '58P01' ],
	[ "$model/tokenizer.json", 'with one byte changed', $flipped, 'XX001' ],
	[ "$model/tokenizer.json", 'empty', sub { replace($_[0], sub { '' }) }, 'XX001' ],
	[ "$model/tokenizer.json", 'unreadable', sub { chmod(0, $_[0]) }, '42501' ],
	[ "$model/sentence_bert_config.json", 'with another limit',
		sub { replace($_[0], sub { $_[0] =~ s/256/512/r }) }, 'XX001' ],
	[ "$model/config.json", 'missing', $missing, '58P01' ],
	[ "$model/model.safetensors", 'with one byte changed', $flipped, 'XX001' ],
	[ "$model/model.safetensors", 'truncated', sub { replace($_[0], sub { substr($_[0], 0, 1000000) }) }, 'XX001' ],
	[ "$model/model.safetensors", 'missing', $missing, '58P01' ],
	[ $runtime, 'missing', $missing, '58P01' ],
	[ $runtime, 'truncated', sub { replace($_[0], sub { substr($_[0], 0, 1000000) }) }, 'XX001' ],
	[ $runtime, 'empty', sub { replace($_[0], sub { '' }) }, 'XX001' ],
	[ $runtime, 'no library at all', sub { replace($_[0], sub { "garbage\n" x 1000 }) }, 'XX001' ]);

for my $case (@cases)
{
	my ($path, $damage, $break, $sqlstate) = @$case;
	my ($name) = $path =~ m{([^/]+)$};
	$name .= " $damage";
	my $whole = slurp_file($path);

	# The weights are read only for want of a compiled model.
	remove_tree($cache);
	my $session = $node->background_psql('postgres', on_error_stop => 0);
	$session->query('\set VERBOSITY verbose');
	$break->($path);
	for my $attempt ('first', 'second')
	{
		$session->{stderr} = '';
		is(answer($session, $query), '', "$name: no vector, $attempt attempt");
		like($session->{stderr}, qr/ERROR:  $sqlstate: .*"\Q$path\E"/, "$name: the error, $attempt attempt");
		unlike($session->{stderr}, qr/backtrace/, "$name: no backtrace");
	}
	unlink($path);
	open(my $fh, '>:raw', $path) or die "$path: $!";
	print $fh $whole;
	close($fh) or die "$path: $!";
	is_near(answer($session, $query), "$name: mended, the same session works");
	$session->quit;
}

# What the extension made.

my ($compiled) = glob("$cache/pgsql_tmp/all-MiniLM-*");
my @damages = (
	[ 'model.bin truncated', sub { replace("$compiled/model.bin", sub { substr($_[0], 0, 5000) }) } ],
	[ 'model.bin truncated in place', sub { truncate("$compiled/model.bin", 5000) } ],
	[ 'model.bin with one byte changed', sub { replace("$compiled/model.bin", \&flip) } ],
	[ 'model.bin empty', sub { replace("$compiled/model.bin", sub { '' }) } ],
	[ 'model.bin missing', sub { unlink("$compiled/model.bin") } ],
	[ 'model.onnx with one byte changed', sub { replace("$compiled/model.onnx", \&flip) } ],
	[ 'no manifest', sub { unlink("$compiled/manifest.json") } ],
	[ 'a manifest that is none', sub { replace("$compiled/manifest.json", sub { '{' }) } ],
	[ 'only what a killed process left', sub { rename($compiled, "$cache/pgsql_tmp/unfinished") } ]);

for my $case (@damages)
{
	my ($name, $break) = @$case;
	my $before = identity("$compiled/model.onnx");
	$break->();
	is_near($node->safe_psql('postgres', $query), "$name: the vector is right");
	isnt(identity("$compiled/model.onnx"), $before, "$name: compiled again");
	is(join(' ', sort map { s{.*/}{}r } glob("$cache/pgsql_tmp/*")), ($compiled =~ s{.*/}{}r) . ' lock',
		"$name: nothing else is left");
}

# A copy that an administrator restored is as good as the original.

my $before = identity("$compiled/model.onnx");
replace("$compiled/model.bin", sub { $_[0] });
is_near($node->safe_psql('postgres', $query), 'model.bin copied: the vector is right');
is(identity("$compiled/model.onnx"), $before, 'model.bin copied: not compiled again');

# Where it cannot be written, embedding works without it.

remove_tree($cache);
mkdir($cache) && chmod(0500, $cache) or die "$cache: $!";
my $session = $node->background_psql('postgres', on_error_stop => 0);
is_near(answer($session, $query), 'no place for a compiled model: the vector is right');
like($session->{stderr}, qr/WARNING:.*"\Q$cache\E/s, 'a warning says where');
$session->{stderr} = '';
is_near(answer($session, q{SELECT embed_text('green sleeveless summer wear')}), 'a second call');
is(answer($session, 'SELECT compiled_model IS NULL FROM embed_info()'), 't', 'embed_info() shows no compiled model');
unlike($session->{stderr}, qr/WARNING/, 'one warning is enough');
$session->quit;
chmod(0700, $cache) or die "$cache: $!";

unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC/, 'no process crashed');
$node->stop;
done_testing();
