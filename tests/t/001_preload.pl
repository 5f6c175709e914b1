# The library in shared_preload_libraries: what the postmaster opens, what backends inherit, and that a server starts,
# serves and stops all the same when nothing can be opened.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use EmbedTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $md5 = q{SELECT md5(embed_text('green sleeveless summer wear')::text)};

sub threads
{
	my ($pid) = @_;
	my @threads = glob("/proc/$pid/task/*");
	return scalar @threads;
}

my $node = start_cluster('preload', conf => "shared_preload_libraries = 'pg_embed'");

is($node->safe_psql('postgres', 'SELECT session FROM embed_info()'), 'inherited', 'a backend inherits the session');
isnt($node->safe_psql('postgres', 'SELECT compiled_model FROM embed_info()'), '', 'of a compiled model');

# A thread would not survive the fork into a backend, and with it whatever lock it held.
my ($postmaster) = split /\n/, slurp_file($node->data_dir . '/postmaster.pid');
is(threads($postmaster), 1, 'the postmaster has one thread');

my $session = $node->background_psql('postgres');
my $pid = answer($session, 'SELECT pg_backend_pid()');
my $vector = answer($session, $md5);
is(threads($pid), 1, 'a backend has one thread after embed_text');
$session->query_safe('SET pg_embed.threads = 2');
is(answer($session, q{SELECT array_length(embed_texts(array_agg('text ' || i)), 1) FROM generate_series(1, 200) i}),
	'200', 'embed_texts with two threads');
is(threads($pid), 1, 'its helpers are gone afterwards');
is(answer($session, $md5), $vector, 'the vector is the same afterwards');
$session->quit;

my %seen;
$seen{ $node->safe_psql('postgres', $md5) }++ for 1 .. 200;
is_deeply(\%seen, { $vector => 200 }, 'two hundred connections in a row give the same vector');

# A session in the middle of something does not hold up the stop.
$session = $node->background_psql('postgres', on_error_stop => 0);
$session->query_until(qr/begun/, qq{\\echo begun
	SELECT array_length(embed_texts(array_agg('text number ' || i || repeat(' with more words', 10))), 1)
	FROM generate_series(1, 100000) i;\n});
$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity
	WHERE state = 'active' AND query LIKE '%array_agg%' AND pid <> pg_backend_pid()}) or die 'the query does not run';
# The array is aggregated by then.
sleep 1;
my $start = time;
$node->stop('fast');
cmp_ok(time - $start, '<', 5, 'a fast stop does not wait for embed_texts');
eval { $session->quit };

my $log = slurp_file($node->logfile);
unlike($log, qr/terminated by signal|PANIC|WARNING:/, 'no process crashed');
unlike($log, qr/ERROR:/, 'the log has no errors');

# Without preloading, a session opens for itself what the postmaster compiled.
$node->adjust_conf('postgresql.conf', 'shared_preload_libraries', "''");
$node->start;
is($node->safe_psql('postgres', 'SELECT session FROM embed_info()'), 'opened', 'without preloading, a session opens it');
is($node->safe_psql('postgres', $md5), $vector, 'and gives the same vector');
$node->stop;

# What cannot be opened does not keep the server from starting: only this extension's functions fail.
$node->adjust_conf('postgresql.conf', 'shared_preload_libraries', "'pg_embed'");
for my $case ([ 'pg_embed.runtime_library', '/nonexistent/libonnxruntime.so', '/nonexistent/libonnxruntime.so' ],
	[ 'pg_embed.model_directory', '/nonexistent', '/nonexistent/modules.json' ])
{
	my ($setting, $value, $path) = @$case;
	$node->append_conf('postgresql.conf', "$setting = '$value'");
	my $offset = -s $node->logfile;
	ok($node->start(fail_ok => 1), "wrong $setting: the server starts");
	like(slurp_file($node->logfile, $offset), qr/WARNING:.*\Q$path\E/, "wrong $setting: it says what is missing");
	my ($status, undef, $stderr) = $node->psql('postgres', $md5, extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	is($status, 3, "wrong $setting: embed_text fails");
	like($stderr, qr{58P01: file "\Q$path\E" does not exist}, "wrong $setting: with the path and SQLSTATE 58P01");
	is($node->safe_psql('postgres', q{SELECT '[3,4]'::vector <-> '[0,0]'}), '5', "wrong $setting: all else works");

	# Mended by a reload, without a restart.
	$node->adjust_conf('postgresql.conf', $setting, "''");
	$node->reload;
	$node->poll_query_until('postgres', "SELECT current_setting('$setting') = ''") or die 'no reload';
	is($node->safe_psql('postgres', $md5), $vector, "$setting: a reload with the right path mends it");
	is($node->safe_psql('postgres', 'SELECT session FROM embed_info()'), 'opened', 'for sessions that open it themselves');
	$node->stop;
}

done_testing();
