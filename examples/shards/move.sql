-- On the coordinator: moves a partition to another shard. There, shard.sql has to have made its table; where it comes from,
-- wal_level has to be logical.
--   CALL copy_partition('products_0', 'shard_3');      copies it, and keeps the copy up to date; nobody waits
--   psql ... -f ready.sql                              on the new shard: trigger and index
--   CALL switch_partition('products_0', 'shard_3');    writes and reads go there from now on; they wait for some ms

\set ON_ERROR_STOP on

CREATE FUNCTION shard_of(partition regclass) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT s.srvname FROM pg_foreign_table JOIN pg_foreign_server AS s ON s.oid = ftserver WHERE ftrelid = partition
$$;

CREATE FUNCTION connection_of(shard text) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT string_agg(format('%s=''%s''', option_name, option_value), ' ') || format(' user=''%s''', current_user)
	FROM pg_foreign_server, pg_options_to_table(srvoptions)
	WHERE srvname = shard AND option_name IN ('host', 'port', 'dbname')
$$;

-- The vectors come along: nothing is embedded.
CREATE PROCEDURE copy_partition(partition regclass, shard text) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM dblink_exec(shard_of(partition), format('CREATE PUBLICATION %I FOR TABLE %s', 'move_' || partition, partition));
	PERFORM dblink_exec(shard, format('CREATE SUBSCRIPTION %I CONNECTION %L PUBLICATION %1$I',
		'move_' || partition, connection_of(shard_of(partition))));
	WHILE EXISTS (SELECT FROM dblink(shard, format('SELECT srsubstate FROM pg_subscription_rel
		WHERE srrelid = %L::regclass AND srsubstate <> %L', partition, 'r')) AS s (state text))
	LOOP
		PERFORM pg_sleep(0.1);
	END LOOP;
END $$;

CREATE PROCEDURE switch_partition(partition regclass, shard text) LANGUAGE plpgsql AS $$
DECLARE
	name text := partition;
	move text := 'move_' || partition;
	old_shard text := shard_of(partition);
	bound text := pg_get_expr(relpartbound, oid) FROM pg_class WHERE oid = partition;
	target pg_lsn;
BEGIN
	-- Waits until nobody uses the table, and keeps others out until the end of the transaction.
	EXECUTE format('ALTER TABLE products DETACH PARTITION %s', name);
	SELECT lsn INTO target FROM dblink(old_shard, 'SELECT pg_current_wal_lsn()') AS l (lsn pg_lsn);
	WHILE EXISTS (SELECT FROM dblink(old_shard, format('SELECT slot_name FROM pg_replication_slots
		WHERE slot_name = %L AND confirmed_flush_lsn < %L', move, target)) AS s (name text))
	LOOP
		PERFORM pg_sleep(0.01);
	END LOOP;
	EXECUTE format('DROP FOREIGN TABLE %s', name);
	EXECUTE format('CREATE FOREIGN TABLE %s PARTITION OF products %s SERVER %I OPTIONS (schema_name %L, table_name %L)',
		name, bound, shard, 'public', name);
	COMMIT;
	PERFORM dblink_exec(shard, format('DROP SUBSCRIPTION %I', move));
	PERFORM dblink_exec(old_shard, format('DROP PUBLICATION %I', move));
	PERFORM dblink_exec(old_shard, format('DROP TABLE %s', name));
END $$;
