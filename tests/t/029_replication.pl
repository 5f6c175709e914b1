# Logical replication: a subscriber that watches its column has the vectors of its texts, whether they come along or not.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use EmbedTest;
use PostgreSQL::Test::Utils;
use Test::More;

my @params = (conf => "shared_preload_libraries = 'pg_embed'", allows_streaming => 'logical');
my $publisher = start_cluster('publisher', @params);
my $subscriber = start_cluster('subscriber', @params);

# The table's name says what is published of it, and which of the two embeds. The replica identity is all columns, so that
# rows without a key can be told.
my %tables = (
	texts => { publisher => '', subscriber => 'watch' },
	texts_trigger => { publisher => '', subscriber => 'trigger' },
	watched => { publisher => 'watch', subscriber => 'watch' },
	triggered => { publisher => 'trigger', subscriber => 'watch' },
	received => { publisher => 'watch', subscriber => '' });
for my $table (sort keys %tables)
{
	my $has_vector = $tables{$table}{publisher} ne '';
	for my $node ($publisher, $subscriber)
	{
		my $how = $tables{$table}{ $node->name };
		my $vector = $node eq $subscriber || $has_vector ? ', e vector(384)' : '';
		$node->safe_psql('postgres', "CREATE TABLE $table (id int PRIMARY KEY, d text, n int DEFAULT 0$vector)");
		$node->safe_psql('postgres', "SELECT embed_watch('$table', 'e', '{d}')") if $how eq 'watch';
		$node->safe_psql('postgres', "CREATE TRIGGER fill BEFORE INSERT OR UPDATE ON $table FOR EACH ROW
			EXECUTE FUNCTION embed_trigger('e', 'd')") if $how eq 'trigger';
	}
	$publisher->safe_psql('postgres', "INSERT INTO $table (id, d) SELECT i, 'item ' || i FROM generate_series(1, 40) AS i");
}
my $connection = $publisher->connstr . ' dbname=postgres';
$publisher->safe_psql('postgres', 'CREATE PUBLICATION everything FOR ALL TABLES');
my $remark = q{SELECT last_error FROM embed_status WHERE relation = 'texts_trigger'::regclass};
is($subscriber->safe_psql('postgres', $remark), '', 'without a subscription, an ordinary trigger is well');
# The rows are copied when the trigger has got the mode that embed_watch() gives its own.
$subscriber->safe_psql('postgres', "CREATE SUBSCRIPTION everything CONNECTION '$connection' PUBLICATION everything WITH (enabled = false)");
is($subscriber->safe_psql('postgres', $remark),
	'does not fire for rows of a subscription: ALTER TABLE ... ENABLE ALWAYS TRIGGER "fill"', 'with one it is told that it does not fire');
$subscriber->safe_psql('postgres', q{ALTER TABLE texts_trigger ENABLE ALWAYS TRIGGER fill; ALTER SUBSCRIPTION everything ENABLE});
is($subscriber->safe_psql('postgres', $remark), '', 'until it fires always');
$subscriber->wait_for_subscription_sync($publisher, 'everything');

sub all_right
{
	my ($name) = @_;
	$publisher->wait_for_catchup('everything');
	for my $table (sort keys %tables)
	{
		for my $node ($tables{$table}{publisher} ne '' ? ($publisher, $subscriber) : $subscriber)
		{
			ok(wait_for_vectors($node, 'postgres', $table, 'e', 'ARRAY[d]'), "$name: $table on the " . $node->name . ': none waits');
		}
		# What the publisher's worker did last is still on its way.
		$publisher->wait_for_catchup('everything');
		like($subscriber->safe_psql('postgres', vectors_of($table, 'e', 'ARRAY[d]')), qr/\A(\d+)\|\1\|0\z/, "$name: $table: none is stale");
	}
	return;
}

all_right('first copy');
$publisher->safe_psql('postgres', "UPDATE $_ SET d = 'new ' || d WHERE id <= 20") for sort keys %tables;
all_right('texts updated');
$publisher->safe_psql('postgres', "UPDATE $_ SET n = n + 1") for sort keys %tables;
all_right('other columns updated');
$publisher->safe_psql('postgres', "INSERT INTO $_ (id, d) SELECT i, 'later ' || i FROM generate_series(101, 120) AS i")
	for sort keys %tables;
all_right('rows inserted');

# A vector that comes with its text is kept: it need not be embedded once more.
$publisher->safe_psql('postgres', q{UPDATE triggered SET d = 'with vector ' || id WHERE id <= 10});
$publisher->wait_for_catchup('everything');
is($subscriber->safe_psql('postgres', q{SELECT count(*) FROM triggered WHERE id <= 10 AND e IS NULL}), '0',
	'a vector that comes with a new text is kept');
all_right('vectors that come along');

# To watch it again leaves the trigger as it is.
my $trigger = q{SELECT tgenabled FROM pg_trigger WHERE tgrelid = 'texts'::regclass};
is($subscriber->safe_psql('postgres', $trigger), 'A', 'the trigger fires for replicated rows');
$subscriber->safe_psql('postgres', q{SELECT embed_watch('texts', 'e', '{d}')});
is($subscriber->safe_psql('postgres', $trigger), 'A', 'and does so after a second embed_watch()');
$publisher->safe_psql('postgres', q{UPDATE texts SET d = 'at last ' || id});
all_right('after a second embed_watch()');

unlike(slurp_file($_->logfile), qr/terminated by signal|PANIC|XX000/, $_->name . ': no process crashed, no internal error')
	for $publisher, $subscriber;
$_->stop for $subscriber, $publisher;
done_testing();
