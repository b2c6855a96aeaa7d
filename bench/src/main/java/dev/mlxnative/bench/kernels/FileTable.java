package dev.mlxnative.bench.kernels;

import com.github.freva.asciitable.AsciiTable;
import com.github.freva.asciitable.Column;
import com.github.freva.asciitable.ColumnData;
import com.github.freva.asciitable.HorizontalAlign;
import dev.mlxnative.bench.kernels.FileResult.Outcome;
import dev.mlxnative.bench.replay.Cells;
import java.nio.file.Path;
import java.util.List;
import java.util.StringJoiner;

/** The table of sources, and the counts below it. */
final class FileTable {

    private static final List<ColumnData<FileResult>> COLUMNS = List.of(
            new Column().header("file").dataAlign(HorizontalAlign.LEFT).with(FileTable::fileName),
            new Column()
                    .header("result")
                    .dataAlign(HorizontalAlign.LEFT)
                    .with(result -> result.outcome().label()),
            Cells.number("kernels", result -> Cells.count(result.kernels())),
            Cells.number("compiled", result -> Cells.count(result.compiled())),
            Cells.number("failed", result -> Cells.count(result.failed().size())),
            Cells.number("library", result -> Cells.format("%,.0f ms", result.libraryMillis())),
            Cells.number("kernel", result -> Cells.ratio("%,.0f ms", result.kernelMillis(), sampleSize(result))));

    private FileTable() {}

    static String of(List<FileResult> results) {
        return AsciiTable.getTable(AsciiTable.BASIC_ASCII_NO_DATA_SEPARATORS, results, COLUMNS);
    }

    /** One line with the number of files of each outcome, and with the kernels. */
    static String counts(List<FileResult> results) {
        StringJoiner counts = new StringJoiner(", ");
        counts.add(results.size() + " files");
        for (Outcome outcome : Outcome.values()) {
            long count = results.stream()
                    .filter(result -> result.outcome() == outcome)
                    .count();
            counts.add(count + " " + outcome.label());
        }
        counts.add(Cells.count(results.stream().mapToInt(FileResult::kernels).sum()) + " kernels");
        counts.add(Cells.count(results.stream().mapToInt(FileResult::compiled).sum()) + " of them compiled");
        return counts.toString();
    }

    private static String fileName(FileResult result) {
        return String.valueOf(Path.of(result.file()).getFileName());
    }

    private static int sampleSize(FileResult result) {
        return result.compiled() + result.failed().size();
    }
}
