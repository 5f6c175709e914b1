import java.sql.*;

/** java -cp postgresql.jar Search.java 'jdbc:postgresql://localhost/postgres?user=postgres' 'green sleeveless summer wear' */
class Search {
    static final String SEARCH = "SELECT id, descriptions_embeddings <-> embed_text(?) AS distance, description "
            + "FROM products ORDER BY descriptions_embeddings <-> embed_text(?) LIMIT 3";

    public static void main(String[] args) throws SQLException {
        try (Connection connection = DriverManager.getConnection(args[0]);
                PreparedStatement statement = connection.prepareStatement(SEARCH)) {
            statement.setString(1, args[1]);
            statement.setString(2, args[1]);
            ResultSet rows = statement.executeQuery();
            while (rows.next()) {
                String description = rows.getString("description");
                System.out.printf("%d  %.4f  %s%n", rows.getLong("id"), rows.getDouble("distance"),
                        description.substring(0, Math.min(60, description.length())));
            }
        }
    }
}
