package dev.mlxnative.examples.embed;

import com.github.freva.asciitable.AsciiTable;
import com.github.freva.asciitable.Column;
import com.github.freva.asciitable.ColumnData;
import com.github.freva.asciitable.HorizontalAlign;
import dev.mlxnative.bench.cli.Cells;
import dev.mlxnative.examples.minilm.Embedding;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;

/** The table of similarities: a row and a column for each sentence, from -1 to 1. */
final class SimilarityTable {

    /** The most sentences that fit a terminal. */
    private static final int SENTENCES = 12;

    private static final int WIDTH = 45;
    private static final String ELLIPSIS = "...";

    private final List<Embedding> embeddings;

    private SimilarityTable(List<Embedding> embeddings) {
        this.embeddings = embeddings;
    }

    /** The table of all embeddings, or of the first, and then a line says so. */
    static String of(List<Embedding> embeddings) {
        int shown = Math.min(embeddings.size(), SENTENCES);
        String table = new SimilarityTable(embeddings.subList(0, shown)).text();
        return shown == embeddings.size()
                ? table
                : table + System.lineSeparator() + "the first " + shown + " of " + Cells.count(embeddings.size())
                        + " sentences";
    }

    private String text() {
        List<Integer> rows = IntStream.range(0, embeddings.size()).boxed().toList();
        List<ColumnData<Integer>> columns = new ArrayList<>();
        columns.add(Cells.number("", SimilarityTable::number));
        columns.add(
                new Column().header("sentence").dataAlign(HorizontalAlign.LEFT).with(this::sentence));
        columns.add(
                Cells.number("tokens", row -> Cells.count(embeddings.get(row).tokens())));
        for (int column : rows) {
            columns.add(Cells.number(number(column), row -> Cells.format("%.2f", rounded(similarity(row, column)))));
        }
        return AsciiTable.getTable(AsciiTable.BASIC_ASCII_NO_DATA_SEPARATORS, rows, columns);
    }

    private static String number(int row) {
        return Cells.count(row + 1);
    }

    private String sentence(int row) {
        String line = embeddings.get(row).text().strip().replaceAll("\\s+", " ");
        if (line.codePointCount(0, line.length()) <= WIDTH) {
            return line;
        }
        return line.substring(0, line.offsetByCodePoints(0, WIDTH - ELLIPSIS.length())) + ELLIPSIS;
    }

    /** To two digits, and without a sign of 0. */
    private static double rounded(double similarity) {
        return Math.round(100 * similarity) / 100.0;
    }

    /** The cosine of two embeddings: their dot product, since each has length 1. */
    private double similarity(int row, int column) {
        float[] left = embeddings.get(row).values();
        float[] right = embeddings.get(column).values();
        double sum = 0;
        for (int i = 0; i < left.length; i++) {
            sum += (double) left[i] * right[i];
        }
        return sum;
    }
}
