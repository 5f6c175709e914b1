// The PostgreSQL JDBC driver and pg_embed: JdbcClient.java HOST PORT DATABASE USER
// The table products is there and empty. Stops at the first difference. The language is that of Java 11.

import java.io.*;
import java.sql.*;
import java.util.*;
import org.postgresql.PGConnection;
import org.postgresql.copy.CopyManager;

public class JdbcClient {
	static final String JOINED = "embed_text(concat_ws(' ', title, description))";
	static final String INSERT = "INSERT INTO products (id, title, description, price) VALUES (?, ?, ?, ?)";
	static final String COPY = "COPY products (id, title, description, price) FROM STDIN";
	static final String SEARCH = "SELECT id FROM products ORDER BY embedding <-> embed_text(?) LIMIT 3";
	static final String SET_PRICE = "UPDATE products SET price = ? WHERE id = ?";
	static final Object[][] ROWS = {
		{1, "Red dress", "sleeveless", 40}, {2, "Leather boots", null, 120}, {3, "Coffee machine", "makes espresso", 300},
		{4, "Garden hose", "20 m\tgreen", 25}, {5, "Acoustic guitar", "six strings", 180},
		{6, "Office chair", "it's adjustable", 90}, {7, "Winter coat", "wool \\ cashmere", 150},
		{8, null, "caf\u00e9 table", 60}, {9, "Tent", "for two\nor three", 110}};
	static final Object[][] WANTED = {{"espresso", 3}, {"musical instrument", 5}, {"furniture for the office", 6}};

	static void check(Object found, Object wanted, String what) {
		if (!found.equals(wanted)) throw new AssertionError("not ok - " + what + ": found " + found + ", wanted " + wanted);
		System.out.println("ok - " + what);
	}

	// The rows of the result, each as its columns joined by "|".
	static List<String> run(PreparedStatement statement, Object... values) throws SQLException {
		for (int i = 0; i < values.length; i++) {
			// Without a type, the string is what the server wants it to be: NULL, or a vector.
			if (values[i] == null || values[i].toString().startsWith("[")) statement.setObject(i + 1, values[i], Types.OTHER);
			else statement.setObject(i + 1, values[i]);
		}
		List<String> rows = new ArrayList<>();
		if (!statement.execute()) return rows;
		for (ResultSet result = statement.getResultSet(); result.next();) {
			String row = result.getString(1);
			for (int i = 2; i <= result.getMetaData().getColumnCount(); i++) row += "|" + result.getString(i);
			rows.add(row);
		}
		return rows;
	}

	static String one(Connection on, String query, Object... values) throws SQLException {
		try (PreparedStatement statement = on.prepareStatement(query)) { return run(statement, values).get(0); }
	}

	static void checkVectors(Connection on, int count, String what) throws SQLException {
		String query = "SELECT count(*), count(*) FILTER (WHERE embedding = " + JOINED + ") FROM products";
		check(one(on, query), count + "|" + count, what);
	}

	// The server keeps the prepared statement, and ran it with a generic plan.
	static void checkGeneric(Connection on, String statement, int count) throws SQLException {
		String query = "SELECT coalesce(sum(generic_plans), 0) >= ? FROM pg_prepared_statements WHERE statement LIKE ?";
		check(one(on, query, count, statement + "%"), "t", statement + ": prepared, with a generic plan");
	}

	public static void main(String[] args) throws Exception {
		String url = "jdbc:postgresql://" + args[0] + ":" + args[1] + "/" + args[2] + "?user=" + args[3];
		// One connection puts the values into the statement's text, the other prepares each statement on the server.
		Connection simple = DriverManager.getConnection(url + "&preferQueryMode=simple");
		Connection prepared = DriverManager.getConnection(url + "&prepareThreshold=1");
		System.out.println("# JDBC driver " + simple.getMetaData().getDriverVersion());

		PreparedStatement insert = simple.prepareStatement(INSERT);
		for (int i = 0; i < 2; i++) run(insert, ROWS[i]);
		checkVectors(simple, 2, "INSERT, simple");
		insert = prepared.prepareStatement(INSERT);
		for (int i = 2; i < ROWS.length; i++) run(insert, ROWS[i]);
		checkVectors(prepared, 9, "INSERT, prepared");
		checkGeneric(prepared, "INSERT", 1);

		CopyManager copy = prepared.unwrap(PGConnection.class).getCopyAPI();
		copy.copyIn(COPY, new StringReader("10\tKitchen knife\ttab\\there\t15\n11\tPillow\t\\N\t20\n"));
		checkVectors(prepared, 11, "COPY, text");
		ByteArrayOutputStream out = new ByteArrayOutputStream();
		copy.copyOut("COPY (SELECT * FROM (VALUES (12, 'Bicycle', E'line\\nbreak', 400), (13, NULL, 'desk lamp', 35)) v)"
			+ " TO STDOUT (FORMAT binary)", out);
		copy.copyIn(COPY + " (FORMAT binary)", new ByteArrayInputStream(out.toByteArray()));
		checkVectors(prepared, 13, "COPY, binary");

		List<String> found = run(simple.prepareStatement("SELECT embedding FROM products ORDER BY id"));
		check(found, run(simple.prepareStatement("SELECT " + JOINED + "::text FROM products ORDER BY id")), "vectors in text format");
		// The driver asks for a type it does not know in binary format only if its OID is named; -1: from the first time on.
		String oid = one(simple, "SELECT 'vector'::regtype::oid");
		try (Connection binary = DriverManager.getConnection(url + "&prepareThreshold=-1&binaryTransferEnable=" + oid)) {
			String query = "SELECT embedding, vector_send(" + JOINED + ") FROM products";
			for (ResultSet row = binary.prepareStatement(query).executeQuery(); row.next();)
				check(Arrays.toString(row.getBytes(1)), Arrays.toString(row.getBytes(2)), "vector in binary format, row " + row.getRow());
		}

		// A vector that no text has: it would not survive being computed again.
		String marker = Collections.nCopies(384, "0.5").toString();
		String marked = "SELECT embedding = ? FROM products WHERE id = 1";
		run(prepared.prepareStatement("UPDATE products SET embedding = ? WHERE id = 1"), marker);
		run(simple.prepareStatement(SET_PRICE), 1, 1);
		check(one(simple, marked, marker), "t", "UPDATE of the price, simple: same vector");
		PreparedStatement update = prepared.prepareStatement(SET_PRICE);
		for (Object[] row : ROWS) run(update, (Integer) row[3] + 1, row[0]);
		check(one(prepared, marked, marker), "t", "UPDATE of the price, prepared: same vector");
		checkGeneric(prepared, "UPDATE products SET price", 1);

		run(simple.prepareStatement("UPDATE products SET title = ? WHERE id = ?"), "Blue dress", 1);
		checkVectors(simple, 13, "UPDATE of the text, simple: new vector");
		update = prepared.prepareStatement("UPDATE products SET description = ? WHERE id = ?");
		for (Object[] row : ROWS) run(update, "edition " + row[0], row[0]);
		checkVectors(prepared, 13, "UPDATE of the text, prepared: new vectors");
		checkGeneric(prepared, "UPDATE products SET description", 1);

		// Left alone, the planner makes a new plan each time: it is cheaper with the query's vector as a constant.
		PreparedStatement search = prepared.prepareStatement(SEARCH);
		for (String mode : new String[] {"auto", "force_generic_plan"}) {
			run(prepared.prepareStatement("SET plan_cache_mode = " + mode));
			for (Object[] pair : WANTED) {
				check(one(simple, SEARCH, pair[0]), pair[1].toString(), "search for " + pair[0] + ", simple");
				for (int n = 0; n < 7; n++) {
					found = run(search, pair[0]);
					check(found.get(0) + " of " + found.size(), pair[1] + " of 3", "search for " + pair[0] + ", prepared, " + mode);
				}
			}
		}
		checkGeneric(prepared, "SELECT id", 21);
		prepared.close();
		simple.close();
	}
}
