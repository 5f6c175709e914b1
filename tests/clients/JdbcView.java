// What a BI tool does with nothing but a JDBC URL: JdbcView.java URL
// Prints the number of bi.sql's products, and the nearest three.

import java.sql.*;

public class JdbcView {
	static void print(Connection on, String query) throws SQLException {
		try (Statement statement = on.createStatement(); ResultSet rows = statement.executeQuery(query)) {
			while (rows.next()) System.out.println(rows.getString(1));
		}
	}

	public static void main(String[] args) throws Exception {
		try (Connection on = DriverManager.getConnection(args[0])) {
			print(on, "SHOW catalog.query");
			print(on, "SELECT count(*) FROM product_search");
			print(on, "SELECT id FROM product_search LIMIT 3");
		}
	}
}
