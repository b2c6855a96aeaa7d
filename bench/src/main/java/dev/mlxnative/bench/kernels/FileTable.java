package dev.mlxnative.bench.kernels;

import com.github.freva.asciitable.AsciiTable;
import com.github.freva.asciitable.Column;
import com.github.freva.asciitable.ColumnData;
import com.github.freva.asciitable.HorizontalAlign;
import dev.mlxnative.bench.cli.Cells;
import dev.mlxnative.bench.kernels.FileResult.Outcome;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.StringJoiner;

/** The table of sources, and the counts below it. */
final class FileTable {

    private static final List<ColumnData<FileResult>> COLUMNS = List.of(
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
        Path folder = results.stream()
                .map(result -> Path.of(result.file()).toAbsolutePath())
                .reduce(FileTable::commonFolder)
                .map(FileTable::parent)
                .orElseThrow();
        List<ColumnData<FileResult>> columns = new ArrayList<>();
        columns.add(new Column()
                .header("file")
                .dataAlign(HorizontalAlign.LEFT)
                .with(result ->
                        String.valueOf(folder.relativize(Path.of(result.file()).toAbsolutePath()))));
        columns.addAll(COLUMNS);
        return AsciiTable.getTable(AsciiTable.BASIC_ASCII_NO_DATA_SEPARATORS, results, columns);
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

    /** A path whose parent both paths have: a file of the folder for a folder. */
    private static Path commonFolder(Path one, Path other) {
        Path folder = one;
        while (!other.startsWith(parent(folder))) {
            folder = parent(folder);
        }
        return folder;
    }

    private static Path parent(Path path) {
        Path parent = path.getParent();
        return parent == null ? path : parent;
    }

    private static int sampleSize(FileResult result) {
        return result.compiled() + result.failed().size();
    }
}
